"""Every metric of the program: name, kind, labels, meaning. Names are stable, units stand in them. Pure.

A counter's samples end in `_total`, a histogram's in `_bucket`, `_sum` and `_count`. Every label takes a bounded number
of values: never an account, a broadcast, an order or an address. `docs/operations.md` lists all, held by a test.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; `where` says in which processes it stands."""

    name: str
    kind: Kind
    where: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The name as queries have it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _rows(where: str, table: str) -> list[Family]:
    """Read lines of `name kind [labels] meaning`; `-` for no labels."""
    families = []
    for line in table.strip().splitlines():
        name, kind, labels, meaning = line.split(maxsplit=3)
        assert kind in ("gauge", "counter", "histogram"), line
        named = () if labels == "-" else tuple(labels.split(","))
        families.append(Family(f"wealthcast_{name}", kind, where, meaning, named))  # type: ignore[arg-type]  # narrowed
    return families


_EVERY = """
ready                          gauge     -             1 while the process serves and every part it needs answers
part_up                        gauge     part          1 while the part is as it must be (`postgres`, `redis`, …)
process_draining               gauge     -             1 from SIGTERM on
event_loop_lag_seconds         histogram -             how late the event loop came to a timer
event_loop_tasks               gauge     -             asyncio tasks alive
postgres_pool_connections      gauge     state         connections to Postgres, `used` and `idle`
postgres_pool_limit            gauge     -             connections the pool may hold
redis_pool_connections         gauge     -             connections to Redis
log_lines                      counter   level         lines logged at `warning`, `error` and `critical`
log_lines_lost                 counter   -             lines not written: the log's disk full, or its reader gone
envelopes_unopened             counter   -             sealed personal data that did not open
"""

_API = """
http_requests                  counter   route,method,status   requests answered; status is a class (`2xx` … `5xx`)
http_request_seconds           histogram route         from the request's head to its answer
http_connections               gauge     -             HTTP connections open
http_connections_refused       counter   -             HTTP connections sent away, 503 or 429
password_queue_waiting         gauge     -             log-ins waiting for a hash or being hashed
password_queue_refused         counter   -             log-ins refused because the queue was full
password_attempts_refused      counter   -             passwords not looked at: too many wrong ones before
orders                         counter   act,result    what came of `reserve`, `submit` …: a state or an error code
order_queue_waiting            gauge     -             orders waiting for a group
core_answers                   counter   act,result    what the core said to `freeze` …: a state, `silent`, `failed`
"""

_COMMERCE = """
outbox_waiting                 gauge     -             committed facts that have not reached their room
outbox_oldest_age_seconds      gauge     -             age of the oldest of them
outbox_set_aside               gauge     -             facts that no room could read, until an operator looks at them
outbox_facts                   counter   -             facts handed to their room
outbox_failures                counter   -             times a fact was not taken and waits for another try
"""

_GATEWAY = """
gateway_connections            gauge     -             WebSocket connections open
gateway_connections_opened     counter   -             connections let in
gateway_rooms                  gauge     -             rooms open in this process
gateway_welcomes               counter   -             joins completed
gateway_refused                counter   reason        refused handshakes: `overload` 503, `address` 429, `origin` 403
gateway_events                 counter   class         events from the broker by class: `must`, `should`, `may`, `total`
gateway_shed                   counter   class         events not sent to a slow reader, by class: `may`, `should`
gateway_frames_in              counter   -             frames from clients
gateway_frames_out             counter   -             frames to clients
gateway_frames_queued          counter   -             frames that had to wait in a connection's outbox
gateway_bytes_out              counter   -             bytes written to clients
gateway_errors_out             counter   -             error events told to clients
gateway_closed                 counter   reason        ended by the gateway: `slow silent flood unopened internal`
room_lag_seconds               histogram -             from a publish to Redis to its delivery here, by an echo a second
room_echoes_lost               counter   -             echoes that did not come back: Redis away, or a delivery lost
"""

_MEDIA = """
media_publishers               gauge     -             connected publishers
media_viewers                  gauge     -             connected viewers
media_viewers_limit            gauge     -             viewers this process takes (`MEDIA_MAX_VIEWERS`)
media_viewers_on_layer         gauge     layer         viewers by layer, `0` the smallest; `none`: no picture
media_half_open                gauge     -             sessions in their handshake
media_joins                    counter   kind          sessions admitted: `publisher`, `viewer`
media_joins_refused            counter   code          sessions refused, by error code
media_packets_in               counter   -             UDP packets received
media_bytes_in                 counter   -             their bytes
media_packets_out              counter   -             UDP packets sent
media_bytes_out                counter   -             their bytes
media_packets_queued           counter   -             packets that waited for the socket
media_packets_dropped          counter   -             packets given up because the socket stayed full
media_unsegmented              counter   -             addresses whose way takes no segmented UDP, sent to one by one
media_unknown_address          counter   -             packets from addresses without a session
media_unknown_ufrag            counter   -             STUN requests for a session that is not (any more)
media_stun_rejected            counter   -             STUN requests with a bad signature or form
media_malformed                counter   -             packets that are not what they claim
media_nacks_received           counter   -             packets viewers asked for again
media_retransmitted            counter   -             packets sent again (second copies are not counted)
media_nacks_sent               counter   -             packets asked of publishers again
media_keyframe_requests        counter   -             keyframe requests sent to publishers
media_send_buffer_bytes        gauge     -             send buffer the kernel gave
media_receive_buffer_bytes     gauge     -             receive buffer the kernel gave
media_legs                     gauge     -             other media processes that take packets from here
media_leg_packets              counter   -             packets handed to them
media_leg_dropped              counter   -             packets dropped on the way to a slow one
media_fed_packets              counter   -             packets taken from other media processes
"""

_RECORDER = """
recorder_healthy               gauge     -             1 while everything that arrives is kept
recorder_packets               counter   -             packets written
recorder_bytes                 counter   -             bytes written
recorder_dropped               counter   -             packets lost to a full queue or the disk
recorder_queue_packets         gauge     -             packets waiting for the disk
recorder_queue_limit           gauge     -             packets the queue holds
"""

_SUPERVISOR = """
supervisor_serving             gauge     worker        1 while the worker serves
supervisor_restarts            counter   worker        times the worker was started again after it ended
supervisor_rolling             gauge     -             1 while a rolling restart is under way
supervisor_rolls               counter   outcome       rolling restarts: `done`, `abandoned`
"""

FAMILIES: tuple[Family, ...] = (
    *_rows("every", _EVERY),
    *_rows("api", _API),
    *_rows("commerce", _COMMERCE),
    *_rows("gateway", _GATEWAY),
    *_rows("media", _MEDIA),
    *_rows("media, with `RECORDING_DIR`", _RECORDER),
    *_rows("supervisor", _SUPERVISOR),
)
BY_NAME = {family.name: family for family in FAMILIES}
