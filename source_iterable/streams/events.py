"""Tables of events; what one row of each is: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from abc import ABC

from airbyte_cdk.models import ConfiguredAirbyteStream

from source_iterable.api import Api
from source_iterable.config import Config
from source_iterable.identity import event_id, line_id
from source_iterable.rows import REST, Row
from source_iterable.streams.export import ExportStream

EVENT_ID = "event_id"


class Event(ExportStream, ABC):
    """Events: rows that carry no id of their own, and get one."""

    cursor_field = "createdAt"

    def __init__(self, config: Config, api: Api, configured: ConfiguredAirbyteStream | None = None) -> None:
        self._key = config.event_key
        super().__init__(config, api, configured)

    @property
    def primary_key(self) -> str:
        """`event_id`, or the documented `email` where the settings say so."""
        return self._key

    def added(self, row: Row) -> Row:
        """The event's identity."""
        return {EVENT_ID: event_id(self.data_type, row)}

    def unparsed(self, line: bytes) -> Row:
        """The columns of a line that cannot be read: it is delivered as it is, without a moment."""
        return {
            EVENT_ID: line_id(self.data_type, line),
            self.cursor_field: None,
            REST: {"unparsed": line.decode("utf-8", "replace")},
        }


# E-mail


class EmailSend(Event):
    """E-mails handed over for delivery."""

    data_type = "emailSend"


class EmailOpen(Event):
    """E-mails opened."""

    data_type = "emailOpen"


class EmailClick(Event):
    """Clicks on links in e-mails."""

    data_type = "emailClick"


class HostedUnsubscribeClick(Event):
    """Clicks on links that lead to the unsubscribe page hosted by Iterable."""

    data_type = "hostedUnsubscribeClick"


class EmailComplaint(Event):
    """E-mails that their readers reported as spam."""

    data_type = "emailComplaint"


class EmailBounce(Event):
    """E-mails that were not accepted by the receiving side."""

    data_type = "emailBounce"


class EmailSendSkip(Event):
    """E-mails that Iterable decided not to send."""

    data_type = "emailSendSkip"


class EmailSubscribe(Event):
    """Subscriptions to lists, channels and message types."""

    data_type = "emailSubscribe"


class EmailUnsubscribe(Event):
    """Unsubscriptions from lists, channels and message types."""

    data_type = "emailUnSubscribe"


# Push


class PushSend(Event):
    """Push notifications handed over for delivery."""

    data_type = "pushSend"


class PushOpen(Event):
    """Apps opened through push notifications."""

    data_type = "pushOpen"


class PushUninstall(Event):
    """Apps found uninstalled when a push notification was sent to them."""

    data_type = "pushUninstall"


class PushBounce(Event):
    """Push notifications that could not be delivered."""

    data_type = "pushBounce"


class PushSendSkip(Event):
    """Push notifications that Iterable decided not to send."""

    data_type = "pushSendSkip"


# In-app messages and the inbox of an app


class InAppSend(Event):
    """In-app messages made available to apps."""

    data_type = "inAppSend"


class InAppOpen(Event):
    """In-app messages shown."""

    data_type = "inAppOpen"


class InAppClick(Event):
    """Clicks in in-app messages."""

    data_type = "inAppClick"


class InAppClose(Event):
    """In-app messages closed."""

    data_type = "inAppClose"


class InAppDelete(Event):
    """In-app messages taken out of an app or its inbox."""

    data_type = "inAppDelete"


class InAppDelivery(Event):
    """In-app messages that arrived on a device."""

    data_type = "inAppDelivery"


class InAppSendSkip(Event):
    """In-app messages that Iterable decided not to send."""

    data_type = "inAppSendSkip"


class InAppRecall(Event):
    """In-app messages called back after they were sent."""

    data_type = "inAppRecall"


class InboxSession(Event):
    """Visits to the inbox of an app."""

    data_type = "inboxSession"


class InboxMessageImpression(Event):
    """Messages shown in the list of an app's inbox."""

    data_type = "inboxMessageImpression"


# SMS


class SmsSend(Event):
    """Text messages handed over for delivery."""

    data_type = "smsSend"


class SmsBounce(Event):
    """Text messages that could not be delivered."""

    data_type = "smsBounce"


class SmsClick(Event):
    """Clicks on links in text messages."""

    data_type = "smsClick"


class SmsReceived(Event):
    """Text messages that people sent to the project."""

    data_type = "smsReceived"


class SmsSendSkip(Event):
    """Text messages that Iterable decided not to send."""

    data_type = "smsSendSkip"


class SmsUsageInfo(Event):
    """What Iterable records about the usage of text messages."""

    data_type = "smsUsageInfo"


# Web push


class WebPushSend(Event):
    """Web push notifications handed over for delivery."""

    data_type = "webPushSend"


class WebPushClick(Event):
    """Clicks on web push notifications."""

    data_type = "webPushClick"


class WebPushSendSkip(Event):
    """Web push notifications that Iterable decided not to send."""

    data_type = "webPushSendSkip"


# RCS


class RcsSend(Event):
    """RCS messages handed over for delivery."""

    data_type = "rcsSend"


class RcsSendSkip(Event):
    """RCS messages that Iterable decided not to send."""

    data_type = "rcsSendSkip"


# Embedded messages


class EmbeddedSend(Event):
    """Embedded messages made available to apps and web sites."""

    data_type = "embeddedSend"


class EmbeddedSendSkip(Event):
    """Embedded messages that Iterable decided not to send."""

    data_type = "embeddedSendSkip"


class EmbeddedClick(Event):
    """Clicks on embedded messages."""

    data_type = "embeddedClick"


class EmbeddedReceived(Event):
    """Embedded messages that arrived on a device."""

    data_type = "embeddedReceived"


class EmbeddedImpression(Event):
    """Embedded messages shown."""

    data_type = "embeddedImpression"


class EmbeddedSession(Event):
    """Visits to screens and pages that hold embedded messages."""

    data_type = "embeddedSession"


# WhatsApp


class WhatsAppSend(Event):
    """WhatsApp messages handed over for delivery."""

    data_type = "whatsAppSend"


class WhatsAppSendSkip(Event):
    """WhatsApp messages that Iterable decided not to send."""

    data_type = "whatsAppSendSkip"


class WhatsAppBounce(Event):
    """WhatsApp messages that could not be delivered."""

    data_type = "whatsAppBounce"


class WhatsAppClick(Event):
    """Clicks on links in WhatsApp messages."""

    data_type = "whatsAppClick"


class WhatsAppReceived(Event):
    """WhatsApp messages that people sent to the project."""

    data_type = "whatsAppReceived"


class WhatsAppSeen(Event):
    """WhatsApp messages that people saw."""

    data_type = "whatsAppSeen"


class WhatsAppUsageInfo(Event):
    """What Iterable records about the usage of WhatsApp."""

    data_type = "whatsAppUsageInfo"


# Purchases, custom events, journeys and visits


class Purchase(Event):
    """Purchases."""

    data_type = "purchase"


class CustomEvent(Event):
    """Events that your own systems sent to Iterable."""

    data_type = "customEvent"

    def added(self, row: Row) -> Row:
        """The event's identity; its name is counted, since the API cannot be asked for some names only."""
        self.progress.named(row.get("eventName"))
        return super().added(row)


class JourneyExit(Event):
    """Departures from journeys."""

    data_type = "journeyExit"


class UnknownSession(Event):
    """Visits of people who are not identified yet."""

    data_type = "unknownSession"
