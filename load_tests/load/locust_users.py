"""The people of the Locust file: viewer, chatter, buyer, host. I/O: HTTP and WebSocket under gevent."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any, Final
from uuid import uuid4

import gevent
from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, between, task

from load_tests.load.amounts import amount_minor
from load_tests.load.cast import Cast, Player
from load_tests.load.gevent_room import GeventRoom, RoomRefused
from load_tests.load.locust_run import LocustRun
from load_tests.load.wording import numbered

_SIGN_INS_AT_ONCE: Final = 2  # password hashing is slow on purpose, and the server bounds its queue
_SIGN_IN_TRIES: Final = 8
_ORDER_TRIES: Final = 8
_TWICE_EVERY: Final = 50
_WELCOME_TIMEOUT_S: Final = 60.0
_NOT_FINAL: Final = frozenset({"busy", "in_progress", "unanswered"})


class Company:
    """What all users of the process share; `cast` is there once the test starts."""

    def __init__(self, run: LocustRun) -> None:
        self.run = run
        self.cast: Cast | None = None
        self._tokens: dict[str, str] = {}
        self._signing_in = BoundedSemaphore(_SIGN_INS_AT_ONCE)

    def token(self, player: Player, client: Any) -> str:
        """The player's token; signs in once a login, and waits as the server asks while it is busy."""
        if player.token:
            return player.token
        with self._signing_in:
            if player.login not in self._tokens:
                self._tokens[player.login] = self._signed_in(player, client)
        return self._tokens[player.login]

    @staticmethod
    def _signed_in(player: Player, client: Any) -> str:
        body = {"login": player.login, "password": player.password}
        for _ in range(_SIGN_IN_TRIES):
            with client.post("/api/v1/sessions", json=body, name="sign in", catch_response=True) as answer:
                if answer.status_code == 201:
                    answer.success()
                    return str(answer.json()["token"])
                if answer.status_code != 503:
                    answer.failure(f"status {answer.status_code}")
                    raise RoomRefused(f"cannot sign in: {answer.status_code}")
                answer.success()
                gevent.sleep(float(answer.headers.get("Retry-After") or 1))
        raise RoomRefused("cannot sign in: busy")


class Guest(FastHttpUser):
    """Somebody in the room; the classes below say what they do there."""

    abstract = True
    connection_timeout = 30.0
    network_timeout = 30.0
    company: Company
    in_room = True
    staff = False
    _numbers = itertools.count()

    def on_start(self) -> None:
        """Come in, and where this kind is in the room wait for the welcome."""
        assert self.company.cast is not None
        self.cast = self.company.cast
        self.client.base_url = self.cast.http
        self.number = next(type(self)._numbers)
        self.token = self.company.token(self.player(), self.client)
        if self.in_room:
            self._enter()

    def _enter(self) -> None:
        rooms = self.company.run.rooms
        self.room = GeventRoom(
            self.cast.gateway, self.cast.broadcast_id, lambda: self.token, rooms, self._joined, staff=self.staff
        )
        self.company.run.inside.add(self.room)
        self.staying = gevent.spawn(self.room.run)
        self.room.welcomed.wait(_WELCOME_TIMEOUT_S)

    def on_stop(self) -> None:
        """Go."""
        if hasattr(self, "room"):
            self.company.run.inside.discard(self.room)
            self.room.leave()
            self.staying.join(timeout=2)
            self.staying.kill(block=False)

    def player(self) -> Player:
        """Who this user is."""
        return self.cast.viewer(self.number)

    def call(self, method: str, path: str, name: str, *, json: Any = None, key: str = "") -> tuple[int, Any]:
        """Ask; returns the status, 0 without one, and the JSON. A refusal with a code is an answer, not a failure."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if key:
            headers["Idempotency-Key"] = key
        with self.client.request(method, path, name=name, json=json, headers=headers, catch_response=True) as answer:
            try:
                body = answer.json() if answer.status_code else {}
            except ValueError:
                body = {}
            if 0 < answer.status_code < 500 or body.get("code") == "busy":
                answer.success()
            return int(answer.status_code), body

    def timed(self, name: str, began_s: float, error: Exception | None = None) -> None:
        """Report something that went over the WebSocket to Locust."""
        self.environment.events.request.fire(
            request_type="WS",
            name=name,
            response_time=(time.monotonic() - began_s) * 1e3,
            response_length=0,
            exception=error,
            context={},
        )

    def _joined(self, took_ms: float, error: Exception | None) -> None:
        self.timed("join", time.monotonic() - took_ms / 1e3, error)

    def say(self, message: dict[str, Any], name: str) -> str:
        """Send what is answered by an `ack`; returns the verdict or the refusal's code."""
        began_s = time.monotonic()
        try:
            verdict = str(self.room.request(message)["verdict"])
        except RoomRefused as refused:
            if str(refused) in ("no_answer", "internal"):
                self.timed(name, began_s, refused)
            return str(refused)
        self.timed(name, began_s)
        return verdict


class Viewer(Guest):
    """Watches, and likes now and then."""

    weight = 20
    wait_time = between(5, 15)
    likes = 0

    @task
    def like(self) -> None:
        """Say the cumulative count; there is no answer."""
        self.likes += random.randint(1, 5)
        try:
            self.room.send({"type": "like", "count": self.likes})
        except RoomRefused:
            return


