"""Exam of a webhook receiver: messages as the vendor sends them, and as an attacker would, with a grade for each."""

from kaspi_delivery_async.sandbox.conformance.exam import examine
from kaspi_delivery_async.sandbox.conformance.report import Report, Result, Row
from kaspi_delivery_async.sandbox.conformance.target import TargetError

__all__ = ["Report", "Result", "Row", "TargetError", "examine"]
