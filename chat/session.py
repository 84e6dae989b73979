"""One connection's side of the protocol, without I/O: frames in, effects out, time as an argument.

The caller carries out the effects in order and reports what came of Authenticate and Join by calling
`authenticated`, `joined` or `refuse`; it calls `tick` when `deadline_s` has passed. Times are monotonic
seconds. After a Dismiss nothing more is answered.
"""

from dataclasses import dataclass, field
from enum import Enum

from msgspec import UNSET, structs

from chat import commands
from chat.broker import Position
from chat.close_codes import CloseCode
from chat.codec import decode_client_frame
from chat.connection_events import Erred
from chat.errors import ChatError, CommandRefused, FrameRefused
from chat.normalising import says_something
from chat.permissions import Standing, check
from chat.ports import Principal
from chat.rate_limit import AccountBuckets, Rate, TokenBucket


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How much one connection or account may send; all settable."""

    hello_timeout_s: float = 5.0
    text_chars: int = 200
    comments_per_10s: int = 10
    frames: Rate = field(default_factory=lambda: Rate(60, 20))
    violations: Rate = field(default_factory=lambda: Rate(6, 0.1))
    refusals: Rate = field(default_factory=lambda: Rate(20, 0.5))
    expiry_warning_s: float = 60.0

    @property
    def comments(self) -> Rate:
        """The rate of comments, questions, tips, pins and removals together."""
        return Rate(self.comments_per_10s, self.comments_per_10s / 10)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Verify the token, then call `authenticated` or `authentication_failed`."""

    token: str


@dataclass(frozen=True, slots=True)
class Join:
    """Let this person into the room, then call `joined` or `refuse`."""

    broadcast_id: str
    client_id: str
    principal: Principal
    reached: Position | None = None


@dataclass(frozen=True, slots=True)
class Execute:
    """Carry out a command that the session found permitted."""

    command: commands.Command


