"""What happens in each slot, before anything does: who asks for what, what policies decide, what that should take.

The slots are those of `genedge evaluate`, and what is predicted comes from the same functions as `genedge score`'s.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from genedge.calibrate.pipeline import SMALL
from genedge.cell.feasible import breaches, in_float64
from genedge.cell.radio import rate
from genedge.cell.types import Decision, Params, Slot, as_seen
from genedge.errors import InputError
from genedge.evaluation.cells import met
from genedge.evaluation.scoring import outcome
from genedge.policies import policy
from genedge.precision import in_double
from genedge.registry import listed, named
from genedge.scenario import Scenario, refuse_box
from genedge.testbed.tasks import Request
from genedge.text import in_brief
from genedge.xla import at_once

# As many pictures of each kind as `genedge calibrate` makes unless told otherwise.
PICTURES = 12
# Of the small models' training; nobody can take more steps.
MOST_STEPS = 1000


class Expected(NamedTuple):
    """A request with what is predicted of it.

    Attributes:
        request: it.
        predicted: by column, see `rows.COLUMNS`.
    """

    request: Request
    predicted: Mapping[str, float]


class Planned(NamedTuple):
    """A slot.

    Attributes:
        number: from 0.
        decided: by policy, a request of each user who is there.
    """

    number: int
    decided: Mapping[str, tuple[Expected, ...]]


def planned(scenario: Scenario, policies: Mapping[str, str], users: int, slots: int, seed: int) -> list[Planned]:
    """The first slots that policies meet in an evaluation with that seed.

    Args:
        scenario: a cell whose models are small models.
        policies: names of policies by what to call them.
        users: how many.
        slots: how many.
        seed: of the slots, and of what policies draw.

    Raises:
        InputError: the scenario cannot run, or a policy does not fit it or breaks a constraint.
    """
    refuse_box(scenario)
    _refuse_other_costs(scenario)
    models = small_models(scenario)
    T = scenario.settings.cell.slots_per_episode
    drawn, key = met(scenario, users, -(-slots // T), seed)
    decided = {label: _decided(scenario, label, name, drawn, key) for label, name in policies.items()}
    flat: Slot = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), drawn)
    rows = {label: _expected(scenario.params, models, flat, each, slots, seed) for label, each in decided.items()}
    return [Planned(k, {label: each[k] for label, each in rows.items()}) for k in range(slots)]


def small_models(scenario: Scenario) -> tuple[str, ...]:
    """Which small model each model of a scenario is: the pipeline of its worker, or what its name says.

    Args:
        scenario: a cell.

    Raises:
        InputError: one is none, or takes more steps than it was trained with.
    """
    return tuple(_small(scenario, m) for m in range(len(scenario.models)))


def _small(scenario: Scenario, m: int) -> str:
    name, known = scenario.model_names[m], named("small model")
    said = None if scenario.catalogue is None else scenario.catalogue.setting(name, "worker")
    pipeline = name if said is None else str(said.value.get("pipeline", ""))
    small = pipeline.removeprefix(SMALL)
    if small not in known:
        raise InputError(
            f"scenario {scenario.name}: model {in_brief(name)} is none that can run here; each must be one of "
            f"{listed((SMALL + each for each in known), 'or')}, as in --scenario measured"
        )
    if scenario.models[m].A3_steps > MOST_STEPS:
        raise InputError(f"scenario {scenario.name}: model {in_brief(name)}: A3_steps must not exceed {MOST_STEPS}")
    return small


def _refuse_other_costs(scenario: Scenario) -> None:
    if scenario.params.costs is not None:
        raise InputError(
            f"scenario {scenario.name} has costs beyond Eq. (14), and what runs is measured by that alone; leave "
            "energy_per_step, deadline_s, fairness_per_s and function out of its objective"
        )


def _decided(scenario: Scenario, label: str, name: str, drawn: Slot, key: jax.Array) -> Decision:
    """What a policy decides, episode by episode, as in an evaluation."""
    decide, made = policy(name, scenario), []
    for e in range(drawn.skew.shape[0]):
        batch = jax.tree.map(lambda x, e=e: x[e], drawn)
        with at_once():
            of_episode = jax.random.fold_in(key, e)
        decision = in_float64(decide(scenario.params, as_seen(batch), of_episode))
        with at_once():
            broken = breaches(scenario.params, batch, decision)
        if broken:
            raise InputError(f"policy {in_brief(label)} broke a constraint: {broken[0]}")
        made.append(decision)
    return Decision(*(np.concatenate(field) for field in zip(*made, strict=True)))


def _expected(
    params: Params, models: tuple[str, ...], slots: Slot, decision: Decision, count: int, seed: int
) -> list[tuple[Expected, ...]]:
    found = outcome(params, slots, decision)
    up, down = _rates(params, slots, decision)
    columns = {
        "uplink_s": found.uplink_s,
        "downlink_s": found.downlink_s,
        "backhaul_s": found.backhaul_s,
        "wait_s": np.zeros_like(found.delay_s) if found.wait_s is None else found.wait_s,
        "generation_s": found.generation_s,
        "delay_s": found.delay_s,
        "tv": found.tv,
        "utility": found.utility,
    }
    steps = np.where(found.hit, decision.steps * float(params.S), params.models.A3[slots.requests])
    rows = []
    for k in range(count):
        # One draw for all policies.
        numbers = np.random.default_rng([seed, k]).integers(0, PICTURES, slots.requests.shape[1])
        of_slot = []
        for n in np.flatnonzero(slots.active[k]):
            m = int(slots.requests[k, n])
            request = Request(
                user=int(n),
                model=models[m],
                picture=int(numbers[n]),
                input_bytes=round(float(slots.input_bits[k, n]) / 8),
                output_bytes=round(float(params.models.output_bits[m]) / 8),
                hit=bool(found.hit[k, n]),
                steps=min(round(float(steps[k, n])), MOST_STEPS),
                up_bps=float(up[k, n]),
                down_bps=float(down[k, n]),
                to_cloud_bps=float(params.R_bc),
                from_cloud_bps=float(params.R_cb),
                generation_s=float(found.generation_s[k, n]),
            )
            of_slot.append(Expected(request, {key: float(values[k, n]) for key, values in columns.items()}))
        rows.append(tuple(of_slot))
    return rows


@at_once()
def _rates(params: Params, slots: Slot, decision: Decision) -> tuple[np.ndarray, np.ndarray]:
    """Of each user up and down, Eq. (2) and (5) [bit/s]."""
    params, slots, decision = in_double((params, slots, decision))
    share = np.where(slots.active, decision.bandwidth, 1.0)
    with jax.enable_x64(True):
        up = rate(share, params.W_up, params.p_n, slots.gain, params.N0, params.noise_over_own_band)
        down = rate(share, params.W_dw, params.p_BS, slots.gain, params.N0, params.noise_over_own_band)
        return np.asarray(up), np.asarray(down)
