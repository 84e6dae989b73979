"""The port of questions, official words and polls."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from chat.events import Comment, OfficialWord, Poll, Speaker, TalkState

WordKind = Literal["answer", "announcement"]
QuestionState = Literal["asked", "picked", "answered"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and how far it has come; what is not answered at the end is a follow-up."""

    comment: Comment
    state: QuestionState
    answer: OfficialWord | None


@dataclass(frozen=True, slots=True)
class NewWord:
    """An answer (to `comment_id`, or unasked) or an announcement, to be kept as typed. `at` is UTC."""

    word_id: str
    broadcast_id: str
    kind: WordKind
    comment_id: str | None
    text: str
    by: Speaker
    client_message_id: str
    at: datetime
    stream_time_ms: int | None


@dataclass(frozen=True, slots=True)
class NewPoll:
    """A poll to be opened. `at` is UTC."""

    poll_id: str
    broadcast_id: str
    question: str
    options: tuple[str, ...]
    opened_by: str
    client_message_id: str
    at: datetime


class TalkStore(Protocol):
    """Durable; a repeat under the same client message id returns the first. All raise Unavailable."""

    async def pick(self, broadcast_id: str, comment_id: str, actor_id: str, at: datetime) -> Comment:
        """Take up a question that everyone may see. Raises CommandRefused `no_such_comment`."""

    async def say(self, word: NewWord) -> OfficialWord:
        """Keep an official word; an answer also settles its question. Raises CommandRefused `no_such_comment`."""

    async def open_poll(self, poll: NewPoll) -> Poll:
        """Open a poll. Raises CommandRefused `poll_open` while another one is."""

    async def close_poll(self, broadcast_id: str, poll_id: str, actor_id: str, at: datetime) -> Poll:
        """Close a poll, which may be closed already. Raises CommandRefused `no_such_poll`."""

    async def vote(self, broadcast_id: str, poll_id: str, account_id: str, choice: int, at: datetime) -> None:
        """Keep an account's only vote; the same choice again changes nothing.

        Raises CommandRefused `no_such_poll`, `poll_closed`, `no_such_choice`, `already_voted`.
        """

    async def tallies(self, poll_ids: Collection[str]) -> list[Poll]:
        """Return these polls with their votes."""

    async def current(self, broadcast_id: str) -> TalkState:
        """Return what a joiner is to be shown: rules, the picked question, the last announcement, the last poll."""

    async def questions(self, broadcast_id: str, limit: int, before: str | None = None) -> list[Question]:
        """Return the questions that everyone may see, newest first: all, or those before a comment of this id."""

    async def polls(self, broadcast_id: str, limit: int, before: str | None = None) -> list[Poll]:
        """Return the polls, newest first: all, or those before one of this id."""
