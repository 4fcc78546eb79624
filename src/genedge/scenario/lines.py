"""JSON lines: slots and decisions, read with care and written exactly."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import jax
import numpy as np

from genedge.cell.types import Decision, Slot
from genedge.errors import InputError
from genedge.files import open_input
from genedge.limits import BITS, GAIN, MOST_DRAWS
from genedge.scenario.scenario import Scenario
from genedge.settings.reading import read_json
from genedge.text import nearest, shortened

# All slots are decided at once, and Python's lists of numbers take a few times as much as their text. A line of the
# largest cells has some tens of MiB.
MOST_BYTES = 1 << 30
MOST_LINE_BYTES = 64 << 20

# What the base station sees of the channels, in a line of slots where that is something else.
SEEN = "seen_channel_gain"

# What a line of slots may say; other fields are of no account, unless they look like one of these.
FIELDS = (
    *("scenario_id", "episode", "skew", "requests", "input_bits", "output_bits", "channel_gain", SEEN),
    *("position_m", "active", "outage"),
)


def lines_of_file(path: Path, option: str) -> Iterator[str]:
    """Lines of a text file, or of a pipe, as they come.

    Args:
        path: the file.
        option: the option that named it, for messages.

    Raises:
        InputError: it cannot be read, is not text, or is too large.
    """
    try:
        with open_input(path) as file:
            yield from _lines(file, str(path))
    except OSError as e:
        raise InputError(f"{option} {path}: cannot be read: {e.strerror or e}") from None


def lines_of_standard_input() -> Iterator[str]:
    """Lines of standard input, as they come.

    Raises:
        InputError: it is closed, cannot be read, is not text, or is too large.
    """
    if sys.stdin is None:
        raise InputError("standard input is closed; give JSON lines there")
    try:
        yield from _lines(sys.stdin.buffer, "standard input")
    except OSError as e:
        raise InputError(f"standard input cannot be read: {e.strerror or e}; give JSON lines there") from None


def _lines(file: IO[bytes], source: str) -> Iterator[str]:
    # Only line feeds end lines: other separators may stand in JSON strings.
    number, size = 0, 0
    while raw := file.readline(MOST_LINE_BYTES + 1):
        number, size = number + 1, size + len(raw)
        if len(raw) > MOST_LINE_BYTES:
            raise InputError(f"{source} line {number}: longer than {MOST_LINE_BYTES >> 20} MiB; give JSON lines")
        if size > MOST_BYTES:
            raise InputError(f"{source}: larger than {MOST_BYTES >> 20} MiB; give its lines in several parts")
        try:
            # A byte order mark is dropped.
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\n")
        except UnicodeDecodeError:
            raise InputError(f"{source} line {number}: not UTF-8 text; give JSON lines") from None


def slot_lines(scenario: Scenario, slots: Slot) -> Iterator[str]:
    """Slots as JSON lines.

    Args:
        scenario: the cell they are of.
        slots: K slots, leading axis K.
    """
    output_bits, skews = scenario.params.models.output_bits, scenario.params.skews
    for k in range(slots.requests.shape[0]):
        requests = np.asarray(slots.requests[k])
        seen = {} if slots.seen_gain is None else {SEEN: np.asarray(slots.seen_gain[k], np.float64).tolist()}
        yield json.dumps(
            {
                "scenario_id": scenario.id,
                # Drawn in float32; the scenario knows the state to the last digit.
                "skew": float(skews[np.argmin(np.abs(skews - slots.skew[k]))]),
                "requests": requests.tolist(),
                "input_bits": np.asarray(slots.input_bits[k], np.float64).tolist(),
                "output_bits": output_bits[requests].tolist(),
                "channel_gain": np.asarray(slots.gain[k], np.float64).tolist(),
                **seen,
                "position_m": np.asarray(slots.position_m[k], np.float64).tolist(),
                "active": np.asarray(slots.active[k]).tolist(),
                **({} if slots.outage is None else {"outage": np.asarray(slots.outage[k]).tolist()}),
            }
        )


def read_slots(lines: Iterable[str], source: str, scenario: Scenario) -> tuple[Slot, list[int]]:
    """Slots from JSON lines, as `slots` writes them, or as anyone does who knows requests, sizes and gains.

    Args:
        lines: the text, line by line.
        source: what to call it in messages.
        scenario: the cell they must be of.

    Returns:
        K slots in float64, all as wide as the widest, further places inactive; and the number of places of each.

    Raises:
        InputError: a line is no slot of this scenario; names the line and the field.
    """
    rows = [_slot(line, place, scenario) for place, line in _placed(lines, source)]
    return _stacked(rows, scenario)


def read_episodes(lines: Iterable[str], source: str, scenario: Scenario) -> Slot:
    """Episodes from JSON lines of slots: those of one `episode`, or as many as the scenario's episodes have.

    Args:
        lines: the text, line by line.
        source: what to call it in messages.
        scenario: the cell they must be of.

    Returns:
        E episodes of T slots in float64, fields with leading axes (E, T), all as wide as the widest slot.

    Raises:
        InputError: a line is no slot of this scenario; or slots make no whole episodes, or are too many.
    """
    T, places = scenario.settings.cell.slots_per_episode, scenario.settings.cell.places
    rows: list[dict[str, Any]] = []
    ordered: list[tuple[str, Any]] = []
    users = 0
    for place, line in _placed(lines, source):
        row = _slot(line, place, scenario)
        width = len(row["requests"])
        if width > places:
            raise InputError(f"{place}: {width} users, but the cell has {places} places; --set cell.places={width}")
        if not any((*row["active"], *row.get("outage", ()))):
            raise InputError(f"{place}: nobody is there; leave such slots out")
        users = max(users, width)
        if users * (len(rows) + 1) > MOST_DRAWS:
            raise InputError(f"{place}: too many slots at once; slots times users may be {MOST_DRAWS}")
        ordered.append((place, row.pop("episode")))
        # Lists of numbers take several times as much.
        rows.append({key: np.asarray(value) for key, value in row.items()})
    _check_whole(ordered, source, T)
    slots = _stacked(rows, scenario)[0]
    return jax.tree.map(lambda x: x.reshape(-1, T, *x.shape[1:]), slots)


def _check_whole(ordered: list[tuple[str, Any]], source: str, T: int) -> None:
    """Refuses slots that make no whole episodes, given the place and the episode of each."""
    if all(episode is None for _, episode in ordered):
        if not ordered or len(ordered) % T:
            raise InputError(
                f"{source}: {len(ordered)} slots are no whole episodes of {T} (cell.slots_per_episode)"
            )
        return
    for episode, group in groupby(ordered, key=lambda each: each[1]):
        slots = list(group)
        if len(slots) != T:
            told = "no 'episode'" if episode is None else f"episode {shortened(episode)}"
            raise InputError(
                f"{slots[0][0]}: {len(slots)} slots in a row have {told}; an episode of this scenario has {T} "
                f"(cell.slots_per_episode)"
            )


def _stacked(rows: list[dict[str, Any]], scenario: Scenario) -> tuple[Slot, list[int]]:
    """Slots side by side, as wide as the widest, and how many places each had."""
    widths = [len(row["requests"]) for row in rows]
    places = max(widths, default=1)

    def stack(key: str, fill: Any, kind: type, shape: tuple[int, ...] = ()) -> np.ndarray:
        stacked: np.ndarray = np.full((len(rows), places, *shape), fill, kind)
        for k, row in enumerate(rows):
            stacked[k, : widths[k]] = row[key]
        return stacked

    slots = Slot(
        skew=np.array([row["skew"] for row in rows], np.float64),
        requests=stack("requests", 0, int),
        input_bits=stack("input_bits", 1.0, float),
        gain=stack("channel_gain", 1.0, float),
        position_m=stack("position_m", 0.0, float, (2,)),
        active=stack("active", False, bool),
        outage=None if scenario.params.outage is None else stack("outage", False, bool),
        seen_gain=stack(SEEN, 1.0, float) if any(map(_seen_otherwise, rows)) else None,
    )
    return slots, widths


def _seen_otherwise(row: dict[str, Any]) -> bool:
    return not np.array_equal(row[SEEN], row["channel_gain"])


def _refuse_misspelt(row: Mapping[str, Any], place: str) -> None:
    """Most fields may be missing: a misspelt one would be, in silence."""
    for key in row:
        if key not in FIELDS and (meant := nearest(key, FIELDS)):
            raise InputError(f"{place}: {shortened(key)} is no field of a slot; did you mean {meant!r}?")


def _slot(line: str, place: str, scenario: Scenario) -> dict[str, Any]:
    row = _mapping(line, place)
    _refuse_misspelt(row, place)
    if row.get("scenario_id", scenario.id) != scenario.id:
        raise InputError(
            f"{place}: a slot of another scenario ({shortened(row['scenario_id'])}); this is {scenario.name}, "
            f"{scenario.id!r}. Give the same --scenario and --set with which the slots were made"
        )
    models = scenario.params.models.output_bits
    requests = _field(row, "requests", place)
    if not isinstance(requests, list) or not requests:
        raise InputError(f"{place}: requests must be a list of model indices, one per user")
    users = len(requests)
    for n, model in enumerate(requests):
        if isinstance(model, bool) or not isinstance(model, int) or not 0 <= model < len(models):
            raise InputError(
                f"{place}: requests[{n}] is {shortened(model)}; it must be a model's index, "
                f"from 0 to {len(models) - 1}"
            )
    # What can be told from the others, or no cost depends on.
    row = {
        "active": [True] * users,
        "output_bits": [float(models[model]) for model in requests],
        "skew": float(scenario.params.skews[0]),
        **row,
    }
    active = _flags(row, "active", users, place)
    skew, states = _number(_field(row, "skew", place), "skew", place), scenario.params.skews
    if not np.isclose(skew, states).any():
        known = ", ".join(f"{state:g}" for state in states)
        raise InputError(f"{place}: skew is {skew:g}, no state of this scenario; they are {known}")
    checked: dict[str, Any] = {
        "episode": row.get("episode"),
        "skew": skew,
        "requests": requests,
        "active": active,
    }
    # What is not seen otherwise is seen as it is.
    row = {SEEN: row.get("channel_gain")} | row
    for key, (least, largest) in (("input_bits", BITS), ("channel_gain", GAIN), (SEEN, GAIN)):
        checked[key] = _numbers(row, key, users, place)
        for n, value in enumerate(checked[key]):
            if not least <= value <= largest:
                raise InputError(f"{place}: {key}[{n}] is {value:g}; it must be from {least:g} to {largest:g}")
    for n, (model, bits) in enumerate(zip(requests, _numbers(row, "output_bits", users, place), strict=True)):
        if abs(bits - models[model]) > 1e-6 * models[model]:
            raise InputError(
                f"{place}: output_bits[{n}] is {bits:.10g}, but model {model} of this scenario gives "
                f"{models[model]:.10g} bits"
            )
    checked |= _served(row, scenario, active, checked["channel_gain"], place)
    position = row.get("position_m", [[0.0, 0.0]] * users)  # No cost depends on it.
    if not isinstance(position, list) or len(position) != users:
        raise InputError(f"{place}: position_m must be a list of {users} pairs [x, y]")
    checked["position_m"] = [
        _numbers({"position_m": pair}, "position_m", 2, f"{place}: user {n}") for n, pair in enumerate(position)
    ]
    return checked


def _served(
    row: dict[str, Any], scenario: Scenario, active: list[bool], gain: list[float], place: str
) -> dict[str, list[bool]]:
    """Who is there and served, and who is in an outage; of a line that does not tell outages, the gains do."""
    if scenario.params.outage is None:
        return {}
    least = float(scenario.params.outage.least_gain)
    if "outage" not in row:
        weak = [here and each < least for here, each in zip(active, gain, strict=True)]
        return {"outage": weak, "active": [here and not out for here, out in zip(active, weak, strict=True)]}
    outage = _flags(row, "outage", len(active), place)
    for n, (here, out, each) in enumerate(zip(active, outage, gain, strict=True)):
        # Slots are drawn in single precision.
        if (here and (out or each < least * (1 - 1e-6))) or (out and each > least * (1 + 1e-6)):
            raise InputError(
                f"{place}: user {n} has active {here} and outage {out} at a channel gain of {each:g}; below "
                f"{least:g} (radio.outage_gain_db) it is an outage, and from there on active"
            )
    return {"outage": outage}


def decision_line(decision: Decision, k: int, places: int, extra: dict[str, Any]) -> str:
    """One decision as a JSON line.

    Args:
        decision: K decisions in float64.
        k: which.
        places: how many places its slot has.
        extra: what else to say in the line.
    """
    return json.dumps(
        {
            "cache": decision.cache[k].astype(int).tolist(),
            "bandwidth": decision.bandwidth[k, :places].tolist(),
            "steps": decision.steps[k, :places].tolist(),
            **extra,
        }
    )


def read_decisions(lines: Iterable[str], source: str, models: int, widths: list[int], of: str) -> Decision:
    """Decisions from JSON lines, as `decide` writes them; whether they are feasible is checked elsewhere.

    Args:
        lines: the text, line by line.
        source: what to call it in messages.
        models: M.
        widths: number of places of each slot they decide.
        of: what to call the slots in messages.

    Returns:
        K decisions in float64, padded with zeros to the widest.

    Raises:
        InputError: a line is no decision, lists have wrong lengths, or their number is not that of the slots.
    """
    cache: list[list[bool]] = []
    bandwidth, steps = [], []
    for place, line in _placed(lines, source):
        if len(cache) == len(widths):
            raise InputError(f"{place}: one decision too many; {of} has {len(widths)} slots")
        width = widths[len(cache)]
        row = _mapping(line, place)
        bits = _list(row, "cache", models, place)
        for m, bit in enumerate(bits):
            if bit not in (0, 1):
                raise InputError(f"{place}: breaks (11a) cache is 0 or 1 per model: cache[{m}] is {shortened(bit)}")
        cache.append([bool(bit) for bit in bits])
        missing = [0.0] * (max(widths) - width)
        bandwidth.append(_numbers(row, "bandwidth", width, place) + missing)
        steps.append(_numbers(row, "steps", width, place) + missing)
    if len(cache) < len(widths):
        raise InputError(
            f"{source} has {len(cache)} decisions, but {of} has {len(widths)} slots; give one for each"
        )
    shape = len(widths), max(widths, default=0)
    return Decision(
        np.array(cache, bool).reshape(len(widths), models),
        np.array(bandwidth, float).reshape(shape),
        np.array(steps, float).reshape(shape),
    )


def _placed(lines: Iterable[str], source: str) -> Iterator[tuple[str, str]]:
    """Each line with its place, counted from 1; blank lines at the end do not count."""
    blank = 0
    for i, line in enumerate(lines, 1):
        if line.strip():
            if blank:
                raise InputError(f"{source} line {blank}: blank; give one JSON object per line")
            yield f"{source} line {i}", line
        elif not blank:
            blank = i


def _mapping(line: str, place: str) -> dict[str, Any]:
    row = read_json(line, place)
    if not isinstance(row, dict):
        raise InputError(f"{place}: must be a JSON object, such as {{...}}")
    return row


def _field(row: dict[str, Any], key: str, place: str) -> Any:
    if key not in row:
        raise InputError(f"{place}: {key!r} is missing")
    return row[key]


def _list(row: dict[str, Any], key: str, length: int, place: str) -> list[Any]:
    values = _field(row, key, place)
    if not isinstance(values, list) or len(values) != length:
        got = f"has {len(values)} entries" if isinstance(values, list) else "is no list"
        raise InputError(f"{place}: {key} {got}; it must be a list of {length}")
    return values


def _flags(row: dict[str, Any], key: str, length: int, place: str) -> list[bool]:
    flags = _list(row, key, length, place)
    for n, flag in enumerate(flags):
        if flag not in (0, 1):
            raise InputError(f"{place}: {key}[{n}] is {shortened(flag)}; it must be true or false")
    return [bool(flag) for flag in flags]


def _number(value: Any, name: str, place: str) -> float:
    # The comparison also refuses NaN, infinities, and whole numbers beyond any float.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and abs(value) <= sys.float_info.max):
        raise InputError(f"{place}: {name} is {shortened(value)}; it must be a finite number")
    return float(value)


def _numbers(row: dict[str, Any], key: str, length: int, place: str) -> list[float]:
    return [_number(v, f"{key}[{n}]", place) for n, v in enumerate(_list(row, key, length, place))]
