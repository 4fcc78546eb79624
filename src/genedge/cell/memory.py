"""What a box keeps in memory from slot to slot, and which of it serves.

A model that is to be held and is not there yet begins to load; from then on it occupies memory, and it serves from
the first slot that begins when the load is done. What is no longer to be held goes at once, loaded or not.
"""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool

from genedge.cell.types import AnyArray, Box, Memory, Params, Slot


def hold(box: Box, memory: Memory, cache: Bool[AnyArray, "*batch M"]) -> Memory:
    """The memory once it has been told what to hold.

    Args:
        box: the scenario's.
        memory: before, leading axes *batch.
        cache: models to hold; those that were not held begin to load.
    """
    wait = jnp.where(jnp.asarray(memory.held), memory.wait, box.load_slots)
    return Memory(jnp.asarray(cache), jnp.where(cache, wait, 0), memory.until)


def in_slot(params: Params, memory: Memory, cache: Bool[AnyArray, "*batch M"]) -> Memory:
    """The memory while a slot's requests are served.

    Args:
        params: the scenario, of a box.
        memory: when the slot began, leading axes *batch.
        cache: ρ, as decided in it; of account only where the cache is decided when the requests are known.
    """
    box = _box(params)
    return hold(box, memory, cache) if box.every is None else memory


def serving(params: Params, slot: Slot, cache: Bool[AnyArray, "*batch M"]) -> Bool[AnyArray, "*batch M"]:
    """Which models serve in a slot.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch.
        cache: ρ, as decided in it.

    Returns:
        Without a memory ρ itself. With one the models that are loaded: of those held before the requests are known
        or, where the cache is decided when they are, of ρ.
    """
    if slot.memory is None:
        return cache
    memory = in_slot(params, slot.memory, cache)
    return jnp.asarray(memory.held & (memory.wait == 0))


def loads(params: Params, memory: Memory, cache: Bool[AnyArray, "*batch M"]) -> Bool[Array, "*batch M"]:
    """Which models begin to load by what a slot decided.

    Args:
        params: the scenario, of a box.
        memory: when the slot began, leading axes *batch.
        cache: ρ, as decided in the slot.
    """
    counts = jnp.asarray(memory.until == 0)[..., None]
    return jnp.asarray(cache) & ~jnp.asarray(memory.held) & counts


def advance(params: Params, memory: Memory, cache: Bool[AnyArray, "*batch M"]) -> Memory:
    """The memory when the next slot begins.

    Args:
        params: the scenario, of a box.
        memory: when the slot began, leading axes *batch.
        cache: ρ, as decided in the slot.
    """
    box = _box(params)
    until = jnp.asarray(memory.until)
    if box.every is None:
        held = hold(box, memory, cache)
        return held._replace(wait=jnp.maximum(held.wait - 1, 0))
    passed = Memory(jnp.asarray(memory.held), jnp.maximum(jnp.asarray(memory.wait) - 1, 0), until)
    told, counts = hold(box, passed, cache), (until == 0)[..., None]
    return Memory(
        held=jnp.where(counts, told.held, passed.held),
        wait=jnp.where(counts, told.wait, passed.wait),
        until=jnp.where(until == 0, box.every, until) - 1,
    )


def _box(params: Params) -> Box:
    if params.box is None:
        raise ValueError("only a box has a memory")
    return params.box
