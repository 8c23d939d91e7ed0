"""Work that this process and others beside it share, with the results in order.

This process works too. Another costs a start and its imports, as much time as tagging 20,000 notes; where it only waited for the others, two workers
on a machine with two cores would begin with nothing to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

__all__ = ["Workers"]

R = TypeVar("R")

# Each process works on one core; their number is the caller's choice.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Workers:
    """Processes for one job, to be used in a ``with`` statement.

    Parameters
    ----------
    count : int
        How many work, this one among them.
    ready : callable
        What the others do first, such as imports; it is not waited for.

    Examples
    --------
    >>> with Workers(1, ready=int) as workers:
    ...     list(workers.map(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """

    def __init__(self, count: int, ready: Callable[[], object]) -> None:
        self._others: Any = None
        # One task in hand and one in the queue for each, and one more: while this process works on its own it gives out none.
        self._room = 2 * (count - 1) + 1 if count > 1 else 0
        if count > 1:
            # Unlike those of the standard library its processes do not run the caller's script anew, so they work in scripts and notebooks alike.
            from joblib.externals.loky import ProcessPoolExecutor

            self._others = ProcessPoolExecutor(count - 1, env=dict.fromkeys(_THREADS, "1"))
            for _ in range(count - 1):
                self._others.submit(ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._others is not None:
            self._others.shutdown(wait=True, kill_workers=error is not None)

    def map(self, function: Callable[..., R], tasks: Iterable[tuple[Any, ...]]) -> Iterator[R]:
        """Results of ``function(*task)`` for each task, in their order; tasks are taken from their iterable as they can be worked on."""
        given: deque[Future[R]] = deque()
        for task in tasks:
            if sum(not future.done() for future in given) < self._room:
                given.append(self._others.submit(function, *task))
            else:
                done: Future[R] = Future()
                done.set_result(function(*task))
                given.append(done)
            while given and given[0].done():
                yield given.popleft().result()
        while given:
            yield given.popleft().result()
