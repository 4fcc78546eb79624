"""The training-free heuristic that every learner must beat."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.feasible import equal_shares, fill_cache, floor_of_hits
from genedge.cell.generation import image_cost, image_cost_in_cloud
from genedge.cell.radio import backhaul_delay
from genedge.cell.types import Curve, Decision, Models, Params, Slot, of_requests
from genedge.optimum.knapsack import best_cache


@jax.jit
def knapsack(params: Params, slots: Slot, key: Array) -> Decision:
    """One knapsack over what each model saves at best, steps by greatest saving per step, equal bandwidth.

    A request saves at best what it costs less, served with its better choice of the least steps (none, or the
    quality floor) and A3, than sent to the cloud. Steps then go to the cached requests in the order of what a
    step saves, A3 to each while they last; the last one gets the rest if that helps it. Along a table of TV
    requests get piece after piece, as many as pay.

    Args:
        params: the scenario.
        slots: K slots, leading axis K.
        key: unused; all policies are called alike.

    Returns:
        A decision for each slot.
    """
    asked = of_requests(params.models, slots.requests)
    least = jnp.asarray(asked.floor_steps)
    most = jnp.maximum(jnp.asarray(asked.A3), least)
    at_least, at_most = image_cost(params, asked, least), image_cost(params, asked, most)
    ends = None if asked.curve is None else _at_ends(params, asked, least)
    if ends is not None:
        at_most = ends.cost.min(axis=-1)
    backhaul = backhaul_delay(params, slots.input_bits, asked.output_bits)
    cloud = image_cost_in_cloud(params, asked) + params.delay_weight * backhaul
    saved = jnp.where(slots.active & jnp.isfinite(least), cloud - jnp.minimum(at_least, at_most), 0.0)

    one_hot = slots.requests[..., None] == jnp.arange(params.models.A1.shape[0])
    worth = jnp.sum(jnp.where(one_hot, saved[..., None], 0.0), axis=-2)
    best = best_cache(worth, params.models.storage_gb, params.C)
    # Under a quality floor the steps may not last for all of these; those worth most come first.
    cache = fill_cache(params, slots, jnp.where(best, worth, 0.0))

    hit = jnp.take_along_axis(cache, slots.requests, axis=-1) & slots.active
    floor = floor_of_hits(params, slots, cache)
    spare = jnp.asarray(params.S - floor.sum(axis=-1, keepdims=True))
    if ends is None:
        gain, extra = jnp.where(hit, at_least - at_most, 0.0), jnp.where(hit, most - least, 0.0)
        granted = _granted(gain / jnp.maximum(extra, 1e-9), jnp.where(gain > 0, extra, 0.0), spare)
    else:
        of_pieces = jnp.where(hit[..., None] & (ends.worth > 0), ends.extra, 0.0)
        flat = (*hit.shape[:-1], -1)
        granted = _granted(ends.worth.reshape(flat), of_pieces.reshape(flat), spare)
        granted = granted.reshape(of_pieces.shape).sum(axis=-1)
    # A part of the way to A3 may cost more than it improves.
    helps = image_cost(params, asked, floor + granted) < jnp.where(hit, at_least, jnp.inf)
    steps = floor + jnp.where(helps & hit, granted, 0.0)
    return Decision(cache, equal_shares(slots), steps / params.S)


def _granted(
    worth: Float[Array, "*batch P"], extra: Float[Array, "*batch P"], spare: Float[Array, "*batch 1"]
) -> Float[Array, "*batch P"]:
    """Steps to those whose steps are worth most, each as many as it takes while they last."""
    order = jnp.argsort(-worth, axis=-1)
    in_order = jnp.take_along_axis(extra, order, axis=-1)
    granted = jnp.clip(spare - (jnp.cumsum(in_order, axis=-1) - in_order), 0.0, in_order)
    return jnp.take_along_axis(granted, jnp.argsort(order, axis=-1), axis=-1)


class _Ends(NamedTuple):
    """The pieces of each request's table of TV, above its least steps.

    Attributes:
        cost: at the end of each.
        extra: its steps.
        worth: what a step of it saves, along the least concave function above what steps save; so never rising.
    """

    cost: Float[Array, "*batch J"]
    extra: Float[Array, "*batch J"]
    worth: Float[Array, "*batch J"]


def _at_ends(params: Params, asked: Models, least: Float[Array, "*batch"]) -> _Ends:
    assert asked.curve is not None
    at = jnp.maximum(jnp.asarray(asked.curve.steps), least[..., None])
    at = jnp.concatenate([least[..., None], at], axis=-1)
    each: Models = jax.tree.map(lambda x: x[..., None], asked._replace(curve=None))
    curve: Curve = jax.tree.map(lambda x: x[..., None, :], asked.curve)
    cost = jnp.asarray(image_cost(params, each._replace(curve=curve), at))
    # Of all that end here or later the most, of what those save at the least that begin here or earlier.
    over = at[..., 1:, None] - at[..., None, :-1]
    saved = (cost[..., None, :-1] - cost[..., 1:, None]) / jnp.where(over > 0, over, 1.0)
    saved = jax.lax.cummin(jnp.where(over > 0, saved, jnp.inf), axis=saved.ndim - 1)
    later = jnp.tri(saved.shape[-1], dtype=bool)
    worth = jnp.where(later & jnp.isfinite(saved), saved, -jnp.inf).max(axis=-2)
    return _Ends(cost[..., 1:], at[..., 1:] - at[..., :-1], worth)
