"""The sandbox keeps what its documentation says, as a client over HTTP sees it."""

import json
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest
import requests

from integration_tests.sandbox import Fault, FaultKind, Sandbox, Size

START, NOW = "2024-01-01T00:00:00Z", "2024-03-10T12:00:00Z"
WHOLE = ("2024-01-01 00:00:00", "2024-03-10 12:00:00")
EVENT_TABLES = (
    "emailBounce",
    "emailClick",
    "emailComplaint",
    "emailOpen",
    "emailSend",
    "emailSendSkip",
    "emailSubscribe",
    "emailUnSubscribe",
)
RESET = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(start=START, now=NOW, rate_scale=1000) as running:
        yield running


def get(sandbox: Sandbox, endpoint: str, encoding: str = "identity", **params: Any) -> requests.Response:
    headers = {"Api-Key": sandbox.api_key, "Accept-Encoding": encoding, "Connection": "close"}
    url = f"{sandbox.url}/api/{endpoint}"
    return requests.get(url, params=params, headers=headers, timeout=10, allow_redirects=False)


def export(
    sandbox: Sandbox, table: str, span: tuple[str, str] = WHOLE, encoding: str = "identity"
) -> requests.Response:
    params = {"dataTypeName": table, "startDateTime": span[0], "endDateTime": span[1]}
    return get(sandbox, "export/data.json", encoding, **params)


def rows(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.content.split(b"\n") if line.strip()]


