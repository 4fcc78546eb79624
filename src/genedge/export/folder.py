"""From a trained run to a folder that decides without JAX and without this package.

actor.onnx or actor.npz   a slot's arrays -> the raw action, for one catalogue
runner.py                 decides with it; needs NumPy, and onnxruntime for ONNX
cell.json                 what turns raw actions into decisions, and checksums of all three
"""

import contextlib
import hashlib
import importlib.resources
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from genedge.cell.feasible import TEMPERATURE
from genedge.cell.feasible import TOLERANCE as LIMITS_TOLERANCE
from genedge.cell.sampling import sample_episode
from genedge.cell.types import as_seen
from genedge.errors import InputError
from genedge.export import runner
from genedge.export.arrays import Arrays, equivariant_arrays, mlp_arrays
from genedge.files import unfinished_beside
from genedge.learn.actor import Network, act
from genedge.learn.networks import Mlp
from genedge.learn.runs import open_run
from genedge.learn.training import load_actor
from genedge.scenario import Scenario, load_scenario, refuse_box

FORMATS = {"onnx": "actor.onnx", "numpy": "actor.npz"}

# Every export is compared with the run's own actor on so many slots. By rounding, their raw actions differ by less
# than 1e-5 nearly always; by any mistake, they differ by far more than this.
COMPARED_SLOTS = 64
TOLERANCE = 1e-4


class Exported(NamedTuple):
    """What an export made.

    Attributes:
        file: name of the actor's file.
        difference: largest difference of a raw action from the one of the run's own actor.
        instead_of_onnx: why it is no ONNX file; None if it is one, or none was asked for.
    """

    file: str
    difference: float
    instead_of_onnx: str | None


def export_run(
    folder: Path, out: Path, scenario: str | None = None, overrides: Sequence[str] = (), form: str | None = None
) -> Exported:
    """Exports the best actor of a run.

    Args:
        folder: the run's folder.
        out: folder to make; must not hold anything yet.
        scenario: preset or file of the cell to serve; None for the one that it was trained on.
        overrides: changes of its settings, `key=value` each.
        form: onnx or numpy; None for onnx, or numpy where that fails.

    Raises:
        InputError: it is not a run, has no actor yet, was trained on another scenario, or cannot be exported.
    """
    run = open_run(folder)
    chosen = load_scenario(scenario or folder / "scenario.yaml", overrides)
    if run.scenario.id != chosen.id and not run.learner.any_cell:
        raise InputError(
            f"{folder}: trained on scenario {run.scenario.name} ({run.scenario.id}), not on {chosen.name} "
            f"({chosen.id}); its actor knows only its own catalogue. Leave out --scenario and --set, or train a "
            f"run on this one"
        )
    refuse_box(chosen)
    actor = load_actor(run)
    if not isinstance(actor, Network):
        raise InputError(f"{folder}: what decides is no network that genedge knows how to export")
    return export_actor(actor, chosen, run.places if isinstance(actor, Mlp) else None, out, form)


def export_actor(
    actor: Network, scenario: Scenario, places: int | None, out: Path, form: str | None = None
) -> Exported:
    """Exports an actor for one cell.

    Args:
        actor: the network.
        scenario: the cell to serve; its catalogue is worked into the exported actor.
        places: number of places that a multi-layer perceptron was made for; None for an equivariant network.
        out: folder to make; must not hold anything yet.
        form: onnx or numpy; None for onnx, or numpy where that fails.

    Raises:
        InputError: there is no such format, the folder is not empty or cannot be written, or what was exported says
            something else than the actor.
    """
    refuse_box(scenario)
    if form not in (None, *FORMATS):
        raise InputError(f"--format {form}: no such format; there are {', '.join(FORMATS)}")
    _refuse_taken(out)
    if isinstance(actor, Mlp):
        assert places is not None
        arrays = mlp_arrays(actor, scenario.params, places)
    else:
        arrays = equivariant_arrays(actor, scenario.params)
    why = None
    if form != "numpy":
        try:
            return Exported(FORMATS["onnx"], _assemble("onnx", actor, arrays, scenario, places, out), None)
        except InputError:
            raise
        except Exception as e:  # The tools around ONNX have no common error.
            why = str(e)
        if form == "onnx":
            raise InputError(f"--format onnx: {why}; leave it out, or choose --format numpy")
    try:
        return Exported(FORMATS["numpy"], _assemble("numpy", actor, arrays, scenario, places, out), why)
    except _DiffersError as e:
        raise InputError(f"{out}: not exported: {e}; please report it") from None


