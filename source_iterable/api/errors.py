"""The errors of a sync, as sentences with a next step."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import requests
from airbyte_cdk.models import FailureType, StreamDescriptor
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api.error_response import ErrorResponse
from source_iterable.exceptions import DiskFullError

REGION_HELP = "Check the data center (region): US for app.iterable.com, EU for app.eu.iterable.com."
KEY_HELP = (
    "Three usual causes: the key was copied wrongly or deleted; the data center (region) is not the project's "
    "(US for app.iterable.com, EU for app.eu.iterable.com); the key is not of the type Server-side "
    "(Mobile, JavaScript and read-only keys do not do)."
)


@dataclass(frozen=True)
class StreamFailure:
    """Why a read of a stream stopped before its end: a sentence, its kind, and from where the next attempt resumes."""

    cause: str
    kind: FailureType
    resumption: str


class RequestRejected(Exception):  # noqa: N818 - an answer, not yet an error
    """An answer about what was requested that another try will not change."""

    def __init__(self, answer: ErrorResponse) -> None:
        super().__init__(str(answer))
        self.answer = answer


class MissingEndpointError(AirbyteTracedException):
    """The data center does not have the endpoint that a request names: no other request to it will be answered."""


class DeniedError(AirbyteTracedException):
    """The key may not request one endpoint, or the project does not answer there.

    Attributes:
        status: That of the answer, 401 or 403.
    """

    status = requests.codes.forbidden


def failure(stream: str, sentence: str, detail: str, kind: FailureType) -> AirbyteTracedException:
    """An error of ``stream`` as the platform shows it: ``sentence`` to people, ``detail`` beside it."""
    return AirbyteTracedException(
        message=f"{stream}: {sentence}",
        internal_message=detail,
        failure_type=kind,
        stream_descriptor=StreamDescriptor(name=stream),
    )


def missing_endpoint_error(stream: str, endpoint: str, data_center: str) -> MissingEndpointError:
    """The error of ``stream`` for an endpoint that Iterable does not have."""
    return MissingEndpointError(
        message=f"{stream}: Iterable's {data_center} does not have the endpoint {endpoint}. Leave this stream out of "
        f"the connection. {REGION_HELP}",
        internal_message=f"no endpoint {endpoint}",
        failure_type=FailureType.config_error,
        stream_descriptor=StreamDescriptor(name=stream),
    )


def permission_error(stream: str, answer: ErrorResponse) -> DeniedError:
    """The error for a 401 or 403 on the endpoint of ``stream``."""
    told = failure(
        stream,
        f"Iterable refused the API key for this stream ({answer}). The key must be of the type Server-side, which "
        "may export and read list members, and must belong to this project, in the data center (region) that is set. "
        "Create such a key in Iterable under Integrations > API Keys and set it here, or leave this stream out.",
        answer.detail,
        FailureType.config_error,
    )
    error = DeniedError(
        told.internal_message, told.message, told.failure_type, stream_descriptor=StreamDescriptor(name=stream)
    )
    error.status = answer.status
    return error


def refused_key_error(stream: str, answer: str) -> AirbyteTracedException:
    """The error of ``stream`` for a key that Iterable refuses everywhere."""
    return failure(
        stream,
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


def disk_full_error(stream: str, error: OSError) -> DiskFullError:
    """The error for a temporary folder that takes no more."""
    return DiskFullError(
        message=f"{stream}: no room to spool an answer in {tempfile.gettempdir()}: {error.strerror or error}. "
        "Free disk space there, or set $TMPDIR to another folder, or lower ITERABLE_SPOOL_MEGABYTES.",
        internal_message=repr(error),
        failure_type=FailureType.transient_error,
        stream_descriptor=StreamDescriptor(name=stream),
    )
