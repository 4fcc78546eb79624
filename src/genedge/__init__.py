"""Joint model caching and resource allocation for generative AI at the wireless edge.

The public names, each documented with its shapes and units:

- `load_scenario`: a preset or a file as a `Scenario`, whose `params` are a `Params`;
- `sample_episode`: draws a `Slot` of as many slots as wanted;
- `policy`: a function from `Params`, `Slot` and a random key to a `Decision`;
- `score`, `serve`: what decisions mean to each user, an `Outcome`, in float64 NumPy or in JAX's precision;
- `evaluate`: policies side by side on the very same slots;
- `interval`: a mean with its 95 % interval, an `Interval`, over one level or two;
- `Section`: what settings of a channel or a mobility of one's own are derived from;
- `InputError`: what these raise where something that was given is wrong.

Four modules are public besides: `genedge.gym` has the environments for Gymnasium, `genedge.optimum` the certified
optimum of every slot, `genedge.extend` what policies and learners of one's own are made of, and `genedge.edge` what
schedulers of boxes are. Everything else is internal. Names are imported when first used, so that `import genedge`
costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genedge.cell.types import Decision as Decision
    from genedge.cell.types import Outcome as Outcome
    from genedge.cell.types import Params as Params
    from genedge.cell.types import Slot as Slot
    from genedge.errors import InputError as InputError
    from genedge.evaluation.cells import evaluate as evaluate
    from genedge.evaluation.scoring import score as score
    from genedge.policies import policy as policy
    from genedge.public import sample_episode as sample_episode
    from genedge.public import serve as serve
    from genedge.scenario import Scenario as Scenario
    from genedge.scenario import load_scenario as load_scenario
    from genedge.settings.fields import Section as Section
    from genedge.statistics import Interval as Interval
    from genedge.statistics import interval as interval

_HOMES = {
    "Decision": "genedge.cell.types",
    "InputError": "genedge.errors",
    "Interval": "genedge.statistics",
    "Outcome": "genedge.cell.types",
    "Params": "genedge.cell.types",
    "Scenario": "genedge.scenario",
    "Section": "genedge.settings.fields",
    "Slot": "genedge.cell.types",
    "evaluate": "genedge.evaluation.cells",
    "interval": "genedge.statistics",
    "load_scenario": "genedge.scenario",
    "policy": "genedge.policies",
    "sample_episode": "genedge.public",
    "score": "genedge.evaluation.scoring",
    "serve": "genedge.public",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'genedge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