class _DiffersError(Exception):
    """What was exported says something else than the actor."""


def _assemble(
    form: str, actor: Network, arrays: Arrays, scenario: Scenario, places: int | None, out: Path
) -> float:
    """Makes the folder in one of the formats, if what it says is what the actor says; returns the difference."""
    models = len(scenario.models)
    if form == "onnx":
        try:
            import onnxruntime  # noqa: F401  # Wanted by the comparison below.

            from genedge.export.graph import onnx_model
        except ImportError:
            raise ImportError("'pip install onnx onnxruntime' installs what it needs") from None
        raw = onnx_model(arrays, models, places)
    else:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        raw = buffer.getvalue()
    with _whole_folder(out) as folder:
        (folder / FORMATS[form]).write_bytes(raw)
        program = importlib.resources.files("genedge.export") / runner.PROGRAM
        files = {FORMATS[form]: raw, runner.PROGRAM: program.read_bytes()}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        cell = _cell(scenario, places) | {"files": sums}
        cell["sha256"] = runner.checksum(cell)
        (folder / runner.DESCRIPTION).write_text(json.dumps(cell, indent=1) + "\n", encoding="utf-8")
        difference = _difference(actor, scenario, places, runner.Policy(folder))
        # Written so that NaN counts as a difference.
        if not difference <= TOLERANCE:
            raise _DiffersError(
                f"its raw actions differ by {difference:.1g} from the run's, more than {TOLERANCE:g}"
            )
    return difference


def _cell(scenario: Scenario, places: int | None) -> dict[str, Any]:
    """What the runner must know to decode raw actions; units stand in the names."""
    p = scenario.params
    m = p.models
    return {
        "format": runner.FORMAT,
        "scenario": scenario.name,
        "scenario_id": scenario.id,
        "places": places,
        "S_steps": float(p.S),
        "C_gb": float(p.C),
        "temperature": TEMPERATURE,
        "tolerance": LIMITS_TOLERANCE,
        **({} if p.outage is None else {"least_gain": float(p.outage.least_gain)}),
        "models": [
            # JSON has no infinity.
            {"storage_gb": storage, "A3_steps": A3, "floor_steps": floor if math.isfinite(floor) else None}
            for storage, A3, floor in zip(m.storage_gb.tolist(), m.A3.tolist(), m.floor_steps.tolist(), strict=True)
        ],
    }


def _difference(actor: Network, scenario: Scenario, places: int | None, exported: runner.Policy) -> float:
    """Largest difference between the raw actions of the actor and of its export, on slots of the cell."""
    width = places or scenario.settings.cell.users
    slots = as_seen(sample_episode(scenario.params, jax.random.key(0), width, width, COMPARED_SLOTS))
    present = np.random.default_rng(0).random((COMPARED_SLOTS, width)) < 0.8
    slots = slots._replace(active=np.asarray(slots.active) & present)
    wanted = np.asarray(jax.jit(act)(actor, scenario.params, slots))
    # Gains that are seen do not tell who is in an outage.
    outage = np.zeros_like(present) if slots.outage is None else slots.outage
    seen = slots.skew, slots.requests, slots.input_bits, slots.gain, slots.active, outage
    fields = [np.asarray(field) for field in seen]
    names = ("skew", "requests", "input_bits", "channel_gain", "active", "outage")
    said = [exported.action(dict(zip(names, row, strict=True))) for row in zip(*fields, strict=True)]
    return float(np.abs(np.stack(said) - wanted).max())


@contextlib.contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write to that appears under its name only once it is complete, and only if nobody was quicker."""
    place = out.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with unfinished_beside(place) as folder:
            folder.mkdir()
            yield folder
            try:
                os.replace(folder, place)
            except OSError:
                # The place of an empty folder it takes, and of no other.
                _refuse_taken(out)
                raise
    except OSError as e:
        raise InputError(f"{out}: cannot be written: {e.strerror or e}") from None


def _refuse_taken(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: already there and not empty; choose another folder")
