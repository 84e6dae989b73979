"""The demo's bank as data: people, broadcasts, product, customers. Pure; names and numbers are invented."""

from dataclasses import dataclass
from datetime import date

from server.auth.accounts_postgres import Account

PASSWORD = "wealthcast"  # of every demo account; the demo prints it, `serve` never seeds
SHOW_ID = "bc_show"
OWN_ID = "bc_demo"
PRODUCT_ID = "pr_steady180"

HOST = Account("ac_host", "linxiao", "host", "林晓", "林晓", "RM0123", "F3010001234567", date(2029, 12, 31))
SHOW_HOST = Account("ac_showhost", "chenyu", "host", "陈屿", "陈屿", "RM0456", "F3010007654321", date(2029, 12, 31))
MONITOR = Account("ac_monitor", "zhoumin", "monitor", "周敏", "周敏", "CM0007")
SHOW_MONITOR = Account("ac_showmonitor", "wulan", "monitor", "吴岚", "吴岚", "CM0008")
CHECKER = Account("ac_checker", "hejun", "checker", "何军", "何军", "CK0003")
OPERATOR = Account("ac_operator", "ops", "operator", "运维", "运维", "OP0001")
GUEST = Account("ac_guest", "professor", "guest", "许衡", "许衡", "EX0009", "F3010009999999", date(2029, 12, 31))
BRANCH = "示范支行"
STAFF = (HOST, SHOW_HOST, MONITOR, SHOW_MONITOR, CHECKER, OPERATOR, GUEST)


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer of the demo bank; tolerance 0 means never assessed, money is in fen."""

    account: Account
    birth_date: date
    risk_tolerance: int
    money_minor: int = 50_000_000
    points: int = 500


def _customer(number: int, login: str, name: str, nickname: str, born: int, tolerance: int) -> Customer:
    account = Account(f"ac_customer{number:02d}", login, "viewer", name, nickname)
    return Customer(account, date(born, 5, 17), tolerance)


# The first four are offered on the sign-in form: two who may buy, one too cautious, one never assessed.
CUSTOMERS = (
    _customer(1, "mei", "王小梅", "小梅", 1988, 3),
    _customer(2, "bo", "李博", "博哥", 1979, 4),
    _customer(3, "an", "赵安", "安安静静", 1992, 1),
    _customer(4, "xin", "孙新", "新来的", 1999, 0),
)

_NICKNAMES = (
    "山月", "一叶知秋", "豆浆", "Kevin", "慢慢变富", "小橘子", "听雨", "Luna", "老陈", "青柠",
    "阿布", "北岸", "向日葵", "Mia", "木木", "风筝", "晨光", "Leo", "糖炒栗子", "远山",
)  # fmt: skip

# The crowd: simulated viewers of the sample show, one account each.
CROWD = tuple(
    Customer(Account(f"ac_crowd{n:02d}", f"crowd{n:02d}", "viewer", f"演示客户{n:02d}", nickname), date(1985, 3, 1), 3)
    for n, nickname in enumerate(_NICKNAMES, start=1)
)


NOTES = {
    "mei": "C3: may buy the featured product",
    "bo": "C4: may buy the featured product",
    "an": "C1: too cautious for it, and told so",
    "xin": "never assessed",
    "linxiao": f"host of {OWN_ID}, approved and waiting in the console",
    "zhoumin": f"monitor of {OWN_ID}; a robot stands in",
    "wulan": f"monitor of {SHOW_ID}, the sample show; a robot stands in",
    "hejun": "approves broadcasts",
}


def offered_accounts() -> list[dict[str, str]]:
    """What the sign-in pages of a demo offer, one tap each."""
    people = [*(customer.account for customer in CUSTOMERS), HOST, MONITOR, SHOW_MONITOR, CHECKER]
    return [
        {"login": who.login, "password": PASSWORD, "role": who.role, "display_name": who.display_name} for who in people
    ]
