"""Who is measured: this connector, the published connector, the published tap, and the bare loop.

Each runs as it is, in an environment of its own, and believes that it talks to Iterable.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tools.benchmarks.server import FEWER_LISTS

ROOT = Path(__file__).resolve().parents[2]
WINDOW_IN_DAYS = 30
INSTALL_SECONDS = 600


class NotToBeHadError(Exception):
    """A contestant that cannot be installed or started here."""


@dataclass(frozen=True)
class Job:
    """Tables to copy, and from when to when.

    Attributes:
        tables: Their names.
        start: The first day, `YYYY-MM-DD`.
        end: The day after the last.
        lists: How many lists the key sees.
        window_in_days: The width of the windows, where that can be set.
    """

    tables: tuple[str, ...]
    start: str
    end: str
    lists: int
    window_in_days: int = WINDOW_IN_DAYS


class Contestant(ABC):
    """Copies tables to its standard output.

    Attributes:
        name: What it is called in reports.
        slug: The same for file names.
        version: Its version, known once it is there.
    """

    name: ClassVar[str]
    slug: ClassVar[str]

    def __init__(self, scratch: Path, environment: Mapping[str, str]) -> None:
        self.scratch = scratch / self.slug
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.environment = environment
        self.version = ""
        self._catalog: Mapping[str, Any] = {}

    def prepare(self, tell: Callable[[str], object]) -> None:
        """Install it if need be, and learn what tables it has.

        Raises:
            NotToBeHadError: If that cannot be done here.
        """
        self.install(tell)
        job = Job((), "2025-01-01", "2025-01-02", 1)
        self._catalog = self.discovered(self._written("config-discover", self.config(job)))

    @abstractmethod
    def install(self, tell: Callable[[str], object]) -> None:
        """Put it into an environment of its own."""

    @abstractmethod
    def discovered(self, config: Path) -> Mapping[str, Any]:
        """The catalog that it tells."""

    @abstractmethod
    def config(self, job: Job) -> Mapping[str, Any]:
        """The settings for ``job``."""

    @abstractmethod
    def selected(self, tables: Sequence[str]) -> Mapping[str, Any]:
        """The catalog that selects ``tables``."""

    @abstractmethod
    def command(self, config: Path, catalog: Path) -> Sequence[str]:
        """What to run for a copy."""

    @abstractmethod
    def spec(self) -> Sequence[str] | None:
        """What to run for its settings form; None if it has none."""

    def copies(self, job: Job) -> Sequence[str]:
        """What to run for ``job``."""
        name = "-".join((job.start, *(job.tables[:2]), str(len(job.tables))))
        catalog = self._written(f"catalog-{name}", self.selected(job.tables))
        return self.command(self._written(f"config-{name}", self.config(job)), catalog)

    def _written(self, name: str, content: Mapping[str, Any]) -> Path:
        path = self.scratch / f"{name}.json"
        path.write_text(json.dumps(content), "utf-8")
        return path

    def _output(self, command: Sequence[str]) -> str:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=dict(self.environment),
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
            raise NotToBeHadError(f"{Path(command[0]).name} failed: {''.join(last)[:300]}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotToBeHadError(str(error)) from error
        return done.stdout


class AirbyteConnector(Contestant):
    """A program that speaks the Airbyte protocol."""

    program: Sequence[str]

    def discovered(self, config: Path) -> Mapping[str, Any]:
        """The catalog that `discover` tells."""
        for line in self._output([*self.program, "discover", "--config", str(config)]).splitlines():
            if line.startswith('{"type":"CATALOG"') or '"CATALOG"' in line:
                catalog: Mapping[str, Any] = json.loads(line)["catalog"]
                return catalog
        raise NotToBeHadError("it told no catalog")

    def config(self, job: Job) -> Mapping[str, Any]:
        """The documented settings; the server has no export jobs."""
        return {
            "export_method": "direct",
            "api_key": f"{FEWER_LISTS}{job.lists}",
            "start_date": f"{job.start}T00:00:00Z",
            "end_date": f"{job.end}T00:00:00Z",
            "window_in_days": job.window_in_days,
        }

    def selected(self, tables: Sequence[str]) -> Mapping[str, Any]:
        """Incremental where that is offered, merged by key."""
        known = {stream["name"]: stream for stream in self._catalog["streams"]}
        streams = []
        for name in tables:
            incremental = "incremental" in known[name]["supported_sync_modes"]
            streams.append(
                {
                    "stream": known[name],
                    "sync_mode": "incremental" if incremental else "full_refresh",
                    "destination_sync_mode": "append_dedup" if incremental else "overwrite",
                    "cursor_field": known[name].get("default_cursor_field", []),
                    "primary_key": known[name].get("source_defined_primary_key", []),
                }
            )
        return {"streams": streams}

    def command(self, config: Path, catalog: Path) -> Sequence[str]:
        """`read`."""
        return [*self.program, "read", "--config", str(config), "--catalog", str(catalog)]

    def spec(self) -> Sequence[str] | None:
        """`spec`."""
        return [*self.program, "spec"]


class Ours(AirbyteConnector):
    """This connector, from the checkout."""

    name = "this connector"
    slug = "ours"

    def install(self, tell: Callable[[str], object]) -> None:
        """Nothing to install: it runs in the environment that this runs in."""
        self.program = [sys.executable, str(ROOT / "main.py")]
        found = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
        self.version = found[1] if found else "unknown"


class Bare(Ours):
    """The bare loop, with this connector's settings and catalog."""

    name = "bare loop"
    slug = "bare"

    def command(self, config: Path, catalog: Path) -> Sequence[str]:
        """The module."""
        return [sys.executable, "-m", "tools.benchmarks.bare", "--config", str(config), "--catalog", str(catalog)]

    def spec(self) -> Sequence[str] | None:
        """It has no form."""
        return None


