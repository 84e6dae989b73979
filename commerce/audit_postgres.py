"""The audit: recomputes from single records what the sale keeps as sums, and names every difference. Does I/O.

It only reads, in one REPEATABLE READ snapshot, so it may run beside a sale.
"""

from dataclasses import dataclass

import asyncpg

from commerce.order import HOLDS_FROZEN_FUNDS, HOLDS_QUOTA


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: a stable code, what it is about, and the two figures."""

    code: str
    subject: str
    detail: str


# Each query returns rows (subject, detail) of what is wrong. $1: states that hold quota, $2: that hold funds.
_CHECKS: dict[str, str] = {
    "quota_differs": """
        SELECT coalesce(q.product_id, o.product_id),
               format('taken %s, orders hold %s', coalesce(q.taken_minor, 0), coalesce(o.held, 0))
        FROM quotas q FULL JOIN (
            SELECT product_id, sum(amount_minor) AS held FROM orders WHERE state = ANY($1) GROUP BY 1
        ) o USING (product_id) WHERE coalesce(q.taken_minor, 0) <> coalesce(o.held, 0)""",
    "quota_oversold": """
        SELECT o.product_id, format('orders hold %s of %s', sum(o.amount_minor), q.total_minor)
        FROM orders o JOIN quotas q USING (product_id) WHERE o.state = ANY($1)
        GROUP BY o.product_id, q.total_minor HAVING sum(o.amount_minor) > q.total_minor""",
    "position_differs": """
        SELECT format('%s %s', coalesce(p.customer_id, o.customer_id), coalesce(p.product_id, o.product_id)),
               format('position %s, orders hold %s', coalesce(p.taken_minor, 0), coalesce(o.held, 0))
        FROM customer_positions p FULL JOIN (
            SELECT customer_id, product_id, sum(amount_minor) AS held FROM orders WHERE state = ANY($1) GROUP BY 1, 2
        ) o USING (customer_id, product_id) WHERE coalesce(p.taken_minor, 0) <> coalesce(o.held, 0)""",
    "transfer_unbalanced": """
        SELECT e.transfer_id, format('entries sum to %s %s', sum(e.amount), a.unit)
        FROM ledger_entries e JOIN ledger_accounts a USING (ledger_account_id)
        GROUP BY e.transfer_id, a.unit HAVING sum(e.amount) <> 0""",
    "transfer_empty": """
        SELECT t.transfer_id, 'no entries' FROM ledger_transfers t
        WHERE NOT EXISTS (SELECT 1 FROM ledger_entries e WHERE e.transfer_id = t.transfer_id)""",
    "balance_differs": """
        SELECT a.ledger_account_id, format('balance %s, entries sum to %s', a.balance, coalesce(sum(e.amount), 0))
        FROM ledger_accounts a LEFT JOIN ledger_entries e USING (ledger_account_id)
        GROUP BY a.ledger_account_id HAVING a.balance <> coalesce(sum(e.amount), 0)""",
    "account_overdrawn": """
        SELECT ledger_account_id, format('balance %s', balance) FROM ledger_accounts
        WHERE balance < 0 AND kind NOT IN ('money_external', 'points_granted')""",
    "frozen_balance_differs": """
        SELECT format('%s %s', coalesce(a.owner_id, h.customer_id), coalesce(a.unit, h.currency)),
               format('frozen %s, the core holds %s', coalesce(a.balance, 0), coalesce(h.held, 0))
        FROM (SELECT * FROM ledger_accounts WHERE kind = 'money_frozen') a FULL JOIN (
            SELECT customer_id, currency, sum(amount_minor) AS held FROM core_holds WHERE state = 'frozen' GROUP BY 1, 2
        ) h ON h.customer_id = a.owner_id AND h.currency = a.unit
        WHERE coalesce(a.balance, 0) <> coalesce(h.held, 0)""",
    "frozen_differs": """
        SELECT coalesce(o.order_id, h.reference_id),
               format('the core froze %s, its order is %s', coalesce(h.amount_minor, 0), coalesce(o.state, 'none'))
        FROM (SELECT * FROM orders WHERE core_reference IS NOT NULL) o
        FULL JOIN (SELECT * FROM core_holds WHERE state = 'frozen') h ON h.reference_id = o.core_reference
        WHERE CASE
            WHEN h.reference_id IS NULL THEN o.state = ANY($2) AND o.confirming_at IS NULL
            WHEN o.order_id IS NULL THEN true
            ELSE (o.amount_minor, o.currency, o.customer_id) <> (h.amount_minor, h.currency, h.customer_id)
                 OR NOT (o.state = ANY($2) OR o.state IN ('submitted', 'outcome_unknown') OR o.release_due)
        END""",
    "debit_differs": """
        SELECT coalesce(o.order_id, h.reference_id),
               format('the core debited %s, its order is %s', coalesce(h.amount_minor, 0), coalesce(o.state, 'none'))
        FROM (SELECT * FROM orders WHERE core_reference IS NOT NULL) o
        FULL JOIN (SELECT * FROM core_holds WHERE state = 'debited') h ON h.reference_id = o.core_reference
        WHERE CASE
            WHEN h.reference_id IS NULL THEN o.confirmed_units_minor IS NOT NULL
            WHEN o.order_id IS NULL THEN true
            ELSE (o.amount_minor, o.currency, o.customer_id) <> (h.amount_minor, h.currency, h.customer_id)
                 OR NOT (o.confirmed_units_minor IS NOT NULL OR o.state = 'accepted' AND o.confirming_at IS NOT NULL)
        END""",
    "points_do_not_add_up": """
        SELECT owner_id, format('granted %s; held, spent and expired are %s',
               -sum(balance) FILTER (WHERE kind = 'points_granted'),
               sum(balance) FILTER (WHERE kind <> 'points_granted'))
        FROM ledger_accounts WHERE unit = 'POINTS' GROUP BY owner_id HAVING sum(balance) <> 0""",
    "points_held_differ": """
        SELECT coalesce(a.owner_id, g.customer_id),
               format('held %s, grants have left %s', coalesce(a.balance, 0), coalesce(g.points, 0))
        FROM (SELECT * FROM ledger_accounts WHERE kind = 'points_held') a FULL JOIN (
            SELECT customer_id, sum(left_points) AS points FROM point_grants GROUP BY 1
        ) g ON g.customer_id = a.owner_id WHERE coalesce(a.balance, 0) <> coalesce(g.points, 0)""",
    "points_spent_differ": """
        SELECT coalesce(a.owner_id, t.customer_id),
               format('spent %s, tips sum to %s', coalesce(a.balance, 0), coalesce(t.points, 0))
        FROM (SELECT * FROM ledger_accounts WHERE kind = 'points_spent') a FULL JOIN (
            SELECT customer_id, sum(points) AS points FROM tips
            WHERE NOT EXISTS (SELECT 1 FROM tip_refunds r WHERE r.tip_id = tips.tip_id) GROUP BY 1
        ) t ON t.customer_id = a.owner_id WHERE coalesce(a.balance, 0) <> coalesce(t.points, 0)""",
    "history_differs": """
        SELECT order_id, format('order is %s, history ends with %s', state, last) FROM (
            SELECT o.order_id, o.state, coalesce((
                SELECT to_state FROM order_history h WHERE h.order_id = o.order_id ORDER BY step DESC LIMIT 1
            ), 'reserved') AS last FROM orders o
        ) o WHERE last <> state""",
    "history_broken": """
        SELECT order_id, format('step %s begins at %s after %s', step, from_state, before) FROM (
            SELECT order_id, step, from_state,
                   coalesce(lag(to_state) OVER steps, 'acknowledged') AS before,
                   coalesce(lag(step) OVER steps, least(step, 1) - 1) AS step_before
            FROM order_moves WINDOW steps AS (PARTITION BY order_id ORDER BY step)
        ) h WHERE from_state <> before OR step <> step_before + 1""",
    "history_orphaned": """
        SELECT DISTINCT h.order_id, 'history without its order'
        FROM order_history h WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_id = h.order_id)""",
    "order_missing": """
        SELECT k.answer #>> '{result,order_id}', format('%s was told of it under %s', k.customer_id, k.key)
        FROM idempotency_keys k WHERE k.operation = 'reserve' AND k.answer #>> '{result,order_id}' IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_id = k.answer #>> '{result,order_id}')""",
    "showing_differs": """
        SELECT o.order_id, 'its showing does not exist, or is of another broadcast or card'
        FROM orders o LEFT JOIN showings s USING (showing_id)
        WHERE (o.broadcast_id, o.product_id, o.card_version)
           IS DISTINCT FROM (s.broadcast_id, s.product_id, s.card_version)""",
    "acknowledgement_differs": """
        SELECT o.order_id, 'its acknowledgement does not exist, or is of another customer or card'
        FROM orders o LEFT JOIN acknowledgements a USING (acknowledgement_id)
        WHERE (o.customer_id, o.product_id, o.card_version, o.broadcast_id)
           IS DISTINCT FROM (a.customer_id, a.product_id, a.card_version, a.broadcast_id)""",
    "document_differs": """
        SELECT document_id, 'its text is not what was hashed' FROM documents
        WHERE sha256 <> encode(sha256(convert_to(body, 'UTF8')), 'hex')""",
    "disclosure_differs": """
        SELECT format('%s version %s', product_id, card_version), 'its disclosure is not what was hashed'
        FROM card_versions WHERE disclosure_sha256 <> encode(sha256(convert_to(disclosure_text, 'UTF8')), 'hex')
        UNION ALL
        SELECT showing_id, 'it was shown with another disclosure than its card has'
        FROM showings s JOIN card_versions c USING (product_id, card_version)
        WHERE s.disclosure_sha256 <> c.disclosure_sha256""",
    "reading_differs": """
        SELECT a.acknowledgement_id, 'it names another disclosure or other documents than its card has'
        FROM acknowledgements a JOIN card_versions c USING (product_id, card_version)
        WHERE a.disclosure_sha256 <> c.disclosure_sha256 OR a.documents IS DISTINCT FROM (
            SELECT jsonb_agg(jsonb_build_object('document_id', d.document_id, 'sha256', d.sha256) ORDER BY cd.position)
            FROM card_documents cd JOIN documents d USING (document_id)
            WHERE cd.product_id = a.product_id AND cd.card_version = a.card_version)""",
    "currency_differs": """
        SELECT o.order_id, format('in %s, its quota in %s, its position in %s', o.currency, q.currency, p.currency)
        FROM orders o JOIN quotas q USING (product_id) JOIN customer_positions p USING (customer_id, product_id)
        WHERE o.state = ANY($1) AND (q.currency <> o.currency OR p.currency <> o.currency)""",
    "extra_disclosure_broken": """
        SELECT format('%s %s version %s', x.customer_id, x.product_id, x.card_version),
               'its text is not what was hashed, or its acknowledgement is not this customer''s'
        FROM extra_disclosures x LEFT JOIN acknowledgements a USING (acknowledgement_id)
        WHERE (x.customer_id, x.product_id, x.card_version)
           IS DISTINCT FROM (a.customer_id, a.product_id, a.card_version)
           OR encode(sha256(convert_to(x.text, 'UTF8')), 'hex') <> x.text_sha256""",
    "customer_missing": """
        SELECT o.order_id, format('%s is no customer', o.customer_id)
        FROM orders o WHERE NOT EXISTS (SELECT 1 FROM customers c WHERE c.customer_id = o.customer_id)""",
    "receipt_missing": """
        SELECT order_id, format('%s without a receipt', state) FROM orders WHERE state = ANY($2) AND receipt IS NULL""",
    "evidence_without_move": """
        SELECT e.evidence_id, format('order %s has no step %s to %s', e.order_id, e.step, e.outcome)
        FROM sale_evidence e LEFT JOIN order_history h USING (order_id, step)
        WHERE h.to_state IS DISTINCT FROM CASE e.outcome WHEN 'refused' THEN 'reserved' ELSE e.outcome END""",
    "move_without_evidence": """
        SELECT h.order_id, format('step %s, %s to %s, has no record', h.step, h.from_state, h.to_state)
        FROM order_history h LEFT JOIN sale_evidence e USING (order_id, step)
        LEFT JOIN evidence_exempt x USING (order_id, step)
        WHERE e.evidence_id IS NULL AND x.order_id IS NULL AND h.to_state <> h.from_state AND (
            h.to_state IN ('accepted', 'rejected', 'confirmed', 'partially_confirmed', 'confirm_failed', 'refunded')
            OR (h.from_state, h.to_state) IN (('submitted', 'reserved'), ('accepted', 'cancelled')))""",
    "evidence_hash_differs": """
        SELECT evidence_id, 'its record is not what was hashed' FROM sale_evidence
        WHERE record_sha256 <> sha256(record)""",
    "evidence_missing": """
        SELECT l.evidence_id, format('link %s stands for a record that is gone', l.position)
        FROM evidence_links l LEFT JOIN sale_evidence e USING (evidence_id) WHERE e.evidence_id IS NULL""",
    "evidence_not_as_linked": """
        SELECT l.evidence_id, format('link %s was made of another record', l.position)
        FROM evidence_links l JOIN sale_evidence e USING (evidence_id) WHERE l.record_sha256 <> e.record_sha256""",
    "evidence_out_of_chain": """
        SELECT e.evidence_id, 'neither linked nor waiting to be' FROM sale_evidence e
        WHERE NOT EXISTS (SELECT 1 FROM evidence_links l WHERE l.evidence_id = e.evidence_id)
          AND NOT EXISTS (SELECT 1 FROM evidence_unlinked u WHERE u.evidence_id = e.evidence_id)""",
    "chain_broken": """
        SELECT 'link ' || position, CASE WHEN position <> before + 1 THEN 'the link before is missing'
                                         ELSE 'it does not follow from the link before' END
        FROM (
            SELECT *, coalesce(lag(position) OVER chain, 0) AS before,
                   coalesce(lag(link_sha256) OVER chain, decode(repeat('00', 32), 'hex')) AS previous
            FROM evidence_links WINDOW chain AS (ORDER BY position)
        ) l WHERE position <> before + 1 OR link_sha256 <> sha256(
            previous || convert_to(format('%s %s %s ', position, to_char(day, 'YYYY-MM-DD'), evidence_id), 'UTF8')
            || record_sha256)""",
    "key_unanswered": """
        SELECT format('%s %s %s', customer_id, operation, key), 'committed without an answer'
        FROM idempotency_keys WHERE answer IS NULL""",
}


