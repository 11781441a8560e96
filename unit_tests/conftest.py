"""What unit tests share: settings, an API that is never asked, and waits that are recorded."""

from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from source_iterable.api.client import Api
from source_iterable.config import Config

# How fast an example runs says nothing on a machine that does other things too.
hypothesis_settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("unhurried")

API_KEY = "test-api-key-0123"
SETTINGS = {"api_key": API_KEY, "start_date": "2024-01-01"}


@pytest.fixture
def settings() -> dict[str, Any]:
    return dict(SETTINGS)


@pytest.fixture
def config() -> Config:
    return Config.parse(SETTINGS, {"ITERABLE_RATE_SCALE": "1000"})


@pytest.fixture
def api(config: Config, requests_mock: Any) -> Api:
    requests_mock.get(f"{config.url}/api/users/getFields", json={"fields": {"Favorite Color": "string"}})
    requests_mock.get(f"{config.url}/api/channels", json={"channels": []})
    return Api(config)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, instead of sleeping them."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept
