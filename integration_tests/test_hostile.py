"""Networks and servers that mean no good: what is promised holds, and what went wrong is said in a sentence."""

import json
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
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.expected import TRUTH_OF, assert_exact
from integration_tests.support.observed import EVER, EXPORT, LISTS, failure_of, truth_with
from integration_tests.support.sync import (
    catalog_here,
    configured,
    read_here,
)
from source_iterable.api import body, body_scan
from source_iterable.streams import disk

MIXED = ("campaigns", "email_send", "list_users", "users")


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
        assert_exact(mended.records(table), truth_with(sandbox, mixed, table), table)
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
        assert_exact(output.records(table), truth_with(sandbox, mixed, table), table)


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
    # Virtual time adds up the waits of threads that wait beside each other: a bound for an end, not for its speed.
    assert 0 < hours.now() < 12 * 3600


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
        assert_exact(output.records(table), truth_with(sandbox, mixed, table), table)


# Bodies without measure


@pytest.mark.parametrize(
    ("table", "endpoint"), [("email_send", EXPORT), ("users", EXPORT), ("list_users", LISTS)], ids=str
)
def test_given_an_endless_line_when_synced_then_that_stream_says_so_and_the_others_are_exact(
    sandbox: Sandbox, mixed: dict[str, Any], waits: list[float], table: str, endpoint: str
) -> None:
    which = {} if table == "list_users" else {"data_type": TRUTH_OF[table]}
    sandbox.faults.add(Fault(kind="long_line", endpoint=endpoint, body_bytes=70_000_000, **EVER, **which))

    output = read_here(sandbox, mixed)

    error = failure_of(output, table)
    assert error["failure_type"] == "system_error"
    assert "a line is longer than 64 MB" in error["message"]
    assert not output.records(table)
    for other in set(MIXED) - {table}:
        assert_exact(output.records(other), truth_with(sandbox, mixed, other), other)


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
    assert_exact(output.records("email_send"), truth_with(sandbox, catalog, "email_send"))


@pytest.mark.parametrize("status", [200, 400, 401, 500, 503])
@pytest.mark.parametrize(("table", "endpoint"), [("email_send", EXPORT), ("campaigns", "campaigns")])
def test_given_a_huge_answer_when_synced_then_it_is_not_read_to_its_end(
    sandbox: Sandbox, mixed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, table: str, endpoint: str, status: int
) -> None:
    for module in body, disk:
        monkeypatch.setattr(module, "LARGEST_ANSWER", 20_000_000)
    size = 70_000_000  # more than a line may have, too
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=endpoint, body_bytes=size, **EVER))
    began = time.monotonic()

    output = read_here(sandbox, mixed)

    error = failure_of(output, table)
    assert error["failure_type"] in {"transient_error", "system_error", "config_error"}
    assert len(json.dumps(error)) < 10_000
    assert time.monotonic() - began < 60
    assert_exact(output.records("list_users"), truth_with(sandbox, mixed, "list_users"))