class Package:
    """A published package in a virtual environment of its own.

    Args:
        name: What the package index calls it.
        version: Which one.
        pythons: Interpreters that it works with, best first.
    """

    def __init__(self, name: str, version: str, pythons: Sequence[str]) -> None:
        self.name = name
        self.version = version
        self._pythons = pythons

    def installed(self, folder: Path, tell: Callable[[str], object]) -> Path:
        """The folder of its programs.

        Raises:
            NotToBeHadError: If no interpreter fits, or it cannot be installed.
        """
        stamp = folder / f".installed-{self.version}"
        if not stamp.exists():
            tell(f"Installing {self.name} {self.version} into an environment of its own ...")
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            for command in (
                [self._python(), "-m", "venv", "--clear", str(folder)],
                [*pip, "wheel", "setuptools<81"],
                [*pip, f"{self.name}=={self.version}"],
            ):
                done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
                if done.returncode:
                    last = [line for line in done.stderr.splitlines() if "error" in line.lower()][-1:]
                    raise NotToBeHadError(f"{self.name} {self.version} cannot be installed: {''.join(last)[:300]}")
            stamp.touch()
        return folder / "bin"

    def trust(self, folder: Path, authority: Path) -> None:
        """Add ``authority`` to the certificates that the environment in ``folder`` trusts.

        The published connector's framework passes by `REQUESTS_CA_BUNDLE`; what it does look at is the store
        of its own environment.
        """
        code = "import certifi; print(certifi.where())"
        done = subprocess.run([str(folder / "bin" / "python"), "-c", code], capture_output=True, text=True, check=True)
        store = Path(done.stdout.strip())
        untouched = store.with_suffix(".published")
        if not untouched.exists():
            shutil.copy(store, untouched)
        store.write_bytes(untouched.read_bytes() + b"\n" + authority.read_bytes())

    def _python(self) -> str:
        if f"python{sys.version_info[0]}.{sys.version_info[1]}" in self._pythons:
            return sys.executable
        for name in self._pythons:
            found = shutil.which(name)
            if found and not subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
                return found
        raise NotToBeHadError(f"{self.name} {self.version} needs one of {', '.join(self._pythons)}, and none is here")


class PublishedConnector(AirbyteConnector):
    """The source connector that Airbyte publishes."""

    name = "published connector"
    slug = "connector"
    package = Package("airbyte-source-iterable", "1.0.1", ("python3.11", "python3.10"))

    def install(self, tell: Callable[[str], object]) -> None:
        """Install the package."""
        programs = self.package.installed(self.scratch / "environment", tell)
        self.package.trust(self.scratch / "environment", Path(self.environment["REQUESTS_CA_BUNDLE"]))
        self.version = self.package.version
        self.program = [str(programs / "source-iterable")]


class PublishedTap(Contestant):
    """The Singer tap that Stitch publishes."""

    name = "published tap"
    slug = "tap"
    package = Package("tap-iterable", "1.0.1", ("python3.11", "python3.10", "python3.9"))
    _programs: Path

    def install(self, tell: Callable[[str], object]) -> None:
        """Install the package."""
        self._programs = self.package.installed(self.scratch / "environment", tell)
        self.package.trust(self.scratch / "environment", Path(self.environment["REQUESTS_CA_BUNDLE"]))
        self.version = self.package.version

    def discovered(self, config: Path) -> Mapping[str, Any]:
        """The catalog that `--discover` tells."""
        text = self._output([str(self._programs / "tap-iterable"), "--config", str(config), "--discover"])
        catalog: Mapping[str, Any] = json.loads(text)
        return catalog

    def config(self, job: Job) -> Mapping[str, Any]:
        """The documented settings; it knows no end, and reads on to the present."""
        return {
            "api_key": f"{FEWER_LISTS}{job.lists}",
            "start_date": f"{job.start}T00:00:00Z",
            "api_window_in_days": job.window_in_days,
        }

    def selected(self, tables: Sequence[str]) -> Mapping[str, Any]:
        """The tables marked as selected, with all their columns."""
        streams = []
        for stream in self._catalog["streams"]:
            if stream["tap_stream_id"] in tables:
                marks = [{**mark, "metadata": {**mark["metadata"], "selected": True}} for mark in stream["metadata"]]
                streams.append({**stream, "metadata": marks})
        return {"streams": streams}

    def command(self, config: Path, catalog: Path) -> Sequence[str]:
        """A sync."""
        return [str(self._programs / "tap-iterable"), "--config", str(config), "--catalog", str(catalog)]

    def spec(self) -> Sequence[str] | None:
        """It has no form."""
        return None


def environment(proxy: str, authority: Path) -> dict[str, str]:
    """The environment in which a contestant reaches the server under Iterable's address."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in {"https_proxy", "http_proxy", "all_proxy", "no_proxy", "pythonpath"}
        and not name.startswith("ITERABLE_")
    }
    return mine | {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": "",
        "no_proxy": "",
        "REQUESTS_CA_BUNDLE": str(authority),
        "SSL_CERT_FILE": str(authority),
        "ITERABLE_RATE_SCALE": "1000000",
    }
