"""The training-free heuristic that every learner must beat."""

import jax
import jax.numpy as jnp
from jax import Array

from genedge.cell.feasible import equal_shares, fill_cache, floor_of_hits
from genedge.cell.generation import image_cost, image_cost_in_cloud
from genedge.cell.radio import backhaul_delay
from genedge.cell.types import Decision, Params, Slot, of_requests
from genedge.optimum.knapsack import best_cache


@jax.jit
def knapsack(params: Params, slots: Slot, key: Array) -> Decision:
    """One knapsack over what each model saves at best, steps by greatest saving per step, equal bandwidth.

    A request saves at best what it costs less, served with its better choice of the least steps (none, or the
    quality floor) and A3, than sent to the cloud. Steps then go to the cached requests in the order of what a
    step saves, A3 to each while they last; the last one gets the rest if that helps it.

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
    gain, extra = jnp.where(hit, at_least - at_most, 0.0), jnp.where(hit, most - least, 0.0)
    order = jnp.argsort(-gain / jnp.maximum(extra, 1e-9), axis=-1)
    in_order = jnp.where(gain > 0, extra, 0.0)
    in_order = jnp.take_along_axis(in_order, order, axis=-1)
    spare = params.S - floor.sum(axis=-1, keepdims=True)
    granted = jnp.clip(spare - (jnp.cumsum(in_order, axis=-1) - in_order), 0.0, in_order)
    granted = jnp.take_along_axis(granted, jnp.argsort(order, axis=-1), axis=-1)
    # A part of the way to A3 may cost more than it improves.
    helps = image_cost(params, asked, floor + granted) < jnp.where(hit, at_least, jnp.inf)
    steps = floor + jnp.where(helps & hit, granted, 0.0)
    return Decision(cache, equal_shares(slots), steps / params.S)
