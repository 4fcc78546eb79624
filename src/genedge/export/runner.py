"""Decides for an edge server with an exported actor; needs NumPy, and onnxruntime if the actor is an ONNX file.

This one file stands beside the actor that `genedge export` wrote. As a program it reads slots from standard input
and prints a decision for each, in the JSON lines of `genedge slots` and `genedge decide`:

    python runner.py < slots.jsonl > decisions.jsonl

As a module:

    from runner import Policy

    policy = Policy("OUT")
    cache, bandwidth, steps = policy.decide(slot)

where a slot is a mapping such as `{"skew": 0.8, "requests": [3, 0], "input_bits": [5e7, 6e7],
"channel_gain": [1e-9, 2e-10], "active": [True, True]}`: lists or arrays with one entry for each user. Of a slot
that also says `seen_channel_gain`, what the base station sees of channels that it does not know, that counts. In a
cell with an outage, `outage` may say who is there and not served; else the channel gains do.
"""

import argparse
import hashlib
import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    # So small are the matrices that more threads only get into each other's way; set before NumPy starts them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

FORMAT = "genedge actor 2"
DESCRIPTION, PROGRAM = "cell.json", "runner.py"
ACTORS = {"actor.onnx", "actor.npz"}

# What single precision computes with, far beyond any real request or channel.
BITS = (1.0, 1e15)
GAIN = (1e-34, 1e6)
LARGEST_SKEW = 1e15

# What the base station sees of the channels, where that is something else.
SEEN = "seen_channel_gain"

# Of a line of slots, as genedge reads it.
MOST_LINE_BYTES = 64 << 20

# What a cell may consist of: the numbers that single precision has.
SIZE = (0.0, 3.5e38)
STEPS = (1e-45, 3.5e38)

# Raw actions are from −1 to 1, but for the last digit of single precision.
MOST_SAID = 1 + 1e-6

# Added to the variance by layer normalisation.
NORM_EPSILON = 1e-5

Floats = NDArray[np.float64]


class InputError(Exception):
    """A folder or a slot is wrong; the message says what, where, and what would be right."""


class Decision(NamedTuple):
    """What the base station does in a slot.

    Attributes:
        cache: True where the model is cached, one for each model.
        bandwidth: share of the bandwidth, the same up and down, one for each user; 0 for an inactive one.
        steps: share of the base station's denoising steps, one for each user.
    """

    cache: NDArray[np.bool_]
    bandwidth: Floats
    steps: Floats


class Seen(NamedTuple):
    """A slot of n users as an actor reads it, in the single precision that it was trained with.

    Attributes:
        skew: of the popularity.
        requests: index of the model that each user asks for.
        input_bits: size of each request [bit].
        gain: channel power gain of each user, linear.
        active: whether there is a user at this place.
        everybody: whether there is one at every place.
    """

    skew: np.float32
    requests: NDArray[np.int64]
    input_bits: NDArray[np.float32]
    gain: NDArray[np.float32]
    active: NDArray[np.bool_]
    everybody: bool


# A slot of n users -> the raw action: M priorities, n bandwidth values, n step values, all in [−1, 1].
Actor = Callable[[Seen], Floats]


