"""Calls a function for many items, a few at a time, and yields the results in the order of the items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

MAX_AHEAD = 2  # calls per thread that are started before their result is needed: more would only take memory

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[tuple[Item, Future[Result]]]:
    """Call ``function`` for each of ``items`` on ``threads`` threads; yields each item with its completed call.

    Items are taken on the reader's thread. Once the generator is closed, no more calls start.
    """
    queue: SimpleQueue[tuple[Item, Future[Result]] | None] = SimpleQueue()
    started: deque[tuple[Item, Future[Result]]] = deque()
    workers = 0
    items = iter(items)
    try:
        while True:
            for item in items:
                call = item, Future[Result]()
                started.append(call)
                queue.put(call)
                if workers < threads:
                    # Daemons, unlike those of an executor: a running request does not keep the process alive.
                    workers += 1
                    name = f"download details {workers}"
                    threading.Thread(target=_run, args=(function, queue), name=name, daemon=True).start()
                if len(started) >= MAX_AHEAD * threads:
                    break
            if not started:
                return
            started[0][1].exception()  # waits for it
            yield started.popleft()
    finally:
        for _, future in started:
            future.cancel()
        for _ in range(workers):
            queue.put(None)


def _run(function: Callable[[Item], Result], queue: SimpleQueue[tuple[Item, Future[Result]] | None]) -> None:
    while (call := queue.get()) is not None:
        item, future = call
        if not future.set_running_or_notify_cancel():
            continue
        try:
            result = function(item)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
