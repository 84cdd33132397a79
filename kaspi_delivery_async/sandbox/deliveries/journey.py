"""How long the legs of a delivery take when it moves along by itself."""

import math

import attrs

from kaspi_delivery_async.sandbox.deliveries import lifecycle, seeded

PICKUP_PROMISE = 2 * 3600.0
DELIVERY_PROMISE = 10 * 3600.0
"""The promises of a delivery without a journey, in seconds: those of the documented example. Source: CD."""


def _leg(value: tuple[float, float]) -> tuple[float, float]:
    shortest, longest = value
    if not 0 <= shortest <= longest < math.inf:
        raise ValueError(f"a leg of a journey takes from 0 to finitely many seconds, shortest first, not {value!r}")
    return float(shortest), float(longest)


@attrs.frozen(kw_only=True)
class Journey:
    """Shortest and longest duration of each leg, in seconds of the sandbox clock.

    Each delivery gets its own durations within these bounds, drawn from the seed.

    Raises:
        ValueError: A duration is negative or not finite, or the shortest exceeds the longest.

    """

    accept: tuple[float, float] = attrs.field(default=(60.0, 600.0), converter=_leg)
    """From ``created`` to ``accepted``."""
    pickup: tuple[float, float] = attrs.field(default=(900.0, 3600.0), converter=_leg)
    """From ``accepted`` to ``in_transit``."""
    transit: tuple[float, float] = attrs.field(default=(1800.0, 7200.0), converter=_leg)
    """From ``in_transit`` to ``out_for_delivery``."""
    last_mile: tuple[float, float] = attrs.field(default=(600.0, 3600.0), converter=_leg)
    """From ``out_for_delivery`` to ``delivered``."""

    def legs(self) -> dict[str, tuple[float, float]]:
        """Map each status to the bounds of the leg that leads on from it."""
        durations = (self.accept, self.pickup, self.transit, self.last_mile)
        return dict(zip(lifecycle.SEQUENCE[:-1], durations, strict=True))


def leg_seconds(journey: Journey, *, seed: int, delivery_id: str, status: str) -> float | None:
    """Return how long a delivery stays in a status, ``None`` where it stays for good."""
    bounds = journey.legs().get(status)
    if bounds is None:
        return None
    shortest, longest = bounds
    return shortest + (longest - shortest) * seeded.fraction(seed, delivery_id, status)


def promises(journey: Journey | None) -> tuple[float, float]:
    """Return within how many seconds the pickup and the delivery are promised; a journey always keeps them."""
    if journey is None:
        return PICKUP_PROMISE, DELIVERY_PROMISE
    pickup = journey.accept[1] + journey.pickup[1]
    return pickup, pickup + journey.transit[1] + journey.last_mile[1]
