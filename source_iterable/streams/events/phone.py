"""Streams of SMS, RCS and WhatsApp events: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from source_iterable.streams.columns.events import (
    BOT,
    CATALOG_COUNTS,
    CHANNEL,
    CLICKED_URL,
    CONTENT,
    ESP,
    EVENT,
    MESSAGE,
    MESSAGE_BUS,
    SENT_AT,
    SKIP,
    TRANSACTIONAL_DATA,
    USER_AGENT,
)
from source_iterable.streams.events.base import EventStream
from source_iterable.streams.schema import ColumnSet, boolean, integer, text, timestamp

BILLING = ColumnSet({"billingParty": text("Who pays the provider for the message.")})


WHATS_APP_SENDER = ColumnSet({"fromWhatsAppPhoneNumber": text("WhatsApp phone number that the message came from.")})


ESP_ACCOUNT_NUMBER = ColumnSet({"espAccountId": integer("Id of the account at the provider.")})


SMS_RECIPIENT = ColumnSet({"toPhoneNumber": text("Phone number that the message went to.")})


ESP_ACCOUNT_TEXT = ColumnSet({"espAccountId": text("Id of the account at the provider, as text.")})


WHATS_APP_RECIPIENT = ColumnSet({"toWhatsAppPhoneNumber": text("WhatsApp phone number that the message went to.")})


class SmsSend(EventStream):
    """One text message that Iterable handed over for delivery."""

    data_type = "smsSend"
    columns = (
        {
            "fromSMSSenderId": integer("Id of the sender in Iterable that the message came from."),
            "smsSendCount": integer("How many SMS segments the message took."),
            "mmsSendCount": integer("How many MMS messages the message took."),
            "isSMSEstimation": boolean("Whether the counts are an estimate."),
            "renderedSmsMessage": text("Text of the message as it was sent."),
        }
        | SMS_RECIPIENT
        | BILLING
        | ESP_ACCOUNT_TEXT
        | ESP
        | MESSAGE_BUS
        | TRANSACTIONAL_DATA
        | CATALOG_COUNTS
        | CHANNEL
        | CONTENT
        | MESSAGE
        | EVENT
    )


class SmsBounce(EventStream):
    """One text message that could not be delivered."""

    data_type = "smsBounce"
    columns = MESSAGE_BUS | TRANSACTIONAL_DATA | CHANNEL | CONTENT | MESSAGE | EVENT


class SmsClick(EventStream):
    """One click on a link in a text message."""

    data_type = "smsClick"
    columns = CLICKED_URL | BOT | MESSAGE_BUS | TRANSACTIONAL_DATA | CHANNEL | CONTENT | MESSAGE | EVENT


class SmsReceived(EventStream):
    """One text message that a person sent to the project."""

    data_type = "smsReceived"
    columns = (
        {
            "smsMessage": text("Text of the message."),
            "fromPhoneNumber": text("Phone number that the message came from."),
            "senderPhoneNumberType": text("Type of the phone number of the sender, such as a short code."),
            "recipientCountryName": text("Name of the country of the phone number of the recipient."),
            "recipientCountryCallingCode": text("Calling code of the country of the phone number of the recipient."),
            "smsReceiveCount": integer("How many SMS segments the message took."),
            "mmsReceiveCount": integer("How many MMS messages the message took."),
        }
        | SMS_RECIPIENT
        | BILLING
        | ESP_ACCOUNT_TEXT
        | ESP
        | EVENT
    )


class SmsSendSkip(EventStream):
    """One text message that Iterable decided not to send."""

    data_type = "smsSendSkip"
    columns = SKIP | MESSAGE_BUS | TRANSACTIONAL_DATA | CHANNEL | CONTENT | MESSAGE | EVENT


class SmsUsageInfo(EventStream):
    """One record that Iterable keeps about the usage of text messages."""

    data_type = "smsUsageInfo"
    columns = MESSAGE | EVENT


class RcsSend(EventStream):
    """One RCS message that Iterable handed over for delivery."""

    data_type = "rcsSend"
    columns = MESSAGE | EVENT


class RcsSendSkip(EventStream):
    """One RCS message that Iterable decided not to send."""

    data_type = "rcsSendSkip"
    columns = SKIP | MESSAGE | EVENT


class WhatsAppSend(EventStream):
    """One WhatsApp message that Iterable handed over for delivery."""

    data_type = "whatsAppSend"
    columns = (
        {
            "fromWhatsAppSenderId": integer("Id of the sender in Iterable that the message came from."),
            "renderedWhatsAppMessage": text("Text of the message as it was sent."),
        }
        | WHATS_APP_RECIPIENT
        | BILLING
        | ESP_ACCOUNT_NUMBER
        | ESP
        | TRANSACTIONAL_DATA
        | CATALOG_COUNTS
        | MESSAGE_BUS
        | CHANNEL
        | CONTENT
        | MESSAGE
        | EVENT
    )


class WhatsAppSendSkip(EventStream):
    """One WhatsApp message that Iterable decided not to send."""

    data_type = "whatsAppSendSkip"
    columns = SKIP | ESP | TRANSACTIONAL_DATA | MESSAGE_BUS | CHANNEL | CONTENT | MESSAGE | EVENT


class WhatsAppBounce(EventStream):
    """One WhatsApp message that could not be delivered."""

    data_type = "whatsAppBounce"
    columns = (
        {
            "messageStatus": text("What WhatsApp says of the message, such as failed."),
            "errorCode": integer("WhatsApp's number of the error."),
        }
        | WHATS_APP_RECIPIENT
        | MESSAGE_BUS
        | TRANSACTIONAL_DATA
        | CHANNEL
        | CONTENT
        | MESSAGE
        | EVENT
    )


class WhatsAppClick(EventStream):
    """One click on a link in a WhatsApp message."""

    data_type = "whatsAppClick"
    columns = CLICKED_URL | USER_AGENT | MESSAGE | EVENT


class WhatsAppReceived(EventStream):
    """One WhatsApp message that a person sent to the project."""

    data_type = "whatsAppReceived"
    columns = (
        {
            "replyToMessageId": text("Id of the message that this one answers."),
            "attributionType": text("How Iterable found the message that this one answers."),
            "whatsAppMessage.type": text("Kind of the message, such as text."),
            "whatsAppMessage.text": text("Text of the message."),
            "sanitized.inputText": text("Text of the message as Iterable cleaned it."),
            "receivedAt": timestamp("When the message was received."),
        }
        | WHATS_APP_RECIPIENT
        | WHATS_APP_SENDER
        | ESP_ACCOUNT_TEXT
        | ESP
        | EVENT
    )


class WhatsAppSeen(EventStream):
    """One WhatsApp message that a person saw."""

    data_type = "whatsAppSeen"
    columns = (
        {
            "seenMessageId": text("Id of the message that was seen."),
            "seenAt": timestamp("When the message was seen."),
        }
        | WHATS_APP_RECIPIENT
        | WHATS_APP_SENDER
        | ESP_ACCOUNT_NUMBER
        | ESP
        | SENT_AT
        | EVENT
    )


class WhatsAppUsageInfo(EventStream):
    """One record that Iterable keeps about the usage of WhatsApp."""

    data_type = "whatsAppUsageInfo"
    columns = MESSAGE | EVENT
