import json
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.config import Config

SPEC = json.loads((files("source_iterable") / "spec.json").read_text())["connectionSpecification"]


def test_defaults_are_those_of_the_form(settings: dict[str, Any]) -> None:
    defaults = {name: field["default"] for name, field in SPEC["properties"].items() if "default" in field}

    assert Config.parse(settings, {}) == Config.parse(settings | defaults, {})


def test_every_setting_is_understood(settings: dict[str, Any]) -> None:
    config = Config.parse(
        {
            "api_key": " key-with-blanks-around \n",
            "start_date": "01/31/2024",
            "end_date": "2024-03-01T12:00:00Z",
            "window_in_days": 7.0,
            "region": "EU",
            "lookback_window_in_minutes": 0,
            "event_key": "email",
            "export_method": "jobs",
        },
        {"ITERABLE_SPOOL_MEGABYTES": "10", "ITERABLE_RATE_SCALE": "0.5"},
    )

    assert config == Config(
        api_key="key-with-blanks-around",
        start_date=datetime(2024, 1, 31, tzinfo=timezone.utc),
        end_date=datetime(2024, 3, 1, 12, tzinfo=timezone.utc),
        window=timedelta(days=7),
        lookback=timedelta(),
        event_key="email",
        export_method="jobs",
        url="https://api.eu.iterable.com",
        rate_scale=0.5,
        spool_bytes=10_000_000,
    )


def test_environment_may_name_another_host(settings: dict[str, Any]) -> None:
    assert Config.parse(settings, {"ITERABLE_API_URL": "http://127.0.0.1:1/"}).url == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("api_key", None),
        ("api_key", ""),
        ("api_key", 12345678),
        ("api_key", "two words"),
        ("api_key", "key\r\nX-Injected: yes"),
        ("api_key", "schlüssel"),
        ("start_date", None),
        ("start_date", "31/12/2023"),
        ("start_date", "2024-02-30"),
        ("start_date", 20240101),
        ("start_date", "2999-01-01"),
        ("end_date", "2023-12-31"),
        ("end_date", "2024-01-01"),
        ("end_date", "tomorrow"),
        ("window_in_days", 0),
        ("window_in_days", 366),
        ("window_in_days", "30"),
        ("window_in_days", 1.5),
        ("window_in_days", True),
        ("lookback_window_in_minutes", -1),
        ("lookback_window_in_minutes", 10081),
        ("lookback_window_in_minutes", []),
        ("region", "us"),
        ("region", {"name": "US"}),
        ("event_key", "messageId"),
        ("export_method", "data.csv"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_its_name(settings: dict[str, Any], field: str, value: Any) -> None:
    with pytest.raises(AirbyteTracedException) as refused:
        Config.parse(settings | {field: value}, {})

    assert refused.value.failure_type is FailureType.config_error
    assert f"'{field}'" in str(refused.value.message)
    assert str(refused.value.message).endswith(".")
    if field == "api_key" and value:
        assert str(value) not in f"{refused.value.message} {refused.value.internal_message}"


KEYS = (
    "0123456789abcdef0123456789abcdef",
    "abcdefabcdefabcdefabcdefabcdefab",
    "12345678901234567890123456789012",
    12345678901234567890123456789012,
    1.2345678901234567e31,
    "sk.live_AbCdEf-0123456789",
    " 0123456789abcdef0123456789abcdef\n",
    ["0123456789abcdef0123456789abcdef"],
    {"key": "0123456789abcdef0123456789abcdef"},
)


@pytest.mark.parametrize("field", sorted(SPEC["properties"].keys() - {"api_key"}))
@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_a_key_in_the_wrong_field_is_not_printed(settings: dict[str, Any], field: str, key: Any) -> None:
    with pytest.raises(AirbyteTracedException, match=field) as refused:
        Config.parse(settings | {field: key}, {})

    said = f"{refused.value.message} {refused.value.internal_message}"
    assert not any(part in said for part in ("abcd", "AbCd", "123456", "234567"))


@pytest.mark.parametrize("name", ["ITERABLE_API_URL", "ITERABLE_SPOOL_MEGABYTES", "ITERABLE_RATE_SCALE"])
@pytest.mark.parametrize("key", [key for key in KEYS if isinstance(key, str)], ids=repr)
def test_a_key_in_the_environment_is_not_printed(settings: dict[str, Any], name: str, key: str) -> None:
    with pytest.raises(AirbyteTracedException, match=name) as refused:
        Config.parse(settings, {name: f"-{key}"})

    assert not any(part in str(refused.value.message) for part in ("abcd", "AbCd", "123456", "234567"))


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:pa55word@api.iterable.com",
        "https://pa55word@127.0.0.1:1/",
        "ftp://ann:pa55word@api.iterable.com",
        "https://api.iterable.com/?key=pa55word",
        "https://api.iterable.com:pa55word",
        "https://[pa55word",
        "https://",
    ],
)
def test_an_address_with_credentials_is_refused_and_not_printed(settings: dict[str, Any], url: str) -> None:
    with pytest.raises(AirbyteTracedException, match="ITERABLE_API_URL") as refused:
        Config.parse(settings, {"ITERABLE_API_URL": url})

    assert "pa55word" not in f"{refused.value.message} {refused.value.internal_message} {refused.value.__cause__}"


@pytest.mark.parametrize(
    ("field", "value", "quoted"),
    [
        ("start_date", "31/12/2023", "'31/12/2023'"),
        ("start_date", "2024-02-30", "'2024-02-30'"),
        ("end_date", "2024-02-01 12:00", "'2024-02-01 12:00'"),
        ("end_date", "2024-02-01T12:00:00+01:00", "'2024-02-01T12:00:00+01:00'"),
        ("window_in_days", 0, "0"),
        ("window_in_days", "30", "'30'"),
        ("window_in_days", 1.5, "1.5"),
        ("window_in_days", True, "true"),
        ("region", "us", "'us'"),
        ("region", " EU", "' EU'"),
        ("export_method", "data.csv", "'data.csv'"),
        ("event_key", "messageId", "'messageId'"),
    ],
)
def test_a_value_that_was_meant_for_its_setting_is_quoted(
    settings: dict[str, Any], field: str, value: Any, quoted: str
) -> None:
    with pytest.raises(AirbyteTracedException) as refused:
        Config.parse(settings | {field: value}, {})

    assert quoted in str(refused.value.message)


@pytest.mark.parametrize("name", ["ITERABLE_SPOOL_MEGABYTES", "ITERABLE_RATE_SCALE"])
@pytest.mark.parametrize("text", ["0", "-1", "many", "inf", "nan"])
def test_an_environment_variable_that_cannot_be_used_is_refused(settings: dict[str, Any], name: str, text: str) -> None:
    with pytest.raises(AirbyteTracedException, match=name):
        Config.parse(settings, {name: text})


def test_the_key_is_not_in_what_a_config_prints(settings: dict[str, Any]) -> None:
    assert settings["api_key"] not in repr(Config.parse(settings, {}))


def test_form_explains_every_field() -> None:
    orders = [field["order"] for field in SPEC["properties"].values()]

    assert sorted(orders) == list(range(len(orders)))
    for name, field in SPEC["properties"].items():
        assert field["title"], name
        assert field["description"].endswith((".", ")")), name
        assert "pattern" not in field or field["pattern_descriptor"], name
    assert SPEC["properties"]["api_key"]["airbyte_secret"] is True
    assert SPEC["required"] == ["api_key", "start_date"]
