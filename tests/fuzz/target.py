"""What a fuzz target is. Pure.

To add one: write a class with these members in a module here, and name it in `targets.py` (one that needs a whole
server: in `live.py`). Nothing else has to change:
`./run fuzz`, the bounded slice in `./run test` and the corpus take every target there is.
"""

from random import Random
from typing import Protocol


class Broken(Exception):
    """An invariant does not hold; the text says which."""


class Target(Protocol):
    """One door that strangers can reach. State lives for a whole run, so that what grows is seen."""

    name: str
    """Names the target on the command line, and its folder in the corpus."""

    def make(self, chance: Random) -> bytes:
        """Make one input, mostly almost right: what fails the first check tests nothing behind it."""
        ...

    def feed(self, data: bytes) -> None:
        """Give the input to the code. Refusals it documents are caught here; all else that is raised is a finding."""
        ...
