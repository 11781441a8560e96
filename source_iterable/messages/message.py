"""A message: what happened, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airbyte_cdk.models import FailureType, StreamDescriptor
from airbyte_cdk.utils import AirbyteTracedException

CONFIG = FailureType.config_error
SYSTEM = FailureType.system_error
TRANSIENT = FailureType.transient_error

REPORT = "Report this with the log of the sync."
TRY_LATER = "Try again later; if it happens again, report this with the log of the sync."
CHECK_PROXY = "Check the data center (region), and any proxy on the way."
FIX_PROXY = "A proxy on the way probably removes these: let the connector's requests pass through it unchanged."
REGION = "Check the data center (region): US for app.iterable.com, EU for app.eu.iterable.com."

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_END_OF_SENTENCE = re.compile(r"[.!?](?=\s|$)")


@dataclass(frozen=True)
class Message:
    """An entry of the catalogue.

    Attributes:
        code: Its name in internal messages.
        text: What happened and where, a template with named placeholders, without the final period.
        advice: What to do, also a template; it ends the message.
        failure_type: The failure type of the error; None if the message is only logged.
        remedy: What the troubleshooting page says, by default the advice.
    """

    code: str
    text: str
    advice: str = ""
    failure_type: FailureType | None = None
    remedy: str = ""

    def format(self, **values: object) -> str:
        """The message for a log or for `check`."""
        text = self.text.format(**values)
        return f"{text}. {self.advice.format(**values)}" if self.advice else text

    def error(
        self, stream: str = "", detail: str = "", *, failure_type: FailureType | None = None, **values: object
    ) -> MessageError:
        """The error, for ``stream`` if it is not empty, with ``detail`` in its internal message."""
        return MessageError(self, stream, detail, failure_type=failure_type, **values)

    @property
    def row(self) -> tuple[str, str]:
        """The row of the troubleshooting page: the first sentence, with `…` for placeholders, and the remedy."""
        return _END_OF_SENTENCE.split(_PLACEHOLDER.sub("…", self.text))[0], self.remedy or self.advice


class MessageError(AirbyteTracedException):
    """The error of a message in the catalogue.

    Attributes:
        what: What happened, without the stream's name.
        advice: What to do about it.
    """

    def __init__(
        self,
        message: Message,
        stream: str = "",
        detail: str = "",
        *,
        failure_type: FailureType | None = None,
        **values: object,
    ) -> None:
        self.what = f"{message.text.format(**values)}."
        self.advice = message.advice.format(**values)
        super().__init__(
            message=f"{stream}: {self.what} {self.advice}" if stream else f"{self.what} {self.advice}",
            internal_message=f"{message.code}: {detail}" if detail else message.code,
            failure_type=failure_type or message.failure_type or SYSTEM,
            stream_descriptor=StreamDescriptor(name=stream) if stream else None,
        )
