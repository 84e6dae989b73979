"""Commerce's own fixtures."""

import asyncpg
import pytest

from tests.commerce.bank import Bank


@pytest.fixture
def bank(pool: asyncpg.Pool) -> Bank:
    return Bank(pool)
