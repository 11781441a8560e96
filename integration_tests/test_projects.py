"""Projects identify people by email address, by user id, or by either: every stream comes exactly in all three."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from integration_tests.sandbox import PROJECT_TYPES, Fault, Sandbox, Size
from integration_tests.support.expected import (
    CURSORS,
    EVENT_TABLES,
    KEYS,
    TRUTH_OF,
    Record,
    assert_exact,
    expected,
    merged,
)
from integration_tests.support.observed import LISTS
from integration_tests.support.rules import for_each
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    catalog_here,
    configured,
    connect,
    read_here,
    sync,
)

TABLES = tuple(TRUTH_OF)
SIZE = Size(events=40, users=24, lists=6, users_per_list=20, campaigns=6, templates=8, metadata_keys=3)

Catalog = dict[str, Any]


def keys_of(kind: str) -> dict[str, list[str]]:
    """The primary keys of the streams in a project of that type."""
    return KEYS | ({} if kind == "email" else {"users": ["itblUserId"]})


def serving(kind: str, patch: pytest.MonkeyPatch, **options: Any) -> Sandbox:
    """A project of that type, which the connector asks when it runs in this process."""
    sandbox = Sandbox(size=SIZE, start=START, now=NOW, rate_scale=10_000, project_type=kind, **options)
    sandbox.start()
    connect(sandbox, patch)
    return sandbox


def truth(sandbox: Sandbox, catalog: Catalog, table: str) -> list[Record]:
    """The records that a stream must have; members of lists are requested by user id where these are unique."""
    (schema,) = [one["stream"]["json_schema"] for one in catalog["streams"] if one["stream"]["name"] == table]
    by_user_id = table == "list_users" and sandbox.options.project_type != "email"
    return expected(table, sandbox.truth("list_users_by_user_id" if by_user_id else TRUTH_OF[table]), schema)


class Synced:
    """Two syncs of a project, and what it held at each."""

    def __init__(self, kind: str, sandbox: Sandbox) -> None:
        """Read, let it change, and read again from the state."""
        self.kind = kind
        self.sandbox = sandbox
        self.discovered = catalog_here(sandbox)
        self.catalog = configured(self.discovered, TABLES)
        self.first = read_here(sandbox, self.catalog)
        self.then = {table: truth(sandbox, self.catalog, table) for table in TABLES}
        self.lists_asked = [request.params for request in sandbox.requests if request.endpoint == LISTS]
        sandbox.advance(days=2)
        sandbox.grow(20, users=13)
        sandbox.delete_list(sandbox.truth("lists")[2]["id"])
        sandbox.advance(minutes=2)
        self.second = read_here(sandbox, self.catalog, self.first.state)
        self.now = {table: truth(sandbox, self.catalog, table) for table in TABLES}


@pytest.fixture(scope="module", params=PROJECT_TYPES)
def synced(request: pytest.FixtureRequest) -> Iterator[Synced]:
    with pytest.MonkeyPatch.context() as patch:
        sandbox = serving(request.param, patch)
        yield Synced(request.param, sandbox)
        sandbox.stop()


@pytest.fixture(params=["userid", "hybrid"])
def sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project that does not identify people by email address."""
    running = serving(request.param, monkeypatch)
    yield running
    running.stop()


def test_given_a_project_when_discovered_then_people_are_keyed_by_what_is_unique_there(synced: Synced) -> None:
    streams = {stream["name"]: stream for stream in synced.discovered["streams"]}

    for table, key in keys_of(synced.kind).items():
        assert [name for (name,) in streams[table]["source_defined_primary_key"]] == key, table


def test_given_a_project_when_synced_then_all_is_complete(synced: Synced) -> None:
    assert not synced.first.errors + synced.second.errors
    for output in synced.first, synced.second:
        assert {output.statuses(table)[-1] for table in TABLES} == {"COMPLETE"}


@for_each("table", TABLES)
def test_given_a_project_when_synced_then_exactly_its_rows(synced: Synced, table: str) -> None:
    assert synced.then[table]
    assert_exact(synced.first.records(table), synced.then[table], table)


