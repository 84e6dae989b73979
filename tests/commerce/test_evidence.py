"""Evidence: what is recorded of an order, its chain, what is exported of it, and that every damage is found."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.audit_evidence import audit_exports, audit_records
from commerce.audit_postgres import audit
from commerce.envelopes import Envelopes
from commerce.errors import Refusal
from commerce.evidence import GENESIS, Link, RetentionRules, canonical, link, links_after, retain_until
from commerce.evidence_file import FILE_NAME, ExportDamagedError, ExportError, HeadFile
from server.key_rotation import rotate_keys
from tests.commerce.bank import DATA_KEYS, ENVELOPES, NOW, Bank
from tests.commerce.test_audit import damage


async def records(pool: asyncpg.Pool) -> list[dict[str, object]]:
    rows = await pool.fetch("SELECT record FROM sale_evidence ORDER BY evidence_id")
    return [json.loads(row["record"]) for row in rows]


async def chained(bank: Bank) -> None:
    """Three orders of two customers, one of them taken back: four records, linked."""
    await bank.open_shop()
    await bank.add_customer("ac_bob")
    await bank.accepted(key="k1")
    await bank.accepted("ac_bob", 200_000, key="k1")
    third = await bank.accepted(key="k2")
    await bank.service.sale.cancel("ac_ann", third.order_id, "k3")
    assert await bank.service.sequencer.link_all() == 4


async def codes(bank: Bank) -> set[str]:
    found = await audit(bank.pool)
    return {finding.code for finding in found + await audit_records(bank.pool, ENVELOPES)}


# What a record holds -------------------------------------------------------------------------------------------------


async def test_an_accepted_order_has_a_record_that_says_who_what_when_and_under_which_disclosure(bank: Bank) -> None:
    bank.broadcasts.change("bc_a", recording_id="bc_a")
    await bank.open_shop()
    await bank.add_customer(relationship_manager_id="ac_rm", branch="静安支行", questionnaire_version="2026-1")
    order = await bank.accepted()
    (record,) = await records(bank.pool)
    card = await bank.service.products.read("pr_a", staff=False)
    expected = {
        "order_id": order.order_id, "outcome": "accepted", "customer_id": "ac_ann", "risk_tolerance": "C3",
        "questionnaire_version": "2026-1", "relationship_manager_id": "ac_rm", "branch": "静安支行",
        "product_id": "pr_a", "card_version": 1, "risk_rating": "R2", "seller_role": "agency", "amount_minor": 100_000,
        "host_id": "ac_host", "host_name": "林晓", "licence_no": "L-001", "broadcast_id": "bc_a",
        "recording_id": "bc_a", "stream_time_ms": 65_000, "dwell_ms": 30_000, "acknowledgement_method": "typed",
        "acknowledgement_text": "本人已经阅读风险揭示，愿意承担投资风险",
        "disclosure_text": "本产品不保证本金和收益。",
        "disclosure_sha256": hashlib.sha256("本产品不保证本金和收益。".encode()).hexdigest(),
        "documents": [{"document_id": d.document_id, "sha256": d.sha256} for d in card.documents],
        "at": "2026-11-23T02:00:00Z", "retain_until": "2046-11-23",
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected


async def test_who_agreed_without_typing_is_recorded_so(bank: Bank) -> None:
    await bank.open_shop()
    reading = replace(await bank.reading(), method="steps")
    acknowledged = await bank.service.gate.acknowledge("ac_ann", reading)
    order = await bank.service.sale.reserve("ac_ann", acknowledged.acknowledgement_id, 100_000, "CNY", "k1")
    await bank.service.sale.submit("ac_ann", order.order_id, "k1")
    (record,) = await records(bank.pool)
    assert record["acknowledgement_method"] == "steps"


async def test_a_record_holds_no_personal_data_but_names_what_is_sealed_beside_it(bank: Bank) -> None:
    await bank.open_shop()
    await bank.accepted()
    row = await bank.pool.fetchrow("SELECT * FROM sale_evidence")
    assert "*安" not in row["record"].decode()
    assert "1990-05-01" not in row["record"].decode()
    person = ENVELOPES.open(row["personal"], f"sale_evidence.personal {row['evidence_id']}")
    assert json.loads(person)["name"] == "*安"
    assert json.loads(row["record"])["personal_sha256"] == hashlib.sha256(person).hexdigest()


async def test_a_refusal_of_the_core_and_a_taken_back_sale_are_recorded_and_a_lapsed_reservation_is_not(
    bank: Bank,
) -> None:
    await bank.open_shop()
    await bank.add_customer("ac_poor", money=0)
    poor = await bank.reserved("ac_poor")
    with pytest.raises(Refusal, match="insufficient_funds"):
        await bank.service.sale.submit("ac_poor", poor.order_id, "k2")
    sold = await bank.accepted()
    await bank.service.sale.cancel("ac_ann", sold.order_id, "k3")
    bank.clock.advance(seconds=241)
    assert await bank.service.sale.expire_due(bank.clock()) == 1
    assert [record["outcome"] for record in await records(bank.pool)] == ["refused", "accepted", "cancelled"]


@pytest.mark.parametrize(
    ("product_ends", "hold", "keep"),
    [
        (None, None, date(2046, 11, 24)),
        (date(2027, 1, 1), None, date(2046, 11, 24)),
        (date(2050, 8, 31), None, date(2051, 2, 28)),
        (date(2050, 8, 31), date(2060, 1, 1), date(2060, 1, 1)),
        (None, date(2030, 1, 1), date(2046, 11, 24)),
    ],
)
def test_evidence_is_kept_for_the_longest_of_three_terms(
    product_ends: date | None, hold: date | None, keep: date
) -> None:
    assert retain_until(date(2026, 11, 24), product_ends, RetentionRules(20, hold)) == keep


# The chain -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=8), st.integers(0, 8))
def test_a_chain_made_in_two_parts_is_the_chain_made_at_once(hashes: list[bytes], cut: int) -> None:
    taken = [(f"ev_{n}", value) for n, value in enumerate(hashes)]
    day = date(2026, 11, 24)
    first = links_after(None, day, taken[:cut])
    second = links_after(first[-1] if first else None, day, taken[cut:])
    assert first + second == links_after(None, day, taken)


def test_a_link_depends_on_all_that_it_is_made_of() -> None:
    day, made = date(2026, 11, 24), link(GENESIS, 1, date(2026, 11, 24), "ev_1", b"1" * 32)
    others = {
        link(b"x" * 32, 1, day, "ev_1", b"1" * 32), link(GENESIS, 2, day, "ev_1", b"1" * 32),
        link(GENESIS, 1, day + timedelta(days=1), "ev_1", b"1" * 32), link(GENESIS, 1, day, "ev_2", b"1" * 32),
        link(GENESIS, 1, day, "ev_1", b"2" * 32),
    }  # fmt: skip
    assert len(others) == 5
    assert made not in others


def test_a_clock_that_was_set_back_does_not_take_the_chain_back_a_day() -> None:
    head = Link(1, date(2026, 11, 24), "ev_1", b"1" * 32, b"2" * 32)
    assert links_after(head, date(2026, 11, 23), [("ev_2", b"3" * 32)])[0].day == date(2026, 11, 24)


def test_canonical_bytes_are_sorted_utf8_without_blanks() -> None:
    class Pair(msgspec.Struct):
        b: str
        a: date

    assert canonical(Pair("安", date(2026, 1, 2))) == '{"a":"2026-01-02","b":"安"}'.encode()


async def test_a_sound_chain_leaves_nothing_to_find(bank: Bank) -> None:
    await chained(bank)
    await bank.accepted(key="k9")  # waits to be linked: that is well
    assert await codes(bank) == set()


async def test_several_sequencers_make_one_chain(bank: Bank) -> None:
    await bank.open_shop()
    others = [Bank(bank.pool) for _ in range(3)]
    for n in range(6):
        await bank.accepted(key=f"k{n}")
    linked = await asyncio.gather(*(other.service.sequencer.link_all() for other in [bank, *others]))
    linked.append(await bank.service.sequencer.link_all())
    assert sum(linked) == 6
    assert await bank.pool.fetchval("SELECT array_agg(position ORDER BY position) FROM evidence_links") == [
        *range(1, 7)
    ]
    assert await codes(bank) == set()


async def test_evidence_cannot_be_changed_or_deleted_with_the_programs_rights(bank: Bank) -> None:
    await chained(bank)
    for statement in (
        "UPDATE sale_evidence SET outcome = 'rejected'",
        "UPDATE sale_evidence SET retain_until = '2027-01-01', personal = ''",
        "DELETE FROM sale_evidence", "TRUNCATE sale_evidence",
        "UPDATE evidence_links SET position = position + 9", "DELETE FROM evidence_links", "TRUNCATE evidence_links",
    ):  # fmt: skip
        with pytest.raises(asyncpg.RestrictViolationError):
            await bank.pool.execute(statement)


_NTH = "(SELECT evidence_id FROM sale_evidence ORDER BY evidence_id OFFSET {} LIMIT 1)"
_FLIP = "overlay({0} PLACING set_byte('\\x00', 0, get_byte({0}, {1}) # 1) FROM {1} + 1 FOR 1)"
_CHANGED = "convert_to(replace(convert_from(record, 'UTF8'), '{0}', '{1}'), 'UTF8')"
_RICHER = _CHANGED.format('"amount_minor":200000', '"amount_minor":900000')
_CAREFUL = _CHANGED.format('"dwell_ms":30000', '"dwell_ms":90000')
_UNCHECKED = "ALTER TABLE sale_evidence DROP CONSTRAINT sale_evidence_check; "
_SWAP = (
    "UPDATE sale_evidence a SET {0} FROM (SELECT * FROM sale_evidence) b WHERE (a.evidence_id, b.evidence_id) IN"
    f" (({_NTH.format(0)}, {_NTH.format(1)}), ({_NTH.format(1)}, {_NTH.format(0)}))"
)
DAMAGE: dict[str, tuple[str, set[str]]] = {
    "a flipped byte": (
        f"{_UNCHECKED}UPDATE sale_evidence SET record = {_FLIP.format('record', 40)}"
        f" WHERE evidence_id = {_NTH.format(1)}",
        {"evidence_hash_differs"},
    ),
    "a flipped byte, hashed anew": (
        f"UPDATE sale_evidence SET record = {_FLIP.format('record', 1)},"
        f" record_sha256 = sha256({_FLIP.format('record', 1)}) WHERE evidence_id = {_NTH.format(1)}",
        {"evidence_not_as_linked", "record_unreadable"},
    ),
    "a changed hash of a link": (
        f"UPDATE evidence_links SET link_sha256 = {_FLIP.format('link_sha256', 0)} WHERE position = 2",
        {"chain_broken"},
    ),
    "a changed amount, hashed anew and linked anew": (
        f"UPDATE sale_evidence SET record = {_RICHER}, record_sha256 = sha256({_RICHER});"
        " UPDATE evidence_links l SET record_sha256 = e.record_sha256 FROM sale_evidence e"
        " WHERE e.evidence_id = l.evidence_id",
        {"chain_broken", "evidence_order_differs"},
    ),
    "a missing record": (
        f"DELETE FROM sale_evidence WHERE evidence_id = {_NTH.format(1)}",
        {"evidence_missing", "move_without_evidence"},
    ),
    "a missing link": ("DELETE FROM evidence_links WHERE position = 2", {"chain_broken", "evidence_out_of_chain"}),
    "a missing last link": ("DELETE FROM evidence_links WHERE position = 4", {"evidence_out_of_chain"}),
    "a record and its link missing": (
        f"DELETE FROM evidence_links WHERE evidence_id = {_NTH.format(3)};"
        f" DELETE FROM sale_evidence WHERE evidence_id = {_NTH.format(3)}",
        {"move_without_evidence"},
    ),
    "a swapped pair of records": (
        f"{_UNCHECKED}{_SWAP.format('record = b.record, record_sha256 = b.record_sha256')}",
        {"evidence_not_as_linked", "evidence_row_differs", "evidence_order_differs", "person_differs"},
    ),
    "a swapped pair of links": (
        "ALTER TABLE evidence_links DROP CONSTRAINT evidence_links_pkey;"
        " UPDATE evidence_links SET position = 5 - position WHERE position IN (2, 3)",
        {"chain_broken"},
    ),
    "a swapped pair of persons": (_SWAP.format("personal = b.personal"), {"person_unreadable"}),
    "a changed column": (
        "UPDATE sale_evidence SET retain_until = '2027-01-01' WHERE outcome = 'cancelled'",
        {"evidence_row_differs"},
    ),
    "a waiting record forgotten": (
        "INSERT INTO sale_evidence SELECT 'ev_forged', 'or_forged', 1, 'accepted', recorded_at, retain_until, record,"
        " record_sha256, personal FROM sale_evidence LIMIT 1",
        {
            "evidence_out_of_chain",
            "evidence_row_differs",
            "evidence_order_differs",
            "evidence_without_move",
            "person_unreadable",
        },
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damage_is_found(bank: Bank, kind: str) -> None:
    await chained(bank)
    statement, expected = DAMAGE[kind]
    await damage(bank.pool, statement)
    assert await codes(bank) == expected


# Exported heads ------------------------------------------------------------------------------------------------------


async def exported(bank: Bank, tmp_path: Path) -> HeadFile:
    """Three heads in the file, each a record further."""
    bank.export_dir = tmp_path
    bank.use_core(None)
    await bank.open_shop()
    for n in range(3):
        await bank.accepted(key=f"k{n}")
        await bank.service.sequencer.link_all()
        assert await bank.service.sequencer.export()
    return HeadFile(tmp_path)


async def found(bank: Bank, tmp_path: Path) -> list[str]:
    return [finding.code for finding in await audit_exports(bank.pool, tmp_path)]


async def test_heads_are_exported_each_with_the_one_before_and_only_when_there_is_news(
    bank: Bank, tmp_path: Path
) -> None:
    file = await exported(bank, tmp_path)
    assert not await bank.service.sequencer.export()
    lines = [line for line in file.lines() if line is not None]
    assert [line.position for line in lines] == [1, 2, 3]
    assert [line.previous_head for line in lines] == ["", lines[0].head, lines[1].head]
    assert (
        lines[2].head == (await bank.pool.fetchval("SELECT link_sha256 FROM evidence_links WHERE position = 3")).hex()
    )
    assert await found(bank, tmp_path) == []


FILE_DAMAGE: dict[str, tuple[Callable[[bytes], bytes], set[str]]] = {
    "a line cut off": (lambda text: b"\n".join(text.split(b"\n")[:2]) + b"\n", {"export_truncated"}),
    "half a line cut off": (lambda text: text[:-40], {"export_truncated"}),
    "everything gone": (lambda text: b"", {"export_truncated"}),
    "a line changed": (
        lambda text: text.replace(b'"position":2', b'"position":1'),
        {"export_differs", "export_broken"},
    ),
    "a line taken out": (
        lambda text: b"\n".join(text.split(b"\n")[::2]),
        {"export_broken", "export_differs", "head_differs", "export_truncated"},
    ),
}


@pytest.mark.parametrize("kind", FILE_DAMAGE)
async def test_damage_of_the_file_is_found(bank: Bank, tmp_path: Path, kind: str) -> None:
    await exported(bank, tmp_path)
    path = tmp_path / FILE_NAME
    change, expected = FILE_DAMAGE[kind]
    path.write_bytes(change(path.read_bytes()))
    assert set(await found(bank, tmp_path)) == expected


async def test_a_file_that_was_cut_is_not_written_to_any_more(bank: Bank, tmp_path: Path) -> None:
    await exported(bank, tmp_path)
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[:-40])
    await bank.accepted(key="k9")
    await bank.service.sequencer.link_all()
    with pytest.raises(ExportDamagedError):
        await bank.service.sequencer.export()


async def test_a_chain_that_was_made_anew_does_not_fit_the_exported_heads(bank: Bank, tmp_path: Path) -> None:
    await exported(bank, tmp_path)
    await damage(
        bank.pool,
        f"UPDATE sale_evidence SET record = {_CAREFUL}, record_sha256 = sha256({_CAREFUL});"
        " DELETE FROM evidence_links;"
        " INSERT INTO evidence_unlinked SELECT evidence_id FROM sale_evidence",
    )
    await bank.service.sequencer.link_all()
    assert await codes(bank) == set()  # inside, the forgery is perfect
    assert set(await found(bank, tmp_path)) == {"head_differs"}


async def test_a_crash_between_file_and_database_is_made_good(bank: Bank, tmp_path: Path) -> None:
    file = await exported(bank, tmp_path)
    await bank.accepted(key="k8")
    await bank.service.sequencer.link_all()
    async with bank.service._units.begin() as unit:
        head = await unit.evidence.head()
    assert head is not None
    file.append(head.day, head.position, head.link_sha256, NOW)  # … and here the process dies
    assert await found(bank, tmp_path) == []
    await bank.accepted(key="k9")
    await bank.service.sequencer.link_all()
    assert await bank.service.sequencer.export()
    assert await bank.pool.fetchval("SELECT count(*) FROM evidence_exports") == 5
    assert await found(bank, tmp_path) == []


async def test_a_line_torn_by_a_crash_is_left_behind_and_the_next_one_is_whole(bank: Bank, tmp_path: Path) -> None:
    await exported(bank, tmp_path)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"number":4,"at":"20')
    await bank.accepted(key="k9")
    await bank.service.sequencer.link_all()
    assert await bank.service.sequencer.export()
    assert await found(bank, tmp_path) == []


async def test_persons_stay_proven_after_a_rotation_of_keys(bank: Bank) -> None:
    await chained(bank)
    rotated = Envelopes({"t2": b"2" * 32})
    both = Envelopes.of_base64({"t2": "MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI=", **DATA_KEYS})
    assert (await rotate_keys(bank.pool, both, batch=2))["sale_evidence.personal"] == 4
    assert await audit(bank.pool) == []
    assert await audit_records(bank.pool, rotated) == []


async def test_a_disk_that_refuses_is_said_and_linking_goes_on(bank: Bank, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    bank.export_dir = in_the_way / "evidence"
    bank.use_core(None)
    await bank.open_shop()
    await bank.accepted()
    assert await bank.service.sequencer.link_all() == 1
    with pytest.raises(ExportError):
        await bank.service.sequencer.export()
    await bank.accepted(key="k2")
    assert await bank.service.sequencer.link_all() == 1
    assert await codes(bank) == set()
