"""WHIP and WHEP over HTTP: statuses, headers and codes as RFC 9725 asks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from server.http.signalling import MAX_BODY_BYTES, SignallingRefused
from streaming.media_settings import MediaSettings
from streaming.sdp_fragment import parse_fragment
from tests.streaming.harness import Station, station
from tests.streaming.test_sdp_answer import PUBLISHER, VIEWER

ANNA = {"Authorization": "Bearer anna"}
SDP = {"Content-Type": "application/sdp"}


async def ask(
    show: Station, method: str, path: str, body: str = "", **headers: str
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with show.http.request(method, show.base_url + path, data=body.encode(), headers=named) as response:
        text = await response.text()
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        return response.status, json.loads(text) if text.startswith("{") else {}, response.headers


async def restarted(show: Station, location: str, fragment: str) -> tuple[int, str, str]:
    """Ask for an ICE restart; gives status, text and ETag."""
    headers = {**ANNA, "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
    async with show.http.patch(show.base_url + location, data=fragment.encode(), headers=headers) as response:
        assert response.content_type == "application/trickle-ice-sdpfrag"
        return response.status, await response.text(), response.headers["ETag"]


@pytest.mark.parametrize(("protocol", "offer"), [("whip", PUBLISHER), ("whep", VIEWER)])
async def test_an_offer_is_answered_with_a_resource_that_can_be_deleted(protocol: str, offer: str) -> None:
    async with station() as show:
        status, _, headers = await ask(show, "POST", f"/{protocol}/show", offer, **ANNA, **SDP)
        assert status == 201
        assert headers["Content-Type"] == "application/sdp"
        assert headers["Location"].startswith(f"/{protocol}/show/")
        assert headers["ETag"].startswith('"')
        assert {"Location", "ETag", "Link"} <= set(headers["Access-Control-Expose-Headers"].split(", "))
        status, _, _ = await ask(show, "DELETE", headers["Location"], **ANNA)
        assert status == 200
        status, problem, _ = await ask(show, "DELETE", headers["Location"], **ANNA)
        assert (status, problem["code"]) == (404, "unknown_resource")


@pytest.mark.parametrize("path", ["/whip/show", "/whep/show"])
async def test_preflight_tells_what_is_allowed(path: str) -> None:
    async with station() as show:
        status, _, headers = await ask(show, "OPTIONS", path)
        assert status == 204
        assert headers["Accept-Post"] == "application/sdp"
        assert "POST" in headers["Access-Control-Allow-Methods"]
        assert {"Authorization", "Content-Type", "If-Match"} <= set(headers["Access-Control-Allow-Headers"].split(", "))
        status, _, headers = await ask(show, "OPTIONS", path + "/anything")
        assert status == 204
        assert {"DELETE", "PATCH"} <= set(headers["Access-Control-Allow-Methods"].split(", "))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed_on_an_endpoint(method: str) -> None:
    async with station() as show:
        status, problem, headers = await ask(show, method, "/whip/show", **ANNA)
        assert (status, problem["code"]) == (405, "method_not_allowed")
        assert headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (PUBLISHER, SDP, 401, "unauthenticated"),
        (PUBLISHER, SDP | {"Authorization": "Basic anna"}, 401, "unauthenticated"),
        (PUBLISHER, SDP | {"Authorization": "Bearer expired"}, 401, "token_expired"),
        (PUBLISHER, ANNA | {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        ("this is not SDP", ANNA | SDP, 400, "bad_sdp"),
        ("v=0\r\n", ANNA | SDP, 400, "bad_sdp"),
        (VIEWER, ANNA | SDP, 400, "bad_sdp"),
        (PUBLISHER.replace("VP8/", "VPX/").replace("H264/", "H999/").replace("opus/", "what/"), ANNA | SDP, 406,
         "no_usable_codec"),
        ("x" * (MAX_BODY_BYTES + 1), ANNA | SDP, 413, "too_large"),
    ],
)  # fmt: skip
async def test_a_publishers_mistakes_have_a_status_and_a_code(
    body: str, headers: dict[str, str], status: int, code: str
) -> None:
    async with station() as show:
        seen, problem, answered = await ask(show, "POST", "/whip/show", body, **headers)
        assert (seen, problem["code"]) == (status, code)
        assert answered["Content-Type"].startswith("application/problem+json")
        assert ("WWW-Authenticate" in answered) == (status == 401)
        assert show.engine.snapshot().half_open == 0


async def test_a_second_publisher_is_told_when_to_try_again() -> None:
    async with station() as show:
        await ask(show, "POST", "/whip/show", PUBLISHER, **ANNA, **SDP)
        status, problem, headers = await ask(show, "POST", "/whip/show", PUBLISHER, **ANNA, **SDP)
        assert (status, problem["code"]) == (409, "publisher_exists")
        assert int(headers["Retry-After"]) >= 1


async def test_the_gates_refusal_goes_out_as_it_is() -> None:
    async with station() as show:
        show.gate.refusal = SignallingRefused(409, "not_live", "the show has not begun", retry_after_s=5)
        status, problem, headers = await ask(show, "POST", "/whep/show", VIEWER, **ANNA, **SDP)
        assert (status, problem["code"], headers["Retry-After"]) == (409, "not_live", "5")
        show.gate.refusal = SignallingRefused(404, "unknown_broadcast", "no such broadcast")
        status, problem, _ = await ask(show, "POST", "/whep/show", VIEWER, **ANNA, **SDP)
        assert (status, problem["code"]) == (404, "unknown_broadcast")


async def test_a_resource_belongs_to_its_viewer_its_broadcast_and_its_protocol() -> None:
    async with station() as show:
        _, _, headers = await ask(show, "POST", "/whep/show", VIEWER, **ANNA, **SDP)
        location = headers["Location"]
        status, problem, _ = await ask(show, "DELETE", location, Authorization="Bearer bert")
        assert (status, problem["code"]) == (403, "not_your_resource")
        for path in (location.replace("/show/", "/other/"), location.replace("whep", "whip")):
            status, _, _ = await ask(show, "DELETE", path, **ANNA)
            assert status == 404
        status, _, _ = await ask(show, "DELETE", location)
        assert status == 401


NOT_NOW = SignallingRefused(503, "issuer_unavailable", "who you are cannot be asked now", retry_after_s=5)


def over(holder_id: str) -> SignallingRefused:
    """Say no to who is known, because the show is over."""
    return SignallingRefused(409, "broadcast_over", "the show is over", holder_id=holder_id)


async def test_a_session_of_a_show_that_is_over_is_ended_by_its_viewer_and_nobody_else() -> None:
    async with station() as show:
        _, _, headers = await ask(show, "POST", "/whep/show", VIEWER, **ANNA, **SDP)
        show.gate.refusal = over("bert")
        status, problem, _ = await ask(show, "DELETE", headers["Location"], Authorization="Bearer bert")
        assert (status, problem["code"], show.engine.snapshot().half_open) == (403, "not_your_resource", 1)
        show.gate.refusal = over("anna")
        status, problem, _ = await ask(show, "PATCH", headers["Location"], **ANNA)
        assert (status, problem["code"]) == (409, "broadcast_over")
        status, _, _ = await ask(show, "DELETE", headers["Location"], **ANNA)
        assert (status, show.engine.snapshot().half_open) == (200, 0)


@pytest.mark.parametrize(("protocol", "offer"), [("whip", PUBLISHER), ("whep", VIEWER)])
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_who_cannot_be_checked_now_acts_on_no_session(protocol: str, offer: str, method: str) -> None:
    async with station() as show:
        _, _, headers = await ask(show, "POST", f"/{protocol}/show", offer, **ANNA, **SDP)
        show.gate.refusal = NOT_NOW
        status, problem, answered = await ask(show, method, headers["Location"], **ANNA)
        assert (status, problem["code"], answered["Retry-After"]) == (503, "issuer_unavailable", "5")
        assert show.engine.snapshot().half_open == 1
        show.gate.refusal = None
        assert (await ask(show, "DELETE", headers["Location"], **ANNA))[0] == 200


async def test_a_publishers_session_is_ended_by_another_who_may_publish_and_restarted_by_its_holder_only() -> None:
    async with station() as show:
        _, _, headers = await ask(show, "POST", "/whip/show", PUBLISHER, **ANNA, **SDP)
        host = {"Authorization": "Bearer host"}
        status, problem, _ = await ask(show, "PATCH", headers["Location"], If_Match="*", **host)
        assert (status, problem["code"]) == (403, "not_your_resource")
        assert (await ask(show, "DELETE", headers["Location"], **host))[0] == 200


@pytest.mark.parametrize(("protocol", "offer"), [("whip", PUBLISHER), ("whep", VIEWER)])
@pytest.mark.parametrize("cut_first", [False, True])
async def test_a_right_that_ends_while_the_offer_is_answered_leaves_no_session(
    protocol: str, offer: str, cut_first: bool
) -> None:
    async with station() as show:

        def cut() -> None:
            """End the show between the answer and the second look; the cut may have ended the session itself."""
            assert show.engine.snapshot().half_open == 1
            if cut_first:
                show.engine.end_broadcast("show", "terminated")
            show.gate.refusal = over("anna")

        show.gate.looks = [lambda: None, cut]
        status, problem, headers = await ask(show, "POST", f"/{protocol}/show", offer, **ANNA, **SDP)
        assert (status, problem["code"], "Location" in headers) == (409, "broadcast_over", False)
        assert show.engine.snapshot().half_open == 0
        show.gate.refusal = None
        status, _, _ = await ask(show, "POST", f"/{protocol}/show", offer, **ANNA, **SDP)
        assert status == 201  # nothing was left behind that would keep the next one out


async def test_trickled_candidates_need_the_right_etag_and_a_restart_gets_new_credentials() -> None:
    async with station() as show:
        _, _, headers = await ask(show, "POST", "/whep/show", VIEWER, **ANNA, **SDP)
        location, etag = headers["Location"], headers["ETag"]
        fragment = {"Content-Type": "application/trickle-ice-sdpfrag"}
        same = "".join(line for line in VIEWER.splitlines(keepends=True) if line.startswith("a=ice-ufrag"))
        trickle = same + "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"

        async def patch(body: str, **more: str) -> tuple[int, str]:
            status, problem, _ = await ask(show, "PATCH", location, body, **ANNA, **more)
            return status, problem.get("code", "")

        assert await patch(trickle, **fragment) == (428, "if_match_required")
        assert await patch(trickle, **fragment, If_Match='"stale"') == (412, "etag_mismatch")
        assert await patch(trickle, **SDP, If_Match=etag) == (415, "unsupported_media_type")
        assert await patch(trickle, **fragment, If_Match=etag) == (204, "")
        restart = "a=ice-ufrag:brandnew\r\na=ice-pwd:0123456789012345678901\r\n"
        assert await patch("a=ice-ufrag:brandnew\r\n", **fragment, If_Match="*") == (400, "bad_sdp")
        assert await patch("not a fragment", **fragment, If_Match="*") == (400, "bad_sdp")
        answers = [await restarted(show, location, restart) for _ in range(2)]
        assert answers[0] == answers[1]  # a PATCH whose answer was lost may be sent again
        status, answered, new_etag = answers[0]
        assert status == 200
        assert new_etag not in ("", etag)
        assert re.search(r"^m=\S+ 9 UDP/TLS/RTP/SAVPF \d+\r\na=mid:0\r$", answered, re.MULTILINE)
        assert f" 127.0.0.1 {show.engine.local_port} typ host\r\na=end-of-candidates" in answered
        assert parse_fragment(answered).ufrag in show.engine._port._by_ufrag  # type: ignore[union-attr]
        assert await patch(trickle, **fragment, If_Match=etag) == (412, "etag_mismatch")
        assert await patch(restart, **fragment, If_Match=new_etag) == (204, "")
        status, _, _ = await ask(show, "DELETE", location, **ANNA)
        assert status == 200
        assert not show.engine._port._by_ufrag  # type: ignore[union-attr]
        assert await patch(restart, **fragment, If_Match="*") == (404, "unknown_resource")


@pytest.mark.parametrize("path", ["/whip/..%2Fetc", "/whip/" + "x" * 100, "/whep/%00"])
async def test_a_name_that_can_be_no_broadcasts_is_unknown(path: str) -> None:
    async with station() as show:
        status, problem, _ = await ask(show, "POST", path, PUBLISHER, **ANNA, **SDP)
        assert (status, problem["code"]) == (404, "unknown_broadcast")


async def test_a_stopped_engine_is_unavailable() -> None:
    async with station() as show:
        await show.engine.stop()
        status, problem, _ = await ask(show, "POST", "/whip/show", PUBLISHER, **ANNA, **SDP)
        assert (status, problem["code"]) == (503, "engine_stopped")


async def test_joins_beyond_the_budget_get_503_and_come_in_when_they_return() -> None:
    async with station(MediaSettings(bind_host="127.0.0.1", joins_per_s=2)) as show:
        answers = [await ask(show, "POST", "/whep/show", VIEWER, **ANNA, **SDP) for _ in range(12)]
        refused = [(status, problem, headers) for status, problem, headers in answers if status != 201]
        assert refused
        for status, problem, headers in refused:
            assert (status, problem["code"]) == (503, "too_many_joins")
            assert int(headers["Retry-After"]) >= 1
        assert show.engine.snapshot().refused == {"too_many_joins": len(refused)}
        await asyncio.sleep(int(refused[0][2]["Retry-After"]))
        status, _, _ = await ask(show, "POST", "/whep/show", VIEWER, **ANNA, **SDP)
        assert status == 201
