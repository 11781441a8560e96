"""What is in a template, as ``templates/{medium}/get`` sends it."""

from collections.abc import Callable
from random import Random

from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import Row

MEDIA = {"email": "Email", "push": "Push", "sms": "SMS", "inapp": "InApp", "embedded": "Embedded"}
"""The names of media in paths, and how campaigns name them."""
LOCALE = "en-US"


def content(people: People, template: Row, medium: str, edits: int) -> Row:
    """The content of a template as listed; another one after each of ``edits``."""
    rng = seeded(people, "content", template["templateId"], edits)
    row = {name: value for name, value in template.items() if name not in _NOT_IN[medium]}
    row |= _BUILD[medium](people, template, rng)
    row |= {"locale": LOCALE, "isDefaultLocale": True}
    sparse = template["templateId"] // 2 % 5 == 0
    return {name: value for name, value in row.items() if name not in _OPTIONAL} if sparse else row


def _email(people: People, template: Row, rng: Random) -> Row:
    word = people.word(rng)
    return {
        "metadata": {name: value for name, value in template.items() if name != "folderId"},
        "fromName": "Sandbox",
        "fromEmail": "hello@example.com",
        "replyToEmail": "reply@example.com",
        "subject": f"News about {word}, {{{{firstName}}}}",
        "preheaderText": f"{word}, grüßt Zürich",
        "ccEmails": ["cc@example.com"],
        "bccEmails": ["bcc@example.com", "bcc2@example.com"],
        "html": f'<html><body><a href="https://example.com/{word}">{word} &amp; more</a>\n</body></html>',
        "plainText": f"{word}\nand more",
        "googleAnalyticsCampaignName": f"ga-{word}",
        "linkParams": [{"key": "utm_source", "value": word}],
        "dataFeedId": 15,
        "dataFeedIds": [15, 16],
        "cacheDataFeed": rng.random() < 0.5,
        "mergeDataFeedContext": rng.random() < 0.5,
        "campaignDataFields": {"season": word, "discount": 5.5},
    }


def _sms(people: People, _: Row, rng: Random) -> Row:
    word = people.word(rng)
    return {
        "message": f"{word} for you: {{{{url}}}}",
        "imageUrl": f"https://example.com/{word}.png",
        "trackingDomain": "l.example.com",
        "googleAnalyticsCampaignName": f"ga-{word}",
        "linkParams": [{"key": "utm_medium", "value": "sms"}],
        "campaignDataFields": {"season": word},
    }


def _push(people: People, _: Row, rng: Random) -> Row:
    word = people.word(rng)
    return {
        "badge": "1",
        "buttons": [{"identifier": "go", "title": "Go", "buttonType": "default", "openApp": True}],
        "cacheDataFeed": False,
        "campaignDataFields": {"season": word},
        "dataFeedIds": [17],
        "deeplink": {"ios": f"app://{word}", "android": f"android-app://{word}"},
        "interruptionLevel": "active",
        "isSilentPush": rng.random() < 0.5,
        "mergeDataFeedContext": True,
        "message": f"{word} is here",
        "payload": {"path": word, "depth": {"level": 2}},
        "relevanceScore": 0.25,
        "richMedia": {"ios": f"https://example.com/{word}.gif", "android": f"https://example.com/{word}.gif"},
        "sound": "chime.caf",
        "title": word.title(),
        "wake": rng.random() < 0.5,
    }


def _in_app(people: People, _: Row, rng: Random) -> Row:
    word = people.word(rng)
    return {
        "html": f"<div>{word}</div>",
        "expirationDateTime": "2030-01-01 00:00:00",
        "expirationDuration": "now+90d",
        "inAppDisplaySettings": {"top": {"displayOption": "AutoExpand"}, "bgColor": {"hex": "#FFFFFF", "alpha": 0.5}},
        "inboxMetadata": {"title": word, "subtitle": "for you", "icon": f"https://example.com/{word}.png"},
        "payload": {"kind": word},
        "webInAppDisplaySettings": {"position": "Center"},
        "campaignDataFields": {"season": word},
    }


def _embedded(people: People, _: Row, rng: Random) -> Row:
    word = people.word(rng)
    action = {"type": "openUrl", "data": "https://example.com"}
    return {
        "title": word.title(),
        "body": f"About {word}",
        "placementId": 3,
        "elements": {
            "mediaUrl": f"https://example.com/{word}.png",
            "mediaUrlCaption": word,
            "text": [{"text": word, "label": "for you"}],
            "buttons": [{"id": "more", "title": "More", "action": action}],
            "defaultAction": action,
        },
        "payload": {"kind": word},
        "campaignDataFields": {"season": word},
    }


_BUILD: dict[str, Callable[[People, Row, Random], Row]] = {
    "Email": _email,
    "SMS": _sms,
    "Push": _push,
    "InApp": _in_app,
    "Embedded": _embedded,
}
_NOT_IN: dict[str, set[str]] = {
    "Email": {"createdAt", "updatedAt", "clientTemplateId", "campaignId", "folderId"},
    "SMS": {"creatorUserId", "folderId"},
    "Push": {"creatorUserId", "folderId"},
    "InApp": {"createdAt", "updatedAt", "creatorUserId", "folderId"},
    "Embedded": {"createdAt", "updatedAt", "creatorUserId", "folderId"},
}
"""What the list of templates has and their content does not repeat."""
_OPTIONAL = {
    "replyToEmail",
    "ccEmails",
    "googleAnalyticsCampaignName",
    "linkParams",
    "dataFeedId",
    "dataFeedIds",
    "campaignDataFields",
    "imageUrl",
    "richMedia",
    "relevanceScore",
    "expirationDateTime",
    "payload",
    "locale",
}
