from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_iterable import timestamps

TIMESTAMPS = st.integers(min_value=0, max_value=4_102_444_800_000_000).map(
    lambda microseconds: timestamps.EPOCH + timedelta(microseconds=microseconds)
)


@pytest.mark.parametrize(
    ("sent", "rfc3339"),
    [
        pytest.param("2021-04-14 16:41:09 +00:00", "2021-04-14T16:41:09Z", id="event export"),
        pytest.param("2021-04-14 16:41:09 +02:00", "2021-04-14T14:41:09Z", id="another offset"),
        pytest.param("2021-04-14 16:41:09", "2021-04-14T16:41:09Z", id="no offset is UTC"),
        pytest.param("2021-04-14T16:41:09Z", "2021-04-14T16:41:09Z", id="RFC 3339"),
        pytest.param("2021-04-14T16:41:09.123+00:00", "2021-04-14T16:41:09.123000Z", id="milliseconds"),
        pytest.param("2025-12-19T22:43:34.134105.000Z", "2025-12-19T22:43:34.134105Z", id="two fractions"),
        pytest.param("2024-02-29 00:00:00 +00:00", "2024-02-29T00:00:00Z", id="leap day"),
        pytest.param(1674496846000, "2023-01-23T18:00:46Z", id="epoch milliseconds"),
        pytest.param(1674496846123, "2023-01-23T18:00:46.123000Z", id="epoch milliseconds with a fraction"),
    ],
)
def test_timestamp_is_converted_to_rfc3339(sent: object, rfc3339: str) -> None:
    assert timestamps.rfc3339(sent) == rfc3339


@pytest.mark.parametrize(
    "sent",
    [
        "2021-04-14",
        "2021-02-30 16:41:09 +00:00",
        "2021-04-14 25:41:09 +00:00",
        "2021-04-14 16:41",
        "soon",
        "",
        True,
        1.5,
        None,
        [],
        10**30,
        "2021-04-14 16:41:09 +00:0x",
    ],
)
def test_a_value_that_is_not_a_timestamp_is_none(sent: object) -> None:
    assert timestamps.rfc3339(sent) is None


@given(TIMESTAMPS)
def test_every_timestamp_survives_formatting_and_parsing(when: datetime) -> None:
    whole = timestamps.whole_second(when)

    assert timestamps.parse(timestamps.for_export(when)) == whole
    assert timestamps.parse(timestamps.formatted(when)) == when
    assert timestamps.rfc3339(timestamps.for_export(when)) == timestamps.formatted(whole)


@given(st.text())
def test_any_text_is_a_timestamp_or_none(text: str) -> None:
    result = timestamps.rfc3339(text)

    assert result is None or timestamps.rfc3339(result) == result


@pytest.mark.parametrize("form", ["2024-01-31", "2024-01-31T00:00:00Z", "01/31/2024"])
def test_settings_accept_three_forms(form: str) -> None:
    assert timestamps.from_setting(form) == datetime(2024, 1, 31, tzinfo=timezone.utc)


@pytest.mark.parametrize("form", ["31/01/2024", "2024-02-30", "2024-1-31", "2024-01-31 00:00:00", "yesterday", ""])
def test_settings_refuse_other_forms(form: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        timestamps.from_setting(form)


@pytest.mark.parametrize(
    ("value", "is_date"), [("2015-11-13", True), ("2015-02-30", False), ("2015-11-13T", False), (5, False)]
)
def test_dates_without_a_time_are_recognized(value: object, is_date: bool) -> None:
    assert timestamps.is_bare_date(value) is is_date
