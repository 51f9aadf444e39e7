"""Parts of a set that are needed soon are fetched by threads, so that readers need not wait."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

_THREADS = 4
_log = logging.getLogger(__name__)


class ReadAhead:
    """Fetches the parts that batches need, in their order, some before their batch's turn.

    Args:
        batches: the parts that each batch of an epoch needs.
        fetch: fetches one; what it raises is left to who reads.
        ahead: so many parts at most that no batch has needed yet.
        keep: called, before a part is fetched, with each that is there and needed further.

    Example:
        >>> fetched = []
        >>> ahead = ReadAhead(iter([[3, 1], [1, 2], [4]]), fetched.append, 1)
        >>> ahead.step()  # the first batch is read now
        >>> ahead.close(wait=True)
    """

    def __init__(
        self,
        batches: Iterator[Sequence[int]],
        fetch: Callable[[int], None],
        ahead: int,
        *,
        keep: Callable[[int], None] | None = None,
    ) -> None:
        self._batches, self._fetch, self._ahead, self._keep = batches, fetch, ahead, keep
        self._changed = threading.Condition()
        self._turn = -1  # the batch that is read now
        self._looked = -1  # the last batch whose parts are known
        self._seen: set[int] = set()
        self._coming: deque[Sequence[int]] = deque()  # parts of this batch and those looked at
        self._needed: Counter[int] = Counter()  # in how many of these
        self._due: deque[int] = deque()  # parts to fetch
        self._early: deque[int] = deque()  # of each part that is fetched before its turn, the batch
        self._closed = False
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def step(self) -> None:
        """The next batch is read now."""
        with self._changed:
            self._turn += 1
            if self._turn and self._coming:
                self._needed -= Counter(self._coming.popleft())  # what was read until now
            while self._early and self._early[0] <= self._turn:
                self._early.popleft()
            while self._looked < self._turn or len(self._early) < self._ahead:
                parts = next(self._batches, None)
                if parts is None:
                    break
                self._look(parts)
            self._changed.notify_all()

    def close(self, *, wait: bool = False) -> None:
        """Fetches no other part.

        Args:
            wait: until what is being fetched is there.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads if wait else ():
            thread.join()

    def _run(self) -> None:
        while (part := self._next()) is not None:
            try:
                self._keep_others()
                self._fetch(part)
            except Exception as error:
                _log.debug("not fetched ahead: %s", error)

    def _next(self) -> int | None:
        """The next part to fetch; ``None`` at the end."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                if self._due:
                    return self._due.popleft()
                self._changed.wait()

    def _keep_others(self) -> None:
        if self._keep is None:
            return
        with self._changed:
            others = [part for part in self._needed if part not in self._due]
        for part in others:
            self._keep(part)

    def _look(self, parts: Sequence[int]) -> None:
        self._looked += 1
        self._coming.append(parts)
        self._needed.update(parts)
        for part in parts:
            if part not in self._seen:
                self._seen.add(part)
                self._due.append(part)
                if self._looked > self._turn:
                    self._early.append(self._looked)
