"""The AsyncAPI document says what the room speaks: every frame, event and ending, with examples that are valid."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chat import commands, connection_events, events
from chat.close_codes import CloseCode
from chat.codec import decode_client_frame, decode_server_frame
from server.http.asyncapi import client_frames, close_codes, document, server_events, tag_of
from server.http.asyncapi_examples import EXAMPLES

PROTOCOL = (Path(__file__).parents[2] / "docs/protocol.md").read_text(encoding="utf-8")


def structs_of(module: Any) -> set[type[msgspec.Struct]]:
    """Every struct of a module that is told by a tag."""
    found = (one for one in vars(module).values() if isinstance(one, type) and issubclass(one, msgspec.Struct))
    return {one for one in found if one.__struct_config__.tag is not None and one.__module__ == module.__name__}


def test_every_type_of_the_code_is_a_message_with_an_example() -> None:
    assert structs_of(commands) == set(client_frames())
    assert structs_of(events) | structs_of(connection_events) == set(server_events())
    assert set(EXAMPLES) == {*client_frames(), *server_events()}
    made = document()
    assert set(made["components"]["messages"]) == {tag_of(kind) for kind in client_frames()} | {
        f"{tag_of(kind)}.event" for kind in server_events()
    }


@pytest.mark.parametrize("kind", client_frames(), ids=tag_of)
def test_a_client_frames_example_is_taken_by_the_server(kind: type[msgspec.Struct]) -> None:
    assert isinstance(decode_client_frame(msgspec.json.encode(EXAMPLES[kind]).decode()), kind)


@pytest.mark.parametrize("kind", server_events(), ids=tag_of)
def test_an_events_example_is_read_by_a_client(kind: type[msgspec.Struct]) -> None:
    (event,) = decode_server_frame(msgspec.json.encode([EXAMPLES[kind]]))
    assert isinstance(event, kind)
    if isinstance(event, connection_events.Welcome):
        assert connection_events.snapshot_of(event) is not None


def test_every_reference_leads_somewhere() -> None:
    made = document()

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(one) for one in value.values()))
        return set().union(*(references(one) for one in value)) if isinstance(value, list) else set()

    for reference in references(made):
        found = made
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    assert len(references(made)) > 40


def test_the_endings_are_those_of_the_code_and_of_the_protocols_table() -> None:
    assert [one["code"] for one in close_codes()] == [one.code for one in CloseCode]
    told = dict(re.findall(r"\| (4\d\d\d) \| `(\w+)`", PROTOCOL))
    assert told == {str(one["code"]): one["reason"] for one in close_codes()}


@pytest.mark.parametrize("kind", [*client_frames(), *server_events()], ids=lambda kind: kind.__name__)
def test_the_protocol_names_every_type_and_field(kind: type[msgspec.Struct]) -> None:
    heading = "Server → client:" if kind in server_events() else "Client → server:"
    table = PROTOCOL.split(heading)[1].split("\n\n")[0]
    (row,) = re.findall(rf"^\| `{re.escape(tag_of(kind))}` \|.*$", table, re.MULTILINE)
    if "as HTTP" in row or "the same fields" in row:
        return
    for field in kind.__struct_fields__:
        assert field in row, f"{kind.__name__}.{field}"
