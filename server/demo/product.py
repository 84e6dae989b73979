"""The demo's featured product: an invented fixed-income wealth product, R2, with its documents. Pure."""

from datetime import datetime, timedelta

from commerce.product import Benchmark, CardContent, DocumentText, Fee

_MANUAL = """稳健添利180天（演示产品）说明书

本产品为公开募集的净值型固定收益类理财产品，业绩比较基准不构成收益承诺。
投资范围：国债、政策性金融债、高等级信用债、同业存单与现金管理工具，其中债权类资产不低于80%。
封闭期180天，封闭期内不可赎回。到期后T+1个工作日清算。
费用：固定管理费0.20%/年，托管费0.02%/年，从产品资产中计提；无认购费。

This is an invented product for demonstration. Its benchmark is a yardstick and no promise."""

_RISK = """风险揭示书

理财非存款，产品有风险，投资须谨慎。
一、市场风险：债券价格会随利率变化，产品净值可能下跌，您可能损失部分本金。
二、信用风险：所投债券的发行人可能不能按时还本付息。
三、流动性风险：封闭期180天内不能赎回。
四、本产品风险等级为R2（中低风险），适合风险承受能力为C2及以上的客户。

You may lose part of your principal. You cannot redeem during the 180 days."""

_DISCLOSURE = (
    "本产品为净值型理财产品，不保证本金和收益。封闭期180天，期间不可赎回。"
    "业绩比较基准由固定收益类资产的历史收益测算，不代表未来表现。"
)


def featured_product(now: datetime) -> CardContent:
    """The card's content; amounts in fen, the window open for years so that a kept demo goes on."""
    return CardContent(
        name="稳健添利180天",
        issuer="示范理财有限责任公司",
        seller_role="agency",
        product_type="fixed_income",
        issuer_rating="R2",
        seller_rating="R2",
        publicly_offered=True,
        currency="CNY",
        term_days=180,
        benchmark=Benchmark("2.10%–2.60%（年化）", "中债新综合指数收益率×80% + 7天通知存款利率×20%，扣除费用后测算"),
        past_performance_shown=True,
        fees=(Fee("认购费", "0"), Fee("固定管理费", "0.20%/年"), Fee("托管费", "0.02%/年")),
        minimum_minor=100_000,
        increment_minor=10_000,
        customer_maximum_minor=50_000_000,
        window_opens_at=now - timedelta(days=1),
        window_closes_at=now + timedelta(days=5 * 365),
        settlement="T+1",
        quota_total_minor=1_000_000_000,
        disclosure_text=_DISCLOSURE,
        documents=(DocumentText("产品说明书", _MANUAL), DocumentText("风险揭示书", _RISK)),
    )
