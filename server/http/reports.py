"""A show's report over HTTP, as JSON and as CSV: for its host, for monitors and for checkers."""

from aiohttp import web

from server.auth.permissions import require
from server.broadcasting import Broadcasting
from server.http.body import json_response
from server.http.errors import ApiError
from server.http.one_broadcast import read_broadcast, require_own_of_host
from server.reports.funnel import ShowReport
from server.reports.funnel_postgres import ShowReports
from server.reports.report_csv import funnel_csv, managers_csv

_PATH = "/api/v1/broadcasts/{broadcast_id}/report"
_TABLES = {"funnel": funnel_csv, "managers": managers_csv}


def routes(broadcasting: Broadcasting, reports: ShowReports) -> list[web.RouteDef]:
    """Routes of a broadcast's report."""

    async def read(request: web.Request) -> ShowReport:
        who = require(request, "report.read")
        found = await read_broadcast(request, broadcasting, who)
        require_own_of_host(found, who)
        return await reports.read(found.broadcast_id, found.title)

    async def show(request: web.Request) -> web.Response:
        return json_response(await read(request))

    async def table(request: web.Request) -> web.Response:
        named = request.query.get("table", "funnel")
        if named not in _TABLES:
            raise ApiError(422, "bad_field", f"table is one of: {', '.join(_TABLES)}")
        report = await read(request)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{report.broadcast_id}-{named}.csv"',
        }
        return web.Response(body=_TABLES[named](report), content_type="text/csv", charset="utf-8", headers=headers)

    return [web.get(_PATH, show), web.get(f"{_PATH}.csv", table)]
