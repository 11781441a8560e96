"""The experiments of a project: as they are listed, each in full, and their numbers as CSV."""

import csv
import io
from collections.abc import Iterable
from random import Random

from integration_tests.sandbox.data.listings import CAMPAIGN_STEP, FIRST_CAMPAIGN, FIRST_TEMPLATE, iso, seeded
from integration_tests.sandbox.data.metrics import ATTRIBUTION_IN_DAYS, MONEY, SURPLUS, Cells, Ratio, ratio
from integration_tests.sandbox.data.people import People, Row
from integration_tests.sandbox.data.series import DAY, Series, Span
from integration_tests.sandbox.http.answers import PROJECT_ID

FIRST_EXPERIMENT = 51200
STEP = 5
STATUSES = ["winner_found", "running", "finished", "draft", "ready"]
CHANNELS = ["email", "email", "push", "email", "sms", "email", "in_app", "email", "web_push"]
TYPES = ["SubjectLine", "PreheaderText", "FromNameAndSender", "EmailBody", "WholeEmail"]
ALLOCATIONS = ["winner_takes_all", "even_split", "multi_armed_bandit"]

SHARES = {
    "Total Email Sends": 1.0,
    "Unique Email Sends": 0.99,
    "Total Emails Delivered": 0.94,
    "Unique Emails Delivered": 0.93,
    "Total Email Opens": 0.8,
    "Total Email Opens (filtered)": 0.5,
    "Unique Email Opens": 0.45,
    "Unique Email Opens (filtered)": 0.4,
    "Unique Email Opens Or Clicks": 0.46,
    "Total Emails Clicked": 0.3,
    "Total Emails Clicked (filtered)": 0.25,
    "Unique Email Clicks": 0.2,
    "Unique Email Clicks (filtered)": 0.18,
    "Total Hosted Unsubscribe Clicks": 0.03,
    "Unique Hosted Unsubscribe Clicks": 0.02,
    "Total Complaints": 0.01,
    "Total Emails Bounced": 0.06,
    "Unique Emails Bounced": 0.05,
    "Total Email Holdout": 0.05,
    "Total Email Send Skips": 0.04,
    "Total Unsubscribes": 0.02,
    "Unique Unsubscribes": 0.02,
    "Revenue": 151.0,
    "Total Purchases": 0.04,
    "Unique Purchases": 0.035,
    "Total Custom Conversions": 0.03,
    "Unique Custom Conversions": 0.025,
    "Sum of Custom Conversions": 77.0,
    "A Metric to Come": 0.01,  # Iterable adds columns without notice
}
DELIVERED, UNIQUE_DELIVERED = "Total Emails Delivered", "Unique Emails Delivered"
RATIOS: dict[str, Ratio] = {
    "Email Delivery Rate": (DELIVERED, "Total Email Sends", 1),
    "Email Open Rate": ("Unique Email Opens Or Clicks", DELIVERED, 1),
    "Clicks / Opens": ("Unique Email Clicks", "Unique Email Opens Or Clicks", 1),
    "Email Click Rate": ("Unique Email Clicks", DELIVERED, 1),
    "Complaint Rate": ("Total Complaints", DELIVERED, 1),
    "Email Bounce Rate": ("Total Emails Bounced", "Total Email Sends", 1),
    "Email Unsubscribe Rate": ("Unique Unsubscribes", DELIVERED, 1),
    "Average Order Value": ("Revenue", "Total Purchases", 1),
    "Purchases / M": ("Total Purchases", DELIVERED, 1000),
    "Revenue / M": ("Revenue", DELIVERED, 1000),
    "Unique Email Open Rate": ("Unique Email Opens", UNIQUE_DELIVERED, 1),
    "Unique Email Click Rate": ("Unique Email Clicks", UNIQUE_DELIVERED, 1),
    "Purchases / M (Email)": ("Total Purchases", DELIVERED, 1000),
    "Revenue / M (Email)": ("Revenue", DELIVERED, 1000),
    "Average Custom Conversion Value": ("Sum of Custom Conversions", "Total Custom Conversions", 1),
    "Conversions / Email Hold Outs": ("Total Custom Conversions", "Total Email Holdout", 1),
    "Conversions / Unique Emails Delivered": ("Total Custom Conversions", UNIQUE_DELIVERED, 1),
    "A Rate to Come": ("Unique Email Clicks", DELIVERED, 0.001),
}
HEADER_LINE = (
    "Campaign ID,Experiment ID,Template ID,Name,Type,Created by,Creation Date,Last modified,Subject,Improvement,"
    "Confidence,Total Email Sends,Unique Email Sends,Email Delivery Rate,Total Emails Delivered,"
    "Unique Emails Delivered,Total Email Opens,Total Email Opens (filtered),Unique Email Opens,"
    "Unique Email Opens (filtered),Unique Email Opens Or Clicks,Email Open Rate,Unique Email Open Rate,"
    "Total Emails Clicked,Total Emails Clicked (filtered),Unique Email Clicks,Unique Email Clicks (filtered),"
    "Clicks / Opens,Email Click Rate,Unique Email Click Rate,Total Hosted Unsubscribe Clicks,"
    "Unique Hosted Unsubscribe Clicks,Total Complaints,Complaint Rate,Total Emails Bounced,Unique Emails Bounced,"
    "Email Bounce Rate,Total Email Holdout,Total Email Send Skips,Total Unsubscribes,Unique Unsubscribes,"
    "Email Unsubscribe Rate,Revenue,Total Purchases,Unique Purchases,Average Order Value,Purchases / M,Revenue / M,"
    "Purchases / M (Email),Revenue / M (Email),Total Custom Conversions,Unique Custom Conversions,"
    "Average Custom Conversion Value,Conversions / Email Hold Outs,Conversions / Unique Emails Delivered,"
    "Sum of Custom Conversions,A Metric to Come,A Rate to Come"
)
"""Today's columns, those of 2017 (`Purchases / M`) and some that are not known yet."""
HEADER = HEADER_LINE.split(",")


