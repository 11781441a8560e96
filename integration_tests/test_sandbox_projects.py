"""How the sandbox tells people apart: by email address, by user id, or by either, as a client sees it."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integration_tests.sandbox import Sandbox, Size

START, NOW = "2024-01-01T00:00:00Z", "2024-03-10T12:00:00Z"
SIZE = Size(events=80, users=40, lists=6, users_per_list=30)
EVENT_TABLES = ("emailOpen", "emailSend", "emailSubscribe", "emailUnSubscribe")

Rows = list[dict[str, Any]]


def project(kind: str, **options: Any) -> Sandbox:
    return Sandbox(size=SIZE, start=START, now=NOW, rate_scale=10_000, project_type=kind, **options)


@pytest.fixture(scope="module")
def email() -> Iterator[Sandbox]:
    with project("email") as running:
        yield running


@pytest.fixture(scope="module")
def userid() -> Iterator[Sandbox]:
    with project("userid") as running:
        yield running


@pytest.fixture(scope="module")
def hybrid() -> Iterator[Sandbox]:
    with project("hybrid") as running:
        yield running


def get(sandbox: Sandbox, endpoint: str, **params: Any) -> requests.Response:
    headers = {"Api-Key": sandbox.api_key, "Connection": "close"}
    response = requests.get(f"{sandbox.url}/api/{endpoint}", params=params, headers=headers, timeout=10)
    assert response.status_code == 200, response.text
    return response


def export(sandbox: Sandbox, table: str) -> Rows:
    params = {"dataTypeName": table, "startDateTime": "2024-01-01", "endDateTime": "2024-03-11"}
    body = get(sandbox, "export/data.json", **params).content
    return [json.loads(line) for line in body.split(b"\n") if line.strip()]


def members(sandbox: Sandbox, **params: Any) -> Rows:
    """The lines of all lists, as the truth tells them."""
    return [
        {"listId": row["id"], "line": line}
        for row in sandbox.truth("lists")
        for line in get(sandbox, "lists/getUsers", listId=row["id"], **params).text.split("\n")
        if line
    ]


def of_people(sandbox: Sandbox, rows: Rows) -> set[str]:
    """The lines of lists that are about the project's profiles, not about others."""
    profiles = sandbox.truth("user")
    known = {profile.get(name) for profile in profiles for name in ("email", "userId")}
    return {row["line"] for row in rows} & known


def repeated(rows: Rows, name: str) -> int:
    """How many values of a field stand in more than one row."""
    counts = Counter(row[name] for row in rows if row.get(name) is not None)
    return sum(count > 1 for count in counts.values())


def without(rows: Rows, name: str) -> int:
    return sum(row.get(name) is None for row in rows)


def filled(sandbox: Sandbox, table: str) -> set[str]:
    return {name for row in sandbox.truth(table) for name, value in row.items() if value not in (None, [], "")}


# Profiles


def test_in_an_email_based_project_all_have_an_address_and_two_may_share_a_user_id(email: Sandbox) -> None:
    users = export(email, "user")

    assert len(users) == 40
    assert (without(users, "email"), repeated(users, "email")) == (0, 0)
    assert 0 < without(users, "userId") < 40
    assert repeated(users, "userId") > 0
    assert 0 < sum(row["email"].endswith("@placeholder.email") for row in users) < 8


def test_in_a_user_id_based_project_all_have_a_user_id_and_two_may_share_an_address(userid: Sandbox) -> None:
    users = export(userid, "user")

    assert len(users) == 40
    assert (without(users, "userId"), repeated(users, "userId")) == (0, 0)
    assert 0 < without(users, "email") < 40
    assert repeated(users, "email") > 0
    assert not any(str(row.get("email")).endswith("@placeholder.email") for row in users)


def test_in_a_hybrid_project_all_have_the_one_or_the_other_and_share_none(hybrid: Sandbox) -> None:
    users = export(hybrid, "user")

    assert len(users) == 40
    assert (repeated(users, "userId"), repeated(users, "email")) == (0, 0)
    assert not any(row.get("email") is None and row.get("userId") is None for row in users)
    assert without(users, "email") > 0
    assert without(users, "userId") > 0
    assert any(row.get("email") and row.get("userId") for row in users)


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
def test_an_address_that_there_is_not_is_null_or_absent(kind: str, request: pytest.FixtureRequest) -> None:
    users = export(request.getfixturevalue(kind), "user")

    shapes = {"email" in row for row in users if row.get("email") is None}
    assert shapes == {True, False}
    assert all(("itblInternal.emailDomain" in row) == (row.get("email") is not None) for row in users)


@pytest.mark.parametrize("kind", ["email", "userid", "hybrid"])
def test_iterables_own_id_is_always_there_and_unique(kind: str, request: pytest.FixtureRequest) -> None:
    users = export(request.getfixturevalue(kind), "user")

    assert (without(users, "itblUserId"), repeated(users, "itblUserId")) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "name", "other"),
    [
        ("email", "emailListIds", "userListIds"),
        ("userid", "userListIds", "emailListIds"),
        ("hybrid", "userListIds", "emailListIds"),
    ],
)
def test_static_lists_of_a_profile_go_by_the_type_of_the_project(
    kind: str, name: str, other: str, request: pytest.FixtureRequest
) -> None:
    sandbox = request.getfixturevalue(kind)
    fields = get(sandbox, "users/getFields").json()["fields"]

    assert (fields[name], other in fields) == ("long", False)
    assert all(name in row for row in export(sandbox, "user"))
    assert kind == "email" or not any(other in row for row in export(sandbox, "user"))


