"""One thread, and one core to run on: imported first, as threads that are started later stay on it."""

import os

import one_thread  # noqa: F401, sets it

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
