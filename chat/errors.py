"""The errors of this package, each with a code that clients may rely on. No I/O."""


class ChatError(Exception):
    """Base of all errors of the room; `code` is stable, the text is for people."""

    def __init__(self, code: str, message: str = "", retry_after_ms: int | None = None) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message or code
        self.retry_after_ms = retry_after_ms


class FrameRefused(ChatError):
    """A client frame that is not of the protocol: `malformed_json`, `unknown_type`, `invalid_field`, `binary_frame`.

    `message_id` is the frame's own, where it has a good one: then whoever waits for its answer gets it.
    """

    def __init__(self, code: str, message: str = "", message_id: str | None = None) -> None:
        super().__init__(code, message)
        self.message_id = message_id


class CommandRefused(ChatError):
    """A well-formed command that this person may not give now; the connection goes on."""


class AuthenticationFailed(ChatError):
    """A token that is not good: `token_expired`, or `unauthenticated` for every other reason."""


class TipRefused(ChatError):
    """The points ledger does not take the tip; `code` is the ledger's."""


class Unavailable(ChatError):
    """A store or the broker did not answer in time; the same command may be sent again after `retry_after_ms`."""

    def __init__(self, message: str, retry_after_ms: int = 2_000) -> None:
        super().__init__("unavailable", message, retry_after_ms)


def id_reused() -> CommandRefused:
    """The refusal of a message id that was given to something else before."""
    return CommandRefused("idempotency_conflict", "this message id was another message's")
