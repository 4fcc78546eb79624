"""What networks cannot be made for: cells without storage, and sizes that memory does not hold."""

from itertools import pairwise

from genedge.cell.feasible import action_size
from genedge.env.observation import observation_size
from genedge.errors import InputError
from genedge.learn.hyperparameters import Networks
from genedge.limits import refuse_large
from genedge.scenario import Scenario

OF_CELL = "the numbers of models and places"


def refuse_no_storage(scenario: Scenario) -> None:
    """Refuses a scenario without storage, for networks over models.

    Args:
        scenario: the scenario.

    Raises:
        InputError: it has none.
    """
    if scenario.settings.server.storage_gb == 0:
        raise InputError(
            f"scenario {scenario.name} has no storage (server.storage_gb is 0); equivariant networks see models in "
            f"parts of it. Nothing can be held: 'cloud-only' is all there is"
        )


def refuse_large_networks(
    settings: Networks, section: str, rows: int, models: int, places: int, box: bool = False
) -> None:
    """Refuses networks that would not fit into memory, or whose hidden layers would not.

    Args:
        settings: of the networks.
        section: of the scenario, the one that holds these settings.
        rows: the most slots that a network sees at once.
        models: M.
        places: N.
        box: whether there is a memory to see.

    Raises:
        InputError: names the settings that make them large.
    """
    if settings.network == "equivariant":
        refuse_large(f"{section}.width", settings.width**2)
        refuse_large(f"{section}.width, the slots of a batch, {OF_CELL}", rows * settings.width * (models + places))
        return
    sizes = observation_size(models, places, box), 2 * action_size(models, places)
    layers = (sizes[0], *settings.hidden_layers, sizes[1])
    refuse_large(f"{section}.hidden_layers and {OF_CELL}", max(a * b for a, b in pairwise(layers)))
    refuse_large(f"{section}.hidden_layers, the slots of a batch, {OF_CELL}", rows * max(layers))
