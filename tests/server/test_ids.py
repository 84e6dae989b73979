"""Identifiers sort by age, are read back as what they are, and use every digit."""

import time_machine

from server.ids import is_id, new_id


def test_ids_sort_by_their_age_to_the_millisecond() -> None:
    with time_machine.travel(1_790_000_000.0, tick=False) as clock:
        made = []
        for _ in range(40):
            made.append(new_id("or"))
            clock.shift(0.001)
    assert made == sorted(made)
    assert all(is_id(one, "or") and not is_id(one, "pr") for one in made)


def test_an_ids_random_part_uses_all_digits_of_crockfords_alphabet_and_no_other() -> None:
    made = [new_id("or") for _ in range(200)]
    assert {len(one) for one in made} == {len("or_") + 10 + 16}
    assert {digit for one in made for digit in one[-16:]} == set("0123456789abcdefghjkmnpqrstvwxyz")
    assert len(set(made)) == 200
