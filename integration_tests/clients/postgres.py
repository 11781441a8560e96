"""A PostgreSQL server in a temporary folder, on a loopback port."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from integration_tests.support.processes import until

READY = "database system is ready to accept connections"
UNPRIVILEGED = ("postgres", "nobody")
"""Whom root starts the server as, which refuses to run as root: the first of these users that there is."""


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`, from the PATH or where Debian keeps them; None if not installed."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in folders if (each / "initdb").exists() and (each / "postgres").exists()), None)


class Postgres:
    """A server that runs within a ``with`` block, and leaves nothing."""

    user = "iterable"

    def __init__(self, binaries: Path) -> None:
        """Prepare to run the server in the folder ``binaries``."""
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.password = secrets.token_hex(16)
        self.port = 0

    def __enter__(self) -> Self:
        """Return as soon as it accepts connections."""
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._stop()

    def new_database(self) -> str:
        """The name of a new, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=self.user, password=self.password, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return name

    def _start(self) -> None:
        folder, data, log = self._folder, self._folder / "data", self._folder / "log"
        password = folder / "password"
        password.write_text(self.password)
        how = _as_nobody_special(folder, password) | {"cwd": folder}
        subprocess.run(
            [
                self._binaries / "initdb", "--pgdata", data, "--username", self.user, "--pwfile", password,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync",
            ],
            check=True, stdout=subprocess.DEVNULL, **how,
        )  # fmt: skip
        self.port = _free_port()
        with log.open("wb") as written:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(self.port), "-k", folder,
                    "-c", "fsync=off",
                ],
                stdout=written, stderr=subprocess.STDOUT, **how,
            )  # fmt: skip
        process = self._process
        until(lambda: READY in log.read_text() or process.poll() is not None, "PostgreSQL did not start")
        assert process.poll() is None, log.read_text()

    def _stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGINT)  # ends open sessions and shuts down
            self._process.wait()
        shutil.rmtree(self._folder)


def _as_nobody_special(*paths: Path) -> dict[str, Any]:
    """What runs a process as an unprivileged user to whom ``paths`` belong; nothing if this one is unprivileged."""
    if os.getuid() != 0:
        return {}
    import pwd  # noqa: PLC0415 - not on every system that has no root

    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = next(known[name] for name in UNPRIVILEGED if name in known)
    for path in paths:
        os.chown(path, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
