"""One example of every frame and event of the room, for the AsyncAPI document. Pure data."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from chat import commands, connection_events, events

_AUTHOR = events.Author("ac_mei", "小美", "viewer")
_COMMENT = events.Comment("cm_8f2a", "question", _AUTHOR, "这个产品什么时候可以赎回？", 1_790_000_000_000, 65_000)
_SPEAKER = events.Speaker("ac_host", "林晓", "L-001")
_POLL = events.Poll("pl_1", "最想听什么？", ["固收", "养老"], [12, 30], True)
_CARD: dict[str, Any] = {"product_id": "pr_demo", "card_version": 1, "name": "稳健180天", "risk_rating": "R2"}
_RULES = events.RulesChanged(False, 0)
_SNAPSHOT = connection_events.Snapshot(
    {"broadcast_id": "bc_demo", "title": "稳健理财夜话", "state": "live"}, "live", "flowing", 65_000, _CARD, None,
    [_COMMENT], 1_024, 318, False, events.TalkState(_RULES, None, None, _POLL),
)  # fmt: skip
_ENCODED = Raw(msgspec.json.encode(_SNAPSHOT))

_MESSAGES: tuple[Struct, ...] = (
    commands.Hello("eyJhbGciOi…", "bc_demo", "install-7c1e", "zh-CN", "6e8a0f", 4_217),
    commands.RefreshAuth("eyJhbGciOi…"),
    commands.PostComment("m-17", "这个产品什么时候可以赎回？", "question"),
    commands.Like(41),
    commands.Tip("m-18", 10),
    commands.Pin("m-19", "cm_8f2a"),
    commands.Remove("m-20", "cm_8f2a", "off topic"),
    commands.Visibility(True),
    commands.Release("m-21", "cm_8f2a", "harmless"),
    commands.Mute("m-22", "ac_mei", 600, "spam"),
    commands.Ban("m-23", "ac_mei", "fraud"),
    commands.SetRules("m-24", False, 10, "busy"),
    commands.Report("m-25", "cm_8f2a", "advertising"),
    commands.PickQuestion("m-26", "cm_8f2a"),
    commands.Answer("m-27", "cm_8f2a", "封闭期180天，到期后 T+1 到账。"),
    commands.Announce("m-28", "今晚八点半开始答疑。"),
    commands.OpenPoll("m-29", "最想听什么？", ["固收", "养老"]),
    commands.ClosePoll("m-30", "pl_1"),
    commands.Vote("m-31", "pl_1", 1),
    events.CommentPosted(**msgspec.structs.asdict(_COMMENT)),
    events.CommentRemoved("cm_8f2a"),
    events.Pinned(_COMMENT),
    events.LikesCounted(1_024),
    events.PresenceCounted(318),
    events.TipGiven("小美", 10, 65_000),
    events.CardShown(_CARD, 1_790_000_000_000, 65_000),
    events.CardPulled("pr_demo", "host"),
    events.QuotaChanged("pr_demo", 250_000_000, 300_000_000, "CNY"),
    events.StateChanged("live", "flowing", 65_000),
    events.OrderChanged("or_1", "accepted", 1_000_000, "CNY", "pr_demo"),
    events.Restricted("muted", 1_790_000_600_000, "spam"),
    events.PictureChanged(withheld=True),
    events.PublisherLimitChanged(limited=True, limit_bps=6_000_000),
    _RULES,
    events.Reported("cm_8f2a", 3, "advertising"),
    events.QuestionMoved("picked", _COMMENT),
    events.Answered("ow_1", "封闭期180天，到期后 T+1 到账。", _SPEAKER, 1_790_000_000_000, 65_000),
    events.Announced("ow_2", "今晚八点半开始答疑。", _SPEAKER, 1_790_000_000_000, 65_000),
    events.PollChanged(_POLL),
    events.PollCounted("pl_1", [12, 30]),
    events.RoomRestored(_ENCODED),
    connection_events.Welcome(
        "4f1c", 1_790_000_000_000, 10.0, 1_830, connection_events.You("ac_mei", "小美", "viewer"),
        connection_events.Limits(200, 10), 120,
        "6e8a0f", 4_217, False, _ENCODED,
    ),
    connection_events.Ack("m-17", "pass", _COMMENT),
    connection_events.Erred("rate_limited", "slower, please", "m-17", 1_000),
    connection_events.Heartbeat(1_790_000_000_000),
    connection_events.PositionReached("6e8a0f", 4_218, 7),
    connection_events.Bye(4001, "draining", True, 2_310),
)  # fmt: skip

EXAMPLES: dict[type[Struct], Any] = {type(one): msgspec.json.decode(msgspec.json.encode(one)) for one in _MESSAGES}
