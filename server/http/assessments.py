"""The risk questionnaire over HTTP: read, answer, see, confirm."""

import msgspec
from aiohttp import web

from commerce.service import CommerceService
from server.auth.permissions import require
from server.http.body import json_response, read_json
from server.http.query import idempotency_key, path_id

_BASE = "/api/v1/assessments"


class Answers(msgspec.Struct, forbid_unknown_fields=True):
    """Which questionnaire was answered, and the chosen option by question."""

    questionnaire_version: str
    answers: dict[str, str]


def routes(service: CommerceService) -> list[web.RouteDef]:
    """Routes of the questionnaire and of one's own assessments."""

    async def questions(request: web.Request) -> web.Response:
        require(request, "assessment.take")
        return json_response(service.assessments.questions())

    async def standing(request: web.Request) -> web.Response:
        who = require(request, "assessment.take")
        return json_response(await service.assessments.standing(who.account_id))

    async def take(request: web.Request) -> web.Response:
        who = require(request, "assessment.take")
        key = idempotency_key(request)
        given = await read_json(request, Answers)
        taken = await service.assessments.take(who.account_id, given.questionnaire_version, given.answers, key)
        return json_response(taken, status=201)

    async def confirm(request: web.Request) -> web.Response:
        who = require(request, "assessment.take")
        assessment_id = path_id(request, "assessment_id", "as", "no_such_assessment")
        return json_response(await service.assessments.confirm(who.account_id, assessment_id))

    return [
        web.get("/api/v1/questionnaire", questions),
        web.get(_BASE, standing),
        web.post(_BASE, take),
        web.post(_BASE + "/{assessment_id}/confirm", confirm),
    ]
