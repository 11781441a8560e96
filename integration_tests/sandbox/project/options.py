"""What a sandbox is started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DEFAULT_API_KEY = "sandbox-key-0123456789abcdef"
DEFAULT_SPAN_IN_DAYS = 90

PROJECT_TYPES = ("email", "userid", "hybrid")
"""How a project identifies users."""
NEXT_PAGES = ("absolute", "path", "endpoint", "query")
"""How the address of a next page may be written: ``http://host/api/campaigns?page=2``, or ever less of it."""


@dataclass(frozen=True)
class Size:
    """How much a project holds.

    Any number may be zero. From `Size.smallest()` upwards every field of every table is filled in at
    least one row.
    """

    events: int = 60
    """Rows of each event table."""
    users: int = 30
    """Profiles."""
    lists: int = 6
    """Lists of users; every fifth is empty."""
    users_per_list: int = 12
    """Lines of the body of a list that is not empty."""
    campaigns: int = 45
    """Campaigns; more than 20 need a second page at the default page size."""
    templates: int = 60
    """Templates; half of them are blast templates for email, so that this combination needs pages too."""
    metadata_keys: int = 12
    """Keys of the first metadata table; the second one holds two."""
    journeys: int = 14
    """Journeys; more than 10 that are not archived need a second page at the default page size."""
    snippets: int = 5
    """Snippets."""
    catalogs: int = 3
    """Catalogs; the third has no items."""
    catalog_items: int = 12
    """Items of each other catalog; more than 10 need a second page at the default page size."""
    experiments: int = 22
    """Experiments; more than 20 need a second page at the default limit."""
    forgotten: int = 3
    """Users who were forgotten, by each identifier that the project knows."""
    bulk: Mapping[str, int] = field(default_factory=dict)
    """Further rows by data type name, made while they are sent and never held in memory."""

    @classmethod
    def smallest(cls) -> "Size":
        """The smallest project in which every field of every table is filled."""
        return cls(
            events=4,
            users=4,
            lists=2,
            users_per_list=4,
            campaigns=5,
            templates=12,
            metadata_keys=2,
            journeys=4,
            snippets=2,
            catalogs=1,
            catalog_items=1,
            experiments=1,
            forgotten=1,
        )


@dataclass(frozen=True)
class Options:
    """How a sandbox behaves, apart from its size."""

    seed: int = 1
    """Same seed, size and timestamps: same project."""
    project_type: str = "email"
    """One of `PROJECT_TYPES`."""
    lists_prefer_email: bool = False
    """Whether in a userID-based project the members of lists are email addresses where they have one."""
    api_key: str = DEFAULT_API_KEY
    keyless_users: int = 0
    """Every so-many-th profile lacks what profiles are keyed by, by turns as null and not at all; 0: none does."""
    read_only_key: bool = False
    """The key may not export nor read the members of lists."""
    missing_endpoints: Sequence[str] = ()
    """Endpoints that this data center does not have, each a name in which ``*`` is any text: ``experiments*``."""
    rate_scale: float = 1.0
    """Multiplies the documented requests a minute."""
    rate_window: float = 60.0
    """Seconds of the moving window in which requests are counted; the limit shrinks with it."""
    retry_after: bool = False
    """Whether a 429 carries a ``Retry-After`` header."""
    inclusive_end: bool = False
    """Whether exports read the end bound inclusively."""
    delay_in_seconds: float = 0.0
    """How long after it happened an event becomes exportable."""
    archived_campaigns: bool = True
    """Whether ``GET campaigns`` returns archived campaigns unless a state is requested."""
    bare_next_pages: bool = False
    """Whether the address of a next page tells page and size alone, without what else was requested."""
    next_pages: str = "absolute"
    """How the address of a next page is written: one of `NEXT_PAGES`."""
    largest_page: int = 0
    """The most rows of a page of a list endpoint, whatever was requested; 0: as many as documented."""
    unfiltered_totals: bool = False
    """Whether the total of a list endpoint (``totalCampaignsCount`` ...) counts all rows, whatever was requested."""
    silent_campaigns: bool = False
    """Whether triggered campaigns tell no ``startAt`` and no ``endedAt``, also those that are finished."""
    metadata_page: int = 5
    """Keys on one page of a metadata table."""
    wrapped_catalogs: bool = True
    """Whether the answers about catalogs are wrapped in ``{"msg", "code", "params"}``."""
    experiments_total_count: bool = False
    """Whether the list of experiments tells `totalCount`, and nothing of its pages, and takes a limit of 1000: the
    official client expects that; the documentation had `pagination`, and a limit of 100."""
    odd_metrics: bool = False
    """Whether campaigns/metrics has each column twice, rows longer than the header, and `N/A`."""
    zero_metrics: bool = False
    """Whether campaigns/metrics has a row of zeros for a campaign that reported nothing."""
    late_metrics_in_days: float = 0.0
    """How long after a day's numbers the second half of them is known."""
    blank_lines: bool = True
    """Whether exports hold a blank line here and there."""
    job_polls: int = 2
    """How often an export job is looked at before it is completed."""
    job_file_bytes: int = 10_000_000
    """The most that one file of a job holds."""
    job_bytes: int = 100_000_000_000
    """The most that a job exports; of more, rows are missing and ``exportTruncated`` tells it."""
    job_files_page: int = 10
    """Files that one call tells of."""
    job_files_shuffled: bool = False
    """Whether files are listed in another order than that of their names."""
    job_files_by_position: bool = False
    """Whether ``startAfter`` is a place in the list of files, or compared with their names."""
    job_files_repeated: bool = False
    """Whether each page of files shows its first one again at its end."""
    job_files_late: int = 0
    """How many looks that find a job completed find none of its files yet."""
    job_bytes_told: bool = True
    """Whether the list of jobs tells how many bytes they exported."""
    jobs_listed: bool = True
    """Whether the list of jobs shows those of this project; else it is empty."""
    job_files_gzip: bool = False
    """Whether files are stored compressed."""
    job_empty_file: bool = False
    """Whether a job without rows has an empty file."""
    job_url_seconds: int = 1800
    """After how long the URL of a file expires, by the sandbox's clock."""
    foreign_jobs: int = 0
    """Running export jobs of other tools, which nobody may cancel."""

    def __post_init__(self) -> None:
        """Refuse what there is not."""
        if self.next_pages not in NEXT_PAGES:
            message = f"There are no next_pages {self.next_pages!r}; there are {', '.join(NEXT_PAGES)}."
            raise ValueError(message)
        if self.project_type not in PROJECT_TYPES:
            message = f"There is no project_type {self.project_type!r}; there are {', '.join(PROJECT_TYPES)}."
            raise ValueError(message)
