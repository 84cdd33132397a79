"""Runs of many seeds: in several processes, with what broke shrunk to the faults that it takes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import attrs

from tests.simulation.schedule import draw_schedule
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.simulation.schedule import Fault


@attrs.frozen(kw_only=True)
class Figures:
    """What some seeds came to."""

    seeds: int = 0
    hours: float = 0.0
    """Of the vendor's time."""
    faults: int = 0
    kills: int = 0
    requests: int = 0
    webhooks: int = 0
    deliveries: int = 0
    broken: tuple[int, ...] = ()
    """Seeds in which an invariant did not hold."""

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            **{field.name: getattr(self, field.name) + getattr(other, field.name) for field in attrs.fields(Figures)}
        )

    def __str__(self) -> str:
        return (
            f"{self.seeds:,} seeds, {self.hours:,.0f} virtual hours, {self.faults:,} faults, {self.kills:,} processes "
            f"killed, {self.requests:,} requests, {self.webhooks:,} webhook attempts, {self.deliveries:,} deliveries; "
            f"invariants broken in {len(self.broken)} seeds"
        )


def figures_of(world: World) -> Figures:
    """Sum up one world."""
    return Figures(
        seeds=1,
        hours=world.hours(),
        faults=len(world.faults),
        kills=sum(what == "killed" for _, _, what in world.timeline),
        requests=world.vendor.requests.total,
        webhooks=world.vendor.webhook_attempts.total,
        deliveries=len(world.vendor.deliveries),
        broken=(world.seed,) if world.violations else (),
    )


def run_seeds(seeds: Iterable[int]) -> Figures:
    """Run some seeds, one after the other."""
    return sum((figures_of(World(seed).run()) for seed in seeds), Figures())


def run_in_processes(seeds: range, *, jobs: int, batch: int = 50) -> Iterator[Figures]:
    """Run seeds side by side; yield the figures of each batch."""
    batches = [range(start, min(start + batch, seeds.stop)) for start in range(seeds.start, seeds.stop, batch)]
    if jobs == 1:
        yield from map(run_seeds, batches)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run_seeds, batches)


def shrink(seed: int, faults: Sequence[Fault], *, broken: Callable[[int, Sequence[Fault]], list[str]]) -> list[Fault]:
    """Leave out every fault without which the same invariant breaks still; ``broken`` runs a seed with some faults."""
    needed, invariants = list(faults), broken(seed, faults)
    for fault in faults:
        fewer = [one for one in needed if one is not fault]
        if invariants and invariants[0] in broken(seed, fewer):
            needed = fewer
    return needed


def run_with(seed: int, faults: Sequence[Fault]) -> World:
    """Run a world with these faults."""
    return World(seed, faults).run()


def explain(seed: int) -> str:
    """Say what broke under a seed: the faults that it takes, the timeline, and the command that repeats it."""
    drawn = draw_schedule(seed)
    needed = shrink(seed, drawn, broken=lambda *world: [name for name, _ in run_with(*world).violations])
    world = run_with(seed, needed)
    numbers = ",".join(str(drawn.index(fault)) for fault in needed)
    return "\n".join(
        [
            f"seed {seed}, {len(needed)} of {len(drawn)} faults:",
            *(f"  {fault}" for fault in needed),
            *world.lines(),
            *(f"NOT KEPT: {invariant}: {what}" for invariant, what in world.violations),
            f"Repeat it: python -m tests.simulation --seed {seed} --faults '{numbers}'",
        ]
    )
