"""Results of tasks that nobody has done: random numbers of the right shape, the same for the same task."""

import zlib

import numpy as np

from genedge.study.evaluate import METRICS
from genedge.study.folder import Told
from genedge.study.tasks import Measure, Task, key_of


def made_up(task: Task) -> Told:
    """What a task might have found."""
    rng = np.random.default_rng(zlib.crc32(key_of(task).encode()))

    def metrics(episodes: int) -> dict[str, list[float]]:
        return {metric: rng.uniform(0.1, 0.9, episodes).tolist() for metric in METRICS} | {
            "utility": rng.uniform(400, 600, episodes).tolist()
        }

    if isinstance(task, Measure):
        found = {
            "optimum": {str(n): rng.uniform(300, 350, task.episodes).tolist() for n in task.users},
            "policies": {name: {str(n): metrics(task.episodes) for n in task.users} for name in task.policies},
        }
        return {"found": found, "times": {name: float(rng.uniform(0.01, 1)) for name in task.policies}}
    rows = [{"episode": 10 * i, "reward": float(rng.uniform(-600, -400))} for i in range(1, 6)]
    found = {"optimum": rng.uniform(300, 350, task.test_episodes).tolist(), "metrics": metrics(task.test_episodes)}
    return {"found": found | {"rows": rows}, "times": {"decision": float(rng.uniform(0.01, 1)), "training": 1.0}}
