"""The sandbox on the command line."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import fields, replace

from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.http.control import HELP
from integration_tests.sandbox.project.options import DEFAULT_API_KEY, NEXT_PAGES, PROJECT_TYPES, Options, Size
from integration_tests.sandbox.sandbox import Sandbox

DESCRIPTION = """\
Serve a stand-in for Iterable's API on 127.0.0.1, with generated data.

When it answers calls it prints one JSON line with its url, its key and the first timestamp of its data, and
runs until Ctrl-C or SIGTERM. Point the connector at it with ITERABLE_API_URL=<url> and, unless the documented
limits shall hold, ITERABLE_RATE_SCALE=<the same as --rate-scale>.
"""


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(
        prog="python -m integration_tests.sandbox",
        description=DESCRIPTION,
        epilog=f"While it runs, other processes may look and change:\n\n{HELP}\nA fault:\n\n{Fault.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--port", type=int, default=0, help="port to listen on (default: any that is free)")
    made.add_argument("--seed", type=int, default=1, help="same seed, size and timestamps: same data (default: 1)")
    made.add_argument(
        "--start", metavar="TIMESTAMP", help="first timestamp of the data, ISO 8601 (default: 90 days ago)"
    )
    made.add_argument("--now", metavar="TIMESTAMP", help="where the clock starts, ISO 8601 (default: real time)")
    made.add_argument("--project-type", choices=PROJECT_TYPES, default="email", help="how users are identified")
    size = made.add_argument_group("size")
    helps = {
        "events": "rows of each event table",
        "users": "profiles",
        "lists": "lists of users; every fifth is empty",
        "users_per_list": "members of a list",
        "campaigns": "campaigns",
        "templates": "templates",
        "metadata_keys": "keys of the first metadata table",
        "journeys": "journeys; each fourth is archived",
        "snippets": "snippets",
        "catalogs": "catalogs; the third is empty",
        "catalog_items": "items of each other catalog",
        "experiments": "experiments",
        "forgotten": "users who were forgotten",
    }
    for one in fields(Size):
        if one.name in helps:
            flag = f"--{one.name.replace('_', '-')}"
            size.add_argument(flag, type=int, default=one.default, help=f"{helps[one.name]} (default: {one.default})")
    size.add_argument("--smallest", action="store_true", help="the smallest project in which every field is filled")
    size.add_argument(
        "--bulk",
        action="append",
        default=[],
        metavar="TABLE=ROWS",
        help="further rows of a data type, made while sent: --bulk emailSend=2000000 (may be repeated)",
    )
    behaviour = made.add_argument_group("behaviour")
    behaviour.add_argument("--api-key", default=DEFAULT_API_KEY, help="the key that calls must carry")
    behaviour.add_argument(
        "--keyless-users", type=int, default=0, help="every so-many-th profile lacks its key (default: none)"
    )
    behaviour.add_argument("--read-only-key", action="store_true", help="the key may not export nor read list members")
    behaviour.add_argument(
        "--missing-endpoint",
        dest="missing_endpoints",
        action="append",
        default=[],
        metavar="NAME",
        help="an endpoint that this data center does not have, * for any text (may be repeated)",
    )
    behaviour.add_argument(
        "--rate-scale",
        type=float,
        default=1.0,
        help="multiplies the documented requests a minute (default: 1)",
    )
    behaviour.add_argument(
        "--rate-window", type=float, default=60.0, help="seconds over which they are counted (default: 60)"
    )
    behaviour.add_argument("--retry-after", action="store_true", help="answer 429 with a Retry-After header")
    behaviour.add_argument("--inclusive-end", action="store_true", help="read the end bound of exports inclusively")
    behaviour.add_argument(
        "--delay-in-seconds", type=float, default=0.0, help="how late events become exportable (default: 0)"
    )
    behaviour.add_argument(
        "--next-pages", choices=NEXT_PAGES, default="absolute", help="how much of a next page's address is given"
    )
    behaviour.add_argument(
        "--unfiltered-totals",
        action="store_true",
        help="totals count all rows, whatever was requested",
    )
    behaviour.add_argument(
        "--silent-campaigns", action="store_true", help="triggered campaigns have neither a start nor an end"
    )
    behaviour.add_argument(
        "--metadata-page", type=int, default=5, help="keys on one page of a metadata table (default: 5)"
    )
    behaviour.add_argument(
        "--unwrapped-catalogs", dest="wrapped_catalogs", action="store_false", help="plain answers about catalogs"
    )
    behaviour.add_argument(
        "--largest-page",
        type=int,
        default=0,
        help="the most rows of a page (default: as documented)",
    )
    behaviour.add_argument(
        "--experiments-total-count", action="store_true", help="the list of experiments as the official client reads it"
    )
    behaviour.add_argument("--odd-metrics", action="store_true", help="campaigns/metrics has odd headers and rows")
    behaviour.add_argument("--zero-metrics", action="store_true", help="campaigns/metrics has rows of zeros")
    behaviour.add_argument(
        "--late-metrics-in-days", type=float, default=0.0, help="how late half of the numbers is (default: 0)"
    )
    behaviour.add_argument(
        "--no-blank-lines", dest="blank_lines", action="store_false", help="no blank lines in exports"
    )
    behaviour.add_argument(
        "--lists-prefer-email", action="store_true", help="members of a userID-based project as email addresses"
    )
    _add_jobs(made.add_argument_group("export jobs"))
    behaviour.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="JSON",
        help="a fault in force from the start (may be repeated)",
    )
    return made


def _add_jobs(group: argparse._ArgumentGroup) -> None:
    """What the command line takes for asynchronous exports."""
    helps = {
        "job_polls": "looks at a job before it is completed",
        "job_file_bytes": "the most that a file holds",
        "job_bytes": "the most that a job exports",
        "job_files_page": "files that one call returns",
        "job_files_late": "looks at a completed job that find no files yet",
        "job_url_seconds": "after how long the URL of a file expires",
        "foreign_jobs": "running jobs of other tools",
    }
    for one in fields(Options):
        if one.name in helps:
            flag = f"--{one.name.replace('_', '-')}"
            group.add_argument(flag, type=int, default=one.default, help=f"{helps[one.name]} (default: {one.default})")
    group.add_argument("--job-files-gzip", action="store_true", help="store files compressed")
    group.add_argument("--job-files-shuffled", action="store_true", help="list files in another order than by name")
    group.add_argument(
        "--job-files-by-position", action="store_true", help="startAfter is a place in the list, not a name to compare"
    )
    group.add_argument("--job-files-repeated", action="store_true", help="each page of files repeats one of them")
    group.add_argument(
        "--no-job-bytes", dest="job_bytes_told", action="store_false", help="the list of jobs has no bytesExported"
    )
    group.add_argument("--no-jobs-listed", dest="jobs_listed", action="store_false", help="the list of jobs is empty")
    group.add_argument("--job-empty-file", action="store_true", help="an empty file for a job without rows")


def _bulk(texts: Sequence[str]) -> dict[str, int]:
    pairs = (text.partition("=") for text in texts)
    return {name: int(count) for name, _, count in pairs}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; returns the exit code."""
    made = parser()
    given = vars(made.parse_args(arguments))
    try:
        sizes = {one.name: given[one.name] for one in fields(Size) if one.name != "bulk"}
        size = replace(Size.smallest() if given["smallest"] else Size(**sizes), bulk=_bulk(given["bulk"]))
        faults = [Fault.from_json(json.loads(text)) for text in given["fault"]]
        options = {one.name: given[one.name] for one in fields(Options) if one.name in given}
        sandbox = Sandbox(size=size, start=given["start"], now=given["now"], port=given["port"], **options)
    except ValueError as error:
        made.error(str(error))
    for fault in faults:
        sandbox.faults.add(fault)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with sandbox:
        ready = {
            "url": sandbox.url,
            "api_key": sandbox.api_key,
            "start_date": f"{sandbox.start_date:%Y-%m-%dT%H:%M:%SZ}",
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
