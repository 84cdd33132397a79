"""The journal of a bulk run: what was sent under which key, so that a run can be resumed after a crash."""

from kaspi_delivery_async.bulk.journal.entries import JournalEntry, JournalTotals
from kaspi_delivery_async.bulk.journal.journal import Journal

__all__ = ["Journal", "JournalEntry", "JournalTotals"]
