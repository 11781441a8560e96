"""Networks, servers and files that mean no good: what is promised holds, and what went wrong is said in a sentence."""

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import requests
from airbyte_cdk.utils import AirbyteTracedException
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.command import run_here
from integration_tests.support.expected import TRUTH_OF, assert_exact, expected
from integration_tests.support.sync import (
    Output,
    catalog_here,
    configured,
    read_here,
    settings,
    sync,
)
from source_iterable import SourceIterable
from source_iterable.api import body, body_scan
from source_iterable.api.client import Api
from source_iterable.config import Config
from source_iterable.streams import disk

EXPORT = "export/data.json"
LISTS = "lists/getUsers"
FOR_EVER: dict[str, Any] = {"times": None}
MIXED = ("campaigns", "email_send", "list_users", "users")


def truth(catalog: dict[str, Any], sandbox: Sandbox, table: str) -> list[dict[str, Any]]:
    """The records of a stream that the sandbox's rows must become."""
    (schema,) = [one["stream"]["json_schema"] for one in catalog["streams"] if one["stream"]["name"] == table]
    return expected(table, sandbox.truth(TRUTH_OF[table]), schema)


def failure_of(output: Output, table: str) -> dict[str, Any]:
    """The one error of a stream that did not come to its end; it is a sentence that names the stream."""
    assert output.statuses(table)[-1] == "INCOMPLETE"
    (error,) = [error for error in output.errors if error["stream_descriptor"]["name"] == table]
    assert error["message"].startswith(f"{table}: ")
    assert error["message"].endswith(".")
    assert "Traceback" not in error["message"]
    return error


@pytest.fixture
def mixed(sandbox: Sandbox) -> dict[str, Any]:
    """A catalog of streams of every kind, got while all was well."""
    return configured(catalog_here(sandbox), MIXED)


# TLS


