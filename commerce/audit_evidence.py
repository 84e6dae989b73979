"""The audit beyond SQL: exported heads against the chain, sealed persons against their records. Does I/O."""

import hashlib
from datetime import tzinfo
from itertools import zip_longest
from pathlib import Path

import asyncpg
import msgspec

from commerce.audit_postgres import Finding
from commerce.envelopes import EnvelopeError, Envelopes
from commerce.evidence import Evidence, PersonalEvidence, senior_rule_met
from commerce.evidence_file import FILE_NAME, ExportedLine, HeadFile
from commerce.product import sha256_hex
from commerce.suitability import SHANGHAI

_TIMEOUT_S = 60
_AT_ONCE = 1_000
_RECORDS = """
    SELECT e.*, o.customer_id AS order_customer, o.product_id AS order_product, o.card_version AS order_card,
           o.amount_minor AS order_amount, o.currency AS order_currency, o.assessed_at AS order_assessed_at,
           'C' || o.risk_tolerance AS order_tolerance, 'R' || o.risk_rating AS order_rating,
           x.acknowledgement_id AS extra_id, x.text_sha256 AS extra_sha256, x.acknowledged_at AS extra_at,
           coalesce(x.orderable_from, x.acknowledged_at + interval '24 hours') AS extra_until
    FROM sale_evidence e LEFT JOIN orders o USING (order_id)
    LEFT JOIN extra_disclosures x USING (customer_id, product_id, card_version)
    WHERE evidence_id > $1 AND record_sha256 = sha256(record) ORDER BY evidence_id LIMIT $2"""
_EXPORTS = """
    SELECT e.number, e.line_sha256, l.link_sha256 FROM evidence_exports e LEFT JOIN evidence_links l USING (position)
    ORDER BY e.number"""
_LINKS = "SELECT position, link_sha256 FROM evidence_links WHERE position = ANY($1::bigint[])"
# A record's field, and the column that says the same. Records whose hash differs are the other audit's finding.
_OF_ROW = {
    "order_id": "order_id", "step": "step", "outcome": "outcome", "at": "recorded_at", "retain_until": "retain_until",
}  # fmt: skip
_OF_ORDER = {
    "customer_id": "order_customer", "product_id": "order_product", "card_version": "order_card",
    "amount_minor": "order_amount", "currency": "order_currency", "risk_tolerance": "order_tolerance",
    "risk_rating": "order_rating",
}  # fmt: skip
_SINCE_DECIDED_BY = 2  # the format of records that say what the order was decided by


async def audit_exports(pool: asyncpg.Pool, directory: Path) -> list[Finding]:
    """Compare the file of heads with what was exported and with the chain as it stands now.

    Last lines that the database does not know of are well where the chain has them: a crash came between the two, or
    they were written while the audit ran.
    """
    rows = await pool.fetch(_EXPORTS, timeout=_TIMEOUT_S)  # before the file, which may grow meanwhile
    lines = [line for line in HeadFile(directory).lines() if line is not None]
    linked = await pool.fetch(_LINKS, [line.position for line in lines[len(rows) :]], timeout=_TIMEOUT_S)
    news = {row["position"]: row["link_sha256"] for row in linked}
    findings = []
    previous: ExportedLine | None = None
    for number, (line, row) in enumerate(zip_longest(lines, rows), 1):
        subject = f"{FILE_NAME} line {number}"
        if line is None:
            findings.append(Finding("export_truncated", subject, "it was exported and is not in the file"))
            continue
        findings += _line_findings(subject, number, line, previous)
        chained = news.get(line.position) if row is None else row["link_sha256"]
        if row is not None and line.sha256() != row["line_sha256"]:
            findings.append(Finding("export_differs", subject, "it is not the line that was exported"))
        if chained is None or line.head != chained.hex():
            detail = f"link {line.position} is not the head that was exported"
            findings.append(Finding("head_differs", subject, detail))
        previous = line
    return findings


def _line_findings(subject: str, number: int, line: ExportedLine, previous: ExportedLine | None) -> list[Finding]:
    expected = ("", "") if previous is None else (previous.head, previous.sha256().hex())
    if line.number == number and (line.previous_head, line.previous_line) == expected:
        return []
    return [Finding("export_broken", subject, f"line {line.number} does not follow from the line before")]


async def audit_records(pool: asyncpg.Pool, envelopes: Envelopes | None, zone: tzinfo = SHANGHAI) -> list[Finding]:
    """Compare each record with its columns, its order and, with keys, the person that is sealed beside it.

    `zone` is the bank's, in which people turn 65.
    """
    findings: list[Finding] = []
    after = ""
    while True:
        rows = await pool.fetch(_RECORDS, after, _AT_ONCE, timeout=_TIMEOUT_S)
        for row in rows:
            findings += _record_findings(row, envelopes, zone)
        if len(rows) < _AT_ONCE:
            return findings
        after = rows[-1]["evidence_id"]


def _record_findings(row: asyncpg.Record, envelopes: Envelopes | None, zone: tzinfo) -> list[Finding]:
    try:
        record = msgspec.json.decode(row["record"], type=Evidence)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [Finding("record_unreadable", row["evidence_id"], "it is not a record")]
    findings = []
    for code, names in (("evidence_row_differs", _OF_ROW), ("evidence_order_differs", _OF_ORDER)):
        differing = [name for name, column in names.items() if getattr(record, name) != row[column]]
        if differing:
            findings.append(Finding(code, row["evidence_id"], f"another {', '.join(differing)} than its record's"))
    if record.format >= _SINCE_DECIDED_BY:
        findings += _decision_findings(row, record)
    if sha256_hex(record.disclosure_text) != record.disclosure_sha256:
        detail = "its disclosure is not what it names"
        findings.append(Finding("evidence_disclosure_differs", row["evidence_id"], detail))
    if envelopes is not None:
        findings += _person_findings(row, record, envelopes, zone)
    return findings


def _decision_findings(row: asyncpg.Record, record: Evidence) -> list[Finding]:
    """Compare what the order was decided by: when its level was found, and the extra disclosure of a senior."""
    findings = []
    if row["order_assessed_at"] not in (None, record.assessed_at):
        findings.append(Finding("evidence_order_differs", row["evidence_id"], "another assessment than its order's"))
    extra = record.extra_disclosure
    said = None if extra is None else (
        extra.acknowledgement_id, extra.text_sha256, extra.acknowledged_at, extra.orderable_from
    )  # fmt: skip
    kept = row["extra_id"], row["extra_sha256"], row["extra_at"], row["extra_until"]
    read_later = row["extra_at"] is None or row["extra_at"] >= record.at  # for another order, hence not in this record
    if said != kept and not (said is None and read_later):
        findings.append(Finding("extra_disclosure_differs", row["evidence_id"], "another than was acknowledged"))
    return findings


def _person_findings(row: asyncpg.Record, record: Evidence, envelopes: Envelopes, zone: tzinfo) -> list[Finding]:
    try:
        sealed = envelopes.open(row["personal"], f"sale_evidence.personal {row['evidence_id']}")
    except EnvelopeError as error:
        return [Finding("person_unreadable", row["evidence_id"], str(error))]
    if hashlib.sha256(sealed).hexdigest() != record.personal_sha256:
        return [Finding("person_differs", row["evidence_id"], "another person than its record's")]
    if senior_rule_met(record, msgspec.json.decode(sealed, type=PersonalEvidence).birth_date, zone):
        return []
    return [Finding("senior_wait_unmet", row["evidence_id"], "reserved before the wait of the senior rule was over")]