@for_each("table", TABLES)
def test_given_a_project_when_synced_then_keys_are_unique_and_not_null(synced: Synced, table: str) -> None:
    names = keys_of(synced.kind)[table]
    keys = Counter(tuple(record[name] for name in names) for record in synced.first.records(table))

    assert all(part is not None for key in keys for part in key)
    assert keys.total() - len(keys) == (table == "email_open"), "the sandbox's one pair of identical events"


@for_each("table", TABLES)
def test_given_changes_when_synced_again_then_merging_gives_the_truth(synced: Synced, table: str) -> None:
    key = keys_of(synced.kind)[table]
    batches = [synced.first.records(table), synced.second.records(table)]

    held = merged(batches if table in CURSORS else batches[1:], key)

    assert_exact(held, merged([synced.now[table]], key), table)


def test_given_a_project_when_synced_then_people_who_share_what_is_not_unique_are_all_there(synced: Synced) -> None:
    users = synced.first.records("users")
    shared = {"email": "userId", "userid": "email"}.get(synced.kind)

    assert len(users) == SIZE.users
    for name in ("email", "userId"):
        values = Counter(user[name] for user in users if user.get(name) is not None)
        assert any(count > 1 for count in values.values()) == (name == shared), name


def test_given_a_project_when_synced_then_members_are_asked_for_by_what_is_unique_there(synced: Synced) -> None:
    asked = [params.get("preferUserId") for params in synced.lists_asked]

    assert len(asked) == SIZE.lists
    assert set(asked) == ({None} if synced.kind == "email" else {"true"})


def test_given_a_project_when_synced_then_every_event_of_a_person_tells_whose_it_is(synced: Synced) -> None:
    for table in EVENT_TABLES:
        for record in synced.first.records(table):
            assert record.get("email") or record.get("userId") or record.get("itblUserId"), table


# Both transports


def test_given_another_project_when_synced_by_jobs_then_the_same_rows(sandbox: Sandbox) -> None:
    tables = ("users", "email_open", "email_subscribe")
    catalog = configured(catalog_here(sandbox), tables)

    output = read_here(sandbox, catalog, export_method="jobs")

    assert sandbox.jobs
    for table in tables:
        assert_exact(output.records(table), truth(sandbox, catalog, table), table)


# Where the documentation is unclear, and where the key may not ask


def members(output: Output) -> Counter[tuple[int, str]]:
    return Counter((record["listId"], record["email"]) for record in output.records("list_users"))


def test_given_a_server_that_prefers_addresses_when_synced_then_the_same_members(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs = []
    for prefers_email in (False, True):
        sandbox = serving("userid", monkeypatch, lists_prefer_email=prefers_email)
        outputs.append(sync(sandbox, "list_users"))
        sandbox.stop()

    assert members(outputs[0]) == members(outputs[1])
    assert max(members(outputs[0]).values()) == 1, "nobody twice"
    assert not any("@" in member for _, member in members(outputs[0]))


@pytest.mark.usefixtures("waits")
def test_given_fields_that_cannot_be_asked_for_just_now_when_synced_then_asked_again(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ["list_users"])
    sandbox.faults.add(Fault(kind="status", status=500, endpoint="users/getFields"))

    output = read_here(sandbox, catalog)

    assert_exact(output.records("list_users"), truth(sandbox, catalog, "list_users"))


def test_given_fields_that_the_key_may_not_ask_for_when_synced_then_members_and_people_come_nevertheless(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="status", status=403, endpoint="users/getFields", times=None))

    output = sync(sandbox, "list_users", "users")

    assert not output.errors
    assert len(output.records("list_users")) == len(sandbox.truth("list_users"))
    arrived, there = output.records("users"), sandbox.truth("user")
    assert sorted(user["itblUserId"] for user in arrived) == sorted(user["itblUserId"] for user in there)


# Profiles without what they are keyed by


KEY_OF = {"email": "email", "userid": "itblUserId", "hybrid": "itblUserId"}


