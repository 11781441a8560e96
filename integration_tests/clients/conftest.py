"""PyAirbyte as people run it: this connector's console script, a sandbox in place of Iterable, no network besides."""

import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.clients.postgres import Postgres, find_binaries
from integration_tests.sandbox import Sandbox
from integration_tests.support.sync import NOW, START, environment, settings

CONNECTOR = Path(sys.executable).with_name("source-iterable")
_FOLDER = tempfile.TemporaryDirectory(prefix="pyairbyte-")
# PyAirbyte reads these when it is imported.
os.environ |= {
    "AIRBYTE_OFFLINE_MODE": "1",
    "DO_NOT_TRACK": "1",
    "AIRBYTE_PROJECT_DIR": _FOLDER.name,
    "AIRBYTE_LOGGING_ROOT": f"{_FOLDER.name}/logs",
    "AIRBYTE_TEMP_DIR": _FOLDER.name,
}

import airbyte as ab  # noqa: E402
from airbyte.caches import CacheBase, DuckDBCache, PostgresCache  # noqa: E402

Connect = Callable[..., ab.Source]


@pytest.fixture(autouse=True)
def _only_the_loopback_interface(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test if this process requests any other address, or for the address of a name."""
    refused: list[str] = []

    def guarded(call: Callable[..., Any], host_of: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*arguments: Any, **options: Any) -> Any:
            host = host_of(*arguments, **options)
            if host is not None and not ipaddress.ip_address(host).is_loopback:
                raise ValueError
            return call(*arguments, **options)

        def checked(*arguments: Any, **options: Any) -> Any:
            try:
                return asked(*arguments, **options)
            except ValueError:
                refused.append(str(arguments))
                raise OSError("the tests may use the loopback interface only") from None

        return checked

    def target(connection: socket.socket, address: Any) -> Any:
        return None if connection.family == socket.AF_UNIX else address[0]

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect, target))
    monkeypatch.setattr(socket, "getaddrinfo", guarded(socket.getaddrinfo, lambda host, *_, **__: host))
    yield
    assert refused == []


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox of this test's own, which every connector that is started asks."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        for name, value in environment(running).items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def connect(sandbox: Sandbox) -> Connect:
    """Give a new source, as a program that starts afresh would make it, with some tables selected or all."""

    def made(*tables: str, **others: Any) -> ab.Source:
        return ab.get_source(
            "source-iterable",
            local_executable=CONNECTOR,
            config=settings(sandbox, **others),
            streams=list(tables) or "*",
            install_if_missing=False,
        )

    return made


@pytest.fixture
def duckdb(tmp_path: Path) -> Iterator[CacheBase]:
    """An empty DuckDB file."""
    with DuckDBCache(db_path=tmp_path / "warehouse.duckdb", schema_name="iterable", cache_dir=tmp_path) as cache:
        yield cache


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server of these tests' own."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with Postgres(binaries) as running:
        yield running


@pytest.fixture
def postgres(server: Postgres, tmp_path: Path) -> Iterator[CacheBase]:
    """An empty PostgreSQL database."""
    with PostgresCache(
        host="127.0.0.1",
        port=server.port,
        username=server.user,
        password=server.password,
        database=server.new_database(),
        schema_name="iterable",
        cache_dir=tmp_path,
    ) as cache:
        yield cache
