"""What ``GET experiments/metrics`` reports: numbers of the variants of email experiments, as CSV."""

import csv
import io
from collections.abc import Iterable

from integration_tests.sandbox.data.experiments import FIRST_EXPERIMENT
from integration_tests.sandbox.data.metrics import ATTRIBUTION_IN_DAYS, MONEY, SURPLUS, Cells, Ratio, ratio
from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row, iso
from integration_tests.sandbox.data.series import Series, Span

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
