"""The supervisor's rules without processes: the plan, the ports, the pauses, the command line."""

import pytest

from server.settings import ALL_ROLES, SettingsError
from server.supervisor.arguments import asked_roles, settled_workers
from server.supervisor.place import Report, read_report
from server.supervisor.plan import Backoff, Ports, plan


def test_what_grows_with_the_viewers_has_a_process_a_core_and_the_rest_one() -> None:
    names = [worker.name for worker in plan(ALL_ROLES, 3)]
    assert [name for name in names if name.startswith("gateway")] == ["gateway-1", "gateway-2", "gateway-3"]
    assert names.count("commerce") == 1
    assert {role for worker in plan(ALL_ROLES, 3) for role in worker.roles} == set(ALL_ROLES)


def test_only_the_roles_asked_for_are_planned() -> None:
    assert [(worker.name, worker.roles) for worker in plan(("gateway", "commerce"), 1)] == [
        ("commerce", ("commerce",)),
        ("gateway-1", ("gateway",)),
    ]


def test_a_port_is_given_to_one_process_at_a_time_and_the_lowest_first() -> None:
    ports = Ports(8082, 3)
    assert [ports.take(), ports.take()] == [8082, 8083]
    ports.give_back(8082)
    assert [ports.take(), ports.take(), ports.take()] == [8082, 8084, 0]


def test_a_first_port_of_none_leaves_every_choice_to_the_kernel() -> None:
    ports = Ports(0, 2)
    ports.give_back(0)
    assert [ports.take(), ports.take(), ports.take()] == [0, 0, 0]


def test_pauses_double_up_to_a_bound_and_a_long_life_forgives() -> None:
    backoff = Backoff()
    pauses = [backoff.ended(lived_s=1) for _ in range(20)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == Backoff.LONGEST_S
    assert backoff.ended(lived_s=Backoff.LONG_LIFE_S) == Backoff.FIRST_S


def test_workers_are_a_number_or_the_cores_and_one_needs_no_supervisor() -> None:
    assert settled_workers("auto", cores=8) == 8
    assert settled_workers("auto", cores=1) == 1
    assert settled_workers("4", cores=2) == 4
    assert settled_workers("1", cores=2) is None


@pytest.mark.parametrize("nonsense", ["0", "-1", "65", "many", "", "1.5"])
def test_other_workers_are_refused(nonsense: str) -> None:
    with pytest.raises(SettingsError, match="--workers"):
        settled_workers(nonsense, cores=2)


def test_roles_on_the_command_line_override_the_settings_only_when_given() -> None:
    assert asked_roles(None) == {}
    assert asked_roles("api, media") == {"roles": ("api", "media")}


def test_a_child_that_ended_without_a_word_has_no_report() -> None:
    assert read_report(b"") is None
    assert read_report(b'{"admin_port":1') is None
    assert read_report(b"something else\n") is None
    assert read_report(b'{"admin_port":1}\n') == Report(admin_port=1)
