"""What a scenario may ask for: numbers that single precision and lines of slots carry, and sizes that memory holds.

Policies and learners compute in single precision, whose numbers end at 1e-38 and 3e38. The settings' own limits
keep each factor of an equation well inside; what several settings make together is checked here. Whatever passes,
every verb can serve.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from genedge.cell.types import Params
from genedge.errors import InputError

if TYPE_CHECKING:
    from genedge.scenario import GivenModel, Settings

# What a line of slots may hold: sizes of requests [bit], and channel gains.
BITS = (1.0, 1e15)
GAIN = (1e-30, 1e6)

# Places of a slot.
MOST_PLACES = 100_000

# Draws of a user at once: slots are drawn together, and this many take some gigabytes.
MOST_DRAWS = 10**8

# What one array may take [byte]; a few of its size are there at the same time.
MOST_BYTES = 8e9

# Least share of the bandwidth beside an equal one: decisions are a softmax of e^±2, see `cell.feasible.decode`.
LEAST_SHARE = math.exp(-4)

# Signal to noise ratio, and the longest that a request may be under way [s].
MOST_SNR = 1e30
LONGEST_S = 1e15


def check_radio(p: Params) -> None:
    """Refuses cells whose channels or radio delays are beyond the numbers that slots and single precision carry.

    Args:
        p: the scenario as arrays.

    Raises:
        InputError: with what is out of range, and which settings make it.
    """
    gains = p.channel.bounds(p.area_m)
    # Twice what single precision may round.
    if not (2 * GAIN[0] <= gains[0] and 2 * gains[1] <= GAIN[1]):
        raise InputError(
            f"radio: channel gains would go from {gains[0]:.3g} to {gains[1]:.3g}, and slots hold {GAIN[0]:g} to "
            f"{GAIN[1]:g}; change path_loss_db_at_1_km, path_loss_db_per_decade, least_distance_m, the channel or "
            f"cell.area_m"
        )
    share = LEAST_SHARE / MOST_PLACES
    largest_bits = float(np.max(p.models.output_bits))
    for link, band_hz, power_w, bits in (
        ("uplink", float(p.W_up), float(p.p_n), float(p.input_bits[1])),
        ("downlink", float(p.W_dw), float(p.p_BS), largest_bits),
    ):
        noise_hz = share * band_hz if p.noise_over_own_band else band_hz
        worst, best = (power_w * gain / (float(p.N0) * noise_hz) for gain in gains)
        longest_s = bits / (share * band_hz * math.log1p(worst) / math.log(2)) if worst > 0 else math.inf
        if best > MOST_SNR or longest_s > LONGEST_S:
            raise InputError(
                f"radio: the {link}'s signal to noise ratio would reach {best:.3g}, and a request take "
                f"{longest_s:.3g} s; at most {MOST_SNR:g} and {LONGEST_S:g} s are computed with; change its "
                f"bandwidth, power, noise or path loss, or the sizes of requests and results"
            )


def check_models(models: "tuple[GivenModel, ...]") -> None:
    """Refuses models whose quality does not improve, or does so too steeply for single precision.

    Args:
        models: the catalogue.

    Raises:
        InputError: names the model.
    """
    for m, model in enumerate(models):
        if not np.float32(model.A1_steps) < np.float32(model.A3_steps):
            raise InputError(
                f"models: model {m}: A1 ({model.A1_steps:g} steps) must be below A3 ({model.A3_steps:g} steps)"
            )
        if not model.A4_tv <= model.A2_tv:
            raise InputError(
                f"models: model {m}: A4 ({model.A4_tv:g}, the best TV) must not exceed A2 ({model.A2_tv:g})"
            )


def check_cell(s: "Settings", models: int) -> None:
    """Refuses cells whose slots would not fit into memory, before any is drawn.

    Args:
        s: the settings.
        models: M.

    Raises:
        InputError: names the settings that make it large.
    """
    T, places, states = s.cell.slots_per_episode, s.cell.places, len(s.requests.skew_states)
    if T * places > MOST_DRAWS:
        raise InputError(
            f"cell.slots_per_episode ({T}) times cell.places ({places}) must be at most {MOST_DRAWS}: slots are "
            f"drawn together"
        )
    refuse_large("cell.slots_per_episode, cell.places and the number of models", decided(T, models, places))
    refuse_large("cell.slots_per_episode and requests.skew_states", T * states**2)


def decided(slots: int, models: int, places: int) -> int:
    """Numbers that it takes to decide slots at once: models are ranked against models, and against requests.

    Args:
        slots: how many.
        models: M.
        places: N.
    """
    return slots * models * (models + places)


def refuse_large(keys: str, numbers: int) -> None:
    """Refuses an array that would not fit into memory.

    Args:
        keys: the settings that make it large, for the message.
        numbers: how many it holds, of four bytes each.

    Raises:
        InputError: it would not fit.
    """
    if 4 * numbers > MOST_BYTES:
        raise InputError(
            f"{keys}: they would take {4 * numbers / 1e9:.3g} GB of memory, more than "
            f"{MOST_BYTES / 1e9:g}; make one of them smaller"
        )