class Chatter(Guest):
    """Comments every few seconds, and asks now and then."""

    weight = 3
    wait_time = between(1.5, 4)

    @task
    def comment(self) -> None:
        """One comment; it is in the database when the answer comes."""
        run = self.company.run
        text, kind = numbered(random.getrandbits(60) | 1 << 60), random.choice(("comment",) * 9 + ("question",))
        began_s = time.monotonic()
        verdict = self.say({"type": "comment", "text": text, "kind": kind}, "comment")
        run.verdicts[verdict] += 1
        if verdict in ("pass", "hold", "block"):
            run.comment_ms.add((time.monotonic() - began_s) * 1e3)


class Buyer(Guest):
    """Reads, agrees, orders again and again at an even pace, and submits what was reserved; over HTTP alone.

    Its place in the room is one of the crowd's: five hundred sockets more would fill Locust's hub, and late orders
    would be Locust's own.
    """

    weight = 3
    in_room = False
    pause_s = 5.0
    agreed: tuple[Any, str] | None = None
    ordered = 0

    def player(self) -> Player:
        """Who this user is."""
        return self.cast.buyer(self.number)

    def on_start(self) -> None:
        """Come in, open the documents and agree; spread, as people do."""
        super().on_start()
        orders = self.company.run.orders
        self.pause_s = orders.plan.buyer_pause_s if orders is not None else self.pause_s
        gevent.sleep(random.uniform(0, self.pause_s))
        self.agreed = self._agree()
        self.company.run.struck.wait()
        self._due_s = time.monotonic()

    def _agree(self) -> tuple[Any, str] | None:
        """Return card and acknowledgement, None where the gate does not let this customer buy."""
        cast = self.cast
        gate_path = f"/api/v1/broadcasts/{cast.broadcast_id}/gate?product_id={cast.product_id}"
        status, gate = self.call("GET", gate_path, "gate")
        if status != 200 or not gate["allowed"]:
            return None
        card = gate["card"]
        for document in card["documents"]:
            self.call("GET", document["url"], "document")
        gevent.sleep(gate["minimum_dwell_ms"] / 1e3)
        agreement = {
            "broadcast_id": cast.broadcast_id,
            "product_id": card["product_id"],
            "card_version": card["card_version"],
            "typed_text": gate["acknowledgement_text"],
            "documents_opened": [document["document_id"] for document in card["documents"]],
            "dwell_ms": gate["minimum_dwell_ms"],
        }
        status, answer = self.call("POST", "/api/v1/acknowledgements", "acknowledge", json=agreement)
        return (card, answer["acknowledgement_id"]) if status == 201 else None

    @task
    def order(self) -> None:
        """Order when it is time; what a slow answer made late counts from when it was due."""
        if self.agreed is None:
            gevent.sleep(self.pause_s)
            self.agreed = self._agree()
            self._due_s = time.monotonic()
            return
        gevent.sleep(max(0.0, self._due_s - time.monotonic()))
        card, acknowledgement_id = self.agreed
        wish = {
            "acknowledgement_id": acknowledgement_id,
            "amount_minor": amount_minor(card, self.number * 7 + self.ordered),
            "currency": card["currency"],
        }
        self.ordered += 1
        sales, key = self.company.run.sales, uuid4().hex
        result, order = self._until_final("/api/v1/orders", "order", key, wish)
        sales.order_ms.add((time.monotonic() - self._due_s) * 1e3)
        sales.results[result] += 1
        if result == "reserved":
            sales.told.append(order["order_id"])
            if self.ordered % _TWICE_EVERY == 0:
                _, again = self._until_final("/api/v1/orders", "order again", key, wish)
                sales.contradictions += again.get("order_id") != order["order_id"]
            self._submit(order["order_id"])
        self._due_s += self.pause_s

    def _submit(self, order_id: str) -> None:
        sales, began_s = self.company.run.sales, time.monotonic()
        result, _ = self._until_final(f"/api/v1/orders/{order_id}/submit", "submit", uuid4().hex, None)
        sales.submit_ms.add((time.monotonic() - began_s) * 1e3)
        sales.submitted[result] += 1

    def _until_final(self, path: str, name: str, key: str, body: Any) -> tuple[str, Any]:
        """Send under one key until the answer is final; returns the state or the refusal's code, and the answer."""
        sales = self.company.run.sales
        orders = name == "order"
        sales.asked += orders
        sales.unanswered += orders  # until it is answered: a run may end in between
        result: str = "unanswered"
        answer: Any = {}
        for attempt in range(_ORDER_TRIES):
            status, answer = self.call("POST", path, name, json=body, key=key)
            result = _result(status, answer)
            if result not in _NOT_FINAL:
                break
            gevent.sleep(min(2.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.5))
        if result not in _NOT_FINAL or result == "busy":
            sales.unanswered -= orders
        return result, answer


def _result(status: int, answer: Any) -> str:
    if status in (200, 201):
        return str(answer["state"])
    return str(answer.get("code") or ("unanswered" if status in (0, 500, 502, 503, 504) else f"http_{status}"))


class Host(Guest):
    """The host's console: looks at figures, questions and what is held, and speaks to the room."""

    fixed_count = 1
    staff = True
    wait_time = between(2, 5)

    def player(self) -> Player:
        """Who this user is; without a host in the cast somebody who only watches."""
        return self.cast.host or self.cast.viewer(self.number)

    @task(3)
    def look(self) -> None:
        """What the console asks for."""
        path = f"/api/v1/broadcasts/{self.cast.broadcast_id}"
        if self.cast.host is not None:
            self.call("GET", f"{path}/figures", "figures")
            self.call("GET", f"{path}/moderation", "moderation")
        self.call("GET", f"{path}/questions", "questions")

    @task(1)
    def announce(self) -> None:
        """Say something to everybody."""
        if self.cast.host is not None:
            self.say({"type": "announce", "text": f"欢迎{numbered(random.getrandbits(40))}"}, "announce")
