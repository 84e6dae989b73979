"""The supervisor's own admin port: who runs, whether all of it is ready, and where Prometheus finds each process."""

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector

from server.http.body import json_response
from server.http.health import metrics_route
from server.metrics.collector import Sample, Sources
from server.supervisor.probing import readiness
from server.supervisor.slot import Slot


class RollState:
    """How rolling restarts stand: `finished` counts them, `last` says how the latest went."""

    def __init__(self) -> None:
        self.running = False
        self.finished = 0
        self.last = ""
        self.outcomes: Counter[str] = Counter()

    def ended(self, outcome: str) -> None:
        """Note how one went: `done`, or `abandoned: …` and why."""
        self.running = False
        self.finished += 1
        self.last = outcome
        self.outcomes[outcome.partition(":")[0]] += 1


def application(
    slots: Sequence[Slot], rolls: RollState, host: str, own_port: Callable[[], int], session: aiohttp.ClientSession
) -> web.Application:
    """`/healthz` asks nobody; `/readyz` is 200 while every role has a process that is ready; `/targets` is http_sd."""

    async def healthz(request: web.Request) -> web.Response:
        state = {"rolling": rolls.running, "rolls": rolls.finished, "last_roll": rolls.last}
        return json_response({"status": "alive", "pid": os.getpid(), **state, "workers": [_row(s) for s in slots]})

    async def readyz(request: web.Request) -> web.Response:
        answers = await asyncio.gather(*(readiness(session, host, slot.child) for slot in slots))
        roles: dict[str, bool] = defaultdict(bool)
        for slot, answer in zip(slots, answers, strict=True):
            for role in slot.worker.roles:
                roles[role] |= answer["ready"]
        ready = all(roles.values())
        workers = {slot.worker.name: answer for slot, answer in zip(slots, answers, strict=True)}
        return json_response({"ready": ready, "roles": roles, "workers": workers}, status=200 if ready else 503)

    async def targets(request: web.Request) -> web.Response:
        groups = [_target(host, own_port(), "supervisor", "supervisor")]
        for slot in slots:
            child = slot.child
            if child is not None and child.serves and child.report is not None:
                groups.append(_target(host, child.report.admin_port, "+".join(slot.worker.roles), slot.worker.name))
        return json_response(groups)

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Sources([lambda: worker_samples(slots, rolls)]))
    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/targets", targets)])
    app.add_routes([metrics_route(registry)])
    return app


def _row(slot: Slot) -> dict[str, Any]:
    child = slot.child
    serving = child is not None and child.serves
    report = child.report if child is not None else None
    return {
        "name": slot.worker.name,
        "roles": slot.worker.roles,
        "pid": child.pid if child is not None else None,
        "serves": serving,
        "admin_port": report.admin_port if report is not None else None,
        "media_port": report.media_port or None if report is not None else None,
        "restarts": slot.restarts,
    }


def _target(host: str, port: int, role: str, process: str) -> dict[str, Any]:
    return {"targets": [f"{host}:{port}"], "labels": {"role": role, "process": process}}


def worker_samples(slots: Sequence[Slot], rolls: RollState) -> Iterable[Sample]:
    """Say how many processes serve, how often each was started again, and how rolling restarts went."""
    for slot in slots:
        serving = slot.child is not None and slot.child.serves
        yield Sample("supervisor_serving", serving, (slot.worker.name,))
        yield Sample("supervisor_restarts", slot.restarts, (slot.worker.name,))
    yield Sample("supervisor_rolling", rolls.running)
    for outcome in ("done", "abandoned"):
        yield Sample("supervisor_rolls", rolls.outcomes[outcome], (outcome,))
