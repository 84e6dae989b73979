"""The audit is silent about right books and names each kind of damage."""

import asyncpg
import pytest

from commerce.audit_postgres import audit
from tests.commerce.bank import Bank


async def busy_day(bank: Bank) -> None:
    """Orders in several states, points granted, tipped and expired."""
    await bank.open_shop()
    await bank.add_customer("ac_bob")
    await bank.accepted(amount_minor=200_000, key="k1")
    await bank.accepted("ac_bob", amount_minor=300_000, key="k1")
    await bank.reserved(key="k2")
    cancelled = await bank.accepted(key="k3")
    await bank.service.sale.cancel("ac_ann", cancelled.order_id, "k3")
    applause, later = bank.service.applause, bank.clock.now.replace(year=2027)
    await applause.grant("ac_ann", 100, reason="welcome", expires_at=later, grant_id="pg_1")
    await applause.grant("ac_ann", 7, reason="short", expires_at=bank.clock.now, grant_id="pg_2")
    await applause.tip("ac_ann", "bc_b", 30, nickname="安", key="t1")
    await applause.expire_due(bank.clock())


async def damage(pool: asyncpg.Pool, *statements: str) -> None:
    """Change rows as somebody with the database's keys could: past triggers and constraints."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)


async def test_a_busy_day_leaves_nothing_to_find(bank: Bank) -> None:
    await busy_day(bank)
    assert await audit(bank.pool) == []


DAMAGE: list[tuple[str, set[str]]] = [
    ("UPDATE quotas SET taken_minor = taken_minor - 1", {"quota_differs"}),
    ("UPDATE quotas SET total_minor = 600000", set()),
    ("UPDATE customer_positions SET taken_minor = 1 WHERE customer_id = 'ac_bob'", {"position_differs"}),
    ("DELETE FROM customer_positions WHERE customer_id = 'ac_bob'", {"position_differs"}),
    ("UPDATE ledger_accounts SET balance = balance + 1 WHERE ledger_account_id = 'ac_ann:money_available:CNY'",
     {"balance_differs"}),
    ("ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_never_overdrawn;"
     " UPDATE ledger_accounts SET balance = -1 WHERE ledger_account_id = 'ac_bob:money_available:CNY'",
     {"balance_differs", "account_overdrawn"}),
    ("UPDATE ledger_entries SET amount = amount + 1 WHERE entry_id = (SELECT min(entry_id) FROM ledger_entries)",
     {"transfer_unbalanced", "balance_differs"}),
    ("DELETE FROM ledger_entries WHERE transfer_id = 'seed_ac_ann'", {"transfer_empty", "balance_differs"}),
    ("UPDATE orders SET amount_minor = amount_minor + 10000 WHERE state = 'accepted' AND customer_id = 'ac_bob'",
     {"quota_differs", "position_differs", "frozen_differs"}),
    ("UPDATE orders SET state = 'expired' WHERE state = 'reserved'",
     {"quota_differs", "position_differs", "history_differs"}),
    ("DELETE FROM order_history WHERE step = 1 AND to_state = 'submitted'", {"history_broken"}),
    ("DELETE FROM order_history WHERE to_state = 'cancelled'", {"history_differs", "evidence_without_move"}),
    ("UPDATE orders SET receipt = NULL WHERE state = 'accepted'", {"receipt_missing"}),
    ("UPDATE orders SET customer_id = 'ac_bob' WHERE state = 'reserved'",
     {"position_differs", "acknowledgement_differs"}),
    ("UPDATE orders SET customer_id = 'ac_none' WHERE state = 'reserved'",
     {"position_differs", "acknowledgement_differs", "customer_missing"}),
    ("UPDATE orders SET acknowledgement_id = 'ak_none' WHERE state = 'reserved'", {"acknowledgement_differs"}),
    ("UPDATE point_grants SET left_points = left_points - 1 WHERE grant_id = 'pg_1'", {"points_held_differ"}),
    ("DELETE FROM tips", {"points_spent_differ"}),
    ("UPDATE ledger_accounts SET balance = balance - 1 WHERE kind = 'points_granted'",
     {"points_do_not_add_up", "balance_differs"}),
    ("DELETE FROM orders WHERE state = 'reserved'", {"quota_differs", "position_differs", "order_missing"}),
    ("DELETE FROM orders WHERE state = 'cancelled'", {"history_orphaned", "history_broken", "order_missing"}),
    ("UPDATE orders SET showing_id = 'sh_none' WHERE state = 'reserved'", {"showing_differs"}),
    ("UPDATE core_holds SET state = 'released' WHERE customer_id = 'ac_bob'",
     {"frozen_differs", "frozen_balance_differs"}),
    ("DELETE FROM core_holds WHERE customer_id = 'ac_bob'", {"frozen_differs", "frozen_balance_differs"}),
    ("UPDATE core_holds SET state = 'frozen' WHERE state = 'released'", {"frozen_differs", "frozen_balance_differs"}),
    ("UPDATE documents SET body = body || ' ' WHERE document_id = (SELECT min(document_id) FROM documents)",
     {"document_differs"}),
    ("UPDATE documents SET body = 'x', sha256 = encode(sha256('x'), 'hex')"
     " WHERE document_id = (SELECT min(document_id) FROM documents)", {"reading_differs"}),
    ("UPDATE card_versions SET disclosure_text = '保本'", {"disclosure_differs"}),
    ("UPDATE card_versions SET disclosure_sha256 = encode(sha256(convert_to('保本', 'UTF8')), 'hex'),"
     " disclosure_text = '保本'", {"disclosure_differs", "reading_differs"}),
    ("UPDATE acknowledgements SET documents = '[]' WHERE customer_id = 'ac_bob'", {"reading_differs"}),
    ("UPDATE quotas SET currency = 'USD'", {"currency_differs"}),
    ("UPDATE customer_positions SET currency = 'USD' WHERE customer_id = 'ac_bob'", {"currency_differs"}),
    ("UPDATE idempotency_keys SET answer = NULL WHERE operation = 'cancel'", {"key_unanswered"}),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "codes"), DAMAGE)
async def test_damage_is_found(bank: Bank, statement: str, codes: set[str]) -> None:
    await busy_day(bank)
    await damage(bank.pool, statement)
    found = await audit(bank.pool)
    assert {finding.code for finding in found} == codes
    assert all(finding.subject and finding.detail for finding in found)


async def test_an_oversold_quota_is_found_even_where_its_check_was_dropped(bank: Bank) -> None:
    await busy_day(bank)
    await bank.pool.execute("ALTER TABLE quotas DROP CONSTRAINT quota_never_oversold")
    await bank.pool.execute("UPDATE quotas SET total_minor = 500000")
    assert [finding.code for finding in await audit(bank.pool)] == ["quota_oversold"]
