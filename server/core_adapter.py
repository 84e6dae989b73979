"""The bank's core banking system: loads the adapter that the setting CORE_BANKING names. Nothing connects here.

The adapter is the bank's own code beside this program: a function without arguments that returns an object which keeps
the promises of `commerce.core.CoreBanking` (docs/operations.md says how).
"""

import importlib

from commerce.core import CoreBanking

EMBEDDED = "embedded"
_PORT = ("freeze", "debit", "release", "query", "available_minor")


class AdapterUnusable(Exception):
    """The named adapter cannot be used; the text says why, and never what the adapter's own error says."""


def load_core(named: str) -> CoreBanking | None:
    """Make the core of `module:function`; None for the embedded one. Raises AdapterUnusable."""
    if named == EMBEDDED:
        return None
    module_name, _, function = named.partition(":")
    try:
        make = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise AdapterUnusable(f"{named} is not there ({type(error).__name__}): is its package installed?") from None
    try:
        core: CoreBanking = make()
    except Exception as error:  # somebody else's code, whose texts may hold an address or a password
        raise AdapterUnusable(f"{named} cannot be made: {type(error).__name__}") from None
    if missing := [name for name in _PORT if not callable(getattr(core, name, None))]:
        raise AdapterUnusable(f"{named} makes nothing that has {', '.join(missing)}")
    return core
