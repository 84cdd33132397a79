"""Age of a key: by the clock that has advanced further, whatever is done to either."""

from hypothesis import given
from hypothesis import strategies as st

from kaspi_delivery_async._wire.idempotency_keys import KeyAge, Moment

HOUR = 3600.0
DAY = 24 * HOUR

steps = st.lists(st.tuples(st.floats(-DAY, DAY), st.floats(0, DAY)), min_size=1, max_size=8)


@given(steps)
def test_a_key_is_as_old_as_either_clock_says_and_never_gets_younger(steps: list[tuple[float, float]]) -> None:
    first = now = Moment(1e9, 50.0)
    age, before = KeyAge(first), 0.0
    for wall, monotonic in steps:
        now = Moment(now.wall + wall, now.monotonic + monotonic)
        seconds = age.at(now)
        assert seconds >= max(now.wall - first.wall, now.monotonic - first.monotonic) - 1e-3
        assert seconds >= before
        before = seconds


def test_a_suspended_machine_ages_its_keys_even_if_its_clock_is_set_back_later() -> None:
    age = KeyAge(Moment(0, 0), seconds=HOUR)
    assert age.at(Moment(22 * HOUR, 1)) == 23 * HOUR
    assert age.at(Moment(2 * HOUR, 2)) == 23 * HOUR + 1