# Events


def test_in_an_email_based_project_events_have_addresses_but_for_odd_shapes(email: Sandbox) -> None:
    for table in EVENT_TABLES:
        assert 0 < without(export(email, table), "email") < 20, table


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
@pytest.mark.parametrize("table", EVENT_TABLES)
def test_in_other_projects_events_often_lack_the_address_and_have_the_other_ids(
    kind: str, table: str, request: pytest.FixtureRequest
) -> None:
    events = export(request.getfixturevalue(kind), table)

    lacking = [row for row in events if row.get("email") is None]
    assert len(lacking) > 10
    assert {"email" in row for row in lacking} == {True, False}
    assert all(row.get("userId") for row in lacking)
    assert all(row.get("itblUserId") for row in events)


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
def test_events_are_about_the_people_of_the_project(kind: str, request: pytest.FixtureRequest) -> None:
    sandbox = request.getfixturevalue(kind)
    ids = {row["itblUserId"] for row in sandbox.truth("user")}

    assert {row["itblUserId"] for row in export(sandbox, "emailSend")} <= ids


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
def test_subscriptions_keep_their_fields(kind: str, email: Sandbox, request: pytest.FixtureRequest) -> None:
    other = request.getfixturevalue(kind)

    assert filled(other, "emailSubscribe") == filled(email, "emailSubscribe")
    assert "emailListIds" in filled(other, "emailSubscribe")


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
def test_an_export_is_the_truth(kind: str, request: pytest.FixtureRequest) -> None:
    sandbox = request.getfixturevalue(kind)

    for table in (*EVENT_TABLES, "user"):
        served, truth = (
            sorted(json.dumps(row, sort_keys=True) for row in rows)
            for rows in (export(sandbox, table), sandbox.truth(table))
        )
        assert served == truth, table


# Lists


@pytest.mark.parametrize("kind", ["email", "userid", "hybrid"])
def test_members_are_the_truth_whichever_is_preferred(kind: str, request: pytest.FixtureRequest) -> None:
    sandbox = request.getfixturevalue(kind)

    assert members(sandbox) == sandbox.truth("list_users")
    assert members(sandbox, preferUserId="false") == sandbox.truth("list_users")
    assert members(sandbox, preferUserId="true") == sandbox.truth("list_users_by_user_id")


def test_members_of_an_email_based_project_are_addresses_whatever_is_preferred(email: Sandbox) -> None:
    addresses = {row["email"] for row in email.truth("user")}

    assert of_people(email, members(email)) - {"u-0"} <= addresses
    assert len(of_people(email, members(email)) & addresses) >= 25
    assert members(email) == members(email, preferUserId="true")


def test_members_of_a_user_id_based_project_are_user_ids(userid: Sandbox) -> None:
    lines = members(userid)

    assert not any("@" in row["line"] for row in lines)
    assert len(of_people(userid, lines)) >= 25
    assert lines == members(userid, preferUserId="true")
    assert {"12345", "None", "null"} <= {row["line"] for row in lines}


def test_members_of_a_user_id_based_project_may_be_addresses_unless_user_ids_are_preferred(userid: Sandbox) -> None:
    with project("userid", lists_prefer_email=True) as sandbox:
        lines, preferred = members(sandbox), members(sandbox, preferUserId="true")

    known = of_people(userid, lines)
    assert {"@" in line for line in known} == {True, False}
    assert preferred == members(userid)
    assert len({(row["listId"], row["line"]) for row in lines}) < len(lines), "two members share an address"
    assert len({(row["listId"], row["line"]) for row in preferred}) == len(preferred)


def test_members_of_a_hybrid_project_are_addresses_or_user_ids_by_preference(hybrid: Sandbox) -> None:
    users = hybrid.truth("user")
    by_default, preferred = of_people(hybrid, members(hybrid)), of_people(hybrid, members(hybrid, preferUserId="true"))

    both = [row for row in users if row.get("email") and row.get("userId")]
    assert {row["email"] for row in both} & by_default
    assert not {row["email"] for row in both} & preferred
    assert {row["userId"] for row in both} & preferred
    assert {row["email"] for row in users if not row.get("userId")} & preferred, "who has no user id"
    assert {row["userId"] for row in users if not row.get("email")} & by_default, "who has no address"
    assert len(members(hybrid)) == len(members(hybrid, preferUserId="true"))


def test_a_deleted_list_is_gone_for_both() -> None:
    with project("hybrid") as sandbox:
        sandbox.delete_list(949810)

        for name in "list_users", "list_users_by_user_id":
            assert 949810 not in {row["listId"] for row in sandbox.truth(name)}


# All types


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
def test_the_smallest_project_fills_every_field_that_a_larger_one_fills(kind: str) -> None:
    small = Sandbox(start=START, now=NOW, size=Size.smallest(), project_type=kind)
    large = Sandbox(start=START, now=NOW, size=Size(events=200, users=100), project_type=kind)

    for table in small.project.names():
        assert filled(large, table) - filled(small, table) == set(), table


@pytest.mark.parametrize("kind", ["userid", "hybrid"])
def test_a_changed_profile_keeps_who_it_is(kind: str) -> None:
    sandbox = project(kind)
    names = ("email", "userId", "itblUserId")
    before = {row["itblUserId"]: row for row in sandbox.truth("user")}

    for number in range(12):
        after = sandbox.change_user(number)
        assert [after.get(name) for name in names] == [before[after["itblUserId"]].get(name) for name in names]


def test_there_are_three_types() -> None:
    with pytest.raises(ValueError, match="project_type"):
        project("e-mail")
