"""The box: GPUs with memory of their own, a queue, perhaps a cloud. Events go in, actions come out.

Nothing here has a clock or does I/O: time is an argument, and whoever drives a box, simulated or live, carries out
what it is told. The same objects decide in both. What a scheduler of one's own is made of is public.
"""

from genedge.edge.scheduler import Action, Load, Offload, Scheduler, Serve, View, Wait

__all__ = ["Action", "Load", "Offload", "Scheduler", "Serve", "View", "Wait"]