@pytest.fixture(params=PROJECT_TYPES)
def keyless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project in which every third profile lacks its key."""
    running = serving(request.param, monkeypatch, keyless_users=3)
    yield running
    running.stop()


def summary(output: Output, table: str) -> str:
    """The summary of a stream."""
    (line,) = [line for line in output.logs if f" {table}: complete" in line or f" {table}: STOPPED" in line]
    return line


@pytest.mark.parametrize(("mode", "to"), [("incremental", "append"), ("incremental", "append_dedup"),
                                          ("full_refresh", "overwrite")])  # fmt: skip
def test_given_profiles_without_a_key_when_synced_then_they_come_and_the_summary_counts_them(
    keyless: Sandbox, mode: str, to: str
) -> None:
    catalog = configured(catalog_here(keyless), ["users"], mode, to)
    key = KEY_OF[keyless.options.project_type]

    output = read_here(keyless, catalog)

    assert output.statuses("users")[-1] == "COMPLETE"
    assert_exact(output.records("users"), truth(keyless, catalog, "users"), "users")
    assert sum(record.get(key) is None for record in output.records("users")) == SIZE.users // 3
    assert f"records without a value under the primary key '{key}': {SIZE.users // 3}." in summary(output, "users")
    assert "Refresh the source's schema" in summary(output, "users")


@pytest.mark.parametrize("value", [None, "", 5, {"a": 1}])
def test_given_a_profile_whose_key_is_no_text_when_synced_then_it_counts_as_without(
    monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    sandbox = serving("email", monkeypatch)
    sandbox.add_event("user", {"email": value, "profileUpdatedAt": "2024-02-02 00:00:00 +00:00"})

    output = sync(sandbox, "users")
    sandbox.stop()

    assert len(output.records("users")) == SIZE.users + 1
    assert "under the primary key 'email': 1." in summary(output, "users")


def test_given_profiles_that_all_have_a_key_when_synced_then_nothing_is_remarked(synced: Synced) -> None:
    assert not any("primary key" in line for line in synced.first.logs + synced.second.logs)


@pytest.mark.parametrize("method", ["direct", "jobs"])
@pytest.mark.parametrize(("mode", "to"), [("incremental", "append"), ("incremental", "append_dedup"),
                                          ("full_refresh", "overwrite")])  # fmt: skip
def test_given_a_window_of_profiles_without_a_key_when_synced_then_the_stream_fails_before_it(
    monkeypatch: pytest.MonkeyPatch, mode: str, to: str, method: str
) -> None:
    """The first window has keys, the second none: of that one nothing leaves, however often it is tried."""
    sandbox = serving("hybrid", monkeypatch)
    catalog = configured(catalog_here(sandbox), ["users", "email_open"], mode, to)
    for number in range(3):
        sandbox.add_event("user", {"userId": f"k{number}", "profileUpdatedAt": f"2024-03-20 00:00:0{number} +00:00"})
    sandbox.set_clock("2024-04-10T00:00:00Z")

    first = read_here(sandbox, catalog, window_in_days=20, export_method=method)
    again = read_here(sandbox, catalog, first.state, window_in_days=20, export_method=method)

    for output in (first, again):
        assert output.statuses("users")[-1] == "INCOMPLETE"
        (error,) = output.errors
        assert error["failure_type"] == "config_error"
        assert error["message"].startswith("users: no record of 2024-0")
        assert "'itblUserId' (records: 3)" in error["message"]
        assert "Refresh the source's schema" in error["message"]
        assert output.statuses("email_open")[-1] == "COMPLETE"
        assert not any(str(record.get("userId")).startswith("k") for record in output.records("users"))
    assert len(first.records("users")) == SIZE.users
    if mode == "incremental":
        assert not again.records("users")
        assert again.states("users")[-1:] in ([], first.states("users")[-1:])


@pytest.mark.parametrize("kind", PROJECT_TYPES)
def test_given_no_profile_with_a_key_when_synced_then_nothing_leaves_and_nothing_is_saved(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sandbox = serving(kind, monkeypatch, keyless_users=1)

    output = sync(sandbox, "users")
    sandbox.stop()

    assert output.statuses("users")[-1] == "INCOMPLETE"
    assert not output.records("users")
    assert not any(state.get("settled") for state in output.states("users"))
