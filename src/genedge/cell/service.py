"""A slot and a decision make an outcome: Eq. (4), (6) and (10) to (15)."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float, Int

from genedge.cell.generation import generation_delay, tv_quality, weighed
from genedge.cell.memory import serving
from genedge.cell.objective import utility_of
from genedge.cell.radio import backhaul_delay, downlink_delay, uplink_delay
from genedge.cell.station import waits
from genedge.cell.types import AnyArray, Box, Decision, Outcome, Params, Slot, of_requests, present


def serve(params: Params, slot: Slot, decision: Decision) -> Outcome:
    """Delays, quality and utility of every user, Eq. (4), (6), (10) to (14), and costs beyond them.

    A hit is generated at the base station with the user's share of the steps; a miss goes to the cloud, which
    answers in the best quality A4 with the A3 steps that it takes. In a box, only loaded models make hits, misses
    may share the backhaul and queue for the cloud, and a hit without steps may go there too. Where the base station
    generates few at once, hits wait for it. A user in an outage has no image: it costs its delay.

    Args:
        params: the scenario.
        slot: requests and channels, leading axes *batch.
        decision: cache and shares, same leading axes; an active user's bandwidth must be positive.

    Returns:
        The outcome per user; zero at inactive places.
    """
    # Places first and slots last, until the return: XLA's loops then run over many slots, not over a few places.
    requests, input_bits, gain, active = map(_first, (slot.requests, slot.input_bits, slot.gain, slot.active))
    cache, bandwidth, steps = map(_first, decision._replace(cache=serving(params, slot, decision.cache)))

    asked = of_requests(params.models, requests)
    hit = jnp.take_along_axis(cache, requests, axis=0) & active
    if params.box is not None:
        hit &= (steps > 0) | ~jnp.asarray(params.box.offload)
    # Inactive places hold no share; any positive one keeps their (masked) rates finite.
    share = jnp.where(active, bandwidth, 1.0)

    uplink_s = uplink_delay(params, share, gain, input_bits)
    downlink_s = downlink_delay(params, share, gain, asked.output_bits)
    backhaul_s = jnp.where(hit, 0.0, backhaul_delay(params, input_bits, asked.output_bits))
    steps = jnp.where(hit, steps * params.S, asked.A3)
    generation_s = jnp.asarray(generation_delay(asked, steps))
    tv = jnp.asarray(tv_quality(asked, steps))

    delay_s = uplink_s + downlink_s + backhaul_s + generation_s
    queue_s = None
    if params.box is not None:
        slowed, queue_s = congestion(params.box, active & ~hit, backhaul_s, generation_s)
        delay_s += slowed - backhaul_s + queue_s
        backhaul_s = slowed
    wait_s = None
    if params.station is not None and params.station.generators is not None:
        wait_s = waits(params.station, hit, uplink_s, generation_s)
        delay_s += wait_s
    utility = jnp.asarray(weighed(params, delay_s, tv))

    def only_active(value: Array) -> Array:
        return jnp.moveaxis(jnp.where(active, value, 0.0), 0, -1)

    outcome = Outcome(
        uplink_s=only_active(uplink_s),
        downlink_s=only_active(downlink_s),
        backhaul_s=only_active(backhaul_s),
        generation_s=only_active(generation_s),
        tv=only_active(tv),
        hit=jnp.moveaxis(hit, 0, -1),
        delay_s=only_active(delay_s),
        utility=only_active(utility),
        queue_s=None if queue_s is None else only_active(queue_s),
        wait_s=None if wait_s is None else only_active(wait_s),
    )
    if slot.outage is not None:
        outcome = _in_outage(params, slot.outage, outcome)
    if params.costs is not None:
        outcome = outcome._replace(utility=utility_of(params, params.costs, slot, decision, outcome))
    return outcome


def _in_outage(params: Params, outage: Bool[AnyArray, "*batch N"], outcome: Outcome) -> Outcome:
    """The same outcome with what those cost who are not served."""
    assert params.outage is not None
    delay_s = jnp.asarray(params.outage.delay_s)
    return outcome._replace(
        delay_s=jnp.where(outage, delay_s, outcome.delay_s),
        utility=jnp.where(outage, params.delay_weight * delay_s, outcome.utility),
    )


def congestion(
    box: Box,
    miss: Bool[Array, "N *batch"],
    backhaul_s: Float[Array, "N *batch"],
    generation_s: Float[Array, "N *batch"],
) -> tuple[Float[Array, "N *batch"], Float[Array, "N *batch"]]:
    """What the misses of a slot do to each other.

    Where k misses share the backhaul, each has a k-th of its rates. In the cloud they are generated G at a time, in
    an order that is random: the mean wait is that of k requests which all take the misses' mean time.

    Args:
        box: the scenario's.
        miss: who goes to the cloud; places first.
        backhaul_s: what the backhaul would take alone [s].
        generation_s: what each takes to be generated [s].

    Returns:
        Delay of the backhaul, and wait for one of the cloud's generators [s]; both 0 for others.
    """
    misses = miss.sum(axis=0)
    k = misses.astype(backhaul_s.dtype)
    slowed = jnp.where(miss & jnp.asarray(box.shared), backhaul_s * k, jnp.where(miss, backhaul_s, 0.0))
    mean_s = jnp.where(miss, generation_s, 0.0).sum(axis=0) / jnp.maximum(k, 1)
    return slowed, jnp.where(miss, mean_s * rounds_waited(misses, box.generators, miss.shape[0]), 0.0)


def rounds_waited(
    misses: Int[AnyArray, "*batch"], generators: Float[AnyArray, ""], places: int
) -> Float[Array, "*batch"]:
    """Mean number of rounds that k requests wait for G generators: the mean of ⌊j/G⌋ over j = 0..k−1.

    Args:
        misses: k.
        generators: G, infinite for any number.
        places: the largest k.
    """
    G = jnp.minimum(jnp.asarray(generators), places + 1)
    k = jnp.asarray(misses).astype(G.dtype)
    full = jnp.floor(k / G)
    waited = G * full * (full - 1) / 2 + (k - G * full) * full
    return waited / jnp.maximum(k, 1)


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
    """Share of the requests whose model is cached, those in an outage among them; NaN in a slot without users.

    Args:
        slot: the slot, leading axes *batch.
        outcome: its outcome.
    """
    return outcome.hit.sum(axis=-1) / present(slot).sum(axis=-1)


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
