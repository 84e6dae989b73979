"""The AsyncAPI 3.0 document of the room at /api/v1/asyncapi.json, made of the msgspec types that the code speaks."""

import typing
from enum import Enum
from typing import Any

import msgspec
from aiohttp import web

from chat import commands, connection_events
from chat.close_codes import CloseCode
from server.gateway.door import PATH
from server.gateway.gateway import SUBPROTOCOL
from server.http.asyncapi_examples import EXAMPLES
from server.http.body import json_response
from server.http.config import program_version

_REF = "#/components/schemas/{name}"


class _Heading(Enum):
    """Who sends a message."""

    CLIENT = "sendFrame"
    SERVER = "receiveEvents"


def client_frames() -> tuple[type[msgspec.Struct], ...]:
    """Every frame that a client may send."""
    return typing.get_args(commands.ClientFrame)


def server_events() -> tuple[type[msgspec.Struct], ...]:
    """Every event that may stand in a server's frame."""
    return typing.get_args(connection_events.ServerEvent)


def document() -> dict[str, Any]:
    """Make the document; the same types give the same document."""
    kinds = [*client_frames(), *server_events(), connection_events.Snapshot]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    # Snapshots travel as bytes that were encoded once for all; a client sees what they hold.
    snapshot = {"$ref": _REF.format(name="Snapshot")}
    schemas["Welcome"]["properties"]["snapshot"] = {"anyOf": [snapshot, {"type": "null"}]}
    schemas["RoomRestored"]["properties"]["snapshot"] = snapshot
    messages = {tag_of(kind): _message(kind) for kind in client_frames()}
    told = {_told(kind): _message(kind) for kind in server_events()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Wealthcast room",
            "version": program_version(),
            "description": (
                "A client frame is one JSON object of `sendFrame`; a server frame is a JSON array of objects of "
                "`receiveEvents`, in order. Events and fields that you do not know are to be ignored. "
                "docs/protocol.md says when what is sent."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {
            "room": {
                "address": PATH,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*messages, *told)},
                "bindings": {
                    "ws": {"headers": {"properties": {"Sec-WebSocket-Protocol": {"const": str(SUBPROTOCOL)}}}}
                },
                "x-close-codes": close_codes(),
            }
        },
        "operations": {
            _Heading.CLIENT.value: _operation("receive", "What the server takes.", messages),
            _Heading.SERVER.value: _operation("send", "What the server says, in arrays.", told),
        },
        "components": {"messages": messages | told, "schemas": schemas},
    }


def close_codes() -> list[dict[str, Any]]:
    """Every ending with its reason, whether to come back and between which delays."""
    return [
        {
            "code": one.code,
            "reason": one.reason,
            "reconnect": one.reconnects,
            "retry_after_ms": [one.value.earliest_ms, one.value.latest_ms] if one.reconnects else None,
        }
        for one in CloseCode
    ]


def tag_of(kind: type[msgspec.Struct]) -> str:
    """Return the `type` by which a message is told from others."""
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _told(kind: type[msgspec.Struct]) -> str:
    # Client and server have types of the same name, such as `comment`; their messages are named apart.
    return f"{tag_of(kind)}.event"


def _message(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": tag_of(kind),
        "summary": (kind.__doc__ or "").split("\n")[0],
        "payload": {"$ref": _REF.format(name=kind.__name__)},
        "examples": [{"payload": EXAMPLES[kind]}],
    }


def _operation(action: str, summary: str, messages: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/room"},
        "messages": [{"$ref": f"#/channels/room/messages/{name}"} for name in messages],
    }


def routes() -> list[web.RouteDef]:
    """The route /api/v1/asyncapi.json; the document is made once."""
    made = document()

    async def show(request: web.Request) -> web.Response:
        return json_response(made)

    return [web.get("/api/v1/asyncapi.json", show)]