def certificate(folder: Path, name: str) -> Path:
    """A certificate of a server on this machine that nobody but itself vouches for, and its key, in a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


class Front:
    """A TLS server before a sandbox; its first connections meet a certificate that nobody trusts, or no TLS at all."""

    def __init__(self, sandbox: Sandbox, trusted: Path, other: Path | None) -> None:
        """Present ``other`` to those connections, or with None end them at once."""
        self.bad = 0
        self.met = 0
        self._sandbox = sandbox
        self._contexts = {}
        for file in filter(None, (trusted, other)):
            self._contexts[file] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._contexts[file].load_cert_chain(file)
        self._trusted, self._other = trusted, other
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        self.met += 1
        file = self._other if self.met <= self.bad else self._trusted
        with suppress(OSError), connection:
            if file is None:
                connection.sendall(b"HTTP/1.0 400 this is no TLS\r\n\r\n")
                return
            with (
                self._contexts[file].wrap_socket(connection, server_side=True) as client,
                socket.create_connection(("127.0.0.1", int(self._sandbox.url.rpartition(":")[2]))) as server,
            ):
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(params=["a certificate that nobody trusts", "no TLS"])
def front(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
          mixed: dict[str, Any]) -> Iterator[Front]:  # fmt: skip
    """The connector asks a TLS server instead of the sandbox."""
    trusted = certificate(tmp_path, "trusted")
    other = certificate(tmp_path, "other") if "certificate" in request.param else None
    running = Front(sandbox, trusted, other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    monkeypatch.setenv("ITERABLE_API_URL", running.url)
    sandbox.forget_requests()
    yield running
    running.close()


def test_given_no_secure_connection_when_synced_then_every_stream_says_so_and_the_key_is_sent_to_nobody(
    front: Front, sandbox: Sandbox, mixed: dict[str, Any], waits: list[float]
) -> None:
    front.bad = 10**9

    broken = read_here(sandbox, mixed)
    asked = list(sandbox.requests)
    front.bad = 0
    mended = read_here(sandbox, mixed, broken.state)

    for table in MIXED:
        error = failure_of(broken, table)
        assert error["failure_type"] == "transient_error"
        assert "TLS" in error["message"]
        assert_exact(mended.records(table), truth(mixed, sandbox, table), table)
    assert not asked
    assert not broken.of("RECORD")
    assert 0 < sum(waits) < 3 * 3600


def test_given_no_secure_connection_at_first_when_synced_then_it_is_made_later_and_all_is_exact(
    front: Front, sandbox: Sandbox, mixed: dict[str, Any], waits: list[float]
) -> None:
    front.bad = 6

    output = read_here(sandbox, mixed)

    assert front.met > 6
    assert waits
    for table in MIXED:
        assert output.statuses(table)[-1] == "COMPLETE"
        assert_exact(output.records(table), truth(mixed, sandbox, table), table)


# Names that lead nowhere


def test_given_a_host_that_has_no_address_when_synced_then_every_stream_says_so_without_narrowing(
    sandbox: Sandbox, mixed: dict[str, Any], hours: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setenv("ITERABLE_API_URL", "http://api.iterable.invalid")

    with hours.in_force():
        output = read_here(sandbox, mixed)

    for table in MIXED:
        error = failure_of(output, table)
        assert error["failure_type"] == "transient_error"
        assert "no connection could be made" in error["message"]
    assert not any("Requesting less" in line for line in output.logs)
    assert 0 < hours.now() < 3 * 3600


def test_given_a_host_that_is_not_found_at_first_when_synced_then_exact(
    sandbox: Sandbox, mixed: dict[str, Any], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = socket.getaddrinfo
    asked: list[object] = []

    def sometimes(host: Any, *how: Any, **more: Any) -> Any:
        asked.append(host)
        if len(asked) < 6:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return find(host, *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", sometimes)

    output = read_here(sandbox, mixed)

    assert len(asked) > 6
    assert waits
    for table in MIXED:
        assert output.statuses(table)[-1] == "COMPLETE"
        assert_exact(output.records(table), truth(mixed, sandbox, table), table)


# Bodies without measure


@pytest.mark.parametrize(
    ("table", "endpoint"), [("email_send", EXPORT), ("users", EXPORT), ("list_users", LISTS)], ids=str
)
def test_given_an_endless_line_when_synced_then_that_stream_says_so_and_the_others_are_exact(
    sandbox: Sandbox, mixed: dict[str, Any], waits: list[float], table: str, endpoint: str
) -> None:
    which = {} if table == "list_users" else {"data_type": TRUTH_OF[table]}
    sandbox.faults.add(Fault(kind="long_line", endpoint=endpoint, body_bytes=70_000_000, **FOR_EVER, **which))

    output = read_here(sandbox, mixed)

    error = failure_of(output, table)
    assert error["failure_type"] == "system_error"
    assert "a line is longer than 64 MB" in error["message"]
    assert not output.records(table)
    for other in set(MIXED) - {table}:
        assert_exact(output.records(other), truth(mixed, sandbox, other), other)


def test_given_a_gzip_bomb_when_synced_then_it_is_given_up_long_before_its_end(
    sandbox: Sandbox, mixed: dict[str, Any], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real bound is a gigabyte; a tenth of it takes a tenth of the time."""
    monkeypatch.setattr(body_scan, "MOST_INFLATED", 100_000_000)
    for number in range(60):
        row = {"email": f"{number}@example.com", "createdAt": "2024-02-01 00:00:00 +00:00", "text": "0" * 5_000_000}
        sandbox.add_event("emailOpen", row)
    catalog = configured(catalog_here(sandbox), ["email_open", "email_send"])

    output = read_here(sandbox, catalog)

    error = failure_of(output, "email_open")
    assert error["failure_type"] == "system_error"
    assert "inflates to more than 200 times its size" in error["message"]
    assert_exact(output.records("email_send"), truth(catalog, sandbox, "email_send"))


@pytest.mark.parametrize("status", [200, 400, 401, 500, 503])
@pytest.mark.parametrize(("table", "endpoint"), [("email_send", EXPORT), ("campaigns", "campaigns")])
def test_given_a_huge_answer_when_synced_then_it_is_not_read_to_its_end(
    sandbox: Sandbox, mixed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, table: str, endpoint: str, status: int
) -> None:
    for module in body, disk:
        monkeypatch.setattr(module, "LARGEST_ANSWER", 20_000_000)
    size = 70_000_000  # more than a line may have, too
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=endpoint, body_bytes=size, **FOR_EVER))
    began = time.monotonic()

    output = read_here(sandbox, mixed)

    error = failure_of(output, table)
    assert error["failure_type"] in {"transient_error", "system_error", "config_error"}
    assert len(json.dumps(error)) < 10_000
    assert time.monotonic() - began < 60
    assert_exact(output.records("list_users"), truth(mixed, sandbox, "list_users"))


