"""How many files and sockets this process may hold: raised as far as it goes, with advice where that is little.

Changes this process's limit, which its children inherit.
"""

import resource

WANTED = 65_536
"""A gateway's 20,000 connections, a media process's recordings and stores, with room to spare."""
ENOUGH = 4_096
ADVICE = "raise it: ulimit -n 65536, or LimitNOFILE=65536 in the service's unit"


def raise_limit() -> int:
    """Raise the soft limit towards WANTED as far as the hard limit lets; return what holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft
