import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_iterable.windows import SECOND, Width, Window

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)

SPANS = st.builds(
    lambda offset, length: Window(START + offset, START + offset + length),
    st.timedeltas(min_value=timedelta(), max_value=timedelta(days=4000)).map(lambda d: d // SECOND * SECOND),
    st.integers(min_value=1, max_value=10**8).map(lambda seconds: seconds * SECOND),
)


@given(SPANS, st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=5000)))
def test_the_parts_of_a_cut_are_adjacent_complete_and_not_too_wide(span: Window, width: timedelta) -> None:
    head, rest = span.cut(width)

    assert head.start == span.start
    assert head.width <= max(width, SECOND)
    assert head.width % SECOND == timedelta()
    assert (rest.start, rest.end) == (head.end, span.end) if rest else head == span
    assert rest is None or rest.start < rest.end


def test_a_window_as_text_is_its_start_and_end() -> None:
    assert str(Window(START, START + DAY)) == "2024-01-01T00:00:00Z to 2024-01-02T00:00:00Z"


def window(width: timedelta) -> Window:
    return Window(START, START + width)


def test_small_bodies_double_the_width_up_to_a_year() -> None:
    width = Width(30 * DAY)

    seen = []
    for _ in range(6):
        seen.append(width.current // DAY)
        width.delivered(window(width.current), 1000)

    assert seen == [30, 60, 120, 240, 365, 365]


def test_a_large_body_resets_a_widened_width_at_once() -> None:
    width = Width(30 * DAY)
    for _ in range(3):
        width.delivered(window(width.current), 1000)

    width.delivered(window(width.current), 80_000_000)

    assert width.current == 30 * DAY


def test_bodies_of_medium_size_do_not_change_the_width() -> None:
    width = Width(30 * DAY)

    width.delivered(window(30 * DAY), 20_000_000)

    assert width.current == 30 * DAY


def test_failures_halve_the_width_down_to_one_second() -> None:
    width = Width(30 * DAY)

    steps = 0
    while width.current > SECOND:
        width.refused(window(width.current))
        steps += 1

    assert steps == 22  # log2 of a month of seconds, rounded up
    assert width.current == SECOND


def test_a_widened_window_that_fails_resets_the_width_and_is_not_tried_again() -> None:
    width = Width(30 * DAY)
    for _ in range(4):
        width.delivered(window(width.current), 1000)

    width.refused(window(width.current))
    after_the_failure = width.current
    for _ in range(6):
        width.delivered(window(width.current), 1000)

    assert after_the_failure == 30 * DAY
    assert width.current <= 183 * DAY


def test_windows_requested_at_another_width_do_not_change_the_width() -> None:
    width = Width(30 * DAY)
    width.refused(window(30 * DAY))

    width.refused(window(30 * DAY))  # was requested before the width shrank
    width.delivered(window(DAY), 10)  # the end of a time range

    assert width.current == 15 * DAY


def test_a_narrowed_width_is_kept_and_a_greater_one_is_tried_with_one_window() -> None:
    width = Width(32 * DAY)
    for _ in range(3):
        width.refused(window(width.current))

    seen = []
    for _ in range(5):
        requested = width.trial or width.current
        seen.append(requested // DAY)
        width.delivered(window(requested), 1_000_000)

    assert seen == [4, 4, 4, 4, 6]
    assert (width.current, width.trial) == (6 * DAY, None)


def test_a_trial_that_fails_changes_only_the_patience() -> None:
    width = Width(32 * DAY)
    for _ in range(3):
        width.refused(window(width.current))
    for _ in range(4):
        width.delivered(window(width.current), 1_000_000)

    width.trial_failed()

    waited = 0
    while width.trial is None:
        width.delivered(window(width.current), 1_000_000)
        waited += 1
    assert (width.current, waited) == (4 * DAY, 8)


@pytest.mark.parametrize("limit", [timedelta(days=10), timedelta(hours=7), timedelta(seconds=10)])
def test_a_fixed_limit_causes_few_failures(limit: timedelta) -> None:
    """The width is found by halving; afterwards greater widths are tried ever more rarely."""
    width = Width(30 * DAY)
    failures = delivered = 0

    while delivered < 1000:
        trial = width.trial
        requested = trial or width.current
        if requested <= limit:
            width.delivered(window(requested), round(1e7 * (requested / limit)))
            delivered += 1
        else:
            width.trial_failed() if trial else width.refused(window(requested))
            failures += 1

    assert failures <= math.ceil(math.log2(30 * DAY / limit)) + 8
    assert width.current * 3 > limit


def test_after_a_busy_hour_the_width_grows_back_in_a_quiet_month() -> None:
    width = Width(30 * DAY)
    while width.current > timedelta(minutes=1):
        width.refused(window(width.current))
    width.delivered(window(width.current), 10_000_000)

    steps = 0
    while width.current < 30 * DAY:
        width.delivered(window(width.current), 1000)
        steps += 1

    assert steps <= 17