# What must not leave


def text_of_refusal(sandbox: Sandbox, table: str, endpoint: str, status: int, text: str) -> str:
    """What is written when Iterable refuses the stream with ``text``."""
    catalog = configured(catalog_here(sandbox), [table])
    body = {"msg": text, "code": f"Bad {sandbox.api_key}", "params": {"key": sandbox.api_key, "text": text}}
    fault = Fault(
        kind="status", status=status, endpoint=endpoint, body=json.dumps(body, ensure_ascii=False), times=None
    )
    sandbox.faults.add(fault)
    output = run_here(sandbox, "read", config=settings(sandbox), catalog=catalog)
    assert output.exit_code == 1
    failure_of(output, table)
    return output.text


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize(("table", "endpoint"), [("email_send", EXPORT), ("campaigns", "campaigns")])
def test_given_an_error_that_quotes_key_and_people_when_synced_then_neither_is_written(
    sandbox: Sandbox, waits: list[float], table: str, endpoint: str, status: int
) -> None:
    text = f"No: Api-Key {sandbox.api_key} of jane.doe@example.com, <jurgen+x@mail.example> is not welcome"

    written = text_of_refusal(sandbox, table, endpoint, status, text)

    for secret in (sandbox.api_key, "jane.doe", "jurgen"):
        assert secret not in written


def test_given_an_error_that_quotes_an_address_with_an_apostrophe_when_synced_then_nothing_of_it_is_written(
    sandbox: Sandbox,
) -> None:
    written = text_of_refusal(sandbox, "campaigns", "campaigns", 400, "No such user: jurgen.o'neil@example.com")

    assert "jurgen" not in written
    assert "neil" not in written


@pytest.mark.parametrize(
    "change",
    [
        {"start_date": "2024-01-01\r\nX-Evil: two"},
        {"end_date": "2024-02-01T00:00:00Z&apiKey=x\nX-Evil: two"},
        {"region": "US\r\nX-Evil: two"},
        {"region": "US.evil.example"},
        {"event_key": "email\nX-Evil: two"},
        {"window_in_days": "30\r\nX-Evil: two"},
        {"api_key": "key\x00"},
        {"api_key": "k\u00e9y"},
        {"api_key": "../../etc/passwd"},
    ],
    ids=str,
)
def test_given_settings_that_would_add_a_header_when_synced_then_they_are_refused_before_any_request(
    sandbox: Sandbox, change: dict[str, Any]
) -> None:
    (field,) = change

    output = run_here(sandbox, "check", config=settings(sandbox) | change)

    (status,) = output.of("CONNECTION_STATUS")
    assert status["status"] == "FAILED"
    assert f"'{field}'" in status["message"]
    assert not sandbox.requests
    assert "Traceback" not in output.stderr


def test_given_white_space_round_settings_when_synced_then_it_is_no_part_of_any_request(sandbox: Sandbox) -> None:
    sync(sandbox, "email_send", api_key=f" {sandbox.api_key}\r\n", start_date=" 2024-01-01\n")

    assert sandbox.requests
    for request in sandbox.requests:
        assert request.status == 200
        assert request.headers["Api-Key"] == sandbox.api_key
        assert "%0A" not in request.query
        assert "%0D" not in request.query


# Files that are not what they should be


