"""JSON columns in and out: explicit text, so that no codec of the caller's pool matters. Pure."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def to_json(value: Any) -> str:
    """For a parameter written as `$n::text::jsonb`."""
    return msgspec.json.encode(value).decode()


def from_json(text: str | None, kind: type[T]) -> T | None:
    """For a column selected as `column::text`; SQL NULL is None."""
    return None if text is None else msgspec.json.decode(text, type=kind)
