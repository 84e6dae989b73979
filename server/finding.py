"""One line of what the doctor says. Pure."""


class Finding:
    """One line: what was looked at, what was found, and what to do when it is wrong (None when it is well)."""

    def __init__(self, what: str, found: str, mend: str | None = None) -> None:
        self.what = what
        self.found = found
        self.mend = mend
