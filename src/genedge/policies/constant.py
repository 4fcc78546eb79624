"""The bar of everything that looks at a slot: the best decision that does not."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import jax
import numpy as np
from jax import Array

from genedge.cell.sampling import sample_episodes
from genedge.cell.types import Decision, Params, Slot
from genedge.errors import InputError
from genedge.optimum.fixed import Fixed, best_fixed, decide_fixed
from genedge.precision import in_single
from genedge.scenario import Scenario

# What it is chosen on: as many episodes of this seed, and of many users fewer.
SEED, EPISODES, MOST_USERS = 0, 40, 200_000


def constant_of(scenario: Scenario) -> Callable[[Params, Slot, Array], Decision]:
    """The policy `constant` of a scenario, chosen when it first decides, for as many users as there are places.

    Args:
        scenario: the scenario, of a cell; slots of a file are not looked at.
    """
    params, T = replace(scenario, recorded=None).params, scenario.settings.cell.slots_per_episode

    @cache
    def best(users: int) -> Fixed:
        # It may be asked for while a program of the reader's is traced.
        with jax.ensure_compile_time_eval():
            episodes = max(1, min(EPISODES, MOST_USERS // (users * T)))
            slots = sample_episodes(in_single(params), jax.random.key(SEED), users, users, T, episodes)
            return best_fixed(params, jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), slots))

    def constant(params: Params, slots: Slot, key: Array) -> Decision:
        fixed = best(slots.requests.shape[-1])
        if len(fixed.cache) != len(params.models.A1):
            raise InputError(
                f"policy 'constant' was chosen for {len(fixed.cache)} models, not for {len(params.models.A1)}"
            )
        return decide_fixed(params, slots, fixed)

    return constant
