"""What makes a fault's row bad: a lost acknowledgement, a repeat, a gap nobody declared; what was declared does not."""

from pathlib import Path

import msgspec
import pytest

from load_tests.faults.record import BEGIN, END, PAGE, RECORD, markdown, put
from load_tests.faults.told import Ledger
from load_tests.faults.verdict import Verdict, table


def good(**changed: object) -> Verdict:
    return Verdict(**{"name": "redis_restarted", "acked": 100, "orders": 10, "recovery_s": 1.5, **changed})  # type: ignore[arg-type]


def test_a_row_with_nothing_lost_is_ok_and_reads_as_the_issue_asks() -> None:
    assert good().ok
    assert list(good().published()) == [
        "name", "acked", "acked_lost", "orders", "oversold", "doubled",
        "undeclared_gaps", "repeats", "recovery_s", "rss_growth_mb", "ok",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"acked_lost": 1},
        {"oversold": 1},
        {"doubled": 1},
        {"undeclared_gaps": 1},
        {"repeats": 1},
        {"recovery_s": None},
        {"recovery_s": 60.1},
        {"rss_growth_mb": 20.1},
        {"audit_clean": False},
        {"failed": ("a watcher lost the picture",)},
        {"acked": 0},
    ],
)
def test_one_broken_promise_makes_the_row_bad_and_is_named(changed: dict[str, object]) -> None:
    verdict = good(**changed)
    assert not verdict.ok
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0] in table([verdict])


def test_a_fault_that_could_not_be_tried_is_listed_with_its_reason() -> None:
    row = Verdict("clock_jump", untried="libfaketime is not installed").published()
    assert (row["ok"], row["reason"]) == (False, "libfaketime is not installed")


def test_a_comment_promised_and_never_told_is_a_gap() -> None:
    ledger = Ledger()
    a, b = ledger.viewer(), ledger.viewer()
    for viewer in (a, b):
        viewer.welcomed("e", 10, recovered=False, now_s=0)
    a.positioned("e", 12, now_s=1, comments=["c1", "c2"])
    b.positioned("e", 12, now_s=1, comments=["c1"])
    assert len(ledger.undeclared_gaps({"c1": (1, 1), "c2": (1, 1)})) == 1


def test_what_was_sampled_out_or_lost_or_before_a_snapshot_is_declared() -> None:
    ledger = Ledger()
    a, sampled, lost, returned = (ledger.viewer() for _ in range(4))
    for viewer in (a, sampled, lost, returned):
        viewer.welcomed("e", 10, recovered=False, now_s=0)
    a.positioned("e", 12, now_s=1, comments=["c1", "c2"])
    sampled.positioned("e", 12, now_s=1, comments=["c1"], left_out=1)
    lost.positioned("f", 3, now_s=1, comments=["c2"], lost=True)
    returned.welcomed("e", 12, recovered=False, now_s=1)
    assert len(ledger.undeclared_gaps({"c1": (1, 1), "c2": (1, 1)})) == 0


def test_a_recovery_that_leaves_one_out_is_a_gap_and_one_that_tells_it_is_not() -> None:
    ledger = Ledger()
    a, whole, short = (ledger.viewer() for _ in range(3))
    for viewer in (a, whole, short):
        viewer.welcomed("e", 10, recovered=False, now_s=0)
    a.positioned("e", 11, now_s=1, comments=["c1"])
    a.positioned("e", 12, now_s=2, comments=["c2"])
    whole.welcomed("e", 12, recovered=True, now_s=3, comments=["c1", "c2"])
    assert len(ledger.undeclared_gaps({})) == 0
    short.welcomed("e", 12, recovered=True, now_s=3, comments=["c2"])
    assert len(ledger.undeclared_gaps({})) == 1


def test_an_epoch_that_changes_without_a_word_is_a_gap() -> None:
    ledger = Ledger()
    viewer = ledger.viewer()
    viewer.welcomed("e", 10, recovered=False, now_s=0)
    viewer.positioned("f", 1, now_s=1, comments=[])
    assert len(ledger.undeclared_gaps({})) == 1


def test_an_acknowledged_comment_that_nobody_was_told_is_a_gap() -> None:
    ledger = Ledger()
    viewer = ledger.viewer()
    viewer.welcomed("e", 10, recovered=False, now_s=0)
    viewer.positioned("e", 20, now_s=20, comments=[])
    assert len(ledger.undeclared_gaps({"c1": (10, 10)})) == 1
    assert len(ledger.undeclared_gaps({"c1": (19, 19)})) == 0  # it may still be on its way
    assert len(ledger.undeclared_gaps({"c1": (-3, 10)})) == 0  # told before anybody was there, and said again


def test_the_same_comment_twice_is_a_repeat_unless_a_snapshot_lies_between() -> None:
    ledger = Ledger()
    viewer = ledger.viewer()
    viewer.welcomed("e", 10, recovered=False, now_s=0)
    viewer.positioned("e", 11, now_s=1, comments=["c1"])
    viewer.welcomed("e", 12, recovered=False, now_s=2)
    viewer.positioned("e", 13, now_s=3, comments=["c1"])
    assert ledger.repeats() == 0
    viewer.positioned("e", 14, now_s=4, comments=["c1"])
    assert ledger.repeats() == 1


def test_the_page_of_faults_shows_what_their_record_says() -> None:
    page, record = PAGE.read_text(), msgspec.json.decode(RECORD.read_bytes())
    assert page.split(BEGIN)[1].split(END)[0] == markdown(record)


def test_a_verdict_takes_the_place_of_an_earlier_one_in_the_record(tmp_path: Path) -> None:
    kept = tmp_path / "record.json"
    put(kept, [Verdict("api_killed"), Verdict("clock_jump", untried="no libfaketime")], {"sockets": 1})
    put(kept, [Verdict("api_killed", acked=5, recovery_s=1.0)], {"sockets": 2})
    record = msgspec.json.decode(kept.read_bytes())
    assert (record["api_killed"]["ok"], record["api_killed"]["load"]) == (True, {"sockets": 2})
    assert "- `clock_jump`: not tried: no libfaketime\n" in markdown(record)
    assert "| redis_restarted | | | | | | | | | | | **not tried** |\n" in markdown(record)
