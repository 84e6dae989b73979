"""`./run audit`: recomputes quota, ledger and evidence of a database, and lists what does not add up. Does I/O."""

import asyncio
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path

import asyncpg

from commerce.audit_evidence import audit_exports, audit_records
from commerce.audit_postgres import Finding, audit
from commerce.envelopes import Envelopes
from commerce.suitability import SHANGHAI

_TIMEOUT_S = 5
_READ_ONLY = {"default_transaction_read_only": "on"}


def audit_database(
    database_url: str, export_dir: Path | None, data_keys: Mapping[str, str] | None,
    *, embedded_core: bool = True, zone: tzinfo = SHANGHAI,
) -> bool:  # fmt: skip
    """Print every difference; True when there is none. What was not compared, for want of folder or keys, is said."""

    async def ask() -> list[Finding]:
        pool = await asyncpg.create_pool(
            database_url, min_size=1, max_size=1, timeout=_TIMEOUT_S, server_settings=_READ_ONLY
        )
        try:
            findings = await audit(pool, embedded_core=embedded_core)
            if export_dir is not None:
                findings += await audit_exports(pool, export_dir)
            findings += await audit_records(pool, Envelopes.of_base64(data_keys) if data_keys else None, zone)
            return findings
        finally:
            await pool.close()

    findings = asyncio.run(ask())
    for finding in findings:
        print(f"{finding.code}\t{finding.subject}\t{finding.detail}")
    if export_dir is None:
        print("not compared: the exported heads (EVIDENCE_EXPORT_DIR is not set)")
    if not data_keys:
        print("not compared: sealed persons with their records (DATA_KEYS is not set)")
    if not embedded_core:
        print("not compared: orders with what the core froze and debited (CORE_BANKING is the bank's own)")
    print(f"audit: {len(findings)} differences" if findings else "audit: clean")
    return not findings
