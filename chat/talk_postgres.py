"""Questions, official words and polls in Postgres. Talks to Postgres."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import asyncpg

from chat.acts import Act
from chat.acts_postgres import record_act
from chat.archive_postgres import COLUMNS, record_of
from chat.errors import CommandRefused, id_reused
from chat.events import Comment, OfficialWord, Poll, RulesChanged, Speaker, TalkState
from chat.postgres_work import transaction
from chat.talk_store import NewPoll, NewWord, Question

_SHOWN = f"""
SELECT {COLUMNS} FROM comments
WHERE broadcast_id = $1 AND comment_id = $2 AND audience = 'all' AND removed_at IS NULL
"""
_PICKED = f"""
SELECT {COLUMNS} FROM picked_questions JOIN comments USING (comment_id, broadcast_id)
WHERE broadcast_id = $1 AND answered_at IS NULL AND removed_at IS NULL ORDER BY picked_at DESC LIMIT 1
"""
_SAY = """
INSERT INTO official_words (word_id, broadcast_id, kind, comment_id, text, account_id, display_name, licence_no,
                            client_message_id, at, stream_time_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (account_id, broadcast_id, client_message_id) DO NOTHING RETURNING *
"""
_POLLS = """
SELECT p.poll_id, p.question, p.options, p.closed_at,
       array(SELECT (SELECT count(*) FROM poll_votes v WHERE v.poll_id = p.poll_id AND v.choice = place - 1)
             FROM generate_series(1, cardinality(p.options)) AS place ORDER BY place) AS votes
FROM polls p
"""
_QUESTIONS = f"""
SELECT {", ".join(f"c.{name}" for name in COLUMNS.split(", "))}, q.picked_at, q.answered_at,
       w.word_id, w.text AS word, w.account_id AS by_id, w.display_name, w.licence_no, w.at AS said_at,
       w.stream_time_ms AS said_ms
FROM comments c LEFT JOIN picked_questions q USING (comment_id)
LEFT JOIN official_words w ON w.comment_id = c.comment_id AND w.kind = 'answer'
WHERE c.broadcast_id = $1 AND c.kind = 'question' AND c.audience = 'all' AND c.removed_at IS NULL
  AND ($3::text IS NULL OR c.comment_seq < (SELECT comment_seq FROM comments WHERE comment_id = $3))
ORDER BY c.comment_seq DESC LIMIT $2
"""
_POLLS_PAGE = f"""{_POLLS}
WHERE p.broadcast_id = $1
  AND ($3::text IS NULL OR (p.opened_at, p.poll_id) < (SELECT opened_at, poll_id FROM polls WHERE poll_id = $3))
ORDER BY p.opened_at DESC, p.poll_id DESC LIMIT $2
"""


class PostgresTalk:
    """One transaction an act, with its record."""

    def __init__(self, pool: asyncpg.Pool, *, timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    def _work(self) -> Any:
        return transaction(self._pool, self._timeout_s, "the room's talk")

    async def pick(self, broadcast_id: str, comment_id: str, actor_id: str, at: datetime) -> Comment:
        """As the port says."""
        async with self._work() as connection:
            comment = await _shown(connection, broadcast_id, comment_id)
            done = await connection.execute(
                "INSERT INTO picked_questions (comment_id, broadcast_id, picked_by, picked_at) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (comment_id) DO NOTHING",
                comment_id,
                broadcast_id,
                actor_id,
                at,
            )
            if done == "INSERT 0 1":
                await record_act(connection, broadcast_id, "pick", Act(actor_id, "", at), comment_id=comment_id)
        return comment

    async def say(self, word: NewWord) -> OfficialWord:
        """As the port says."""
        async with self._work() as connection:
            comment = None
            if word.comment_id is not None:
                comment = await _shown(connection, word.broadcast_id, word.comment_id)
            row = await connection.fetchrow(
                _SAY,
                word.word_id,
                word.broadcast_id,
                word.kind,
                word.comment_id,
                word.text,
                word.by.account_id,
                word.by.display_name,
                word.by.licence_no,
                word.client_message_id,
                word.at,
                word.stream_time_ms,
            )
            if row is None:
                row = await connection.fetchrow(
                    "SELECT * FROM official_words WHERE account_id = $1 AND broadcast_id = $2 "
                    "AND client_message_id = $3",
                    word.by.account_id,
                    word.broadcast_id,
                    word.client_message_id,
                )
                if (row["kind"], row["comment_id"], row["text"]) != (word.kind, word.comment_id, word.text):
                    raise id_reused()
                return _word(row, comment)
            if word.comment_id is not None:
                await connection.execute(
                    "INSERT INTO picked_questions (comment_id, broadcast_id, picked_by, picked_at, answered_at) "
                    "VALUES ($1, $2, $3, $4, $4) ON CONFLICT (comment_id) DO UPDATE SET answered_at = $4",
                    word.comment_id,
                    word.broadcast_id,
                    word.by.account_id,
                    word.at,
                )
            act = Act(word.by.account_id, "", word.at)
            name = "announce" if word.kind == "announcement" else "answer"
            await record_act(connection, word.broadcast_id, name, act, comment_id=word.comment_id, detail=word.word_id)
        return _word(row, comment)

    async def open_poll(self, poll: NewPoll) -> Poll:
        """As the port says."""
        async with self._work() as connection:
            opened = await connection.fetchval(
                "INSERT INTO polls (poll_id, broadcast_id, question, options, opened_by, client_message_id, opened_at) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING poll_id",
                poll.poll_id,
                poll.broadcast_id,
                poll.question,
                list(poll.options),
                poll.opened_by,
                poll.client_message_id,
                poll.at,
            )
            if opened is not None:
                act = Act(poll.opened_by, "", poll.at)
                await record_act(connection, poll.broadcast_id, "poll_open", act, detail=poll.poll_id)
                return Poll(poll.poll_id, poll.question, list(poll.options), [0] * len(poll.options), True)
            first = await connection.fetchrow(
                _POLLS + "WHERE p.opened_by = $1 AND p.broadcast_id = $2 AND p.client_message_id = $3",
                poll.opened_by,
                poll.broadcast_id,
                poll.client_message_id,
            )
            if first is None:
                raise CommandRefused("poll_open", "another poll is open")
            if (first["question"], tuple(first["options"])) != (poll.question, poll.options):
                raise id_reused()
        return _poll(first)

    async def close_poll(self, broadcast_id: str, poll_id: str, actor_id: str, at: datetime) -> Poll:
        """As the port says."""
        async with self._work() as connection:
            # Votes take the same row FOR SHARE: none is counted that commits after the closing.
            closed = await connection.execute(
                "UPDATE polls SET closed_at = $3 WHERE broadcast_id = $1 AND poll_id = $2 AND closed_at IS NULL",
                broadcast_id,
                poll_id,
                at,
            )
            row = await connection.fetchrow(
                _POLLS + "WHERE p.broadcast_id = $1 AND p.poll_id = $2", broadcast_id, poll_id
            )
            if row is None:
                raise CommandRefused("no_such_poll", "there is no such poll here")
            if closed == "UPDATE 1":
                await record_act(connection, broadcast_id, "poll_close", Act(actor_id, "", at), detail=poll_id)
        return _poll(row)

    async def vote(self, broadcast_id: str, poll_id: str, account_id: str, choice: int, at: datetime) -> None:
        """As the port says."""
        async with self._work() as connection:
            poll = await connection.fetchrow(
                "SELECT cardinality(options) AS options, closed_at FROM polls WHERE broadcast_id = $1 AND poll_id = $2 "
                "FOR SHARE",
                broadcast_id,
                poll_id,
            )
            if poll is None:
                raise CommandRefused("no_such_poll", "there is no such poll here")
            kept = await connection.fetchval(
                "SELECT choice FROM poll_votes WHERE poll_id = $1 AND account_id = $2", poll_id, account_id
            )
            if kept is None:
                if poll["closed_at"] is not None:
                    raise CommandRefused("poll_closed", "this poll takes no more votes")
                if choice >= poll["options"]:
                    raise CommandRefused("no_such_choice", "this poll has fewer options")
                kept = await connection.fetchval(
                    "INSERT INTO poll_votes (poll_id, account_id, choice, at) VALUES ($1, $2, $3, $4) "
                    "ON CONFLICT (poll_id, account_id) DO UPDATE SET choice = poll_votes.choice RETURNING choice",
                    poll_id,
                    account_id,
                    choice,
                    at,
                )
        if kept != choice:
            raise CommandRefused("already_voted", "you have voted; the first vote stays")

    async def tallies(self, poll_ids: Collection[str]) -> list[Poll]:
        """As the port says."""
        async with self._work() as connection:
            rows = await connection.fetch(_POLLS + "WHERE p.poll_id = ANY($1::text[])", list(poll_ids))
        return [_poll(row) for row in rows]

    async def current(self, broadcast_id: str) -> TalkState:
        """As the port says."""
        async with self._work() as connection:
            rules = await connection.fetchrow(
                "SELECT muted_all, slow_s FROM room_rules WHERE broadcast_id = $1", broadcast_id
            )
            question = await connection.fetchrow(_PICKED, broadcast_id)
            announced = await connection.fetchrow(
                "SELECT * FROM official_words WHERE broadcast_id = $1 AND kind = 'announcement' "
                "ORDER BY word_id DESC LIMIT 1",
                broadcast_id,
            )
            poll = await connection.fetchrow(
                _POLLS + "WHERE p.broadcast_id = $1 ORDER BY p.opened_at DESC LIMIT 1", broadcast_id
            )
        return TalkState(
            RulesChanged(False, 0) if rules is None else RulesChanged(rules["muted_all"], rules["slow_s"]),
            None if question is None else record_of(question).shown(with_verdict=False),
            None if announced is None else _word(announced, None),
            None if poll is None else _poll(poll),
        )

    async def questions(self, broadcast_id: str, limit: int, before: str | None = None) -> list[Question]:
        """As the port says."""
        async with self._work() as connection:
            rows = await connection.fetch(_QUESTIONS, broadcast_id, limit, before)
        return [_question(row) for row in rows]

    async def polls(self, broadcast_id: str, limit: int, before: str | None = None) -> list[Poll]:
        """As the port says."""
        async with self._work() as connection:
            rows = await connection.fetch(_POLLS_PAGE, broadcast_id, limit, before)
        return [_poll(row) for row in rows]


async def _shown(connection: Any, broadcast_id: str, comment_id: str) -> Comment:
    row = await connection.fetchrow(_SHOWN, broadcast_id, comment_id)
    if row is None:
        raise CommandRefused("no_such_comment", "there is no such comment here")
    return record_of(row).shown(with_verdict=False)


def _word(row: Any, comment: Comment | None) -> OfficialWord:
    by = Speaker(row["account_id"], row["display_name"], row["licence_no"])
    at_ms = int(row["at"].timestamp() * 1_000)
    return OfficialWord(row["word_id"], row["text"], by, at_ms, row["stream_time_ms"], comment)


def _poll(row: Any) -> Poll:
    return Poll(row["poll_id"], row["question"], row["options"], row["votes"], row["closed_at"] is None)


def _question(row: Any) -> Question:
    comment = record_of(row).shown(with_verdict=False)
    if row["word_id"] is None:
        return Question(comment, "asked" if row["picked_at"] is None else "picked", None)
    by = Speaker(row["by_id"], row["display_name"], row["licence_no"])
    said_at_ms = int(row["said_at"].timestamp() * 1_000)
    return Question(comment, "answered", OfficialWord(row["word_id"], row["word"], by, said_at_ms, row["said_ms"]))
