"""A machine on virtual time: an event loop whose clock jumps over every wait, and processes that can be killed."""

from __future__ import annotations

import asyncio
import warnings
from collections import defaultdict
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine
    from contextvars import Context

PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)
"""The process that code runs in; None for the vendor, and for the world itself."""

THREAD_HOP = (0.0005, 0.004)
"""Seconds that a piece of work takes in a thread."""

LAST_AWAITS = 50
"""How often a coroutine that is closed may await something all the same."""


class StuckError(Exception):
    """Everything waits, and nothing will ever happen: a wake-up was lost."""


class Killed(BaseException):
    """Ends what a thread of a killed process was doing."""


class Process:
    """A program. When it is killed, nothing of it runs any more, at whichever await it was."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.steps = 0
        """Callbacks and steps of tasks that it has made: between any two of them it can be killed."""
        self.dies_at: int | None = None
        """The step at which it is killed."""
        self.on_death: list[Callable[[], object]] = []
        """What the operating system does when it ends: closes its sockets and files."""
        self.main: asyncio.Task[Any] | None = None

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run the program."""
        context = copy_context()
        context.run(PROCESS.set, self)
        self.main = asyncio.get_running_loop().create_task(work, context=context)
        return self.main

    def run(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Make a step, unless it is dead."""
        if self.dies_at is not None and self.steps >= self.dies_at:
            self.kill()
        if self.is_alive:
            self.steps += 1
            callback(*arguments)

    def kill(self) -> None:
        """End it as SIGKILL does."""
        if self.is_alive:
            self.is_alive = False
            for end in self.on_death:
                end()


class Loop(asyncio.BaseEventLoop):
    """An event loop without sockets and threads: work for threads is done in a moment that is drawn."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self.now = 0.0
        self.thread_delay: Callable[[], float] = lambda: draw.uniform(*THREAD_HOP)
        self._draw = draw
        self._free_at: defaultdict[Any, float] = defaultdict(float)
        """When the thread of each executor has done what it was given."""
        self._owners: WeakKeyDictionary[asyncio.Task[Any], Process | None] = WeakKeyDictionary()
        self._selector = self  # what `BaseEventLoop` waits with
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self.now

    def select(self, timeout: float | None) -> list[Any]:
        """Jump to the next timer."""
        if timeout is None:
            raise StuckError
        self.now += timeout
        return []

    def _process_events(self, event_list: object) -> None:
        """Do nothing: there are no sockets."""

    def _write_to_self(self) -> None:
        """Do nothing: there are no threads that could wake it."""

    def call_soon(  # type: ignore[override] # in fewer words
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(process.run, callback, *args, context=context)

    def call_at(  # type: ignore[override] # likewise
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, process.run, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override] # likewise
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Do a piece of work in a moment, after what the executor was given before; a kill may come first."""
        result: asyncio.Future[Any] = self.create_future()
        process = PROCESS.get()

        def work() -> None:
            if result.cancelled() and self._draw.random() < 0.5:
                return  # the thread had not begun with it
            try:
                value = func(*args)
            except Killed:
                if process is not None:
                    process.kill()
            except Exception as error:  # noqa: BLE001 - it goes to the waiting task
                if not result.done():
                    result.set_exception(error)
            else:
                if not result.done():
                    result.set_result(value)

        start = max(self.now, self._free_at[executor]) if executor is not None else self.now
        end = self._free_at[executor] = start + self.thread_delay()
        self.call_at(end, work)
        return result

    def tasks_of(self, process: Process | None) -> list[asyncio.Task[Any]]:
        """Return what a process has not brought to an end."""
        return [task for task in asyncio.all_tasks(self) if self.owner(task) is process]

    def bury(self) -> None:
        """Let go of what killed processes were doing, so that no garbage collection runs a part of it later."""
        left: list[Any] = [task for task in asyncio.all_tasks(self) if self.owner(task) is not None]
        for task in left:
            task._log_destroy_pending = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for task in left:
                _close(task.get_coro())

    def owner(self, task: Any) -> Process | None:
        """Return the process that a task belongs to."""
        if hasattr(task, "get_context"):
            owner: Process | None = task.get_context().get(PROCESS)
            return owner
        return self._owners.get(task)  # before Python 3.12

    def _make_task(self, _loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        context = options.get("context")
        if context is not None and PROCESS not in context:  # of a task that is to know nothing of its maker
            context.run(PROCESS.set, PROCESS.get())
        task = asyncio.Task(coro, loop=self, **options)
        self._owners[task] = PROCESS.get() if context is None else context[PROCESS]
        return task


def _close(coroutine: Any) -> None:
    """Close a coroutine, whatever it still wants to await."""
    for _ in range(LAST_AWAITS):
        try:
            coroutine.close()
        except RuntimeError as error:
            if "ignored GeneratorExit" in str(error):
                continue
        except BaseException:  # noqa: BLE001, S110 - nobody is there to be concerned
            pass
        return
