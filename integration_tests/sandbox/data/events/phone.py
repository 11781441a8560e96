"""SMS, RCS and WhatsApp messages, as the event exports send them."""

from random import Random

from integration_tests.sandbox.data.events.common import Build, counted, delivered, nothing, skipped, transactional_data
from integration_tests.sandbox.data.people import People, Person
from integration_tests.sandbox.data.rows import Row

TEXT_ACCOUNT, NUMBER_ACCOUNT = "AC0123456789abcdef", 4711


def _phone(rng: Random) -> str:
    return f"+1555{rng.randrange(10**7):07d}"


def _provider(account: str | int) -> Row:
    return {"espAccountId": account, "espName": "Sandbox Mobile"}


def _sms_send(people: People, number: int, person: Person, rng: Random) -> Row:
    row = counted(number) | _provider(TEXT_ACCOUNT)
    row |= {
        "toPhoneNumber": _phone(rng),
        "fromSMSSenderId": 258,
        "smsSendCount": 1 + number % 3,
        "mmsSendCount": number % 2,
        "isSMSEstimation": number % 4 == 0,
        "billingParty": "Iterable",
        "renderedSmsMessage": f"Grüße an {person.first_name} \U0001f389\nReply STOP to end",
        "messageBusId": f"SM{rng.getrandbits(64):016x}",
    }
    return row | transactional_data(people, number, person, rng)


def _sms_received(people: People, number: int, _: Person, rng: Random) -> Row:
    return _provider(TEXT_ACCOUNT) | {
        "smsMessage": ["STOP", "yes", people.word(rng), "\U0001f44d"][number % 4],
        "fromPhoneNumber": _phone(rng),
        "toPhoneNumber": "+15550000258",
        "senderPhoneNumberType": ["TollFree", "ShortCode"][number % 2],
        "recipientCountryName": "United States",
        "recipientCountryCallingCode": "1",
        "smsReceiveCount": 1,
        "mmsReceiveCount": number % 2,
        "billingParty": "Iterable",
    }


def _sms_click(people: People, number: int, person: Person, rng: Random) -> Row:
    click: Row = {"clickedUrl": f"https://example.com/{people.word(rng)}", "isBot": number % 5 == 0}
    return click | delivered(people, number, person, rng)


def _sms_skip(people: People, number: int, person: Person, rng: Random) -> Row:
    reason = rng.choice(["DuplicateMarketingMessage", "NoPhoneNumber", "UserUnsubscribed"])
    return delivered(people, number, person, rng) | {"reason": reason}


def _whats_app_send(people: People, number: int, person: Person, rng: Random) -> Row:
    row = _provider(NUMBER_ACCOUNT) | {
        "toWhatsAppPhoneNumber": _phone(rng),
        "fromWhatsAppSenderId": 77,
        "renderedWhatsAppMessage": f"Olá {person.first_name}",
        "billingParty": "Customer",
    }
    return row | counted(number) | delivered(people, number, person, rng)


def _whats_app_skip(people: People, number: int, person: Person, rng: Random) -> Row:
    reason = rng.choice(["UserUnsubscribed", "NoPhoneNumber"])
    return {"reason": reason, "espName": "Sandbox Mobile"} | delivered(people, number, person, rng)


def _whats_app_bounce(people: People, number: int, person: Person, rng: Random) -> Row:
    row: Row = {"toWhatsAppPhoneNumber": _phone(rng), "messageStatus": "failed"}
    row |= {"errorCode": 131026} if number % 2 == 0 else {}
    return row | delivered(people, number, person, rng)


def _whats_app_click(people: People, _: int, person: Person, rng: Random) -> Row:
    return {
        "clickedUrl": f"https://example.com/{people.word(rng)}",
        "userAgent": person.user_agent,
        "userAgentDevice": person.device,
    }


def _whats_app_received(people: People, number: int, _: Person, rng: Random) -> Row:
    text = f"{people.word(rng)}  {people.word(rng)}"
    row = _provider(str(NUMBER_ACCOUNT)) | _conversation(rng)
    if number % 2 == 0:
        row |= {"replyToMessageId": f"{rng.getrandbits(128):032x}", "attributionType": "Reply"}
    return row | {
        "whatsAppMessage.type": "text",
        "whatsAppMessage.text": text,
        "sanitized.inputText": " ".join(text.split()),
        "receivedAt": "",
    }


def _whats_app_seen(_: People, __: int, ___: Person, rng: Random) -> Row:
    seen: Row = {"seenMessageId": f"{rng.getrandbits(128):032x}", "seenAt": "", "sentAt": ""}
    return _provider(NUMBER_ACCOUNT) | _conversation(rng) | seen


def _conversation(rng: Random) -> Row:
    return {"fromWhatsAppPhoneNumber": _phone(rng), "toWhatsAppPhoneNumber": "+15550000077"}


DATA_TYPES: dict[str, Build] = {
    "smsSend": _sms_send,
    "smsBounce": delivered,
    "smsClick": _sms_click,
    "smsReceived": _sms_received,
    "smsSendSkip": _sms_skip,
    "smsUsageInfo": nothing,
    "rcsSend": nothing,
    "rcsSendSkip": skipped,
    "whatsAppSend": _whats_app_send,
    "whatsAppSendSkip": _whats_app_skip,
    "whatsAppBounce": _whats_app_bounce,
    "whatsAppClick": _whats_app_click,
    "whatsAppReceived": _whats_app_received,
    "whatsAppSeen": _whats_app_seen,
    "whatsAppUsageInfo": nothing,
}
