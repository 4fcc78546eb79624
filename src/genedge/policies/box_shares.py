"""How a box shares bandwidth and steps, whatever it holds: the best split, and steps by what they save."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from genedge.cell.generation import generation_delay, image_cost, weighed
from genedge.cell.memory import serving
from genedge.cell.radio import backhaul_delay
from genedge.cell.service import rounds_waited
from genedge.cell.types import Decision, Models, Params, Slot, models_in_float64
from genedge.optimum.bandwidth import links, split

_serving = jax.jit(serving)


def share(params: Params, slot: Slot, cache: Bool[np.ndarray, "E M"]) -> Decision:
    """The decision that holds a cache: the best bandwidth, and steps by what they save.

    Args:
        params: the scenario, of a box.
        slot: slots with their memories, leading axis E.
        cache: what to hold.
    """
    steps = share_steps(params, slot, np.asarray(_serving(params, slot, cache)))
    return Decision(cache, split(links(params, slot), compiled=True), steps)


def share_steps(params: Params, slot: Slot, served: Bool[np.ndarray, "E M"]) -> Float[np.ndarray, "E N"]:
    """Shares of the steps, one user after the other: who saves most by a step comes first.

    A user gets the steps of its floor, of A3, or of an end of a piece of its table, and may come again for more.
    What a user saves counts what the others gain, who no longer share the backhaul or the cloud with it.

    Args:
        params: the scenario, of a box.
        slot: slots, leading axis E.
        served: models that serve.
    """
    assert params.box is not None
    requests, active = np.asarray(slot.requests), np.asarray(slot.active)
    asked: Models = jax.tree.map(lambda column: column[requests], models_in_float64(params.models))
    here = np.take_along_axis(served, requests, axis=1) & active & np.isfinite(asked.floor_steps)
    floor = np.where(here, asked.floor_steps, 0.0)
    most = np.where(here, np.maximum(asked.A3, floor), 0.0)
    cloud = _Cloud.of(params, slot, asked)

    # Those who cannot be sent to the cloud are served from the start, with as few steps as may be; and so are, with
    # hardly any, those whom without a floor even an unimproved image costs less than a cloud of their own.
    offload = bool(params.box.offload)
    hair = 1e-6 * float(params.S) / requests.shape[1] if offload else 0.0
    unimproved = here & (floor == 0) & (image_cost(params, asked, np.full(floor.shape, hair)) < cloud.alone())
    at_edge = unimproved if offload else here | unimproved
    steps = np.where(at_edge, np.where(floor == 0, hair, floor), 0.0)
    levels = _levels(asked, floor, most)
    cost = _cost_at(params, asked, levels)
    for _ in range(levels[0].size):
        now = np.where(at_edge, image_cost(params, asked, steps), 0.0)
        saved = (now + cloud.gained_without_each(active & ~at_edge))[..., None] - cost
        extra = levels - steps[..., None]
        fits = extra <= (params.S - steps.sum(axis=1))[:, None, None] + 1e-9
        possible = here[..., None] & (extra > 0) & fits & (saved > 0)
        if not possible.any():
            break
        by_a_step = np.where(possible, saved / np.maximum(extra, 1e-9), -np.inf).reshape(len(steps), -1)
        best = by_a_step.argmax(axis=1)[:, None]
        of_all = np.zeros(by_a_step.shape, bool)
        np.put_along_axis(of_all, best, np.take_along_axis(by_a_step, best, axis=1) > 0, axis=1)
        chosen = of_all.reshape(levels.shape)
        steps = np.where(chosen.any(axis=-1), np.where(chosen, levels, 0.0).sum(axis=-1), steps)
        at_edge = at_edge | chosen.any(axis=-1)
    return np.asarray(steps / params.S)


def _levels(asked: Models, floor: Float[np.ndarray, "E N"], most: Float[np.ndarray, "E N"]) -> np.ndarray:
    """Numbers of steps that a user may get, shape (E, N, L)."""
    if asked.curve is None:
        return np.stack([floor, most], axis=-1)
    ends = np.concatenate([floor[..., None], asked.curve.steps], axis=-1)
    return np.clip(ends, floor[..., None], most[..., None])


def _cost_at(params: Params, asked: Models, levels: Float[np.ndarray, "E N L"]) -> np.ndarray:
    """What an image costs with each of them."""
    each: Models = jax.tree.map(lambda column: column[..., None], asked._replace(curve=None))
    curve = None if asked.curve is None else jax.tree.map(lambda column: column[..., None, :], asked.curve)
    return np.asarray(image_cost(params, each._replace(curve=curve), levels))


class _Cloud(NamedTuple):
    """What the requests of a slot cost in the cloud, whoever of them goes there."""

    params: Params
    backhaul_s: Float[np.ndarray, "E N"]
    generation_s: Float[np.ndarray, "E N"]
    tv: Float[np.ndarray, "E N"]
    waited: Float[np.ndarray, "N+1"]

    @classmethod
    def of(cls, params: Params, slot: Slot, asked: Models) -> "_Cloud":
        assert params.box is not None
        places = asked.A1.shape[1]
        return cls(
            params,
            np.asarray(backhaul_delay(params, slot.input_bits, asked.output_bits)),
            np.asarray(generation_delay(asked, asked.A3)),
            np.asarray(asked.A4),
            np.asarray(rounds_waited(np.arange(places + 1), params.box.generators, places)),
        )

    def alone(self) -> np.ndarray:
        """Of each, were it the only one."""
        return self._cost(np.ones(self.tv.shape, int), self.backhaul_s, self.generation_s, self.tv)

    def gained_without_each(self, away: Bool[np.ndarray, "E N"]) -> np.ndarray:
        """What all together save if one of those who are away is not; 0 for others."""
        misses = away.sum(axis=1, keepdims=True)
        parts = (self.backhaul_s, self.generation_s, self.tv)
        together = [np.where(away, part, 0.0).sum(axis=1, keepdims=True) for part in parts]
        without = [whole - np.where(away, part, 0.0) for whole, part in zip(together, parts, strict=True)]
        fewer = self._cost(np.maximum(misses - away, 0), *without)
        return np.where(away, self._cost(misses, *together) - fewer, 0.0)

    def _cost(
        self, misses: np.ndarray, backhaul_s: np.ndarray, generation_s: np.ndarray, tv: np.ndarray
    ) -> np.ndarray:
        assert self.params.box is not None
        slower = misses if bool(self.params.box.shared) else 1
        delay_s = slower * backhaul_s + (1 + self.waited[misses]) * generation_s
        return np.asarray(weighed(self.params, delay_s, tv))
