"""An example of any type that the API answers with, made of the type itself. Pure."""

from typing import Any

from msgspec import inspect

_AT = "2026-11-24T12:00:00Z"
_SAMPLES: dict[str, Any] = {
    "title": "理财早班车",
    "summary": "本周市场与稳健产品",
    "display_name": "林晓",
    "nickname": "小梅",
    "name": "稳健一年",
    "issuer": "示例理财",
    "product_name": "稳健一年",
    "currency": "CNY",
    "role": "viewer",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "url": "/api/v1/documents/dc_1",
    "gateway_url": "wss://live.bank.example/ws",
    "next": None,
    "settlement": "T+1",
    "risk_rating": "R2",
    "risk_tolerance": "C3",
    "previous_tolerance": "C2",
    "questionnaire_version": "2026-1",
    "product_type": "fixed_income",
    "nav": None,
    "amount_minor": 1_000_000,
    "zh": "您打算投资多久？",
    "en": "For how long do you mean to invest?",
}
_PREFIXES = {
    "account_id": "ac",
    "actor_id": "ac",
    "maker_id": "ac",
    "broadcast_id": "bc",
    "product_id": "pr",
    "document_id": "dc",
    "comment_id": "cm",
    "order_id": "or",
    "acknowledgement_id": "ak",
    "assessment_id": "as",
    "poll_id": "pl",
    "word_id": "wd",
    "token_id": "et",
    "tip_id": "tp",
    "product_ids": "pr",
}


def example_of(kind: Any) -> Any:
    """Make one: JSON that decodes as the type. Fields that may be missing are there, lists hold one thing."""
    return _of(inspect.type_info(kind), "")


def _of(kind: inspect.Type, name: str) -> Any:
    match kind:
        case inspect.StructType() | inspect.DataclassType():
            return {one.encode_name: _named(one.type, one.encode_name) for one in kind.fields}
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.CollectionType():
            return [_named(kind.item_type, name)]
        case inspect.DictType():
            return {}
        case inspect.UnionType():
            return _of(next(one for one in kind.types if not isinstance(one, inspect.NoneType)), name)
        case _:
            return _scalar(kind, name)


def _named(kind: inspect.Type, name: str) -> Any:
    if name in _SAMPLES and not isinstance(kind, inspect.StructType):
        return _SAMPLES[name]
    if name in _PREFIXES and not isinstance(kind, inspect.ListType):
        return f"{_PREFIXES[name]}_1"
    return _of(kind, name)


def _scalar(kind: inspect.Type, name: str) -> Any:
    match kind:
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.EnumType():
            return next(iter(kind.cls)).value
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 100_000 if name.endswith("_minor") else 1
        case inspect.FloatType():
            return 1.5
        case inspect.DateTimeType():
            return _AT
        case inspect.DateType():
            return _AT[:10]
        case _:
            return "…"