# What the embedded core's own books say of orders; a bank's core keeps these elsewhere.
_OF_EMBEDDED_CORE = frozenset({"frozen_balance_differs", "frozen_differs", "debit_differs"})


async def audit(pool: asyncpg.Pool, *, embedded_core: bool = True, timeout_s: float = 60) -> list[Finding]:
    """Return every difference, in a stable order; an empty list means the books are right.

    With a core of the bank's own (`embedded_core` false) orders are not compared with what the core froze and debited.
    """
    quota_states = sorted(state.value for state in HOLDS_QUOTA)
    funds_states = sorted(state.value for state in HOLDS_FROZEN_FUNDS)
    findings = []
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        for code, query in _CHECKS.items():
            if code in _OF_EMBEDDED_CORE and not embedded_core:
                continue
            arguments = [quota_states, funds_states]
            # A query that uses fewer parameters than are sent is an error: name both in each.
            rows = await connection.fetch(
                f"SELECT * FROM ({query}) found(subject, detail)"
                " WHERE cardinality($1::text[]) > 0 AND cardinality($2::text[]) > 0 ORDER BY 1, 2",
                *arguments, timeout=timeout_s,
            )  # fmt: skip
            findings += [Finding(code, row["subject"], row["detail"]) for row in rows]
    return findings
