"""Identifiers sort by age, are read back as what they are, and use every digit."""

import pytest

from server.ids import is_id, new_id


def test_ids_sort_by_their_age_to_the_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for millisecond in range(40):
        monkeypatch.setattr("time.time_ns", lambda at=millisecond: 1_790_000_000_000_000_000 + at * 1_000_000)
        made.append(new_id("or"))
    assert made == sorted(made)
    assert all(is_id(one, "or") and not is_id(one, "pr") for one in made)


def test_an_ids_random_part_uses_all_digits_of_crockfords_alphabet_and_no_other() -> None:
    made = [new_id("or") for _ in range(200)]
    assert {len(one) for one in made} == {len("or_") + 10 + 16}
    assert {digit for one in made for digit in one[-16:]} == set("0123456789abcdefghjkmnpqrstvwxyz")
    assert len(set(made)) == 200