class Policy:
    """An exported actor with the cell it decides for.

    Attributes:
        scenario_id: the cell's; slots that carry another one are refused.
        models: number of models.
        places: most users of a slot; None if there is no limit.
    """

    def __init__(self, folder: str | Path) -> None:
        """Reads what `genedge export` wrote.

        Args:
            folder: the exported folder.

        Raises:
            InputError: something is missing or damaged, or the actor is ONNX and onnxruntime is not installed.
        """
        path = Path(folder) / DESCRIPTION
        cell = _description(path)
        try:
            self.scenario_id = str(cell["scenario_id"])
            self.places = None if cell["places"] is None else int(_number(cell["places"], 1, 1e6))
            models = cell["models"]
            self.models = len(models)
            self._storage = [_number(model["storage_gb"], *SIZE) for model in models]
            self._A3 = np.array([_number(model["A3_steps"], *STEPS) for model in models], np.float64)
            # JSON has no infinity: null stands for a floor that the model cannot reach.
            floors = [model["floor_steps"] for model in models]
            floors = [math.inf if floor is None else _number(floor, *SIZE) for floor in floors]
            self._floor = np.array(floors, np.float64)
            self._has_floor = bool(self._floor.any())
            self._S, self._C = _number(cell["S_steps"], *STEPS), _number(cell["C_gb"], *SIZE)
            # So that storages that add up to C exactly are not lost to rounding.
            self._slack = 1 + _number(cell["tolerance"], 0, 0.01) / 2
            self._temperature = _number(cell["temperature"], 0, 100)
            # Absent where everybody is served.
            self._least_gain = _number(cell.get("least_gain", 0), 0, GAIN[1])
        except (KeyError, TypeError, ValueError) as e:
            raise InputError(f"{path}: damaged ({type(e).__name__}: {e}); export the run again") from None
        actor_path, raw = _actor_file(path, cell)
        # As many as there may be, all but the first ask for the last model: so nothing is too short for any.
        users = self.places or 2
        try:
            self._actor = _actor(actor_path, raw, self.models, self.places)
            bits, gain, active = *np.ones((2, users), np.float32), np.arange(users) > 0
            requests = np.full(users, self.models - 1)
            said = self._said(Seen(np.float32(0), requests, bits, gain, active, False))
        except InputError:
            raise
        except Exception:  # Arrays of wrong names or shapes can fail in many ways.
            said = np.empty(0)
        if not self.models or said.shape != (self.models + 2 * users,):
            raise InputError(f"{path}: does not fit {actor_path.name} beside it; export the run again")

    def decide(self, slot: Mapping[str, Any]) -> Decision:
        """The decision for one slot; it keeps every limit and the quality floor.

        Args:
            slot: what the base station sees, see the top of this file.

        Raises:
            InputError: it is no slot of this cell, or has more users than the actor serves.
        """
        seen = self._seen(slot)
        return self._decode(seen, self._said(seen))

    def action(self, slot: Mapping[str, Any]) -> Floats:
        """What the actor says of one slot, before it is decoded: for comparisons.

        Args:
            slot: what the base station sees.

        Returns:
            Priorities of the models, then bandwidth values and step values of the users, all in [−1, 1].

        Raises:
            InputError: it is no slot of this cell, or has more users than the actor serves.
        """
        return self._said(self._seen(slot))

    def _said(self, seen: Seen) -> Floats:
        action = self._actor(seen)
        # Written so that NaN fails; from such numbers no decision could be made that keeps the limits.
        if not np.abs(action).max() <= MOST_SAID:
            raise InputError("the actor says what is not from -1 to 1; export the run again")
        return action

    def _seen(self, slot: Mapping[str, Any]) -> Seen:
        try:
            if slot.get("scenario_id", self.scenario_id) != self.scenario_id:
                raise InputError(
                    f"a slot of another scenario ({slot['scenario_id']!r:.100}); this actor serves "
                    f"{self.scenario_id!r}"
                )
            skew = slot["skew"]
            of_gain = SEEN if SEEN in slot else "channel_gain"
            of_channel = "channel_gain" if "channel_gain" in slot else of_gain
            requests, bits, gain, active, channel = (
                np.asarray(slot[key]) for key in ("requests", "input_bits", of_gain, "active", of_channel)
            )
        except KeyError as e:
            raise InputError(f"{e} is missing") from None
        except (ValueError, AttributeError):  # Lists of lists of unlike lengths; no mapping at all.
            raise InputError("not a slot: a mapping of lists, with one entry for each user") from None
        if not _is_number(skew) or not 0 <= skew <= LARGEST_SKEW:
            raise InputError(f"skew is {skew!r:.100}; it must be a number from 0 to {LARGEST_SKEW:g}")
        if requests.ndim != 1 or not requests.size or requests.dtype.kind not in "iu":
            raise InputError("requests must be a list of model indices, one for each user")
        users = len(requests)
        if self.places is not None and users > self.places:
            raise InputError(f"{users} users; this actor serves up to {self.places}")
        for key, values, kinds in (
            ("input_bits", bits, "iuf"),
            (of_gain, gain, "iuf"),
            (of_channel, channel, "iuf"),
            ("active", active, "biu"),
        ):
            if values.shape != requests.shape or values.dtype.kind not in kinds:
                what = "true or false" if key == "active" else "numbers"
                raise InputError(f"{key} must be a list of {users}, {what}")
        _check_range("requests", requests, 0, self.models - 1)
        _check_range("input_bits", bits, *BITS)
        _check_range(of_gain, gain, *GAIN)
        if active.dtype.kind != "b":
            _check_range("active", active, 0, 1)
            active = active.astype(bool)
        if "outage" not in slot and of_channel == "channel_gain":
            # Who is served follows from the channels themselves, whatever is seen of them.
            active = active & (channel >= self._least_gain)
        return Seen(
            np.float32(skew),
            requests.astype(np.int64),
            bits.astype(np.float32),
            gain.astype(np.float32),
            active,
            bool(active.all()),
        )

    def _decode(self, seen: Seen, action: Floats) -> Decision:
        """The raw action as a decision that is always feasible."""
        requests, active, everybody = seen.requests, seen.active, seen.everybody
        users = len(requests)
        bandwidth, steps = action[self.models : -users], action[-users:]
        # A little below 1, so that shares sum to at most 1 in whatever order they are added up.
        one = 1 - 1e-15 * users

        weight = np.exp(self._temperature * bandwidth)
        cache = self._filled(action[: self.models].tolist(), requests if everybody else requests[active])
        hit = cache[requests]
        if not everybody:
            weight *= active
            hit &= active
        share = weight * (one / max(float(weight.sum()), 1e-9))

        wanted = hit * wanted_part(steps) * self._A3[requests]
        if not self._has_floor:
            return Decision(cache, share, wanted * min(1 / self._S, one / max(float(wanted.sum()), 1e-9)))
        # Everybody gets the floor first; what is wanted above it is scaled down alike if it exceeds what is left.
        floor = np.where(hit, self._floor[requests], 0.0)
        above = np.maximum(wanted - floor, 0.0)
        spare = max(self._S - float(floor.sum()), 0.0)
        given = floor + above * min(1.0, spare / max(float(above.sum()), 1e-9))
        return Decision(cache, share, given * min(1 / self._S, one / max(float(given.sum()), 1e-9)))

    def _filled(self, priority: list[float], requests: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Caches models by descending priority, each that still fits: its storage and, under a floor, its steps."""
        owed = [0.0] * self.models
        if self._has_floor:
            asked = np.bincount(requests, minlength=self.models).tolist()
            owed = [n * steps if n else 0.0 for n, steps in zip(asked, self._floor.tolist(), strict=True)]
        storage_left, steps_left = self._C * self._slack, self._S * self._slack
        cache = np.zeros(self.models, bool)
        # Of models alike in priority, the first one goes first.
        for m in sorted(range(self.models), key=priority.__getitem__, reverse=True):
            if not priority[m] > 0:
                break
            if self._storage[m] <= storage_left and owed[m] <= steps_left:
                storage_left -= self._storage[m]
                steps_left -= owed[m]
                cache[m] = True
        return cache


def wanted_part(x: Floats) -> Floats:
    """The part of its model's A3 that a user whose model is cached wants; more steps improve nothing.

    Args:
        x: step values of the raw action, in [−1, 1].
    """
    return (1 + x) / 2


def _number(value: Any, least: float, largest: float) -> float:
    # Written so that NaN fails.
    if not (_is_number(value) and least <= value <= largest):
        raise ValueError(f"{value!r:.100} is no number from {least:g} to {largest:g}")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _check_range(key: str, values: NDArray[Any], least: float, largest: float) -> None:
    # Written so that NaN fails.
    if values.min() >= least and values.max() <= largest:
        return
    n = int(np.argmin((values >= least) & (values <= largest)))
    raise InputError(f"{key}[{n}] is {values[n]:g}; it must be from {least:g} to {largest:g}")


# --- Actors ----------------------------------------------------------------------------------------------------
#
# The export has worked everything into the arrays that depends on the catalogue alone, and the scaling of what an
# actor sees; what is left is what differs from slot to slot. NumPy computes in double precision, ONNX in single.


class _Mlp:
    """A multi-layer perceptron; its first layer is taken apart by place."""

    def __init__(self, arrays: Mapping[str, Floats], models: int, places: int) -> None:
        self._models, self._places = models, places
        self._skew0, self._bits0, self._gain0 = (arrays[key] for key in ("skew0", "input_bits0", "log_gain0"))
        self._asked, self._gain, self._bits = (arrays[key] for key in ("asked", "gain_slope", "input_bits_slope"))
        self._first_bias, self._skew = arrays["bias"], arrays["skew_slope"]
        if len(self._asked) != places * models + 1:
            raise ValueError("made for other places or models")
        self._first_of_place = np.arange(places) * models
        count = sum(key.startswith("weight") for key in arrays)
        self._layers = [(arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in range(1, 1 + count)]
        self._norms = _norms(arrays)

    def __call__(self, seen: Seen) -> Floats:
        users = len(seen.requests)
        asks = self._first_of_place[:users] + seen.requests
        gain, bits = np.log(seen.gain, dtype=np.float64) - self._gain0, seen.input_bits - self._bits0
        if not seen.everybody:
            # The last row is zero.
            asks = np.where(seen.active, asks, len(self._asked) - 1)
            gain *= seen.active
            bits *= seen.active
        x = self._asked.take(asks, axis=0).sum(axis=0)
        x += self._first_bias
        x += self._skew * (seen.skew - self._skew0)
        x += gain @ self._gain[:users]
        x += bits @ self._bits[:users]
        for i, (weight, bias) in enumerate(self._layers):
            x = _hidden(self._norms, i, x) @ weight
            x += bias
        np.tanh(x, out=x)
        bandwidth, steps = self._models, self._models + self._places
        return np.concatenate((x[:bandwidth], x[bandwidth : bandwidth + users], x[steps : steps + users]))


class _Equivariant:
    """A network over users and models, whatever the number of users."""

    def __init__(self, arrays: Mapping[str, Floats]) -> None:
        self._arrays = {**arrays, "user": np.concatenate([arrays["user_own"], arrays["user_alike"]])}
        self._skew0, self._bits0, self._gain0 = (arrays[key] for key in ("skew0", "input_bits0", "log_gain0"))
        self._models = len(arrays["own"])
        self._norms = _norms(arrays)

    def __call__(self, seen: Seen) -> Floats:
        a, M, users = self._arrays, self._models, len(seen.requests)
        requests, here = seen.requests, None
        if not seen.everybody:
            # The last row is nobody's.
            requests, here = np.where(seen.active, requests, M), seen.active[:, None]
        count = users if here is None else int(seen.active.sum())
        features = np.empty((users, 4))
        features[:, 0] = np.log(seen.gain, dtype=np.float64) - self._gain0
        features[:, 1] = seen.input_bits - self._bits0
        features[:, 2] = seen.skew - self._skew0
        features[:, 3] = count

        # Users' rows of `asks` are one-hot over the models, and then 1 for all users together.
        asks = a["asks"].take(requests, axis=0)
        x = features @ a["user"]
        x += a["asked"].take(requests, axis=0)
        x = _hidden(self._norms, 0, x)
        if here is not None:
            x *= here

        said = asks.T @ x
        y = said[:M] @ a["askers"]
        y += said[M] @ a["everyone"]
        y += a["own"]
        y = _hidden(self._norms, 1, y)
        together = y.sum(axis=0) @ a["catalogue"]
        together += a["model_again_bias"]
        y = y @ a["model_again"]
        y += together
        y = _hidden(self._norms, 2, y)

        answers = np.empty((M + 1, y.shape[1]))
        np.matmul(y, a["answer"], out=answers[:M])
        answers[:M] += a["answer_bias"]
        answers[M] = y.sum(axis=0) @ a["cell"]
        answers[M] += a["user_again_bias"]
        x = x @ a["user_again"]
        x += asks @ answers
        x = _hidden(self._norms, 3, x)
        x = x @ a["user_last"]
        x += a["user_last_bias"]
        x = _hidden(self._norms, 4, x) @ a["user_out"]
        y = y @ a["model_last"]
        y += a["model_last_bias"]
        y = _hidden(self._norms, 5, y) @ a["model_out"]
        x += a["user_out_bias"]
        y += a["model_out_bias"]
        return np.tanh(np.concatenate((y[:, 0], x[:, 0], x[:, 1])))


def _norms(arrays: Mapping[str, Floats]) -> list[tuple[Floats, Floats, Floats]]:
    """Gain and shift of each hidden layer that is normalised, and what takes the mean over its width."""
    count = sum(key.startswith("norm_gain") for key in arrays)
    gains = [arrays[f"norm_gain{i}"] for i in range(count)]
    return [(gain, arrays[f"norm_shift{i}"], np.full(len(gain), 1 / len(gain))) for i, gain in enumerate(gains)]


def _hidden(norms: list[tuple[Floats, Floats, Floats]], i: int, x: Floats) -> Floats:
    """Normalises over the width if there are norms, then ReLU; the export has made the mean zero already."""
    if norms:
        gain, shift, mean = norms[i]
        variance = (x * x) @ mean
        x /= np.sqrt(variance + NORM_EPSILON)[..., None]
        x *= gain
        x += shift
    return np.maximum(x, 0, out=x)


class _Onnx:
    """An ONNX graph, run by onnxruntime on one thread."""

    def __init__(self, raw: bytes, path: Path, models: int, places: int | None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                f"{path}: needs onnxruntime, which is not installed; install it, or export the run again with "
                f"--format numpy"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime has no common error of its own.
            raise InputError(
                f"{path}: onnxruntime {onnxruntime.__version__} cannot run it ({e}); install a newer one, or "
                f"export the run again with --format numpy"
            ) from None
        self._models, self._places = models, places

    def __call__(self, seen: Seen) -> Floats:
        users = len(seen.requests)
        places = self._places or users
        if users < places:
            # Ones, because the graph takes the logarithm of every gain, those of inactive places too.
            requests, (bits, gain), active = (
                np.zeros(places, int),
                np.ones((2, places), np.float32),
                np.zeros(places, bool),
            )
            requests[:users], bits[:users], gain[:users], active[:users] = seen[1:5]
            seen = Seen(seen.skew, requests, bits, gain, active, False)
        feed = {
            "skew": np.asarray(seen.skew),
            "requests": seen.requests,
            "input_bits": seen.input_bits,
            "channel_gain": seen.gain,
            "active": seen.active,
        }
        action: Floats = self._session.run(["action"], feed)[0].astype(np.float64)
        if users < places:
            bandwidth, steps = self._models, self._models + places
            action = np.concatenate(
                (action[:bandwidth], action[bandwidth : bandwidth + users], action[steps : steps + users])
            )
        return action


# --- Files -----------------------------------------------------------------------------------------------------
#
# Checksums find what was damaged on its way or on its disk. Who means harm can write a file and its checksum anew:
# such a folder is refused where its numbers make no sense, and otherwise decides as it was made to.


def checksum(cell: Mapping[str, Any]) -> str:
    """A hash of what a description says, however it is laid out.

    Args:
        cell: the description; its own `sha256` does not count.

    Raises:
        ValueError: it holds what JSON has not, such as NaN.
    """
    told = {key: value for key, value in cell.items() if key != "sha256"}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _description(path: Path) -> dict[str, Any]:
    missing = f"{path.parent}: not an exported actor (it has no {path.name}); 'genedge export' makes one"
    try:
        cell = json.loads(_read(path, missing))
        written = cell["format"]
        whole = written != FORMAT or cell["sha256"] == checksum(cell)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise InputError(f"{path}: damaged; export the run again")
    if written != FORMAT:
        raise InputError(
            f"{path}: its format is {written!r:.100}; this runner reads {FORMAT!r}; export the run again"
        )
    return dict(cell)


def _actor_file(path: Path, cell: Mapping[str, Any]) -> tuple[Path, bytes]:
    """The actor beside a description: its path and what it holds, once all files are those that are described."""
    try:
        files = dict(cell["files"])
        (actor,) = files.keys() & ACTORS
        if files.keys() != {actor, PROGRAM}:
            raise ValueError(f"its files are {', '.join(files)}")
    except (KeyError, TypeError, ValueError) as e:
        raise InputError(f"{path}: damaged ({type(e).__name__}: {e}); export the run again") from None
    raw = {}
    for name, sha256 in files.items():
        beside = path.parent / name
        raw[name] = _read(beside, f"{beside}: missing; export the run again")
        if hashlib.sha256(raw[name]).hexdigest() != sha256:
            raise InputError(
                f"{beside}: damaged, or of another export than {DESCRIPTION} beside it; export the run again"
            )
    return path.parent / actor, raw[actor]


def _read(path: Path, missing: str) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: no plain file; export the run again")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(missing) from None
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from None


def _actor(path: Path, raw: bytes, models: int, places: int | None) -> Actor:
    if path.suffix == ".onnx":
        return _Onnx(raw, path, models, places)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        arrays = {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in archive.infolist()}
    return _Equivariant(arrays) if places is None else _Mlp(arrays, models, places)


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Floats:
    """An array of an archive; it is no larger than its file says, so no few bytes ask for all of the memory."""
    with archive.open(entry) as stream:
        np.lib.format.read_magic(stream)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        stored = entry.compress_type == zipfile.ZIP_STORED and not fortran and dtype == np.float64
        if not stored or entry.file_size != stream.tell() + math.prod(shape) * dtype.itemsize:
            raise ValueError("none of ours")
        array = np.frombuffer(stream.read(), np.float64).reshape(shape).copy()
    if not np.isfinite(array).all():
        raise ValueError("infinite, or no numbers")
    return array


# --- The program -----------------------------------------------------------------------------------------------


def main() -> None:
    """Reads slots from standard input and prints a decision for each, at once, until the input ends."""
    parser = argparse.ArgumentParser(
        description="Read slots from standard input, print a decision for each, as JSON lines; the actor is the "
        "one beside this file."
    )
    parser.parse_args()
    try:
        if sys.stdin is None or sys.stdout is None:
            raise InputError("standard input or output is closed; slots come in there, and decisions go out")
        policy = Policy(Path(__file__).resolve().parent)
        blank = 0
        for number, line in enumerate(iter(lambda: sys.stdin.buffer.readline(MOST_LINE_BYTES + 1), b""), 1):
            if len(line) > MOST_LINE_BYTES:
                raise InputError(
                    f"standard input line {number}: longer than {MOST_LINE_BYTES >> 20} MiB; give JSON lines"
                )
            # Blank lines at the end do not count.
            if not line.strip():
                blank = blank or number
                continue
            if blank:
                raise InputError(f"standard input line {blank}: blank; give one JSON object per line")
            print(_decision_line(policy, line, f"standard input line {number}"), flush=True)
    except InputError as e:
        _fail(str(e))
    except OSError as e:
        # Keep Python from trying again while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(e, BrokenPipeError):  # Whoever read it has seen enough.
            sys.exit(1)
        _fail(f"standard input or output: {e.strerror or e}")
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> None:
    if sys.stderr is not None:  # Else it would be printed among the decisions.
        print(f"runner: {message}", file=sys.stderr)
    sys.exit(2)


def _decision_line(policy: Policy, line: bytes, place: str) -> str:
    try:
        slot = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise InputError(f"{place}: not valid JSON: {e}") from None
    try:
        cache, bandwidth, steps = policy.decide(slot)
    except InputError as e:
        raise InputError(f"{place}: {e}") from None
    return json.dumps(
        {"cache": cache.astype(int).tolist(), "bandwidth": bandwidth.tolist(), "steps": steps.tolist()}
    )


if __name__ == "__main__":
    main()
