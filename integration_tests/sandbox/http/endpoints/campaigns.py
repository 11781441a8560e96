"""The endpoints of campaigns, templates and their contents, channels and message types."""

from aiohttp import web

from integration_tests.sandbox.data import contents, templates
from integration_tests.sandbox.http.answers import Answer, ApiError, Handler, bad_params
from integration_tests.sandbox.http.endpoints.paging import Paging
from integration_tests.sandbox.http.endpoints.parameters import bound_of, number, one_of
from integration_tests.sandbox.project.project import Project

CAMPAIGNS = Paging(
    name="campaigns",
    total="totalCampaignsCount",
    sortable=("id", "name", "createdAt", "updatedAt", "startAt"),
    unpaged=True,
)
TEMPLATES = Paging(name="templates", total="totalTemplatesCount", ids="templateId", unpaged=True)


class Campaigns:
    """Answers these calls from a project."""

    def __init__(self, project: Project) -> None:
        """Serve ``project``."""
        self.project = project
        self.routes: list[tuple[str, Handler]] = [
            ("campaigns", self._campaigns),
            ("channels", lambda *_: Answer({"channels": project.channels})),
            ("messageTypes", lambda *_: Answer({"messageTypes": project.message_types})),
            ("templates", self._templates),
            *((f"templates/{name}/get", self._content) for name in contents.MEDIA),
        ]

    def _campaigns(self, request: web.Request, _: list[str]) -> Answer:
        states = request.query.getall("campaignState", [])
        with self.project.lock:
            hidden = set() if states or self.project.options.archived_campaigns else {"Archived"}
            everything = len(self.project.campaigns)
            rows = [
                dict(row)
                for row in self.project.campaigns
                if row.get("campaignState") not in hidden and (not states or row.get("campaignState") in states)
            ]
        return Answer(CAMPAIGNS.page(request, rows, self.project, everything))

    def _templates(self, request: web.Request, _: list[str]) -> Answer:
        kind = one_of(request, "templateType", templates.TEMPLATE_TYPES)
        medium = one_of(request, "messageMedium", templates.TEMPLATE_MEDIA)
        start, end = bound_of(request, "startDateTime"), bound_of(request, "endDateTime")
        with self.project.lock:
            everything = len(self.project.templates)
            rows = [
                dict(row)
                for row, its_kind, its_medium in self.project.templates
                if kind in (None, its_kind)
                and medium in (None, its_medium)
                and (start is None or row["createdAt"] >= start * 1000)
                and (end is None or row["createdAt"] < end * 1000)
            ]
        return Answer(TEMPLATES.page(request, rows, self.project, everything))

    def _content(self, request: web.Request, _: list[str]) -> Answer:
        medium = contents.MEDIA[request.path.split("/")[-2]]
        asked, locale = request.query.get("templateId", ""), request.query.get("locale")
        content = self.project.content(number(asked), medium)
        if content is None:
            raise bad_params(f"Template ID: {asked} does not exist for this project")
        if locale not in (None, contents.LOCALE):
            raise ApiError(404, f"Template {asked} has no locale {locale}", "NotFound")
        return Answer(content)
