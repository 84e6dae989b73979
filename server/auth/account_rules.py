"""What an account that is made by hand must be like. Pure."""

import re

from server.auth.accounts_postgres import Account
from server.auth.principal import ROLES

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1_000
"""In characters; a longer one is not even looked at when somebody signs in."""
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{1,63}")
_OF_ISSUER = "ac_"  # the issuer's customers have their account's id for a login
_LICENSED = frozenset({"host", "guest"})
_LONGEST = 100


class AccountRefused(ValueError):
    """The account cannot be made so; the message says what is wrong and never holds a password."""


def check_account(account: Account) -> None:
    """Raise AccountRefused unless this may be made; a host without register data could never go live."""
    check_role(account.role)
    if not _LOGIN.fullmatch(account.login) or account.login.startswith(_OF_ISSUER):
        raise AccountRefused("LOGIN: 2 to 64 of a-z, 0-9, '.', '_', '-' and '@', a letter or digit first; not 'ac_…'")
    for name, text in (
        ("--name", account.display_name), ("--nickname", account.nickname), ("--employee", account.employee_no),
        ("--licence", account.licence_no),
    ):  # fmt: skip
        check_text(name, text)
    if account.role == "host" and None in (account.employee_no, account.licence_no):
        raise AccountRefused("a host needs --employee, --licence and --licence-expires to go live")
    if account.role == "viewer" and account.employee_no is not None:
        raise AccountRefused("--employee is for staff")
    if account.role not in _LICENSED and account.licence_no is not None:
        raise AccountRefused("--licence is for hosts and guests")
    if (account.licence_no is None) != (account.licence_expires_on is None):
        raise AccountRefused("--licence and --licence-expires come together")


def check_role(role: str) -> None:
    """Raise AccountRefused for one that is none of ours."""
    if role not in ROLES:
        raise AccountRefused(f"--role: one of {', '.join(ROLES)}")


def check_text(name: str, text: str | None) -> None:
    """Raise AccountRefused for what cannot be shown on a line; None is left out, which is well."""
    if text is not None and not (text.strip() and text.isprintable() and len(text) <= _LONGEST):
        raise AccountRefused(f"{name}: 1 to {_LONGEST} characters that can be printed")


def check_password(password: str, login: str) -> None:
    """Raise AccountRefused for one that is too short, too long, no Unicode, or the login over again."""
    if len(password) < SHORTEST_PASSWORD:
        raise AccountRefused(f"the password has {len(password)} characters: {SHORTEST_PASSWORD} are the least")
    if len(password) > LONGEST_PASSWORD:
        raise AccountRefused(f"the password is longer than {LONGEST_PASSWORD} characters")
    if len(set(password)) < 4 or password.lower().replace(login, "") == "":
        raise AccountRefused("the password is too easy to guess: it repeats itself or the login")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise AccountRefused("the password is not valid UTF-8") from None
