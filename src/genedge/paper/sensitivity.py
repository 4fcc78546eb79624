"""What an assumed value changes: each is varied over a stated range, and every conclusion is looked at again."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from genedge.statistics import Interval, over_groups
from genedge.text import shown

# The most that the paper's agent saves over RCARS at 10 users [%], first reading.
CLAIMED_SAVING = 30.19

# Every value of the cell that the paper's text does not give, varied to both sides; and the memory, which an
# operator buys: what the row says, and how.
VARIATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "as assumed": (),
        "5 models": ("models.count=5",),
        "20 models": ("models.count=20",),
        "models of 1 to 5 GB": ("models.storage_gb=[1, 5]",),
        "models of 4 to 20 GB": ("models.storage_gb=[4, 20]",),
        "A1 in 20 to 50 steps": ("models.A1_steps=[20, 50]",),
        "A1 in 100 to 150 steps": ("models.A1_steps=[100, 150]",),
        "A2 in 60 to 100 TV": ("models.A2_tv=[60, 100]",),
        "A2 in 150 to 200 TV": ("models.A2_tv=[150, 200]",),
        "A3 in 100 to 150 steps": ("models.A3_steps=[100, 150]",),
        "A3 in 200 to 300 steps": ("models.A3_steps=[200, 300]",),
        "A4 in 1 to 20 TV": ("models.A4_tv=[1, 20]",),
        "A4 in 30 to 80 TV": ("models.A4_tv=[30, 80]",),
        "B1 in 0 to 0.2 s/step": ("models.B1_s_per_step=[0, 0.2]",),
        "B1 in 0 to 0.8 s/step": ("models.B1_s_per_step=[0, 0.8]",),
        "B2 in 0 to 2 s": ("models.B2_s=[0, 2]",),
        "B2 in 0 to 30 s": ("models.B2_s=[0, 30]",),
        "skews 0.2, 0.5, 0.8": ("requests.skew_states=[0.2, 0.5, 0.8]",),
        "skews 0.8, 1.2, 1.6": ("requests.skew_states=[0.8, 1.2, 1.6]",),
        "skew changes rarely": ("requests.transition=[[0.9, 0.1, 0], [0.05, 0.9, 0.05], [0, 0.1, 0.9]]",),
        "skew fresh in each slot": ("requests.transition=[[0.3, 0.4, 0.3], [0.3, 0.4, 0.3], [0.3, 0.4, 0.3]]",),
        "first skew the least": ("requests.first_skew=0",),
        "first skew the largest": ("requests.first_skew=2",),
        "path loss at 1 km 120 dB": ("radio.path_loss_db_at_1_km=120",),
        "path loss at 1 km 140 dB": ("radio.path_loss_db_at_1_km=140",),
        "30 dB per decade": ("radio.path_loss_db_per_decade=30",),
        "45 dB per decade": ("radio.path_loss_db_per_decade=45",),
        "least distance 0.1 m": ("radio.least_distance_m=0.1",),
        "least distance 35 m": ("radio.least_distance_m=35",),
        "noise over the whole band": ("radio.noise_bandwidth=whole",),
        "α weighs the TV": ("objective.alpha_weighs=tv",),
        "memory of 10 GB": ("server.storage_gb=10",),
        "memory of 40 GB": ("server.storage_gb=40",),
        "HCRAS of 1,000 evaluations": ("hcras.generations=10",),
        "HCRAS of 20,000 evaluations": ("hcras.generations=200",),
        "HCRAS, population 20": ("hcras.population=20", "hcras.generations=250"),
        "HCRAS, crossover for 60 %": ("hcras.crossover_probability=0.6",),
        "HCRAS, crossover index 15": ("hcras.crossover_index=15",),
        "HCRAS, mutation of 1 % of genes": ("hcras.mutation_probability=0.01",),
        "HCRAS, mutation of 20 % of genes": ("hcras.mutation_probability=0.2",),
        "HCRAS, mutation index 20": ("hcras.mutation_index=20",),
    }
)

FLOOR = "server.quality_floor={largest_tv: best}"
# What an operator meets besides; it makes a box of the cell, whose optimum nobody knows.
BOXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "loads of 20 s": ("models.load_s=20",),
        "loads of 60 s": ("models.load_s=60",),
        "backhaul shared": ("backhaul.shared=true",),
        "cloud makes 4 at once": ("backhaul.cloud_generators=4",),
    }
)
# The same in a box whose optimum is known: small, no image returned unimproved, all inputs of one size.
_SMALL = ("models.count=5", FLOOR, "server.offload=true", "requests.input_size_mb=7.5")
CERTIFIED_BOXES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"small box": _SMALL} | {f"small box, {label}": (*_SMALL, *changes) for label, changes in BOXES.items()}
)

# What the optimum's lower bound is called where values are looked up; no policy may have this name.
BOUND = "optimum"

# (policy or BOUND, metric, users, with the quality floor) -> a value for each catalogue, (C, 1).
VariedValues = Callable[[str, str, int, bool], np.ndarray]


class Conclusion(NamedTuple):
    """Something that the values as assumed say.

    Attributes:
        heading: in words, then the number that decides, with its unit.
        value: of the measurements, one for each catalogue.
        threshold: where it begins or ends to hold.
        above: whether it holds above the threshold; else below.
        format: of the number.
        boxes: in which boxes it means something: any, those whose optimum is known, or none.
    """

    heading: str
    value: Callable[[VariedValues], np.ndarray]
    threshold: float
    above: bool
    format: str
    boxes: Literal["any", "certified", "none"] = "none"

    def judge(self, values: VariedValues) -> tuple[Interval, bool | None]:
        """The number with its interval, and whether the conclusion holds; None if the interval does not tell.

        Args:
            values: the measurements.
        """
        found = over_groups(self.value(values))
        holds = [(x > self.threshold) == self.above for x in (found.low, found.high)]
        clear = np.isfinite(found.low) and holds[0] == holds[1]
        return found, holds[0] if clear else None


def saved(ours: np.ndarray, base: np.ndarray) -> np.ndarray:
    """How much cheaper ours is, (base − ours) / base [%].

    Args:
        ours: a cost.
        base: another.
    """
    return 100 * (base - ours) / base


def gap(values: VariedValues, policy: str) -> np.ndarray:
    """A policy's gap to the certified optimum at 10 users [%].

    Args:
        values: the measurements.
        policy: its name.
    """
    return -saved(values(policy, "utility", 10, False), values(BOUND, "utility", 10, False))


def _saved_over(base: str, policy: str) -> Callable[[VariedValues], np.ndarray]:
    return lambda v: saved(v(policy, "utility", 10, False), v(base, "utility", 10, False))


def within_one_percent(policy: str, label: str, boxes: Literal["certified", "none"] = "none") -> Conclusion:
    """That a policy comes within one per cent of the optimum.

    Args:
        policy: its name.
        label: what to call it.
        boxes: whether a rule for boxes has that name.
    """
    heading = f"{shown(label)} is within 1 %\n(gap, %)"
    return Conclusion(heading, lambda v: gap(v, policy), 1.0, False, ".2f", boxes)


CONCLUSIONS = (
    Conclusion("HCRAS beats RCARS\n(saved, %)", _saved_over("rcars", "hcras"), 0.0, True, ".1f", "any"),
    Conclusion("the cloud beats RCARS\n(saved, %)", _saved_over("rcars", "cloud-only"), 0.0, True, ".1f", "any"),
    Conclusion("knapsack beats constant\n(saved, %)", _saved_over("constant", "knapsack"), 0.0, True, ".1f", "any"),
    Conclusion(
        f"{CLAIMED_SAVING} % over RCARS is out\nof reach (most saved, %)",
        _saved_over("rcars", BOUND),
        CLAIMED_SAVING,
        False,
        ".1f",
        "certified",
    ),
    within_one_percent("hcras", "HCRAS", "certified"),
    within_one_percent("knapsack", "knapsack", "certified"),
    within_one_percent("learned", "learned"),
    Conclusion(
        "the optimum returns most hits\nunimproved (share, %)",
        lambda v: 100 * v("optimal", "unimproved_ratio", 10, False),
        50.0,
        True,
        ".0f",
    ),
    Conclusion(
        "the optimum's quality is below\nRCARS's (TV above it)",
        lambda v: v("optimal", "tv", 10, False) - v("rcars", "tv", 10, False),
        0.0,
        True,
        ".0f",
    ),
    Conclusion(
        "with the floor, caching saves\nless than 5 % (saved, %)",
        lambda v: saved(v(BOUND, "utility", 10, True), v("cloud-only", "utility", 10, True)),
        5.0,
        False,
        ".1f",
        "certified",
    ),
    Conclusion(
        "the largest hit ratio falls from\n10 to 18 users (change)",
        lambda v: v("greedy", "hit_ratio", 18, False) - v("greedy", "hit_ratio", 10, False),
        0.0,
        False,
        "+.2f",
    ),
)

BACKHAUL_MBIT_PER_S = (1, 3, 10, 30, 100, 1000)
SPEEDS = (0.3, 1, 3, 10, 30)


def faster(speed: float, rate: float) -> tuple[str, ...]:
    """Changes to a cell whose models generate so many times faster, here and in the cloud, over another backhaul.

    Args:
        speed: how many times.
        rate: of the backhaul, both ways [Mbit/s].
    """
    return (
        FLOOR,
        f"models.B1_s_per_step=[0, {0.5 / speed:.6g}]",
        f"models.B2_s=[0, {10 / speed:.6g}]",
        f"backhaul.to_cloud_mbit_per_s={rate}",
        f"backhaul.from_cloud_mbit_per_s={rate}",
    )
