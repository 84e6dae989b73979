"""`python -m load_tests.show`: runs publisher, crowd and monitor robot until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from load_tests.http_client import ApiError, Door, Person, Unreachable
from load_tests.show.clock import ShowClock
from load_tests.show.credentials import Credentials, CredentialsError, read_credentials
from load_tests.show.crowd import Crowd
from load_tests.show.director import Director
from load_tests.show.host import Host
from load_tests.show.monitor import keep_present
from load_tests.show.tracks_aiortc import draw_ahead, warm_up
from load_tests.show.whip_aiortc import WhipPublisher, configure_encoder, offer_loopback

_TIDY_UP_S = 1.0


def main() -> int:
    """Run; 0 after a stop, 2 when the credentials are unusable."""
    options = _options()
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("load_tests").setLevel(logging.DEBUG if options.verbose else logging.INFO)
    try:
        credentials = read_credentials(options.credentials_file)
    except CredentialsError as error:
        print(error, file=sys.stderr)
        return 2
    asyncio.run(_run_until_stopped(options, credentials))
    return 0


async def _run_until_stopped(options: argparse.Namespace, credentials: Credentials) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with aiohttp.ClientSession() as session:
        show = asyncio.create_task(_run(options, credentials, Door(options.http.rstrip("/"), session)))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((show, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        show.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await show


async def _run(options: argparse.Namespace, credentials: Credentials, door: Door) -> None:
    """Start every part as a task of one group; the group's end stops them all."""
    run_id = f"{int(time.time()):x}"
    gateway, broadcast_id = options.gateway, options.broadcast
    async with asyncio.TaskGroup() as tasks:
        for watched in dict.fromkeys((broadcast_id, *options.monitor_for)):
            monitor = Person(door, credentials.monitor_of(watched))
            tasks.create_task(keep_present(monitor, watched, gateway, run_id))
        if options.publisher:
            await warm_up()
        host = Host(Person(door, credentials.host), broadcast_id, gateway, run_id)
        clock = ShowClock()
        if options.publisher:
            configure_encoder()
            if urlsplit(options.http).hostname in ("127.0.0.1", "localhost"):
                offer_loopback()
            tasks.create_task(draw_ahead(clock))
            tasks.create_task(host.keep_on_air(WhipPublisher(host.person, broadcast_id, clock)))
        if options.publisher or options.crowd:
            tasks.create_task(host.stay_in_room())
        if options.crowd and credentials.viewers:
            people = [Person(door, who) for who in credentials.viewers]
            crowd = Crowd(people, options.crowd, broadcast_id, gateway, run_id)
            tasks.create_task(crowd.attend(host.stage))
            tasks.create_task(_direct(Director(clock, host, crowd, credentials.product_id)))


async def _direct(director: Director) -> None:
    """Direct until cancelled, and then give back the quota that the crowd took."""
    try:
        await director.direct()
    finally:
        with contextlib.suppress(ApiError, Unreachable, TimeoutError):
            async with asyncio.timeout(_TIDY_UP_S):
                await director.cancel_purchases()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load_tests.show", description=__doc__)
    parser.add_argument("--http", required=True, help="the HTTP door, as http://127.0.0.1:8080")
    parser.add_argument("--gateway", required=True, help="the room gateway, as ws://127.0.0.1:8081/ws")
    parser.add_argument("--broadcast", required=True, help="the broadcast that the show is aired in")
    parser.add_argument("--credentials-file", required=True, type=Path, help="who plays: see credentials.py")
    parser.add_argument("--no-publisher", dest="publisher", action="store_false", help="no picture and sound")
    parser.add_argument("--crowd", type=int, default=40, help="how many simulated viewers (default 40)")
    parser.add_argument("--no-crowd", dest="crowd", action="store_const", const=0, help="no simulated viewers")
    parser.add_argument(
        "--monitor-for", type=_names, default=(), help="further broadcasts to watch over, separated by commas"
    )
    parser.add_argument("--verbose", action="store_true", help="log refusals and purchases too")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


if __name__ == "__main__":
    sys.exit(main())
