"""A base station written a second time: a clock that jumps from event to event, and sees who waits."""

import heapq


def simulated(generators, shortest_first, arrivals_s, takes_s):
    """How long each of several requests waits.

    At every instant those whose generation ends leave first, then whoever arrives joins the queue; then, as long as
    a generator is free, the next one begins: the shortest or the first, of those alike the first, then the lowest.
    """
    events = [(arrival_s, n, True) for n, arrival_s in enumerate(arrivals_s)]
    heapq.heapify(events)
    queue, busy, waits_s = [], 0, [0.0] * len(events)
    while events:
        now = events[0][0]
        while events and events[0][0] == now:
            _, n, arrives = heapq.heappop(events)
            busy -= not arrives
            if arrives:
                queue.append(n)
        while busy < generators and queue:
            n = min(queue, key=lambda n: (takes_s[n] if shortest_first else 0.0, arrivals_s[n], n))
            queue.remove(n)
            waits_s[n] = now - arrivals_s[n]
            heapq.heappush(events, (now + takes_s[n], n, False))
            busy += 1
    return waits_s
