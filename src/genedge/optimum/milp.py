"""The caching and steps problem of a slot as a mixed-integer linear program, solved by HiGHS.

A binary z_m per model says whether it is cached. A request of a cached model gets its quality floor and x
steps more. Where the floor lies below A1, steps up to A1 cost time and improve nothing, so a binary y per
request says whether it gets any, and then it gets enough to lie between A1 and A3, where the cost is linear
in x.
"""

from typing import NamedTuple

import highspy
import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from genedge.cell.generation import cost_of_a_step, generation_delay, image_cost, saved_by_a_step, weighed
from genedge.cell.radio import backhaul_delay
from genedge.cell.types import Models, Params, Slot, models_in_float64
from genedge.highs import quiet_solver
from genedge.optimum.savings import SLACK
from genedge.precision import in_double

# Columns, their coefficients, and the bounds of a row.
Constraint = tuple[np.ndarray, np.ndarray, float, float]


class Solution(NamedTuple):
    """What HiGHS found for one slot.

    Attributes:
        cache: ρ.
        steps: ξ.
        lower_bound: HiGHS's bound on the cost without its radio part; valid to HiGHS's tolerances.
    """

    cache: Bool[np.ndarray, "M"]
    steps: Float[np.ndarray, "N"]
    lower_bound: float


class _Problem(NamedTuple):
    """The program of one slot.

    Attributes:
        users: places with a user.
        asked: model that each of them asks for.
        floor: steps that each must get if served.
        begin: steps above the floor at which each begins to improve.
        end: at which it no longer does.
        cost: of each column: z of each model, then y and x of each request.
        upper: bound of each column; the lower one is 0.
        rows: the constraints.
        in_cloud: cost of all requests in the cloud.
    """

    users: Int[np.ndarray, "n"]
    asked: Int[np.ndarray, "n"]
    floor: Float[np.ndarray, "n"]
    begin: Float[np.ndarray, "n"]
    end: Float[np.ndarray, "n"]
    cost: np.ndarray
    upper: np.ndarray
    rows: list[Constraint]
    in_cloud: float


def solve_milp(params: Params, slot: Slot, gap: float = 0.0, time_limit_s: float = np.inf) -> Solution:
    """Solves caching and steps for the requests of one slot, where no model has a table.

    Args:
        params: the scenario.
        slot: one slot, without leading axes.
        gap: relative gap at which HiGHS may stop.
        time_limit_s: time after which HiGHS returns the best it has [s].
    """
    problem, S = _problem(in_double(params), slot), float(params.S)
    models, count = len(params.models.A1), len(problem.users)
    solver = _load(problem, models + count)
    solver.setOptionValue("mip_rel_gap", gap)
    solver.setOptionValue("mip_abs_gap", 0.0)
    solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
    solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
    solver.setOptionValue("time_limit", time_limit_s)
    solver.run()
    value = np.asarray(solver.getSolution().col_value)
    if len(value) == 0:
        value = np.zeros(len(problem.cost))
    z, y, x = np.split(value, [models, models + count])
    cached = z > 0.5
    served = (y > 0.5) & cached[problem.asked]
    extra = np.where(served, np.clip(x, problem.begin, problem.end), 0.0)
    least = np.where(cached[problem.asked], problem.floor, 0.0)
    # Rounding the binaries may leave the sum a hair above S.
    spare = max(S - least.sum(), 0.0)
    extra *= min(1.0, spare / max(extra.sum(), 1e-300))
    steps = np.zeros(len(np.asarray(slot.active)))
    steps[problem.users] = (least + extra) / S
    return Solution(cached, steps, float(solver.getInfo().mip_dual_bound))


def _problem(params: Params, slot: Slot) -> _Problem:
    users = np.flatnonzero(slot.active)
    asked = np.asarray(slot.requests)[users]
    wanted: Models = jax.tree.map(lambda column: column[asked], models_in_float64(params.models))
    backhaul_s = backhaul_delay(params, np.asarray(slot.input_bits, np.float64)[users], wanted.output_bits)
    in_cloud = np.asarray(weighed(params, backhaul_s + generation_delay(wanted, wanted.A3), wanted.A4))
    slope = -np.asarray(saved_by_a_step(params, wanted))
    models, count = len(params.models.A1), len(users)

    unreachable = np.zeros(models, bool)
    unreachable[asked[np.isinf(wanted.floor_steps)]] = True
    floor = np.where(np.isinf(wanted.floor_steps), 0.0, wanted.floor_steps)
    begin, end = np.maximum(wanted.A1 - floor, 0.0), np.maximum(wanted.A3 - floor, 0.0)

    # On the slope, x steps cost y · entry + x · slope.
    cost_of_cache = np.bincount(asked, image_cost(params, wanted, floor) - in_cloud, models)
    entry = (np.asarray(cost_of_a_step(params, wanted)) - slope) * begin
    cost = np.concatenate([cost_of_cache, entry, np.where(end > 0, slope, 0.0)])
    upper = np.concatenate([np.where(unreachable, 0.0, 1.0), np.where(end > 0, 1.0, 0.0), end])
    n = np.arange(count)
    y, x = models + n, models + count + n
    owed = np.bincount(asked, floor, models)
    rows = [
        # (11d), and (11f) in steps.
        _row(np.arange(models), params.models.storage_gb, -np.inf, float(params.C) * (1 + SLACK)),
        _row(np.append(np.arange(models), x), np.append(owed, np.ones(count)), -np.inf, float(params.S)),
    ]
    for i in range(count):
        rows.append(_row([y[i], asked[i]], [1.0, -1.0], -np.inf, 0.0))
        rows.append(_row([x[i], y[i]], [1.0, -end[i]], -np.inf, 0.0))
        if begin[i] > 0:
            rows.append(_row([x[i], y[i]], [1.0, -begin[i]], 0.0, np.inf))
    return _Problem(users, asked, floor, begin, end, cost, upper, rows, float(in_cloud.sum()))


def _row(columns: object, values: object, low: float, high: float) -> Constraint:
    return np.asarray(columns, np.int32), np.asarray(values, np.float64), low, high


def _load(problem: _Problem, binaries: int) -> highspy.Highs:
    cost, rows = problem.cost, problem.rows
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_, lp.offset_ = len(cost), len(rows), problem.in_cloud
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, np.zeros(len(cost)), problem.upper
    lp.row_lower_ = np.array([row[2] for row in rows])
    lp.row_upper_ = np.array([row[3] for row in rows])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *(len(row[0]) for row in rows)]).astype(np.int32)
    lp.a_matrix_.index_ = np.concatenate([row[0] for row in rows])
    lp.a_matrix_.value_ = np.concatenate([row[1] for row in rows])
    kinds = [highspy.HighsVarType.kInteger] * binaries
    lp.integrality_ = kinds + [highspy.HighsVarType.kContinuous] * (len(cost) - binaries)
    solver = quiet_solver()
    solver.passModel(model)
    return solver
