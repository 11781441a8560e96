"""Exceptions that callers handle by type."""

from __future__ import annotations

from dataclasses import dataclass

from airbyte_cdk.models import FailureType

from source_iterable import messages
from source_iterable.api.error_response import ErrorResponse


@dataclass(frozen=True)
class StreamFailure:
    """Why a stream stopped before its end, its failure type, and where the next attempt resumes."""

    cause: str
    kind: FailureType
    resumption: str


class RequestRejected(Exception):  # noqa: N818 - not an error yet: the caller decides
    """A response that rejects what was requested, and that another attempt will not change."""

    def __init__(self, answer: ErrorResponse) -> None:
        super().__init__(str(answer))
        self.answer = answer


class MissingEndpointError(messages.MessageError):
    """The data center does not have the endpoint."""

    def __init__(self, stream: str, endpoint: str, data_center: str) -> None:
        super().__init__(messages.ENDPOINT_MISSING, stream, endpoint=endpoint, data_center=data_center)


class DeniedError(messages.MessageError):
    """The API key has no permission for an endpoint.

    Attributes:
        answer: The response, a 401 or 403.
    """

    def __init__(self, stream: str, answer: ErrorResponse) -> None:
        super().__init__(messages.KEY_DENIED, stream, answer.detail, answer=answer)
        self.answer = answer