@dataclass(frozen=True, slots=True)
class Say:
    """Send this event to this connection only."""

    event: Erred


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Say bye and close."""

    close_code: CloseCode


Effect = Authenticate | Join | Execute | Say | Dismiss


_ENDINGS = {"token_expired": CloseCode.TOKEN_EXPIRED, "banned": CloseCode.BANNED}


class _Phase(Enum):
    AWAITING_HELLO = 1
    AUTHENTICATING = 2
    JOINING = 3
    JOINED = 4
    CLOSED = 5


class Session:
    """The state machine of one connection."""

    def __init__(self, limits: SessionLimits, account_buckets: AccountBuckets, now_s: float) -> None:
        self._limits = limits
        self._account_buckets = account_buckets
        self._phase = _Phase.AWAITING_HELLO
        self._hello_deadline_s = now_s + limits.hello_timeout_s
        self._hello: commands.Hello | None = None
        self._expires_s: float | None = None
        self._warned_of_expiry = False
        self._frames = TokenBucket(limits.frames, now_s)
        self._comments = TokenBucket(limits.comments, now_s)
        self._violations = TokenBucket(limits.violations, now_s)
        self._refusals = TokenBucket(limits.refusals, now_s)
        self.principal: Principal | None = None

    def receive(self, data: str | bytes, now_s: float, standing: Standing | None) -> list[Effect]:
        """Take one client frame; `standing` is None until joined."""
        if self._phase is _Phase.CLOSED:
            return []
        if self._frames.take(now_s) > 0:
            return self._refused(CommandRefused("rate_limited", "too many frames", 1_000), UNSET, now_s)
        try:
            frame = decode_client_frame(data)
        except FrameRefused as refusal:
            # While gateways are rolled, newer clients talk to older ones: they are honest, and may go on.
            if refusal.code == "unknown_type" and self._phase is _Phase.JOINED:
                return self._refused(refusal, refusal.message_id, now_s)
            return self._violated(refusal, now_s)
        if self._phase is not _Phase.JOINED or standing is None:
            return self._receive_early(frame, now_s)
        match frame:
            case commands.Hello():
                return self._violated(FrameRefused("already_joined", "hello was said"), now_s)
            case commands.RefreshAuth(token=token):
                return [Authenticate(token)]
            case _:
                return self._command(frame, now_s, standing)

    def _receive_early(self, frame: commands.ClientFrame, now_s: float) -> list[Effect]:
        if self._phase is _Phase.AWAITING_HELLO and isinstance(frame, commands.Hello):
            self._hello = frame
            self._phase = _Phase.AUTHENTICATING
            return [Authenticate(frame.token)]
        return self._violated(FrameRefused("hello_expected", "the first frame is hello"), now_s)

    def _command(self, command: commands.Command, now_s: float, standing: Standing) -> list[Effect]:
        message_id = UNSET if isinstance(command, commands.Like | commands.Visibility) else command.id
        try:
            check(command, standing)
            if isinstance(command, commands.PostComment):
                self._check_text(command.text)
            # Like frames only raise a number that is sent on once a tick; the frame limit is enough for them.
            if not isinstance(command, commands.Like | commands.Visibility):
                self._take_comment(now_s)
        except CommandRefused as refusal:
            return self._refused(refusal, message_id, now_s)
        return [Execute(command)]

    def _check_text(self, text: str) -> None:
        if not says_something(text):
            raise CommandRefused("text_empty", "there is nothing in it")
        if len(text) > self._limits.text_chars:
            raise CommandRefused("text_too_long", f"at most {self._limits.text_chars} characters")
        if "\x00" in text:
            raise CommandRefused("text_unstorable", "the text holds a NUL character")

    def _take_comment(self, now_s: float) -> None:
        assert self.principal is not None
        wait_s = self._comments.take(now_s) or self._account_buckets.take(self.principal.account_id, now_s)
        if wait_s > 0:
            raise CommandRefused("rate_limited", "slower, please", int(wait_s * 1_000) + 1)

    def authenticated(self, principal: Principal, expires_in_s: float, now_s: float) -> list[Effect]:
        """The token is good for `expires_in_s` seconds more."""
        if self._phase is _Phase.CLOSED:
            return []
        if expires_in_s <= 0:
            return self.authentication_failed("token_expired", now_s)
        if self._phase is _Phase.JOINED:
            return self._refreshed(principal, expires_in_s, now_s)
        assert self._hello is not None
        if principal.broadcast_id not in (None, self._hello.broadcast_id):
            return self.refuse(CloseCode.FORBIDDEN, "forbidden", "the token is for another broadcast")
        self._take_token(principal, expires_in_s, now_s)
        self._phase = _Phase.JOINING
        # The token is held by nobody longer than it takes to verify it.
        hello = self._hello = structs.replace(self._hello, token="-")
        reached = None
        if hello.epoch is not None and hello.offset is not None:
            reached = Position(hello.epoch, hello.offset)
        return [Join(hello.broadcast_id, hello.client_id, principal, reached)]

    def _refreshed(self, principal: Principal, expires_in_s: float, now_s: float) -> list[Effect]:
        assert self.principal is not None
        assert self._hello is not None
        same_person = (principal.account_id, principal.role) == (self.principal.account_id, self.principal.role)
        if not same_person or principal.broadcast_id not in (None, self._hello.broadcast_id):
            return self._violated(FrameRefused("token_refused", "the token is of someone or something else"), now_s)
        self._take_token(principal, expires_in_s, now_s)
        return []

    def _take_token(self, principal: Principal, expires_in_s: float, now_s: float) -> None:
        self.principal = principal
        self._expires_s = now_s + expires_in_s
        self._warned_of_expiry = expires_in_s <= self._limits.expiry_warning_s

    def authentication_failed(self, code: str, now_s: float) -> list[Effect]:
        """The token is not good; in `hello` that ends the connection, in a refresh the old token goes on."""
        if self._phase is _Phase.JOINED and code != "banned":
            return self._violated(FrameRefused("token_refused", code), now_s)
        ending = _ENDINGS.get(code, CloseCode.UNAUTHENTICATED)
        return self.refuse(ending, code, "the token is not accepted")

    def authentication_unavailable(self) -> list[Effect]:
        """Nobody can say now whether the token is good; in a refresh the old one goes on, and it is sent again."""
        if self._phase is _Phase.JOINED:
            return [Say(Erred("unavailable", "the token cannot be checked now: the old one goes on, send it again"))]
        return self.refuse(CloseCode.INTERNAL, "unavailable", "identities cannot be checked now")

    def joined(self) -> None:
        """The welcome was sent."""
        if self._phase is _Phase.JOINING:
            self._phase = _Phase.JOINED

    def refuse(self, close_code: CloseCode, code: str, message: str) -> list[Effect]:
        """End the connection with an error and a bye."""
        if self._phase is _Phase.CLOSED:
            return []
        self._phase = _Phase.CLOSED
        return [Say(Erred(code, message)), Dismiss(close_code)]

    def failed(self, error: ChatError, message_id: str, now_s: float) -> list[Effect]:
        """A permitted command was refused by those who carry it out."""
        return self._refused(error, message_id, now_s)

    @property
    def deadline_s(self) -> float | None:
        """When `tick` is next wanted."""
        if self._phase is _Phase.AWAITING_HELLO:
            return self._hello_deadline_s
        if self._phase is not _Phase.JOINED or self._expires_s is None:
            return None
        return self._expires_s - (0.0 if self._warned_of_expiry else self._limits.expiry_warning_s)

    def tick(self, now_s: float) -> list[Effect]:
        """Do what time asks for: end a silent connection, warn of or end an expired one."""
        deadline_s = self.deadline_s
        if deadline_s is None or now_s < deadline_s:
            return []
        if self._phase is _Phase.AWAITING_HELLO:
            return self.refuse(CloseCode.HELLO_TIMEOUT, "hello_timeout", "no hello came in time")
        assert self._expires_s is not None
        if now_s >= self._expires_s:
            return self.refuse(CloseCode.TOKEN_EXPIRED, "token_expired", "fetch a new token")
        self._warned_of_expiry = True
        left_ms = int((self._expires_s - now_s) * 1_000)
        return [Say(Erred("token_expiring", f"send auth.refresh within {left_ms} ms"))]

    def _violated(self, refusal: FrameRefused, now_s: float) -> list[Effect]:
        """A frame that no honest client sends: told the first times, then shown out; before hello at once."""
        if self._phase is not _Phase.JOINED or self._violations.take(now_s) > 0:
            return self.refuse(CloseCode.PROTOCOL_VIOLATION, refusal.code, refusal.message)
        return [Say(Erred(refusal.code, refusal.message, UNSET if refusal.message_id is None else refusal.message_id))]

    def _refused(self, refusal: ChatError, message_id: object, now_s: float) -> list[Effect]:
        """An honest frame that cannot be granted; who goes on sending them regardless is sent away for a while."""
        if self._refusals.take(now_s) > 0:
            return self.refuse(CloseCode.RATE_LIMITED, "rate_limited", "too many refused frames")
        retry_after_ms = UNSET if refusal.retry_after_ms is None else refusal.retry_after_ms
        named = message_id if isinstance(message_id, str) else UNSET
        return [Say(Erred(refusal.code, refusal.message, named, retry_after_ms))]
