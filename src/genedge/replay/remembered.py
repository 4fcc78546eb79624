"""What a scheduler knows from the time before a box was started anew: how popular models are, and the like."""

from collections.abc import Iterable, Mapping

from genedge.edge.box import Box
from genedge.edge.models import Model
from genedge.edge.request import Request
from genedge.edge.scheduler import Scheduler
from genedge.edge.server import Server
from genedge.replay.journal import Asked
from genedge.replay.simulate import Drive, Open

# So many requests are looked back upon; more would change little, and take long.
REMEMBERED = 20_000


def remember(
    scheduler: Scheduler, past: Iterable[Asked], began: float, box: Box, models: Mapping[str, Model]
) -> None:
    """Takes a scheduler through requests that came before, as if its box had served them.

    That may be another box or scheduler than the one that did. In the end the box is empty, as it is when it is
    started: what was in memory has left, and whoever waited has gone.

    Args:
        scheduler: one that has seen nothing.
        past: the requests, in the order in which they came.
        began: when the box is started, its time 0, in seconds since 1970.
        box: what it decides for.
        models: what each takes; requests for others are not looked at.
    """
    # A clock may have been set back since then.
    times = ((each, min(each.time - began, 0.0)) for each in past if each.model in models)
    requests: list[Request] = []
    for number, (each, time) in enumerate(times):
        own_s = models[each.model].generation_s(each.steps) if each.took_s is None else each.took_s
        after = max(time, requests[-1].time) if requests else time
        requests.append(Request(number, after, each.model, each.user, each.steps, own_s, each.megabytes))
    if not requests:
        return
    server = Server(box, models, scheduler, requests[0].time)
    Drive(server, Open(requests), lambda done: None, lambda request: None).run(until=0.0)
    for queue in [list(queue) for queue in server.waiting.values()]:
        for request in queue:
            server.cancel(0.0, request)
