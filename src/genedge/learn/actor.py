"""The actor: a network that maps what the base station sees to what it does."""

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from genedge.cell.feasible import decode
from genedge.cell.types import AnyArray, Decision, Params, Slot
from genedge.env.observation import observe
from genedge.learn.networks import Mlp, apply_mlp


def act(actor: Mlp, observation: Float[AnyArray, "*batch obs"]) -> Float[Array, "*batch A"]:
    """The actor's action μ(s), in [−1, 1].

    Args:
        actor: the network.
        observation: see `observe`.
    """
    return jnp.tanh(apply_mlp(actor, jnp.asarray(observation)))


def decide(actor: Mlp, params: Params, slots: Slot) -> Decision:
    """What a trained actor decides, without exploration.

    Args:
        actor: the network.
        params: the scenario.
        slots: slots with as many places as the actor was made for, leading axes *batch.
    """
    return decode(params, slots, act(actor, observe(params, slots)))
