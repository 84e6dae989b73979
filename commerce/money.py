"""Money as integer minor units with an ISO 4217 code. Pure."""

import msgspec

from commerce.errors import Refusal

MAX_MINOR = 2**63 - 1  # what a bigint column holds

# ISO 4217 active codes of currencies a customer can hold (funds codes, metals and test codes left out).
_ACTIVE_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG
    HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA
    MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD
    RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
    USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"""
CURRENCIES = frozenset(_ACTIVE_CODES.split())


def minor_units(value: object) -> int:
    """Return the value if it is a whole, positive number of minor units that a bigint holds.

    Anything else (a float even when whole, a bool, a string, zero, less, more) raises Refusal `bad_amount`.
    """
    if type(value) is not int:
        raise Refusal("bad_amount", "an amount is a whole number of minor units, without fraction or quotes")
    if not 0 < value <= MAX_MINOR:
        raise Refusal("bad_amount", f"an amount is between 1 and {MAX_MINOR} minor units")
    return value


def currency_code(value: object) -> str:
    """Return the value if it is an ISO 4217 code in capitals; else raise Refusal `bad_amount`."""
    if not isinstance(value, str) or value not in CURRENCIES:
        raise Refusal("bad_amount", "the currency is not an ISO 4217 code")
    return value


class Money(msgspec.Struct, frozen=True):
    """A positive amount of one currency; the constructor refuses what `minor_units` refuses."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        minor_units(self.amount_minor)
        currency_code(self.currency)

    def plus(self, other: "Money") -> "Money":
        """Add; a sum beyond a bigint is refused, another currency is a caller's mistake (ValueError)."""
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add")
        return Money(self.amount_minor + other.amount_minor, self.currency)


def money(amount_minor: object, currency: object) -> Money:
    """Take what somebody sent for an amount; raises Refusal `bad_amount` unless it is one."""
    return Money(amount_minor, currency)  # type: ignore[arg-type]  # the constructor refuses every other type


def subscription_fee_minor(amount_minor: int, fee_bps: int) -> int:
    """Return the fee contained in an amount, in minor units, rounded half up.

    The fee is charged "outside" as China's funds do it (外扣法): net = amount / (1 + rate), fee = amount − net.
    """
    net_twice = 2 * amount_minor * 10_000
    divisor = 10_000 + fee_bps
    net = (net_twice + divisor) // (2 * divisor)
    return amount_minor - net
