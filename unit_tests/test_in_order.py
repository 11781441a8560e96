"""Calls that are made a few at a time, and whose results come in order."""

import threading

import pytest

from source_iterable.prefetch.in_order import MAX_AHEAD, in_order


def test_calls_are_made_side_by_side_and_their_results_come_in_order() -> None:
    together = threading.Barrier(4, timeout=30)

    def call(number: int) -> int:
        together.wait()  # none comes back before four are under way
        return number * number

    assert [(item, future.result()) for item, future in in_order(call, range(12), 4)] == [
        (number, number * number) for number in range(12)
    ]


def test_no_more_begin_than_a_few_for_each_thread() -> None:
    begun: list[int] = []
    calls = in_order(begun.append, iter(range(1000)), 4)

    for _ in range(10):
        next(calls)
    calls.close()

    assert len(begun) <= 10 + 4 * MAX_AHEAD


def test_what_a_call_raises_comes_with_its_item() -> None:
    def call(number: int) -> int:
        return 1 // number

    results = list(in_order(call, [1, 0, 1], 2))

    assert [item for item, _ in results] == [1, 0, 1]
    assert isinstance(results[1][1].exception(), ZeroDivisionError)
    assert results[2][1].result() == 1


def test_of_nothing_nothing_comes() -> None:
    assert list(in_order(str, [], 4)) == []


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_when_it_is_closed_its_threads_end(taken: int) -> None:
    threads: set[threading.Thread] = set()

    calls = in_order(lambda _: threads.add(threading.current_thread()), range(100), 4)
    for _ in range(taken):
        next(calls)
    calls.close()

    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
