"""A slot and a decision make an outcome: Eq. (4), (6) and (10) to (15)."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.generation import generation_delay, tv_quality
from genedge.cell.radio import backhaul_delay, downlink_delay, uplink_delay
from genedge.cell.types import AnyArray, Decision, Outcome, Params, Slot, of_requests


def serve(params: Params, slot: Slot, decision: Decision) -> Outcome:
    """Delays, quality and utility of every user, Eq. (4), (6), (10) to (14).

    A hit is generated at the base station with the user's share of the steps; a miss goes to the cloud, which
    answers in the best quality A4 with the A3 steps that it takes.

    Args:
        params: the scenario.
        slot: requests and channels, leading axes *batch.
        decision: cache and shares, same leading axes; an active user's bandwidth must be positive.

    Returns:
        The outcome per user; zero at inactive places.
    """
    # Places first and slots last, until the return: XLA's loops then run over many slots, not over a few places.
    requests, input_bits, gain, active = map(_first, (slot.requests, slot.input_bits, slot.gain, slot.active))
    cache, bandwidth, steps = map(_first, decision)

    asked = of_requests(params.models, requests)
    hit = jnp.take_along_axis(cache, requests, axis=0) & active
    # Inactive places hold no share; any positive one keeps their (masked) rates finite.
    share = jnp.where(active, bandwidth, 1.0)

    uplink_s = uplink_delay(params, share, gain, input_bits)
    downlink_s = downlink_delay(params, share, gain, asked.output_bits)
    backhaul_s = jnp.where(hit, 0.0, backhaul_delay(params, input_bits, asked.output_bits))
    steps = jnp.where(hit, steps * params.S, asked.A3)
    generation_s = generation_delay(asked, steps)
    tv = tv_quality(asked, steps)

    delay_s = uplink_s + downlink_s + backhaul_s + generation_s
    utility = jnp.asarray(params.delay_weight * delay_s + params.tv_weight * tv)

    def only_active(value: Array) -> Array:
        return jnp.moveaxis(jnp.where(active, value, 0.0), 0, -1)

    return Outcome(
        uplink_s=only_active(uplink_s),
        downlink_s=only_active(downlink_s),
        backhaul_s=only_active(backhaul_s),
        generation_s=only_active(generation_s),
        tv=only_active(tv),
        hit=jnp.moveaxis(hit, 0, -1),
        delay_s=only_active(delay_s),
        utility=only_active(utility),
    )


def _first(x: AnyArray) -> Array:
    return jnp.moveaxis(jnp.asarray(x), -1, 0)


def total_utility(params: Params, slot: Slot, decision: Decision) -> Float[Array, "*batch"]:
    """The cost of a slot, the inner sum of Eq. (15): Σ_n U_n. Lower is better.

    Args:
        params: the scenario.
        slot: requests and channels, leading axes *batch.
        decision: cache and shares, same leading axes.
    """
    return serve(params, slot, decision).utility.sum(axis=-1)


def hit_ratio(slot: Slot, outcome: Outcome) -> Float[Array, "*batch"]:
    """Share of the requests whose model is cached; NaN in a slot without active users.

    Args:
        slot: the slot, leading axes *batch.
        outcome: its outcome.
    """
    return outcome.hit.sum(axis=-1) / slot.active.sum(axis=-1)


def used_cache_ratio(slot: Slot, decision: Decision) -> Float[Array, "*batch"]:
    """Share of the cached models that somebody asked for, the hit ratio's second reading; NaN for no cache.

    Args:
        slot: the slot, leading axes *batch.
        decision: its decision.
    """
    cache = jnp.asarray(decision.cache)
    asked = requested(slot, cache.shape[-1])
    return (cache & asked).sum(axis=-1) / cache.sum(axis=-1)


def requested(slot: Slot, models: int) -> Array:
    """Which models some active user asks for, shape (*batch, M).

    Args:
        slot: the slot, leading axes *batch.
        models: M, number of models.
    """
    one_hot = jnp.asarray(slot.requests)[..., None] == jnp.arange(models)
    return jnp.any(one_hot & jnp.asarray(slot.active)[..., None], axis=-2)
