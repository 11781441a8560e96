"""The errors of a sync, as sentences with a next step."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from airbyte_cdk.models import FailureType, StreamDescriptor
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api.error_response import ErrorResponse
from source_iterable.exceptions import DiskError

REGION_HELP = "Check the data center (region): US for app.iterable.com, EU for app.eu.iterable.com."
KEY_HELP = (
    "Three usual causes: the key was copied wrongly or deleted; the data center (region) is not the project's "
    "(US for app.iterable.com, EU for app.eu.iterable.com); the key is not of the type Server-side "
    "(Mobile, JavaScript and read-only keys do not do)."
)


@dataclass(frozen=True)
class Stopped:
    """Why a read of a table stopped before its end: a sentence, its kind, and from where another try goes on."""

    cause: str
    kind: FailureType
    resumption: str


class Rejected(Exception):  # noqa: N818 - an answer, not yet an error
    """An answer about what was asked for that another try will not change."""

    def __init__(self, answer: ErrorResponse) -> None:
        super().__init__(str(answer))
        self.answer = answer


class MissingEndpointError(AirbyteTracedException):
    """The data center does not have the endpoint that a request names: no other request to it will be answered."""


def failure(table: str, sentence: str, detail: str, kind: FailureType) -> AirbyteTracedException:
    """An error of ``table`` as the platform shows it: ``sentence`` to people, ``detail`` beside it."""
    return AirbyteTracedException(
        message=f"{table}: {sentence}",
        internal_message=detail,
        failure_type=kind,
        stream_descriptor=StreamDescriptor(name=table),
    )


def missing_endpoint_error(table: str, endpoint: str, data_center: str) -> MissingEndpointError:
    """The error of ``table`` for an endpoint that Iterable does not have."""
    return MissingEndpointError(
        message=f"{table}: Iterable's {data_center} does not have the endpoint {endpoint}. Leave this stream out of "
        f"the connection. {REGION_HELP}",
        internal_message=f"no endpoint {endpoint}",
        failure_type=FailureType.config_error,
        stream_descriptor=StreamDescriptor(name=table),
    )


def permission_error(table: str, answer: ErrorResponse) -> AirbyteTracedException:
    """The error for a 401 or 403 on the endpoint of ``table``."""
    return failure(
        table,
        f"Iterable refused the API key for this table ({answer}). The key must be of the type Server-side, which "
        "may export and read list members, and must belong to this project, in the data center (region) that is set. "
        "Create such a key in Iterable under Integrations > API Keys and set it here, or leave this table out.",
        answer.detail,
        FailureType.config_error,
    )


def refused_key_error(table: str, answer: str) -> AirbyteTracedException:
    """The error of ``table`` for a key that Iterable refuses everywhere."""
    return failure(
        table,
        f"not read: Iterable refused the API key ({answer}). {KEY_HELP}",
        answer,
        FailureType.config_error,
    )


def key_error(answer: ErrorResponse) -> AirbyteTracedException:
    """The error for a key that Iterable refuses everywhere."""
    return AirbyteTracedException(
        message=f"Iterable refused the API key ({answer}). {KEY_HELP}",
        internal_message=answer.detail,
        failure_type=FailureType.config_error,
    )


def disk_error(table: str, error: OSError) -> DiskError:
    """The error for a temporary folder that takes no more."""
    return DiskError(
        message=f"{table}: no room to spool an answer in {tempfile.gettempdir()}: {error.strerror or error}. Free disk "
        "space there, or set $TMPDIR to another folder, or lower ITERABLE_SPOOL_MEGABYTES.",
        internal_message=repr(error),
        failure_type=FailureType.transient_error,
        stream_descriptor=StreamDescriptor(name=table),
    )
