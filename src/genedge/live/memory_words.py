"""How programs say that they have run out of memory, and how a box does."""

import re

from genedge.edge.live_server import LiveServer
from genedge.edge.request import Request
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


def shut_out(server: LiveServer, request: Request) -> Failure:
    """Why a request can be served nowhere as long as other programs hold what they do.

    Args:
        server: the box, which they shut it out of.
        request: it.
    """
    takes = server.models[request.model]
    need_mb = takes.memory_mb + (takes.working_mb if request.working_mb is None else request.working_mb)
    state = max(server.gpus, key=lambda state: state.memory_mb - state.others_mb)
    have = f"of {state.memory_mb} MB for models, pinned ones included, other programs hold {state.others_mb}"
    return Failure("memory", f"{request.model} takes {need_mb} MB, and {have}")


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
