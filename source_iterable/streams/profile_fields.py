"""The project's own profile fields, and how the project identifies users, as they show."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from source_iterable.records.json_lines import as_text
from source_iterable.streams.base import IterableStream

FIELDS_PATH = "users/getFields"


def profile_fields(stream: IterableStream) -> Mapping[str, str]:
    """The project's profile fields and their types, requested on behalf of ``stream``.

    Raises:
        AirbyteTracedException: As `RetryPolicy` says; a config_error where the key has no access.
        MissingEndpointError: If the data center does not have the endpoint.
    """
    fields = stream.request(FIELDS_PATH, {}, stream.retry_policy("the list of profile fields")).get("fields")
    if not isinstance(fields, dict):
        raise stream.unexpected("no object under 'fields'")
    return {name: as_text(kind) for name, kind in fields.items()}


def identifies_by_email(fields: Collection[str]) -> bool:
    """Whether a project with these profile fields identifies users by their email addresses.

    Others, which do it by user id or by both, have `userListIds` where those have `emailListIds`
    (https://support.iterable.com/hc/en-us/articles/9216719179796).
    """
    return "emailListIds" in fields or "userListIds" not in fields
