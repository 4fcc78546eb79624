"""Which of several boxes is to serve a request: what each says of itself, and what has been sent to it since.

A request goes where it costs least: the seconds until it would be served there, and those that others would then
have to wait for models that make room for it. So it goes to where its model is, until the queue there is longer
than a load elsewhere takes; then there are two of that model.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Takes(NamedTuple):
    """What a request for a model takes on a box, were it to come now.

    Attributes:
        load_s: until the model is loaded, 0 if it is there [s].
        displaces_s: that requests for other models are expected to wait for what makes room for it [s].
        own_s: to generate [s].
    """

    load_s: float
    displaces_s: float
    own_s: float


class Seen(NamedTuple):
    """A box as it said it was.

    Attributes:
        busy_s: until it has done what waits now [s].
        free_mb: memory in which there is nothing.
        gpus: how many it has.
        models: those that it would serve.
    """

    busy_s: float
    free_mb: float
    gpus: int
    models: Mapping[str, Takes]


class Costs(NamedTuple):
    """What a request costs on a box.

    Attributes:
        served_s: until it is generated [s].
        displaces_s: that others are expected to wait longer [s].
    """

    served_s: float
    displaces_s: float


def seen_of(said: Any) -> Seen:
    """What a box has said of itself, in the section `soon` of `/v1/box`.

    Args:
        said: of JSON.

    Raises:
        ValueError: it makes no sense.
    """
    try:
        models = {
            str(name): Takes(*(_seconds(takes[key]) for key in ("load_s", "displaces_s", "own_s")))
            for name, takes in said["models"].items()
        }
        gpus = max(int(_seconds(said["gpus"])), 1)
        return Seen(_seconds(said["busy_s"]), _seconds(said["free_mb"]), gpus, models)
    except (TypeError, KeyError, AttributeError) as e:
        raise ValueError(f"no state of a box: {e!r}") from None


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"no number from 0 on: {value!r}")
    return float(value)


def costs(box: Seen, sent: Sequence[str], model: str) -> Costs | None:
    """What a request would cost on a box.

    Args:
        box: as it said it was.
        sent: models of the requests that have been sent to it since.
        model: the request's.

    Returns:
        None if the box does not serve the model.
    """
    takes = box.models.get(model)
    if takes is None:
        return None
    there = [box.models[name] for name in sent if name in box.models]
    loads_s = sum(box.models[name].load_s for name in {*sent} & {*box.models})
    ahead_s = box.busy_s + (sum(each.own_s for each in there) + loads_s) / box.gpus
    if model in sent:
        return Costs(ahead_s + takes.own_s, 0.0)
    return Costs(ahead_s + takes.load_s + takes.own_s, takes.displaces_s)


def route(boxes: Sequence[tuple[Seen, Sequence[str]]], model: str) -> list[int]:
    """Boxes that serve a model, the one where a request for it costs least first.

    Of equals the one to which fewest have been sent goes first, then the one with most memory free, so that models
    that come one after the other to boxes at rest do not all go to the same.

    Args:
        boxes: as each said it was, with the models of the requests that have been sent to it since.
        model: the request's.

    Returns:
        Their numbers.
    """
    ranked = []
    for number, (box, sent) in enumerate(boxes):
        found = costs(box, sent, model)
        if found is not None:
            ranked.append((sum(found), len(sent), -box.free_mb, number))
    return [number for *_, number in sorted(ranked)]
