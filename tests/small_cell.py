"""A cell of the small models whose slots are over in a second or two, for tests of the testbed."""

from pathlib import Path

from genedge.scenario import Scenario, load_scenario

CATALOGUE = """
name: small
models:
  defaults: {memory_gb: 0.3, result_mb: 0.5, A1_steps: 5, A3_steps: 20, A2_tv: 0.2, A4_tv: 0.05, B2_s: 0.005}
  faces: {B1_s_per_step: 0.004, worker: {pipeline: "small:faces"}}
  small:shapes: {B1_s_per_step: 0.005}
"""
SCENARIO = """
name: small
models: {catalogue: models.yaml}
cell: {users: 3, slots_per_episode: 5}
requests: {input_size_mb: [0.5, 1]}
server: {total_steps: 60, storage_gb: 0.4}
objective: {alpha: 0.2}
"""


def small_cell(folder: Path) -> Path:
    """Writes the scenario.

    Args:
        folder: where to.

    Returns:
        Its file.
    """
    (folder / "models.yaml").write_text(CATALOGUE)
    (folder / "small.yaml").write_text(SCENARIO)
    return folder / "small.yaml"


def loaded(folder: Path, *overrides: str) -> Scenario:
    """The same, read.

    Args:
        folder: where to write it.
        overrides: settings, as `--set` takes them.
    """
    return load_scenario(str(small_cell(folder)), list(overrides))
