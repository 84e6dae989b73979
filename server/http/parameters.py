"""What operations take in their query, as the OpenAPI document says it; `query.py` reads the same. Pure."""

from dataclasses import dataclass, field
from typing import Any

from streaming.lifecycle import State

PAGE_MOST = 200


@dataclass(frozen=True)
class Parameter:
    """One parameter of the query; `schema` is JSON Schema, `more` what else OpenAPI says of it."""

    name: str
    schema: dict[str, Any] = field(hash=False)
    description: str
    required: bool = False
    more: dict[str, Any] = field(default_factory=dict, hash=False)


def id_schema(prefix: str) -> dict[str, Any]:
    """The form of an id: its two letters say of what."""
    return {"type": "string", "pattern": f"^{prefix}_[0-9a-z_]{{1,40}}$"}


def flag(name: str, description: str) -> Parameter:
    """A parameter that is `true` or `false`."""
    return Parameter(name, {"type": "boolean", "default": False}, description)


def cursor(name: str, prefix: str) -> Parameter:
    """Where a page begins; pages name the next one themselves."""
    return Parameter(name, id_schema(prefix), "Begin behind this one; `next` of a page has it filled in")


LIMIT = Parameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MOST, "default": 50}, "The most that a page holds"
)
STATES = Parameter(
    "state",
    {"type": "array", "items": {"enum": [str(one) for one in State]}, "minItems": 1},
    "Only those in one of these states, separated by commas",
    more={"style": "form", "explode": False},
)
PRODUCT = Parameter("product_id", id_schema("pr"), "Which card", required=True)
TABLE = Parameter("table", {"type": "string", "enum": ["funnel", "managers"], "default": "funnel"}, "Which table")
