"""Fixtures that several rooms share."""

import numpy as np
import pytest
from hypothesis import Phase, settings

from genedge.cell.types import Slot
from genedge.compiled import keep_compiled_code
from genedge.scenario import Scenario, load_scenario

# Most of a test's time is compilation; workers and later runs share what was compiled.
keep_compiled_code()

# The same examples on every machine; no deadline, as the first example of a test pays for its compilation; and
# no explanations, which take minutes to find in compiled code.
settings.register_profile(
    "genedge", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate, Phase.shrink]
)
settings.load_profile("genedge")


@pytest.fixture(scope="session")
def paper() -> Scenario:
    return load_scenario("paper")


@pytest.fixture(scope="session")
def draw_slot():
    """A function that makes slots from a NumPy generator, without the package's own samplers."""

    def draw(rng: np.random.Generator, *batch: int, places: int = 18, models: int = 10) -> Slot:
        shape = (*batch, places)
        return Slot(
            skew=np.full(batch, 0.8),
            requests=rng.integers(0, models, shape),
            input_bits=rng.uniform(40e6, 80e6, shape),
            gain=10 ** rng.uniform(-12, -7, shape),
            position_m=rng.uniform(-125, 125, (*shape, 2)),
            active=rng.random(shape) < 0.7,
        )

    return draw


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Heavy tests run where they are asked for, with `-m heavy`; elsewhere they are counted as skipped."""
    if "heavy" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("heavy"):
                item.add_marker(pytest.mark.skip(reason="heavy: `make test-all` runs it"))
