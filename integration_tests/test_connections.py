"""Every connection, whatever for, stays open while an answer takes minutes."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import urllib3
import yaml

from integration_tests.sandbox import Sandbox
from integration_tests.support.sync import ROOT, settings, sync
from source_iterable.api.client import CONNECTIONS, Api
from source_iterable.config import Config

MAX_SILENCE = 350
"""Seconds after which NAT gateways of the large clouds drop a connection that carries nothing."""
DAY = 86_400


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The seconds of silence after which each new connection sends a probe; 0 where it never does."""
    found: list[int] = []
    connect = urllib3.util.connection.create_connection

    def create_connection(*address: Any, **how: Any) -> socket.socket:
        made = connect(*address, **how)
        is_on = made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        found.append(made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) if is_on else 0)
        return made

    monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)
    yield found
    assert found
    assert all(0 < seconds < MAX_SILENCE for seconds in found)


@pytest.mark.parametrize("method", ["direct", "jobs"])
def test_given_a_sync_when_it_connects_then_connections_are_kept_alive(
    sandbox: Sandbox, probes: list[int], method: str
) -> None:
    output = sync(sandbox, "email_send", "list_users", "campaigns", export_method=method)

    assert not output.errors
    asked = {request.endpoint.split("/")[0] for request in sandbox.requests}
    assert {"lists", "campaigns", "channels", "users"} <= asked
    assert bool(sandbox.storage_requests) == (method == "jobs")


def test_given_each_session_when_it_connects_then_connections_are_kept_alive(
    sandbox: Sandbox, probes: list[int]
) -> None:
    api = Api(Config.parse(settings(sandbox)))
    sessions = [api.session, api.job_session(), api.storage, api.new_session(requests.Session())]

    for session in sessions:
        session.get(f"{sandbox.url}/api/channels").close()
    api.request_once("channels").close()
    api.cancel("export/1")

    assert len(probes) == len(sessions) + 2


def test_given_a_proxy_when_it_connects_then_connections_are_kept_alive(
    sandbox: Sandbox, probes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox takes the place of the proxy; what it answers does not matter."""
    monkeypatch.setenv("http_proxy", sandbox.url)
    monkeypatch.setenv("no_proxy", "")
    api = Api(Config.parse(settings(sandbox), {"ITERABLE_API_URL": "http://api.example.com"}))

    api.request_once("channels").close()

    assert len(probes) == 1


def test_many_connections_are_kept_for_reuse(sandbox: Sandbox) -> None:
    api = Api(Config.parse(settings(sandbox)))

    for session in (api.session, api.job_session(), api.storage):
        for scheme in ("https://", "http://"):
            pool = session.get_adapter(f"{scheme}api.example.com").poolmanager.connection_from_url(f"{scheme}a.example")
            assert pool.pool.maxsize == CONNECTIONS


def test_the_platform_waits_as_long_as_answers_may_take() -> None:
    assert yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8"))["data"]["maxSecondsBetweenMessages"] == DAY
