"""A password from who runs a command: typed twice without being shown, or one line of standard input. Does I/O."""

import getpass
import sys

from server.auth.account_rules import LONGEST_PASSWORD, AccountRefused, check_password

_LONGEST_BYTES = LONGEST_PASSWORD * 4 + 2


def typed_password(login: str) -> str:
    """Return a password that may be used; raises AccountRefused. It is never an argument: others see those."""
    if sys.stdin.isatty():
        try:
            password = getpass.getpass(f"New password of {login}: ", sys.stderr)
            check_password(password, login)
            again = getpass.getpass("The same again: ", sys.stderr)
        except (EOFError, KeyboardInterrupt):
            raise AccountRefused("no password was given") from None
        if again != password:
            raise AccountRefused("the two passwords differ")
        return password
    line = sys.stdin.buffer.readline(_LONGEST_BYTES)
    try:
        password = line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise AccountRefused("the password is not valid UTF-8") from None
    check_password(password, login)
    return password
