"""The endpoints that answer with CSV: what campaigns and experiments brought about."""

from aiohttp import web

from integration_tests.sandbox.data import campaign_metrics, experiment_metrics
from integration_tests.sandbox.http.answers import Answer, Handler, bad_params
from integration_tests.sandbox.http.endpoints.parameters import numbers, timestamp
from integration_tests.sandbox.project.project import Project
from integration_tests.sandbox.project.timestamps import FOR_EVER


class Reports:
    """Answers these calls from a project."""

    def __init__(self, project: Project) -> None:
        """Report on ``project``."""
        self.project = project
        self.routes: list[tuple[str, Handler]] = [
            ("campaigns/metrics", self._campaigns),
            ("experiments/metrics", self._experiments),
        ]

    def _campaigns(self, request: web.Request, _: list[str]) -> Answer:
        """Each campaign once; those that reported nothing in the span have no row."""
        asked = numbers(request, "campaignId")
        if not asked:
            raise bad_params("[/api/campaigns/metrics] Missing required parameter: campaignId")
        start, end = timestamp(request, "startDateTime", 0), timestamp(request, "endDateTime", FOR_EVER)
        reported = self.project.measured_campaigns(asked, start, end)
        return _csv(campaign_metrics.text(reported, odd=self.project.options.odd_metrics))

    def _experiments(self, request: web.Request, _: list[str]) -> Answer:
        """All, or those requested, or those of the campaigns requested; the end is inclusive."""
        asked, campaigns = numbers(request, "experimentId"), numbers(request, "campaignId")
        start, end = timestamp(request, "startDateTime", 0), timestamp(request, "endDateTime", FOR_EVER)
        rows = self.project.measured_experiments(start, end + 1)
        chosen = [
            row
            for row in rows
            if (not asked or int(row["Experiment ID"]) in asked)
            and (not campaigns or (row["Campaign ID"] and int(row["Campaign ID"]) in campaigns))
        ]
        return _csv(experiment_metrics.text(chosen))


def _csv(text: str) -> Answer:
    """The answer with one line for each record: a newline within quotes belongs to its record."""
    records: list[bytes] = []
    is_quoted = False
    for line in text.removesuffix("\n").encode().split(b"\n"):
        if is_quoted:
            records[-1] += b"\n" + line
        else:
            records.append(line)
        is_quoted ^= line.count(b'"') % 2 == 1
    return Answer(lines=[records], newline_at_end=text.endswith("\n"))
