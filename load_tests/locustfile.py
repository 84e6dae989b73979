"""The Locust file: `locust -f load_tests/locustfile.py --cast FILE`; with its web page, or headless with `-u -r -t`.

`./run load` starts it too and then gives it a shape and a mix. The cast file is described in load_tests/load/cast.py.
No asyncio client and no uvloop here: they would block gevent's hub. I/O: the users'.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Locust loads a file by path, wherever it is started

from locust import LoadTestShape, events

from load_tests.load.cast import CastError, read_cast
from load_tests.load.locust_run import LocustRun, read_orders
from load_tests.load.locust_users import Buyer, Chatter, Company, Guest, Host, Viewer
from load_tests.load.plan import moment

run = LocustRun(read_orders())
Guest.company = Company(run)

__all__ = ["Buyer", "Chatter", "Host", "Viewer"]


def mix(viewers: int, chatters: int, buyers: int) -> None:
    """Share the users out; Locust takes no weight of nought, so a kind of which there is nobody is no user at all."""
    for kind, count in ((Viewer, viewers), (Chatter, chatters), (Buyer, buyers)):
        kind.weight = count
        kind.abstract = count == 0


if run.orders is not None:
    plan = run.orders.plan
    mix(plan.viewers, plan.chatters, plan.buyers)

    class Shape(LoadTestShape):
        """How many users the plan wants now."""

        def tick(self) -> tuple[int, float] | None:
            """Asked about once a second."""
            elapsed_s = float(self.get_run_time())  # type: ignore[no-untyped-call]  # Locust's
            wanted = moment(plan.shape, elapsed_s, plan.seconds, plan.locust_users)
            return None if wanted is None else (wanted.users, wanted.per_s)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # Locust's
def add_options(parser: Any) -> None:
    """Take the cast by option or environment."""
    parser.add_argument("--cast", env_var="LOCUST_CAST", default="", help="file with the people (see cast.py)")


@events.test_start.add_listener  # type: ignore[untyped-decorator]  # Locust's
def on_test_start(environment: Any, **_: Any) -> None:
    """Read the cast and begin to count; a cast that cannot be read ends the run with status 2."""
    try:
        place = run.orders.cast if run.orders is not None else environment.parsed_options.cast
        Guest.company.cast = read_cast(Path(place or "cast.json"))
    except CastError as error:
        print(f"locustfile: {error}", file=sys.stderr)
        environment.process_exit_code = 2
        environment.runner.quit()
        return
    run.start(lambda: environment.runner.user_count)


@events.test_stop.add_listener  # type: ignore[untyped-decorator]  # Locust's
def on_test_stop(**_: Any) -> None:
    """Stop counting."""
    run.stop()


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # Locust's
def on_quitting(environment: Any, **_: Any) -> None:
    """Hand the figures over."""
    failures: dict[str, int] = {}
    for error in environment.stats.errors.values():
        failures[f"{error.name}: {error.error}"[:200]] = error.occurrences
    run.write_figures(failures, environment.stats.total.num_requests)