def raw(sandbox: Sandbox, target: str, encoding: str = "identity") -> bytes:
    """All bytes that the server sends until it closes the connection."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        lines = [
            f"GET /api/{target} HTTP/1.1",
            f"Host: {host}:{port}",
            f"Api-Key: {sandbox.api_key}",
            f"Accept-Encoding: {encoding}",
            "Connection: close",
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def unchunked(body: bytes) -> tuple[bytes, bool]:
    """The text of a chunked body, and whether it was ended properly."""
    text = b""
    while b"\r\n" in body:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return text, True
        text += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return text, False


EXPORT = "export/data.json?dataTypeName=emailSend&startDateTime=2024-01-01&endDateTime=2024-03-11"


def body_of(sandbox: Sandbox, encoding: str = "identity") -> tuple[bytes, bool]:
    return unchunked(raw(sandbox, EXPORT, encoding).partition(b"\r\n\r\n")[2])


def unordered(values: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(value, sort_keys=True) for value in values)


# What is served


@pytest.mark.parametrize("table", [*EVENT_TABLES, "user"])
def test_an_export_is_the_truth(sandbox: Sandbox, table: str) -> None:
    served = rows(export(sandbox, table))

    assert unordered(served) == unordered(sandbox.truth(table))
    assert served != sandbox.truth(table), "rows come without order"


@pytest.mark.parametrize("table", [*EVENT_TABLES, "user"])
def test_windows_are_half_open(sandbox: Sandbox, table: str) -> None:
    field = "profileUpdatedAt" if table == "user" else "createdAt"
    edge = sorted(row[field] for row in sandbox.truth(table))[10]

    before = rows(export(sandbox, table, (WHOLE[0], edge.removesuffix(" +00:00"))))
    after = rows(export(sandbox, table, (edge, WHOLE[1])))

    assert all(row[field] < edge for row in before)
    assert all(row[field] >= edge for row in after)
    assert edge in {row[field] for row in after}
    assert unordered(before + after) == unordered(sandbox.truth(table))


def test_the_end_bound_is_inclusive_on_request() -> None:
    with Sandbox(start=START, now=NOW, rate_scale=1000, inclusive_end=True) as sandbox:
        edge = sorted(row["createdAt"] for row in sandbox.truth("emailSend"))[10]

        before = rows(export(sandbox, "emailSend", (WHOLE[0], edge)))

    assert edge in {row["createdAt"] for row in before}


def test_exactly_one_pair_of_events_is_identical(sandbox: Sandbox) -> None:
    lines = {table: unordered(sandbox.truth(table)) for table in EVENT_TABLES}
    repeated = {table: len(sent) - len(set(sent)) for table, sent in lines.items()}

    assert {table: count for table, count in repeated.items() if count} == {"emailOpen": 1}


def test_an_export_has_blank_lines_and_no_newline_at_its_end(sandbox: Sandbox) -> None:
    response = export(sandbox, "emailSend")

    lines = response.text.split("\n")
    assert not response.text.endswith("\n")
    assert any(not line.strip() for line in lines)
    assert "Content-Length" not in response.headers
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_body_is_compressed_only_for_clients_that_ask(sandbox: Sandbox) -> None:
    plain, zipped = export(sandbox, "emailOpen"), export(sandbox, "emailOpen", encoding="gzip, deflate")

    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert plain.content == zipped.content


def test_the_same_seed_makes_the_same_project() -> None:
    one, same, other = (Sandbox(seed=seed, start=START, now=NOW) for seed in (1, 1, 2))

    assert all(one.truth(name) == same.truth(name) for name in one.project.names())
    assert one.truth("emailSend") != other.truth("emailSend")


def test_events_come_in_all_the_shapes_of_the_real_ones(sandbox: Sandbox) -> None:
    sends = sandbox.truth("emailSend")

    assert any("itblInternal" in row for row in sends)
    assert any("itblInternal.documentCreatedAt" in row for row in sends)
    assert any(not any(name.startswith("itblInternal") for name in row) for row in sends)
    assert any("email" not in row for row in sends)
    assert any("email" in row and row["email"] is None for row in sends)
    assert any("transactionalData" not in row for row in sends)
    assert {type(row.get("transactionalData")) for row in sends} == {str, type(None)}
    assert len({row["messageId"] for row in sandbox.truth("emailOpen")}) < 50
    assert {"firstName", "someDate"} <= {name for row in sandbox.truth("emailSubscribe") for name in row}
    assert any("messageId" not in row for row in sandbox.truth("emailUnSubscribe"))


def test_nested_fields_come_in_objects_under_dotted_names_or_both(sandbox: Sandbox) -> None:
    opens = sandbox.truth("inAppOpen")
    nested = [row["deviceInfo"] for row in opens if "deviceInfo" in row]
    dotted = [row for row in opens if "deviceInfo.platform" in row]

    whole = {"deviceId", "platform", "appPackageName"}
    assert {frozenset(device or ()) for device in nested} == {
        frozenset(whole),
        frozenset(),
        frozenset(whole - {"deviceId"}),
    }
    assert len(dotted) > 20
    assert any("deviceInfo.deviceId" in row and "deviceInfo" in row for row in opens)
    assert not any("deviceInfo.platform" in row and "deviceInfo" in row for row in opens)


def test_no_two_events_of_a_stream_are_identical_but_one_pair(sandbox: Sandbox) -> None:
    lines = {name: unordered(sandbox.truth(name)) for name in sandbox.project.tables}

    assert len(lines) == 53
    assert {name for name, sent in lines.items() if len(set(sent)) < len(sent)} == {"emailOpen"}


def test_events_of_a_message_share_its_id_within_their_channel(sandbox: Sandbox) -> None:
    def messages(table: str) -> set[str]:
        return {row["messageId"] for row in sandbox.truth(table)}

    assert messages("pushOpen") <= messages("pushSend")
    assert messages("inAppClick") | messages("inboxMessageImpression") <= messages("inAppSend")
    assert messages("emailOpen") <= messages("emailSend")
    assert messages("pushSend").isdisjoint(messages("emailSend") | messages("webPushSend") | messages("inAppSend"))
    assert not any("messageId" in row for row in sandbox.truth("purchase"))


def test_profiles_have_the_fields_that_are_declared_and_one_that_is_not(sandbox: Sandbox) -> None:
    fields = get(sandbox, "users/getFields").json()["fields"]
    sent = {name for row in sandbox.truth("user") for name, value in row.items() if value is not None}

    assert {"Industry", "industry", "Favorite Color"} <= fields.keys()
    assert set(fields.values()) == {
        "string", "long", "double", "boolean", "date", "object", "nested", "geo_location",
    }  # fmt: skip
    assert "legacyScore" in sent - fields.keys()
    assert not {name for name in fields.keys() - sent if "." not in name}


def test_the_smallest_project_fills_every_field_that_a_larger_one_fills() -> None:
    def filled(sandbox: Sandbox, table: str) -> set[str]:
        return {name for row in sandbox.truth(table) for name, value in row.items() if value not in (None, [], "")}

    small = Sandbox(start=START, now=NOW, size=Size.smallest())
    large = Sandbox(start=START, now=NOW, size=Size(events=400, users=200))

    for table in small.project.names():
        assert filled(large, table) - filled(small, table) == set(), table


# Listings


def pages(sandbox: Sandbox, endpoint: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = get(sandbox, endpoint, **params).json()
    while True:
        found += page[endpoint]
        if "nextPageUrl" not in page:
            return found
        assert page["nextPageUrl"].startswith(sandbox.url)
        page = requests.get(page["nextPageUrl"], headers={"Api-Key": sandbox.api_key}, timeout=10).json()


def test_campaigns_come_twenty_at_a_time_unless_asked_otherwise(sandbox: Sandbox) -> None:
    truth = sandbox.truth("campaigns")
    unpaged, first = get(sandbox, "campaigns").json(), get(sandbox, "campaigns", page=1).json()

    assert unpaged == {"campaigns": truth[:20]}
    assert first["campaigns"] == truth[:20]
    assert first["totalCampaignsCount"] == len(truth) == 45
    assert pages(sandbox, "campaigns", page=1) == truth
    assert pages(sandbox, "campaigns", page=1, pageSize=1000) == truth
    assert get(sandbox, "campaigns", page=9, pageSize=20).json()["campaigns"] == []
    assert get(sandbox, "campaigns", page=1, pageSize=1001).status_code == 400


def test_campaigns_can_be_sorted_and_filtered(sandbox: Sandbox) -> None:
    newest = pages(sandbox, "campaigns", sort="-updatedAt", page=1)
    states = pages(sandbox, "campaigns", campaignState=["Draft", "Archived"], page=1, pageSize=3)

    assert [row["updatedAt"] for row in newest] == sorted((row["updatedAt"] for row in newest), reverse=True)
    assert {row["campaignState"] for row in states} == {"Draft", "Archived"}


def test_some_campaigns_ended_after_their_last_update(sandbox: Sandbox) -> None:
    assert any(row.get("endedAt", 0) > row["updatedAt"] for row in sandbox.truth("campaigns"))


def test_some_templates_are_listed_only_without_filters(sandbox: Sandbox) -> None:
    every = {row["templateId"] for row in pages(sandbox, "templates", page=1)}
    known: dict[int, tuple[str | None, str | None]] = {
        row["templateId"]: (kind, medium)
        for kind in ("Base", "Blast", "Triggered", "Workflow")
        for medium in ("Email", "Push", "InApp", "SMS")
        for row in pages(sandbox, "templates", templateType=kind, messageMedium=medium, page=1)
    }

    truth = sandbox.truth("templates")
    assert {row["templateId"] for row in truth} == every > known.keys()
    for row in truth:
        assert (row["templateType"], row["messageMedium"]) == known.get(row["templateId"], (None, None))
    assert get(sandbox, "templates", messageMedium="WebPush").status_code == 400


def test_lists_have_lines_that_look_like_something_else(sandbox: Sandbox) -> None:
    lists = get(sandbox, "lists").json()["lists"]
    served: list[dict[str, Any]] = []
    for row in lists:
        response = get(sandbox, "lists/getUsers", listId=row["id"])
        assert "Content-Length" not in response.headers
        served += [{"listId": row["id"], "line": line} for line in response.content.decode().split("\n") if line]

    assert served == sandbox.truth("list_users")
    assert {"12345", "None", "null"} <= {row["line"] for row in served}
    assert {row["listType"] for row in lists} == {"Standard", "Dynamic", "Suppression", "Internal"}
    assert {row["id"] for row in lists} > {row["listId"] for row in served}, "one list is empty"
    unknown = get(sandbox, "lists/getUsers", listId=1)
    assert (unknown.status_code, unknown.json()["msg"]) == (400, "Invalid email list id")


def test_metadata_is_paged_by_marker(sandbox: Sandbox) -> None:
    served = []
    for table in get(sandbox, "metadata").json()["results"]:
        params: dict[str, str] = {}
        while True:
            page = get(sandbox, f"metadata/{table['name'].upper()}", **params).json()
            for entry in page["results"]:
                key = quote(entry["key"], safe="")
                served.append(get(sandbox, f"metadata/{table['name']}/{key}").json())
            if "nextMarker" not in page:
                break
            params = {"nextMarker": page["nextMarker"]}

    assert served == sandbox.truth("metadata")
    assert len({row["key"] for row in served}) < len(served), "two streams share a key"
    assert get(sandbox, "metadata/unknown").json() == {"results": []}
    assert get(sandbox, "metadata/stores/unknown").json()["code"] == "NotFound"


@pytest.mark.parametrize("endpoint", ["channels", "messageTypes"])
def test_small_listings_come_whole(sandbox: Sandbox, endpoint: str) -> None:
    assert get(sandbox, endpoint, limit=1).json() == {endpoint: sandbox.truth(endpoint)}


# Refusals


@pytest.mark.parametrize("key", [None, "another-key"])
def test_a_wrong_key_is_refused(sandbox: Sandbox, key: str | None) -> None:
    headers = {} if key is None else {"Api-Key": key}

    response = requests.get(f"{sandbox.url}/api/lists", headers=headers, timeout=10)

    assert response.status_code == 401
    assert response.json()["code"] == "BadApiKey"
    assert response.json()["params"]["endpoint"] == "/api/lists"


def test_a_read_only_key_cannot_export() -> None:
    with Sandbox(start=START, now=NOW, read_only_key=True) as sandbox:
        assert get(sandbox, "lists").status_code == 200
        assert get(sandbox, "lists/getUsers", listId=949810).status_code == 401
        assert export(sandbox, "emailSend").status_code == 401


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"dataTypeName": "emailSnd", "startDateTime": WHOLE[0], "endDateTime": WHOLE[1]},
        {"dataTypeName": "emailSend"},
        {"dataTypeName": "emailSend", "startDateTime": WHOLE[0]},
        {"dataTypeName": "emailSend", "startDateTime": "2024-01-01T00:00:00Z", "endDateTime": WHOLE[1]},
        {"dataTypeName": "emailSend", "startDateTime": "2024-13-01 00:00:00", "endDateTime": WHOLE[1]},
    ],
    ids=["nothing", "unknown type", "no bounds", "one bound", "another format", "no date"],
)
def test_bad_parameters_are_refused(sandbox: Sandbox, params: dict[str, str]) -> None:
    response = get(sandbox, "export/data.json", **params)

    assert (response.status_code, response.json()["code"]) == (400, "BadParams")


def test_bounds_may_carry_an_offset(sandbox: Sandbox) -> None:
    assert rows(export(sandbox, "emailSend", ("2024-01-01 00:00:00 +00:00", "2024-03-10 13:00:00 +01:00")))
    plain = raw(sandbox, EXPORT.replace("=2024-01-01", "=2024-01-01%2000:00:00%20+00:00"))
    assert plain.startswith(b"HTTP/1.1 400"), "a plus that is not escaped is a space"


def test_an_unknown_route_is_a_page(sandbox: Sandbox) -> None:
    response = get(sandbox, "unknown")

    assert (response.status_code, "Action not found" in response.text) == (404, True)
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_long_uri_is_refused(sandbox: Sandbox) -> None:
    assert get(sandbox, "lists", padding="x" * 2000).status_code == 200
    assert get(sandbox, "lists", padding="x" * 9000).status_code == 414


# Limits


@pytest.mark.parametrize(
    ("endpoint", "limit"), [("export/data.json", 4), ("lists/getUsers", 5), ("campaigns/metrics", 10)]
)
def test_calls_beyond_the_limit_are_refused_and_not_counted(endpoint: str, limit: int) -> None:
    with Sandbox(start=START, now=NOW, rate_scale=100, rate_window=0.6) as sandbox:
        params: dict[str, Any] = {"dataTypeName": "user", "range": "All", "listId": 949810, "campaignId": 2220229}
        statuses = [get(sandbox, endpoint, **params).status_code for _ in range(limit + 3)]
        refused = get(sandbox, endpoint, **params)
        other = get(sandbox, "lists").status_code
        while get(sandbox, endpoint, **params).status_code == 429:
            pass

    assert statuses == [200] * limit + [429] * 3
    assert refused.json()["code"] == "RateLimitExceeded"
    assert refused.json()["msg"] == (
        f"Exceeded rate limit of {float(limit)} per minute for endpoint: /api/{endpoint}, project: 2158 "
    )
    assert "Retry-After" not in refused.headers
    assert other == 200
    assert sandbox.worst_rate(endpoint) > limit


def test_the_worst_rate_is_that_of_any_minute(sandbox: Sandbox) -> None:
    for _ in range(3):
        export(sandbox, "user", ("2024-01-01", "2024-01-01"))

    assert sandbox.worst_rate("export/data.json", seconds=60) == 3
    assert sandbox.worst_rate("export/data.json", seconds=1e-6) == 1
    assert sandbox.worst_rate("lists/getUsers") == 0


def test_a_429_names_the_wait_on_request() -> None:
    with Sandbox(start=START, now=NOW, retry_after=True) as sandbox:
        answers = [get(sandbox, "lists/getUsers", listId=949810) for _ in range(6)]

    assert 50 < int(answers[-1].headers["Retry-After"]) <= 60


# Faults


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("after", [0, 1, 500, 3000])
def test_a_cut_body_is_noticed(sandbox: Sandbox, encoding: str, after: int) -> None:
    fault = sandbox.faults.add(Fault(kind="cut", after_bytes=after, data_type="emailSend"))

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        export(sandbox, "emailSend", encoding=encoding)

    assert sandbox.requests[-1].bytes_sent == after
    assert not sandbox.requests[-1].complete
    assert sandbox.faults.struck(fault) == 1
    assert len(rows(export(sandbox, "emailSend", encoding=encoding))) == 60


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_can_be_cut_where_it_looks_whole(sandbox: Sandbox, encoding: str) -> None:
    whole, _ = body_of(sandbox)
    sandbox.faults.add(Fault(kind="cut", cut_at="line", after_bytes=4000))

    body, ended = body_of(sandbox, encoding)

    text = zlib.decompressobj(wbits=31).decompress(body) if encoding == "gzip" else body
    assert not ended
    assert whole.startswith(text + b"\n")
    assert 4000 <= len(text) < 8000


def test_a_body_can_be_cut_inside_a_character(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="cut", cut_at="character", after_bytes=2000))

    body, _ = body_of(sandbox)

    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        body.decode()


def test_a_body_can_be_cut_before_its_last_line_or_its_end(sandbox: Sandbox) -> None:
    whole, ended = body_of(sandbox)
    sandbox.faults.add(Fault(kind="cut", cut_at="last_line"))
    sandbox.faults.add(Fault(kind="cut", cut_at="end", nth=2))

    without_last, without_end = body_of(sandbox), body_of(sandbox)

    assert ended
    assert without_last == (whole.rstrip().rpartition(b"\n")[0], False)
    assert without_end == (whole, False)


def test_a_compressed_body_can_end_early_in_a_proper_encoding(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="cut", after_bytes=2000, clean=True))

    body, ended = body_of(sandbox, "gzip")

    decompressor = zlib.decompressobj(wbits=31)
    decompressor.decompress(body)
    assert (ended, len(body), decompressor.eof) == (True, 2000, False)


def test_only_bodies_over_a_size_are_cut(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="cut", cut_at="plain", after_bytes=20_000, times=None))

    for _ in range(2):
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            export(sandbox, "emailSend")
    assert rows(export(sandbox, "emailSend", ("2024-01-01", "2024-01-11")))


@pytest.mark.parametrize("after", [None, 0, 800])
def test_a_connection_is_reset(sandbox: Sandbox, after: int | None) -> None:
    sandbox.faults.add(Fault(kind="reset", after_bytes=after))

    with pytest.raises(ConnectionResetError):
        raw(sandbox, EXPORT)

    assert sandbox.requests[-1].status == (0 if after is None else 200)
    sandbox.faults.add(Fault(kind="reset", after_bytes=after))
    with pytest.raises(RESET):
        export(sandbox, "emailSend")


@pytest.mark.parametrize("after", [None, 100])
def test_a_server_hangs_and_goes_on(sandbox: Sandbox, after: int | None) -> None:
    sandbox.faults.add(Fault(kind="hang", after_bytes=after, seconds=0.3))

    with pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
        requests.get(f"{sandbox.url}/api/{EXPORT}", headers={"Api-Key": sandbox.api_key}, timeout=0.15)
    sandbox.faults.add(Fault(kind="hang", after_bytes=after, seconds=0.3))
    response = export(sandbox, "emailSend")

    assert len(rows(response)) == 60
    assert (response.elapsed >= timedelta(seconds=0.3)) == (after is None)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "BadParams"), (401, "BadApiKey"), (403, "Forbidden"), (429, "RateLimitExceeded"), (500, "GenericError")],
)
def test_an_error_has_the_body_that_iterable_gives(sandbox: Sandbox, status: int, code: str) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, data_type="emailSend"))

    response, other = export(sandbox, "emailSend"), export(sandbox, "emailOpen")

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert other.status_code == 200


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_answers_with_a_page(sandbox: Sandbox, status: int) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="lists"))

    response = get(sandbox, "lists")

    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize("value", [3, "Sun, 10 Mar 2024 12:00:30 GMT"])
def test_an_error_may_name_a_wait(sandbox: Sandbox, value: int | str) -> None:
    sandbox.faults.add(Fault(kind="status", status=429, retry_after=value))

    assert get(sandbox, "lists").headers["Retry-After"] == str(value)


def test_a_key_is_revoked_from_a_call_on(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="status", status=401, nth=3, times=None))

    assert [get(sandbox, "lists").status_code for _ in range(5)] == [200, 200, 401, 401, 401]


def test_a_timed_outage_strikes_the_calls_within_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(sandbox.faults.time, "now", lambda: seconds[0])
    outage = sandbox.faults.add(
        Fault(kind="status", status=500, endpoint="lists", from_second=60, to_second=300, times=None)
    )

    statuses = []
    for seconds[0] in (0, 59.9, 60, 299.9, 300):
        statuses.append(get(sandbox, "lists").status_code)

    assert statuses == [200, 200, 500, 500, 200]
    assert sandbox.faults.struck(outage) == 2


def test_an_outage_lasts_from_the_first_call_that_it_strikes(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(sandbox.faults.time, "now", lambda: seconds[0])
    sandbox.faults.add(Fault(kind="status", status=503, endpoint="lists", nth=2, lasting=60, times=None))

    statuses = []
    for seconds[0] in (0, 500, 559.9, 560, 2000):
        statuses.append(get(sandbox, "lists").status_code)

    assert statuses == [200, 503, 503, 200, 200]


@pytest.mark.parametrize("after", [None, 20])
def test_an_answer_is_slow(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, after: int | None) -> None:
    whole = export(sandbox, "emailSend").content
    passed: list[float] = []

    async def pass_at_once(seconds: float) -> None:
        passed.append(seconds)

    monkeypatch.setattr(sandbox.faults.time, "sit_out", pass_at_once)
    sandbox.faults.add(Fault(kind="slow", seconds=1500, after_bytes=after))

    assert export(sandbox, "emailSend").content == whole
    assert sum(passed) == pytest.approx(1500)


def test_connections_are_refused_and_accepted_again(sandbox: Sandbox) -> None:
    get(sandbox, "lists")

    sandbox.refuse_connections()
    with pytest.raises(requests.ConnectionError):
        get(sandbox, "lists")
    sandbox.accept_connections()

    assert get(sandbox, "lists").status_code == 200


def test_one_list_is_bad(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="status", status=500, list_id=949811, times=None))

    statuses = [get(sandbox, "lists/getUsers", listId=which).status_code for which in (949810, 949811, 949811)]

    assert statuses == [200, 500, 500]


def test_an_error_body_can_be_huge(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="status", status=500, body_bytes=3_000_000))

    assert len(get(sandbox, "lists").content) > 3_000_000


def test_a_body_comes_without_anything_that_tells_its_end(sandbox: Sandbox) -> None:
    whole = export(sandbox, "emailSend").content
    sandbox.faults.add(Fault(kind="unframed", times=None))
    sandbox.faults.add(Fault(kind="cut", cut_at="line", after_bytes=1000, nth=2))

    plain, cut = export(sandbox, "emailSend"), export(sandbox, "emailSend")

    for response in plain, cut:
        assert not {"Content-Length", "Transfer-Encoding", "Content-Encoding"} & response.headers.keys()
    assert plain.content == whole
    assert 1000 <= len(cut.content) < len(whole)
    assert whole.startswith(cut.content + b"\n")


def test_a_body_that_is_cut_may_end_properly(sandbox: Sandbox) -> None:
    whole = export(sandbox, "emailSend").content
    sandbox.faults.add(Fault(kind="cut", cut_at="plain", after_bytes=1000, clean=True))

    assert export(sandbox, "emailSend").content == whole[:1000]


def test_an_endpoint_may_not_be_there() -> None:
    with Sandbox(start=START, now=NOW, missing_endpoints=["experiments*"]) as sandbox:
        answers = [get(sandbox, endpoint) for endpoint in ("experiments", "experiments/metrics", "snippets")]

    assert [answer.status_code for answer in answers] == [404, 404, 200]
    assert "<title>Action not found</title>" in answers[0].text


def test_lines_are_added_between_the_rows(sandbox: Sandbox) -> None:
    plain = export(sandbox, "emailSend").content
    sandbox.faults.add(Fault(kind="malformed", line='{"email":', after_rows=5))
    sandbox.faults.add(Fault(kind="blank_lines", nth=2))
    sandbox.faults.add(Fault(kind="long_line", body_bytes=500_000, nth=3))

    malformed, blank, long = (export(sandbox, "emailSend").content for _ in range(3))

    def lines(body: bytes) -> list[bytes]:
        return [line for line in body.split(b"\n") if line.strip()]

    assert [number for number, line in enumerate(lines(malformed)) if line == b'{"email":'] == [5]
    assert len(blank.split(b"\n")) == 2 * 60
    assert lines(blank) == lines(plain)
    assert len(json.loads(long.split(b"\n")[0])["padding"]) == 500_000
    assert lines(long)[1:] == lines(plain)


def test_calls_are_sent_elsewhere(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="redirect", endpoint="lists", location="http://elsewhere.example/api/lists"))
    sandbox.faults.add(Fault(kind="next_page", endpoint="campaigns", location="http://elsewhere.example/"))

    redirect, page = get(sandbox, "lists"), get(sandbox, "campaigns", page=1)

    assert (redirect.status_code, redirect.headers["Location"]) == (302, "http://elsewhere.example/api/lists")
    assert page.json()["nextPageUrl"] == "http://elsewhere.example/"


@pytest.mark.parametrize(
    "fields", [{"kind": "fire"}, {"kind": "status"}, {"kind": "cut", "cut_at": "noon"}, {"kind": "cut", "where": 1}, {}]
)
def test_an_impossible_fault_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"fault|status|cut"):
        Fault.from_json(fields)


# Time


def test_the_clock_runs_where_it_is_put(sandbox: Sandbox) -> None:
    assert get(sandbox, "lists").headers["Date"].startswith("Sun, 10 Mar 2024 12:00:0")

    sandbox.advance(days=2, hours=1)

    assert get(sandbox, "lists").headers["Date"].startswith("Tue, 12 Mar 2024 13:00:0")


def test_a_late_event_is_exported_late(sandbox: Sandbox) -> None:
    row = {"email": "late@example.com", "createdAt": "2024-03-10 11:30:00 +00:00"}
    sandbox.add_event("emailSend", row, exportable_at="2024-03-10T12:30:00Z")

    early = rows(export(sandbox, "emailSend", ("2024-03-10", "2024-03-11")))
    sandbox.advance(minutes=31)
    late = rows(export(sandbox, "emailSend", ("2024-03-10", "2024-03-11")))

    assert (row in early, row in late) == (False, True)
    assert row not in sandbox.truth("emailSend", exportable_by=NOW)
    assert row in sandbox.truth("emailSend")


def test_a_line_is_sent_as_it_is(sandbox: Sandbox) -> None:
    sandbox.add_event("emailSend", '{"b": 1,\u2028"b":NaN}', at="2024-03-10T11:00:00Z")

    assert '{"b": 1,\u2028"b":NaN}'.encode() in export(sandbox, "emailSend").content


def test_new_events_arrive_between_the_last_growth_and_now(sandbox: Sandbox) -> None:
    sandbox.advance(hours=3)
    sandbox.grow(5, users=2)
    first = {table: rows(export(sandbox, table, ("2024-03-10 12:00:01", "2024-03-11"))) for table in EVENT_TABLES}
    sandbox.grow(5)
    second = {table: rows(export(sandbox, table, ("2024-03-10 12:00:01", "2024-03-11"))) for table in EVENT_TABLES}

    for table in EVENT_TABLES:
        assert (len(first[table]), len(second[table]), len(sandbox.truth(table))) == (5, 10, 70)
        assert all(row["createdAt"] < "2024-03-10 15:00:10" for row in second[table])
    assert len(rows(export(sandbox, "user", ("2024-03-10 15:00:00", "2024-03-11")))) == 2
    assert len(sandbox.truth("user")) == 30


def test_listings_change(sandbox: Sandbox) -> None:
    running = next(row for row in sandbox.truth("campaigns") if row["campaignState"] == "Running")
    finished = sandbox.finish_campaign(running["id"])
    edited = sandbox.edit_template(3043605)
    sandbox.delete_list(949811)

    assert (finished["campaignState"], finished["updatedAt"]) == ("Finished", running["updatedAt"])
    assert finished["endedAt"] > running["updatedAt"]
    assert finished in pages(sandbox, "campaigns", page=1)
    assert edited in pages(sandbox, "templates", page=1)
    assert 949811 not in {row["id"] for row in get(sandbox, "lists").json()["lists"]}
    assert get(sandbox, "lists/getUsers", listId=949811).status_code == 400


# Bulk


def test_bulk_rows_are_made_while_they_are_sent() -> None:
    size = Size(events=4, users=4, bulk={"emailSend": 20_000, "user": 3000})
    with Sandbox(size=size, start=START, now=NOW, rate_scale=1000) as sandbox:
        edges = ["2024-01-01 00:00:00", "2024-01-07 03:04:05", "2024-02-01 00:00:00", "2024-03-10 12:00:00"]
        windows = list(pairwise(edges))
        sends = [row for window in windows for row in rows(export(sandbox, "emailSend", window, "gzip"))]
        again = [row for window in windows for row in rows(export(sandbox, "emailSend", window, "gzip"))]
        users = rows(export(sandbox, "user"))

    assert len(sends) == 20_004
    assert len({(row.get("email"), row["messageId"], row["createdAt"]) for row in sends}) == 20_004
    assert unordered(sends) == unordered(again) == unordered(sandbox.truth("emailSend"))
    assert len({row["email"] for row in users}) == 3004


# Control


def test_other_processes_control_it(sandbox: Sandbox) -> None:
    control = f"{sandbox.url}/sandbox"

    def post(path: str, **body: Any) -> Any:
        response = requests.post(f"{control}/{path}", json=body, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()

    post("faults", kind="status", status=500, endpoint="lists", times=None)
    status = get(sandbox, "lists").status_code
    struck = requests.get(f"{control}/faults", timeout=10).json()[0]["struck"]
    requests.delete(f"{control}/faults", timeout=10)
    healed = get(sandbox, "lists").status_code
    logged = requests.get(f"{control}/requests", timeout=10).json()
    worst = requests.get(f"{control}/rate?endpoint=lists&seconds=60", timeout=10).json()
    requests.delete(f"{control}/requests", timeout=10)
    clock = post("clock", advance_seconds=3600)["now"]
    post("grow", events=3, users=1)
    post("events", table="emailSend", row={"createdAt": "?"}, at="2024-03-10T12:30:00Z")
    post("change", delete_list=949810, user=100)
    truth = requests.get(f"{control}/truth/emailSend", timeout=10).text.splitlines()

    assert (status, struck, healed, worst) == (500, 1, 200, {"worst": 2})
    assert [request["status"] for request in logged] == [500, 200]
    assert not sandbox.requests
    assert clock.startswith("2024-03-10T13:00:0")
    assert [json.loads(line) for line in truth] == sandbox.truth("emailSend")
    assert len(truth) == 64
    assert len(sandbox.truth("user")) == 31
    assert requests.get(f"{control}/truth/unknown", timeout=10).status_code == 400
    assert requests.post(f"{control}/faults", data="no JSON", timeout=10).status_code == 400


def test_the_command_line_serves_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "integration_tests.sandbox", "--smallest", "--now", NOW, "--api-key", "k"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        answer = requests.get(f"{ready['url']}/api/lists", headers={"Api-Key": ready["api_key"]}, timeout=10)
        process.terminate()
        code = process.wait(timeout=10)

    assert (answer.status_code, code, ready["start_date"]) == (200, 0, "2023-12-11T00:00:00Z")


def test_the_command_line_explains_itself() -> None:
    command = [sys.executable, "-m", "integration_tests.sandbox", "--help"]

    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    for word in ("--rate-scale", "--fault", "/sandbox/truth", "after_bytes", "ITERABLE_API_URL"):
        assert word in text


def test_its_readme_names_every_fault() -> None:
    text = (Path(__file__).parent / "sandbox" / "README.md").read_text("utf-8")

    assert [kind for kind in get_args(FaultKind) if f"`{kind}`" not in text] == []
