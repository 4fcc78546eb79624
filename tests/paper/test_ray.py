"""A real cluster of two nodes on this machine; one of them is killed in the midst of the work."""

import sys
import time

import pytest

from genedge.engines import on_cores, on_ray
from genedge.errors import InputError
from genedge.paper.tasks import Measure, Train

TRAIN = Train("paper", ("ddpg.warmup_slots=20", "ddpg.batch=8", "ddpg.hidden_layers=[8]"), 1, 3, "ddpg", 30, 0, 1)
TASKS = [TRAIN, *(Measure("paper", (), c, (3,), ("rcars", "hcras", "knapsack"), 1, "") for c in range(1, 8))]


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'genedge\[ray\]'"):
        on_ray(None)


# Ray starts its daemons by fork, of which JAX warns; they never call it.
@pytest.mark.filterwarnings("ignore:os.fork\\(\\) was called:RuntimeWarning")
@pytest.mark.heavy("ray")
def test_a_node_is_killed_midway(tmp_path):
    """All is done all the same, and bit by bit as on this machine's cores."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    other = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    try:
        found = {}
        for task, result in on_ray(cluster.address)(dict.fromkeys(TASKS, tmp_path)):
            found[task] = result
            if len(found) == 2:
                cluster.remove_node(other, allow_graceful=False)
                time.sleep(1)
    finally:
        cluster.shutdown()
    assert found.keys() == set(TASKS)
    for task, result in on_cores({task: tmp_path / task.key for task in TASKS}):
        assert result.numbers == found[task].numbers
        if task == TRAIN:
            assert result.files["best.npz"] == found[task].files["best.npz"]


@pytest.mark.heavy("ray")
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_nobody_answers(tmp_path, address):
    with pytest.raises(InputError, match="no Ray cluster answers there"):
        list(on_ray(address)(dict.fromkeys(TASKS, tmp_path)))