HUGE = (
    '{"type":"STREAM","stream":{"stream_descriptor":{"name":"gone"},"stream_state":{"a":"' + "x" * 20_000_000 + '"}}}'
)
STATE_OF_5 = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"email_send"},"stream_state":5}}]'
FILES = {
    "an empty config": ("config", ""),
    "a config that is not JSON": ("config", "no JSON"),
    "a config that breaks off": ("config", '{"api_key":'),
    "a config that is a list": ("config", "[]"),
    "a config that is null": ("config", "null"),
    "a config that is a text": ("config", '"text"'),
    "an empty catalog": ("catalog", ""),
    "a catalog that is not JSON": ("catalog", "no JSON"),
    "a catalog that is a list": ("catalog", "[]"),
    "a catalog that is null": ("catalog", "null"),
    "a catalog that is a text": ("catalog", '"text"'),
    "a catalog without streams": ("catalog", "{}"),
    "a catalog whose streams are a number": ("catalog", '{"streams":5}'),
    "a catalog of numbers": ("catalog", '{"streams":[5]}'),
    "a state that is not JSON": ("state", "no JSON"),
    "a state that is a number": ("state", "5"),
    "a state that is a text": ("state", '"text"'),
    "a state of numbers": ("state", "[5]"),
    "a state of nothing": ("state", "[{}]"),
    "a state of a stream that is a number": ("state", STATE_OF_5),
    "a state in the old form": ("state", '{"email_send":{"createdAt":"2024-02-01T00:00:00Z"}}'),
}


@pytest.mark.parametrize(("name", "document"), FILES.values(), ids=FILES)
def test_given_a_file_that_is_no_such_document_when_read_then_one_trace_names_it_and_nothing_is_read(
    sandbox: Sandbox, name: str, document: str
) -> None:
    catalog = configured(catalog_here(sandbox), ["email_send", "channels"])
    good = {"config": settings(sandbox), "catalog": catalog, "state": []}

    output = run_here(sandbox, "read", **(good | {name: document}))

    assert output.exit_code == 1
    assert not output.stderr
    (trace,) = [one["error"] for one in output.of("TRACE") if one["type"] == "ERROR"]
    assert name in trace["message"]
    assert "Traceback" not in trace["message"]
    assert trace["failure_type"] == "config_error"
    assert not output.of("RECORD")
    assert not output.of("STATE")
    assert sandbox.api_key not in output.text


@pytest.mark.parametrize("document", ["[]", "{}", f"[{HUGE}]"], ids=["list", "object", "20 MB"])
def test_given_a_state_that_holds_nothing_of_the_streams_when_read_then_everything_comes(
    sandbox: Sandbox, document: str
) -> None:
    catalog = configured(catalog_here(sandbox), ["email_send"])

    output = run_here(sandbox, "read", config=settings(sandbox), catalog=catalog, state=document)

    assert output.exit_code == 0
    assert_exact(output.records("email_send"), truth(catalog, sandbox, "email_send"))


def test_given_settings_of_20_megabytes_when_checked_then_they_are_refused_in_a_short_sentence(
    sandbox: Sandbox,
) -> None:
    output = run_here(sandbox, "check", config=settings(sandbox, start_date="9" * 20_000_000))

    (status,) = output.of("CONNECTION_STATUS")
    assert "'start_date'" in status["message"]
    assert len(status["message"]) < 1000


@pytest.mark.parametrize(
    "state",
    [
        {"stream": {"stream_descriptor": {"name": "email_send"}, "stream_state": {}}},
        {"type": "LEGACY", "data": {"email_send": {}}},
        {"type": "STREAM", "data": {}},
        {"type": "GLOBAL", "global": {"shared_state": {"a": 1}, "stream_states": []}},
    ],
)
def test_given_a_state_of_another_kind_when_read_then_it_is_refused_and_not_passed_over(
    tmp_path: Path, state: dict[str, Any]
) -> None:
    """Passed over, it would have everything read again, and appended again."""
    file = tmp_path / "state.json"
    file.write_text(json.dumps([state]))

    with pytest.raises(AirbyteTracedException, match="does not hold saved states") as raised:
        SourceIterable.read_state(str(file))

    assert str(file) in str(raised.value.message)


def test_given_a_large_redirect_when_synced_then_its_body_is_not_read(sandbox: Sandbox) -> None:
    client = Api(Config.parse(settings(sandbox)))
    redirect = requests.Response()
    redirect.status_code, redirect.headers["Location"] = 302, "http://127.0.0.1:9/elsewhere"

    assert client.session.get_redirect_target(redirect) is None
    assert client.storage.get_redirect_target(redirect) is None


def test_warnings_that_tell_whole_addresses_are_not_logged(sandbox: Sandbox) -> None:
    Api(Config.parse(settings(sandbox)))

    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)
