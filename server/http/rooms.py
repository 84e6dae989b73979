"""A room's figures, moderation queue, questions and polls over HTTP: read only, acts go through the room itself."""

from dataclasses import asdict
from datetime import datetime

import msgspec
from aiohttp import web

from chat.acts import RecordedAct
from chat.errors import Unavailable
from chat.events import Comment, Poll
from chat.figures import FigureStore
from chat.moderation_store import ModerationStore, Report
from chat.presence import Presence
from chat.restrictions import Kind, Restriction
from chat.talk_store import Question, TalkStore
from server.auth.permissions import require
from server.broadcasting import Broadcasting
from server.http.body import json_response
from server.http.errors import ApiError
from server.http.one_broadcast import read_broadcast, require_own_of_host
from server.http.query import page_of, page_size, page_start
from streaming.broadcast import Broadcast

_PATH = "/api/v1/broadcasts/{broadcast_id}"
_AWAY = "the room's store is not answering; try again"


class FiguresView(msgspec.Struct, kw_only=True):
    """What a show is judged by; `online` is null while it cannot be read, times are whole seconds."""

    online: int | None
    background: int
    views: int
    visitors: int
    peak_online: int
    peak_at: datetime | None
    watched_s: int
    background_s: int
    average_watch_s: float
    comments: int
    questions: int
    questions_unanswered: int


class RestrictedView(msgspec.Struct):
    """Who may not talk, or not be here, and until when; null is without end."""

    kind: Kind
    account_id: str
    until_ms: int | None


class ModerationView(msgspec.Struct):
    """A monitor's desk: the oldest held comments, the most reported things, the newest acts, who is restricted."""

    held: list[Comment]
    reports: list[Report]
    acts: list[RecordedAct]
    restricted: list[RestrictedView]


class QuestionList(msgspec.Struct):
    """A page of questions, newest first; `next` is the address of the page after it."""

    questions: list[Question]
    next: str | None


class PollList(msgspec.Struct):
    """A page of polls, newest first; `next` is the address of the page after it."""

    polls: list[Poll]
    next: str | None


def routes(
    broadcasting: Broadcasting,
    moderation: ModerationStore,
    talk: TalkStore,
    figures: FigureStore,
    presence: Presence,
) -> list[web.RouteDef]:
    """Routes below one broadcast."""

    async def broadcast(request: web.Request, permission: str) -> Broadcast:
        return await read_broadcast(request, broadcasting, require(request, permission))

    async def show_figures(request: web.Request) -> web.Response:
        broadcast_id = (await broadcast(request, "figures.read")).broadcast_id
        kept = await figures.read(broadcast_id)
        try:
            online: int | None = await presence.online(broadcast_id)
        except Unavailable:
            online = None  # the totals are in Postgres and go out without Redis
        return json_response(FiguresView(**asdict(kept), online=online, average_watch_s=kept.average_watch_s))

    async def show_moderation(request: web.Request) -> web.Response:
        found = await broadcast(request, "moderation.read")
        who = require(request, "moderation.read")
        require_own_of_host(found, who)
        broadcast_id, limit = found.broadcast_id, page_size(request)
        desk = ModerationView(
            held=await moderation.held(broadcast_id, limit),
            reports=await moderation.reports(broadcast_id, limit),
            acts=await moderation.acts(broadcast_id, limit),
            restricted=[_restricted(one) for one in await moderation.restricted(broadcast_id, broadcasting.now())],
        )
        return json_response(desk)

    async def show_questions(request: web.Request) -> web.Response:
        broadcast_id = (await broadcast(request, "talk.read")).broadcast_id
        limit = page_size(request)
        found = await talk.questions(broadcast_id, limit + 1, page_start(request, "before", "cm"))
        page = page_of(request, found, limit, "before", lambda question: question.comment.comment_id)
        return json_response(QuestionList(*page))

    async def show_polls(request: web.Request) -> web.Response:
        broadcast_id = (await broadcast(request, "talk.read")).broadcast_id
        limit = page_size(request)
        found = await talk.polls(broadcast_id, limit + 1, page_start(request, "before", "pl"))
        return json_response(PollList(*page_of(request, found, limit, "before", lambda poll: poll.poll_id)))

    return [
        web.get(f"{_PATH}/figures", show_figures),
        web.get(f"{_PATH}/moderation", show_moderation),
        web.get(f"{_PATH}/questions", show_questions),
        web.get(f"{_PATH}/polls", show_polls),
    ]


def chat_error(error: Exception) -> ApiError | None:
    """Answer for the room's stores."""
    return ApiError(503, "unavailable", _AWAY, retry_after_s=2) if isinstance(error, Unavailable) else None


def _restricted(one: Restriction) -> RestrictedView:
    until_ms = None if one.until_s is None else int(one.until_s * 1_000)
    return RestrictedView(one.kind, one.account_id, until_ms)
