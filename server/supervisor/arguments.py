"""How `serve --roles … --workers …` reads. Pure."""

from server.settings import SettingsError

_MOST = 64


def settled_workers(workers: str, cores: int) -> int | None:
    """None: one process without a supervisor; else how many of each kind that grows with the viewers."""
    if workers == "auto":
        return max(1, cores)
    number = int(workers) if workers.isdecimal() else 0
    if not 1 <= number <= _MOST:
        raise SettingsError(f"--workers: auto, or a number from 1 to {_MOST}")
    return None if number == 1 else number


def asked_roles(roles: str | None) -> dict[str, tuple[str, ...]]:
    """What `--roles` overrides in the settings, which check the names."""
    return {} if roles is None else {"roles": tuple(role.strip() for role in roles.split(","))}
