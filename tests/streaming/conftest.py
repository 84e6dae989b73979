"""The packet writers under test; and Hypothesis without deadlines: a busy machine must not fail an invariant."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.streaming.writers import Maker, NativeMaker, PythonMaker, StuffySocket

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def stuffy() -> Iterator[StuffySocket]:
    made = StuffySocket(room=100_000)
    yield made
    made.close()


@pytest.fixture(params=["python", "native"])
def make(request: pytest.FixtureRequest) -> Maker:
    return PythonMaker() if request.param == "python" else NativeMaker()
