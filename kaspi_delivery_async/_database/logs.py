"""Keeps phones and addresses out of SQLAlchemy's log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

LOGGING_NAME = "kaspi_delivery"
"""What SQLAlchemy appends to the name of our engines' logger."""


def keep_rows_out_of_logs(engine: Engine) -> None:
    """Drop the rows that an engine of the name `LOGGING_NAME` logs at DEBUG; ``hide_parameters`` does not hide them."""
    logger = engine.logger
    (logger if isinstance(logger, logging.Logger) else logger.logger).addFilter(_is_without_rows)


def _is_without_rows(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO
