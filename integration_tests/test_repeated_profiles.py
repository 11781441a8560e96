"""Profiles that change while `users` is read in full come twice: where nothing merges them, the sync says how many."""

import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from integration_tests.sandbox import PROJECT_TYPES, Sandbox
from integration_tests.support.sync import NOW, START, Output, connect, sync
from source_iterable.streams.repeats import KeySet, Repeats
from source_iterable.streams.users import Users
from source_iterable.windows import Window

CHANGED = 7
NEW = 3
CHANGE = "2024-03-10 12:30:00 +00:00"


@pytest.fixture(params=PROJECT_TYPES)
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project in which some profiles change, and some are new, while all windows but the last are read."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000, project_type=request.param) as running:
        connect(running, monkeypatch)
        there = [row for row in running.truth("user") if row.get(key_of(running))]
        for row in sorted(there, key=lambda row: str(row["profileUpdatedAt"]))[:: len(there) // CHANGED][:CHANGED]:
            running.add_event("user", row | {"profileUpdatedAt": CHANGE})
        for number in range(NEW):
            own = {"email": f"new{number}@example.com", "itblUserId": f"new{number}"}
            running.add_event("user", own | {"profileUpdatedAt": CHANGE})
        open_window = Users.open_window

        def an_hour_later(users: Users) -> Window:
            running.advance(hours=1)
            return open_window(users)

        monkeypatch.setattr(Users, "open_window", an_hour_later)
        yield running


def key_of(sandbox: Sandbox) -> str:
    return "email" if sandbox.options.project_type == "email" else "itblUserId"


def remarks(output: Output) -> list[str]:
    return [line for line in output.logs if "appear twice" in line]


def twice(output: Output, key: str) -> int:
    return sum(count > 1 for count in Counter(record[key] for record in output.records("users")).values())


@pytest.mark.parametrize("method", ["direct", "jobs"])
def test_given_profiles_that_change_meanwhile_when_overwritten_then_their_number_and_the_remedy_are_reported(
    sandbox: Sandbox, method: str
) -> None:
    output = sync(sandbox, "users", mode="full_refresh", to="overwrite", export_method=method)

    assert twice(output, key_of(sandbox)) == CHANGED
    assert output.statuses("users")[-1] == "COMPLETE"
    warning, summary = remarks(output)
    assert warning.startswith(f"WARN users: profiles that appear twice: {CHANGED}. ")
    assert "INFO users: complete: " in summary
    for line in (warning, summary):
        assert "Overwrite + Deduped" in line
        assert "Incremental | Append + Deduped" in line
        assert f"latest profileUpdatedAt of each {key_of(sandbox)}" in line


@pytest.mark.parametrize(
    ("mode", "to"), [("full_refresh", "append"), ("incremental", "append_dedup"), ("incremental", "append")]
)
def test_given_profiles_that_change_meanwhile_when_not_overwritten_then_nothing_is_reported(
    sandbox: Sandbox, mode: str, to: str
) -> None:
    output = sync(sandbox, "users", mode=mode, to=to)

    assert output.statuses("users")[-1] == "COMPLETE"
    assert not remarks(output)


def test_given_an_end_date_when_overwritten_then_no_profile_comes_twice(sandbox: Sandbox) -> None:
    output = sync(sandbox, "users", mode="full_refresh", to="overwrite", end_date="2024-03-10T12:00:00Z")

    assert twice(output, key_of(sandbox)) == 0
    assert not remarks(output)


def test_given_an_earlier_try_when_overwritten_then_the_number_is_a_least_one(sandbox: Sandbox) -> None:
    """What the earlier try emitted is not known."""
    state = [{"profileUpdatedAt": "2024-01-31T00:00:00Z", "settled": "2024-01-31T00:00:00Z"}]
    saved = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": state[0]}}]

    output = sync(sandbox, "users", mode="full_refresh", to="overwrite", state=saved)

    here = twice(output, key_of(sandbox))
    assert 0 < here < CHANGED
    assert all(f"profiles that appear twice: at least {here}." in line for line in remarks(output))


def test_keys_are_counted_once_however_often_they_come() -> None:
    repeats = Repeats()
    for key in ("a", "b", 3, "\ud800"):
        repeats.emitted(key, may_repeat=False)

    for key in ("a", "new", "a", "3", "new"):
        repeats.emitted(key, may_repeat=True)

    assert len(repeats.keys) == 3
    assert repeats.is_complete


def test_more_keys_than_there_is_room_for_are_not_remembered() -> None:
    repeats = Repeats(max_keys=10)
    for number in range(20):
        repeats.emitted(str(number), may_repeat=False)

    for number in range(20):
        repeats.emitted(str(number), may_repeat=True)

    assert len(repeats.keys) == 10
    assert not repeats.is_complete


def test_keys_take_little_memory_and_are_rarely_mistaken() -> None:
    keys, number = KeySet(), 1_000_000
    for one in range(number):
        keys.add(f"user{one}@example.com")

    assert len(keys) == number
    assert sys.getsizeof(keys) < 20 * number  # at 20 million keys, less than five bytes each
    assert all(f"user{one}@example.com" in keys for one in range(0, number, 999))
    assert sum(f"other{one}@example.com" in keys for one in range(10_000)) <= 1
