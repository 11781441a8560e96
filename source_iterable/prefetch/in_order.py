"""A function called for many things, a few at a time, whose results come in the order of the things."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

AHEAD = 2  # things of each thread that are begun or done before their turn: more would only wait in memory

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[tuple[Item, Future[Result]]]:
    """Call ``function`` for each of ``items`` on so many threads; each item comes with what became of its call.

    Items are taken on the thread of the reader. When the generator is closed, no other call begins.
    """
    calls: SimpleQueue[tuple[Item, Future[Result]] | None] = SimpleQueue()
    begun: deque[tuple[Item, Future[Result]]] = deque()
    workers = 0
    items = iter(items)
    try:
        while True:
            for item in items:
                call = item, Future[Result]()
                begun.append(call)
                calls.put(call)
                if workers < threads:
                    # Daemons, unlike those of an executor: a request under way keeps no ended process alive.
                    workers += 1
                    name = f"download details {workers}"
                    threading.Thread(target=_work, args=(function, calls), name=name, daemon=True).start()
                if len(begun) >= AHEAD * threads:
                    break
            if not begun:
                return
            begun[0][1].exception()  # waits for it
            yield begun.popleft()
    finally:
        for _, future in begun:
            future.cancel()
        for _ in range(workers):
            calls.put(None)


def _work(function: Callable[[Item], Result], calls: SimpleQueue[tuple[Item, Future[Result]] | None]) -> None:
    while (call := calls.get()) is not None:
        item, future = call
        if not future.set_running_or_notify_cancel():
            continue
        try:
            result = function(item)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