def experiments(people: People, count: int, start: int, end: int) -> list[Row]:
    """Experiments in full, in ascending order of id; times are epoch milliseconds."""
    return [experiment(people, number, start, end) for number in range(count)]


def experiment(people: People, number: int, start: int, end: int) -> Row:
    """An experiment in full; the first has every field, drafts have not started."""
    rng = seeded(people, "experiment", number)
    created = (start + rng.randrange(max(1, (end - start) // 2))) * 1000 + rng.randrange(1000)
    status, full = STATUSES[number % len(STATUSES)], number % 4 == 0
    row: Row = {
        "id": FIRST_EXPERIMENT + number * STEP,
        "status": status,
        "creationDate": created,
        "channelType": CHANNELS[number % len(CHANNELS)],
        "experimentType": TYPES[number % len(TYPES)],
        "allocationMode": ALLOCATIONS[number % len(ALLOCATIONS)],
        "sizing": _sizing(rng, full=full),
        "meta": {
            "name": f"{people.word(rng).title()}, or {people.word(rng)}? ({number})",
            "campaignId": None if number % 6 in {4, 5} else FIRST_CAMPAIGN + number % 40 * CAMPAIGN_STEP,
            "projectId": PROJECT_ID,
            "orgId": 901,
            "conversionMetrics": ["opens", "clicks"] if full else [],
            "customConversionId": 33 + number if full else None,
        },
        "variants": _variants(number, status, created),
    }
    if number % 6 in {0, 4}:
        row["campaignId"] = FIRST_CAMPAIGN + number % 40 * CAMPAIGN_STEP
    if status not in {"draft", "ready"}:
        row["startDate"] = created + 3_600_000
    if status in {"finished", "winner_found"}:
        row["finishDate"] = min((end - 2) * 1000, row["startDate"] + rng.randrange(9 * DAY) * 1000)
    if full:
        row["constraints"] = {"targetSegment": "loyal", "suppressionListIds": [949810]}
        row["holdoutListId"] = 949811
    elif number % 4 == 1:
        row["constraints"] = None
    return row


def _sizing(rng: Random, *, full: bool) -> Row:
    names = ["holdoutPercentage", "perVariantPercentage", "testGroupPercentage", "winnerGroupPercentage"]
    sizing: Row = {name: rng.randrange(1, 50) + (0.5 if full else 0) for name in names}
    rest = {"testDurationMinutes": 240, "sendsPerVariant": 1000, "attributionPeriodHours": 72}
    return sizing | (rest if full else dict.fromkeys(rest))


def _variants(number: int, status: str, created: int) -> list[Row]:
    count = 2 + number % 2
    return [
        {
            "id": 610_000 + number * 10 + at,
            "name": "Control" if at == 0 else f'Variation {at}, "bold"',
            "value": {
                "templateId": FIRST_TEMPLATE + number * 3 + at,
                "sendTime": iso(created / 1000 + DAY) if number % 4 == 0 else None,
                "stoGroup": "early" if number % 4 == 0 else None,
            },
            "currentPercentage": round(100 / count, 1),
            "isWinner": status == "winner_found" and at == 1,
            "isControl": at == 0,
        }
        for at in range(count)
    ]


def listed(people: People, full: Row) -> Row:
    """An experiment as the listing shows it."""
    dates = {name: iso(full[name] / 1000) for name in ("startDate", "finishDate") if full.get(name)}
    return {
        "id": full["id"],
        "name": full["meta"]["name"],
        "status": full["status"],
        "channelType": full["channelType"],
        "author": people[full["id"] % 5].email,
        **dates,
    }


def measured(people: People, full: Row, span: Span) -> list[Cells]:
    """The rows of an experiment in the CSV, one for each template; only email experiments have any."""
    if full["channelType"] != "email" or full["status"] == "draft":
        return []
    return [_row(people, full, variant, span) for variant in full["variants"]]


def _row(people: People, full: Row, variant: Row, span: Span) -> Cells:
    rng = seeded(people, "variant", variant["id"])
    campaign = full["meta"]["campaignId"] or full.get("campaignId")
    row: Cells = {
        "Campaign ID": "" if campaign is None else str(campaign),
        "Experiment ID": str(full["id"]),
        "Template ID": str(variant["value"]["templateId"]),
        "Name": variant["name"],
        "Type": "Control" if variant["isControl"] else "Winner" if variant["isWinner"] else "-",
        "Created by": people[full["id"] % 5].email,
        "Creation Date": iso(full["creationDate"] / 1000),
        "Last modified": iso(full["creationDate"] / 1000 + 60),
        "Subject": f"Your {people.word(rng)}, {{{{firstName}}}}" + ("\nnow" if variant["id"] % 10 == 1 else ""),
        "Improvement": "N/A" if variant["isControl"] else rng.choice(["12.5", "-3", "Infinity", "-Infinity"]),
        "Confidence": "N/A" if variant["isControl"] else rng.choice(["0.97", "NaN", "1.0E-4"]),
    }
    counts = _series(people, full, variant, span.now).counts(SHARES, span)
    if counts:
        row |= {name: str(count / 100) if name in MONEY else str(count) for name, count in counts.items()}
        row |= {name: ratio(counts, parts, missing="NaN") for name, parts in RATIOS.items()}
    if full["id"] % 3 == FIRST_EXPERIMENT % 3:
        row[SURPLUS] = ["", "surplus"]
    return dict.fromkeys(HEADER, "") | row


def _series(people: People, full: Row, variant: Row, now: float) -> Series:
    first = full.get("startDate", (now + DAY) * 1000) / 1000
    tail = (1 + full["id"] % (ATTRIBUTION_IN_DAYS - 1)) * DAY
    last = full["finishDate"] / 1000 + tail if "finishDate" in full else now
    return Series(f"{people.seed}:experiment:{variant['id']}", first, last)


def text(rows: Iterable[Cells]) -> str:
    """The CSV of such rows, with Windows line ends and none after the last."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(HEADER)
    for row in rows:
        writer.writerow([*(row[name] for name in HEADER), *row.get(SURPLUS, [])])
    return written.getvalue().removesuffix("\r\n")
