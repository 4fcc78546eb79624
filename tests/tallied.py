"""A replay through a box, made in a test: what is noted of it."""

from genedge.boxes.schedulers import scheduler_of
from genedge.edge.request import Request
from genedge.edge.server import Server
from genedge.replay.queue_tally import QueueTally
from genedge.replay.simulate import Open, simulate


def replayed(rows, models, box, name="fifo+lru"):
    """Rows of time, model, user and steps through a box; the tally, and each result."""
    tally, dones = QueueTally(rows[0][0]), []

    def done(d):
        tally.add(d)
        dones.append(d)

    requests = (Request(i, *row, models[row[1]].generation_s(row[3])) for i, row in enumerate(rows))
    server = Server(box, models, scheduler_of(name, box, models), rows[0][0])
    end = simulate(server, Open(requests), done, tally.refuse)
    tally.close(server, max(end, rows[-1][0]))
    return tally, dones
