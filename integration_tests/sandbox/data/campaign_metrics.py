"""What ``GET campaigns/metrics`` reports: numbers of campaigns, as CSV whose columns depend on their media."""

import csv
import io
from collections.abc import Iterable

from integration_tests.sandbox.data.metrics import ATTRIBUTION_IN_DAYS, MONEY, SURPLUS, Cells, Ratio, ratio
from integration_tests.sandbox.data.rows import DAY, Row
from integration_tests.sandbox.data.series import Series, Span

SILENT = {"Draft", "Ready", "Scheduled", "Starting", "Recurring"}
"""Campaigns in these states have sent nothing; what recurs is sent by its children."""

DECIMAL = {"Total Emails Delivered"}
"""Whole numbers that are written with a fraction of zero."""
OF_ALL_MEDIA = {
    "Revenue": 151.0,
    "Sum of Custom Conversions": 77.0,
    "Total Custom Conversions": 0.03,
    "Total Purchases": 0.04,
    "Total of a Metric to Come": 0.01,  # Iterable adds columns without notice
    "Total Unsubscribes": 0.02,
    "Unique Custom Conversions": 0.025,
    "Unique Purchases": 0.035,
    "Unique Unsubscribes": 0.02,
}
OF_MEDIUM = {
    "Email": {
        "Total Complaints": 0.01,
        "Total Email Holdout": 0.05,
        "Total Email Opens": 0.8,
        "Total Email Opens (filtered)": 0.5,
        "Total Email Send Skips": 0.04,
        "Total Email Sends": 1.0,
        "Total Emails Bounced": 0.06,
        "Total Emails Clicked": 0.3,
        "Total Emails Delivered": 0.94,
        "Total Hosted Unsubscribe Clicks": 0.03,
        "Unique Email Clicks": 0.2,
        "Unique Email Opens": 0.45,
        "Unique Email Opens (filtered)": 0.4,
        "Unique Email Opens Or Clicks": 0.46,
        "Unique Email Sends": 0.99,
        "Unique Emails Bounced": 0.05,
        "Unique Emails Delivered": 0.93,
        "Unique Hosted Unsubscribe Clicks": 0.02,
    },
    "Push": {
        "Total App Uninstalls": 0.02,
        "Total Push Holdout": 0.05,
        "Total Push Send Skips": 0.03,
        "Total Pushes Bounced": 0.07,
        "Total Pushes Delivered": 0.93,
        "Total Pushes Opened": 0.15,
        "Total Pushes Sent": 1.0,
        "Unique Pushes Bounced": 0.06,
        "Unique Pushes Delivered": 0.9,
        "Unique Pushes Opened": 0.12,
        "Unique Pushes Sent": 0.97,
    },
    "InApp": {
        "Total In-App Clicks": 0.2,
        "Total In-App Closes": 0.3,
        "Total In-App Deletes": 0.1,
        "Total In-App Holdout": 0.05,
        "Total In-App Opens": 0.6,
        "Total In-App Send Skips": 0.03,
        "Total In-App Sent": 1.0,
        "Total In-Apps Delivered": 0.8,
        "Total Inbox Impressions": 0.4,
        "Unique In-App Clicks": 0.15,
        "Unique In-App Opens": 0.5,
        "Unique In-App Sends": 0.98,
        "Unique In-Apps Delivered": 0.78,
    },
    "SMS": {
        "Total Inbound SMS": 0.05,
        "Total SMS Bounced": 0.03,
        "Total SMS Clicks": 0.1,
        "Total SMS Delivered": 0.97,
        "Total SMS Holdout": 0.05,
        "Total SMS Send Skips": 0.04,
        "Total SMS Sent": 1.0,
        "Unique Inbound SMS": 0.04,
        "Unique SMS Bounced": 0.02,
        "Unique SMS Clicks": 0.08,
        "Unique SMS Delivered": 0.95,
        "Unique SMS Sent": 0.98,
    },
    "WebPush": {
        "Total Web Push Clicks": 0.1,
        "Total Web Push Send Skips": 0.04,
        "Total Web Pushes Sent": 1.0,
        "Total WebPush Holdout": 0.05,
        "Unique Web Push Clicks": 0.08,
        "Unique Web Pushes Sent": 0.98,
    },
}
"""How often each thing happens for a message sent."""

