"""Joint model caching and resource allocation for generative AI at the wireless edge.

The names below are the public ones; they are imported when first used, so that `import genedge` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genedge.cell.sampling import sample_episode as sample_episode
    from genedge.cell.service import serve as serve
    from genedge.cell.types import Decision as Decision
    from genedge.cell.types import Outcome as Outcome
    from genedge.cell.types import Params as Params
    from genedge.cell.types import Slot as Slot
    from genedge.errors import InputError as InputError
    from genedge.policies import policy as policy
    from genedge.scenario import Scenario as Scenario
    from genedge.scenario import load_scenario as load_scenario
    from genedge.study.evaluate import evaluate as evaluate
    from genedge.study.scoring import score as score

_HOMES = {
    "Decision": "genedge.cell.types",
    "InputError": "genedge.errors",
    "Outcome": "genedge.cell.types",
    "Params": "genedge.cell.types",
    "Scenario": "genedge.scenario",
    "Slot": "genedge.cell.types",
    "evaluate": "genedge.study.evaluate",
    "load_scenario": "genedge.scenario",
    "policy": "genedge.policies",
    "sample_episode": "genedge.cell.sampling",
    "score": "genedge.study.scoring",
    "serve": "genedge.cell.service",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'genedge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
