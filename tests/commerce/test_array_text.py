"""What is written as an array is read by Postgres as the same values."""

import asyncpg
import pytest

from commerce.array_text import numbers, texts

NASTY = ['"', "\\", '\\"', "{}", "a,b", "", "NULL", "null", " a ", "'", "中文 🙂", "\n\t", '","', '{"a": "b\\\\"}']


@pytest.mark.parametrize("values", [[], [""], ["NULL"], ['"'], ['"', "a"], ["a", '"', "b"], ["\\"], NASTY, NASTY[::-1]])
async def test_texts_of_any_content(pool: asyncpg.Pool, values: list[str]) -> None:
    assert await pool.fetchval("SELECT $1::text::text[]", texts(values)) == values


@pytest.mark.parametrize("values", [[], [0], [-1, 2**63 - 1, -(2**63)]])
async def test_whole_numbers(pool: asyncpg.Pool, values: list[int]) -> None:
    assert await pool.fetchval("SELECT $1::text::bigint[]", numbers(values)) == values
