"""A report as CSV that a spreadsheet opens right: UTF-8 with a byte order mark, and no cell that is a formula. Pure."""

import csv
import io
from collections.abc import Iterable
from decimal import Decimal

from server.reports.funnel import STEPS, ManagerLine, ProductFunnel, ShowReport

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NO_MINOR = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_STEPS_ZH = ("观看", "看到卡片", "打开详情", "通过适当性", "确认风险", "预留额度", "提交", "确认成交")
_AMOUNTS_ZH = ("币种", "提交金额", "确认金额")


def funnel_csv(report: ShowReport) -> bytes:
    """One line a product: the steps by customer, mismatches blocked, and the amounts in the currency's own unit."""
    head = ["直播场次", "产品编号", "产品名称", *_STEPS_ZH, "风险不匹配拦截", *_AMOUNTS_ZH]
    rows = [
        [
            report.title,
            one.product_id,
            one.product_name,
            *(getattr(one.customers, step) for step in STEPS),
            one.mismatches_blocked,
            *_amounts(one),
        ]
        for one in report.products
    ]
    return _written([head, *rows])


def managers_csv(report: ShowReport) -> bytes:
    """One line a relationship manager, branch and product."""
    head = [
        "直播场次", "客户经理", "客户经理编号", "分支机构", "产品编号", "产品名称", "客户数", "订单数", *_AMOUNTS_ZH,
    ]  # fmt: skip
    rows = [
        [
            report.title,
            one.relationship_manager_name or one.relationship_manager_id or "",
            one.relationship_manager_id or "",
            one.branch or "",
            one.product_id,
            one.product_name,
            one.customers,
            one.orders,
            *_amounts(one),
        ]
        for one in report.relationship_managers
    ]
    return _written([head, *rows])


def _amounts(one: ProductFunnel | ManagerLine) -> list[str | Decimal]:
    """The cells under `_AMOUNTS_ZH`."""
    return [one.currency, _major(one.submitted_minor, one.currency), _major(one.confirmed_minor, one.currency)]


def safe_cell(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would compute or send somewhere."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _written(rows: Iterable[Iterable[object]]) -> bytes:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    for row in rows:
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return lines.getvalue().encode("utf-8-sig")


def _major(minor: int, currency: str) -> Decimal:
    """Minor units as the currency's own unit, exactly (ISO 4217's exponents)."""
    exponent = 0 if currency in _NO_MINOR else 3 if currency in _THREE else 2
    return Decimal(minor).scaleb(-exponent)