RATIOS_OF_ALL_MEDIA: dict[str, Ratio] = {
    "Average Custom Conversion Value": ("Sum of Custom Conversions", "Total Custom Conversions", 1),
    "Average Order Value": ("Revenue", "Total Purchases", 1),
}
RATIOS_OF_MEDIUM: dict[str, dict[str, Ratio]] = {
    "Email": {
        "Purchases / M (Email)": ("Total Purchases", "Total Emails Delivered", 1000),
        "Revenue / M (Email)": ("Revenue", "Total Emails Delivered", 1000),
    },
    "Push": {
        "Purchases / M (Push)": ("Total Purchases", "Total Pushes Delivered", 1000),
        "Revenue / M (Push)": ("Revenue", "Total Pushes Delivered", 1000),
    },
    "SMS": {
        "Purchases / M (SMS)": ("Total Purchases", "Total SMS Delivered", 1000),
        "Revenue / M (SMS)": ("Revenue", "Total SMS Delivered", 1000),
    },
}


def columns(medium: str) -> list[str]:
    """The columns of a medium but `id`, in the order of the header."""
    ratios = [*RATIOS_OF_ALL_MEDIA, *RATIOS_OF_MEDIUM.get(medium, {})]
    return sorted([*OF_ALL_MEDIA, *OF_MEDIUM.get(medium, {}), *ratios])


def series(seed: int, campaign: Row, now: float) -> Series | None:
    """The messages of a campaign as it stands; None if it has sent none.

    They begin with its start, or its creation if it tells none. Some days after its end, since what people do
    is attributed to it that long, there are numbers on single days only. A campaign that is over and tells no
    end is no different: what it sent after its last update is not to be seen from what it tells.
    """
    first = (campaign.get("startAt") or campaign["createdAt"]) / 1000
    if campaign["campaignState"] in SILENT or first > now:
        return None
    last = now
    if campaign["campaignState"] != "Running":
        ended = (campaign.get("endedAt") or campaign["updatedAt"]) / 1000
        last = ended + (1 + campaign["id"] % (ATTRIBUTION_IN_DAYS - 1)) * DAY
    return Series(f"{seed}:metrics:{campaign['id']}", first, last, echoes=True)


def cells(seed: int, campaign: Row, span: Span, *, odd: bool = False, zeros: bool = False) -> Cells | None:
    """The numbers of a campaign within a span as they are written; None if there are none.

    With ``zeros``, a campaign without numbers has zeros. With ``odd``, each third campaign that has numbers has cells
    beyond the last column, and what cannot be divided is `N/A` and not empty.
    """
    medium = campaign["messageMedium"]
    shares = OF_ALL_MEDIA | OF_MEDIUM.get(medium, {})
    numbers = series(seed, campaign, span.now)
    counted = numbers.counts(shares, span) if numbers else None
    if counted is None and not zeros:
        return None
    counts = counted or dict.fromkeys(shares, 0)
    ratios = RATIOS_OF_ALL_MEDIA | RATIOS_OF_MEDIUM.get(medium, {})
    written = {name: _count(name, count) for name, count in counts.items()}
    written |= {name: ratio(counts, parts, missing="N/A" if odd else "") for name, parts in ratios.items()}
    surplus = {SURPLUS: ["surplus", "", "7"]} if odd and counted and campaign["id"] % 3 == 0 else {}
    return {"id": str(campaign["id"]), **written, **surplus}


def reported(seed: int, campaigns: Iterable[Row], span: Span, *, odd: bool, zeros: bool) -> list[tuple[Row, Cells]]:
    """Those campaigns that have a row for the span, and its cells; what is odd tells `cells`."""
    found = ((campaign, cells(seed, campaign, span, odd=odd, zeros=zeros)) for campaign in campaigns)
    return [(campaign, row) for campaign, row in found if row]


def _count(name: str, count: int) -> str:
    if name in MONEY:
        return str(count / 100)
    return f"{count}.0" if name in DECIMAL else str(count)


def text(reported: Iterable[tuple[Row, Cells]], *, odd: bool) -> str:
    """The CSV of campaigns and their cells.

    A campaign's cells are empty in columns of other media. With ``odd``, each column but the first comes twice.
    """
    reported = list(reported)
    if not reported:
        return "id,\n"
    media = {campaign["messageMedium"] for campaign, _ in reported}
    header = sorted({name for medium in media for name in columns(medium)})
    if odd:
        header = [name for name in header for _ in range(2)]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["id", *header])
    for _, row in reported:
        writer.writerow([row["id"], *(row.get(name, "") for name in header), *row.get(SURPLUS, [])])
    return written.getvalue()
