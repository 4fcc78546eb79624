"""The most hits that anybody could have of equal models, who knew the whole trace."""

from heapq import heappop, heappush

import numpy as np
from jaxtyping import Bool

from genedge.edge.schedulers.foreseeing import WholeTrace, neighbours


def most_hits_of_equal(requests: WholeTrace, places: int) -> Bool[np.ndarray, "n"]:
    """Which requests hit under Belady's rule with bypass, for equal models that load in no time.

    Args:
        requests: the whole trace.
        places: how many models fit.
    """
    hit = np.zeros(requests.model.size, bool)
    if places == 0:
        return hit
    needed: dict[int, int] = {}  # Of each model held, when it is needed again.
    latest: list[tuple[int, int]] = []  # The same in a heap, latest first, with what was true before.
    after = neighbours(requests.model)[1].tolist()
    for i, model in enumerate(requests.model.tolist()):
        hit[i] = model in needed
        needed[model] = after[i]
        heappush(latest, (-after[i], model))
        if len(needed) > places:
            while needed.get(latest[0][1]) != -latest[0][0]:
                heappop(latest)
            del needed[heappop(latest)[1]]
    return hit
