"""Numbers that lines of slots carry, and sizes that memory holds."""

from genedge.errors import InputError

# What a line of slots may hold: sizes of requests [bit], and channel gains.
BITS = (1.0, 1e15)
GAIN = (1e-34, 1e6)

# Places of a slot.
MOST_PLACES = 100_000

# Draws of a user at once: slots are drawn together, and this many take some gigabytes.
MOST_DRAWS = 10**8

# What one array may take [byte]; a few of its size are there at the same time.
MOST_BYTES = 8e9


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
