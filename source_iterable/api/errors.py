"""The errors of a sync that are told apart by their kind."""

from __future__ import annotations

from dataclasses import dataclass

from airbyte_cdk.models import FailureType

from source_iterable import messages
from source_iterable.api.error_response import ErrorResponse


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


class MissingEndpointError(messages.MessageError):
    """The data center does not have the endpoint that a request names: no other request to it will be answered."""

    def __init__(self, stream: str, endpoint: str, data_center: str) -> None:
        super().__init__(messages.ENDPOINT_MISSING, stream, endpoint=endpoint, data_center=data_center)


class DeniedError(messages.MessageError):
    """The key may not request one endpoint, or the project does not answer there.

    Attributes:
        answer: The answer, a 401 or 403.
    """

    def __init__(self, stream: str, answer: ErrorResponse) -> None:
        super().__init__(messages.KEY_DENIED, stream, answer.detail, answer=answer)
        self.answer = answer
