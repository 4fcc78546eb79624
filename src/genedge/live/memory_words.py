"""How programs say that they have run out of memory, and how a box does."""

import re

from genedge.edge.server import Server
from genedge.live.jobs import Failure

WORDS = re.compile(
    r"out[ _-]?of[ _-]?memory|MemoryError|OutOfMemory|bad_alloc|cannot allocate memory|failed to allocate|"
    r"unable to allocate|can't allocate memory|insufficient memory|not enough memory|ErrorOutOfDeviceMemory|"
    r"STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


def tells_of_memory(said: str) -> bool:
    """Whether somebody says that there is not enough memory.

    Args:
        said: by a library, a compiler or a server.
    """
    return WORDS.search(said) is not None


def need_and_have(failure: Failure, server: Server, gpu: int, model: str) -> Failure:
    """Why a model could not be loaded, with what it needs and has.

    Args:
        failure: as its worker said it.
        server: the box, in which it still loads.
        gpu: where.
        model: its name.
    """
    state, need_mb = server.gpus[gpu], server.models[model].memory_mb
    have = f"{state.free_mb + need_mb} of {state.memory_mb} MB were held by none"
    return Failure("memory", f"{failure.message}; {model} needs {need_mb} MB, and {have}")
