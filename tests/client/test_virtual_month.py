"""Everything that happens to a service in months, on virtual time; `benchmarks.month` says what."""

import pytest

from benchmarks.month.run import run


@pytest.mark.newest
@pytest.mark.parametrize(
    ("days", "orders", "rounds"), [(1, 20, 1), pytest.param(30, 50_000, 4, marks=pytest.mark.long)]
)
def test_months_of_failures_order_no_courier_twice_and_keep_no_call_from_recovering(
    days: float, orders: int, rounds: int
) -> None:
    report = run(days=days, orders=orders, rounds=rounds)
    assert report.broken_promises() == []
    assert report.calls > (3_000 if days == 1 else 100_000)
    # A night ends with what the last call left, and that goes within seconds.
    assert report.samples[-1].connections <= 2
