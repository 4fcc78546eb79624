"""Boxes on a real Ray cluster behind one door: routed to their models; a box is killed, and a node."""

import os
import signal
import threading
import time

import pytest
from live_server import alive, live, until

from genedge.errors import InputError

pytestmark = [
    pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client", "ray"),
    # Ray starts its daemons by fork, of which JAX warns; they never call it.
    pytest.mark.filterwarnings("ignore:os.fork\\(\\) was called:RuntimeWarning"),
]

# By the catalogue a load takes long, so that it shows where requests go; in truth it is quick.
BOX = """
name: node
gpus: [{{memory_gb: 4}}]
models:
  defaults: {{memory_gb: 2, load_s: 4, B1_s_per_step: 0, B2_s: 0.1,
    worker: {{command: "{python} {echo} {{port}} 0", health: /healthz}}}}
  a: {{}}
  b: {{}}
  c: {{}}
  d: {{}}
  broken: {{worker: {{command: "{python} -c 'raise SystemExit(7)' {{port}}", health: /healthz}}}}
"""


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.other = made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def door(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("door")
    options = ("--engine", "ray", "--address", cluster.address, "--boxes", "2", "--shadow", "", "--drain", "5")
    with live(folder, *options, box=BOX) as served:
        until(lambda: all(box["has"] is not None for box in boxes(served)), within_s=120)
        yield served


def boxes(door):
    return door.box()["boxes"]


def rest(door):
    """Waits until the boxes have said that they have nothing to do."""
    until(lambda: all(box["busy_s"] == 0 for box in boxes(door) if box["has"] is not None), within_s=60)


def test_requests_go_to_their_model_and_models_to_where_there_is_room(door):
    first = {}
    for model in "abcd":
        first[model] = door.ask(model)
        # A box says every half second how it is: what it is still taken to do would count against it.
        time.sleep(1)
        rest(door)
    assert [answer.status_code for answer in first.values()] == [200] * 4
    of = {model: answer.headers["x-genedge-box"] for model, answer in first.items()}
    # Each box has room for two of the four.
    assert sorted(of.values()) == ["0", "0", "1", "1"]
    rest(door)
    for _ in range(3):
        for model in "dcba":
            answer = door.ask(model)
            assert answer.headers["x-genedge-box"] == of[model]
            assert answer.json()["pid"] == first[model].json()["pid"]
    assert sorted(name for box in boxes(door) for name in box["has"]) == list("abcd")
    models = {each["id"]: each["resident"] for each in door.client.get("/v1/models").json()["data"]}
    assert models == {"a": True, "b": True, "c": True, "d": True, "broken": False}


def test_what_is_wrong_is_said_by_a_box(door):
    assert door.ask("zz").status_code == 404
    assert "there is no model 'zz'" in door.ask("zz").json()["error"]["message"]
    assert door.client.post("/x", content=b"{").status_code == 404
    broken = door.ask("broken")
    assert broken.status_code == 502
    assert "has ended with status 7" in broken.json()["error"]["message"]
    assert door.client.get("/healthz").text == "ok\n"
    assert 'genedge_door_box_answers{box="1"} 1' in door.client.get("/metrics").text


def test_a_hot_model_comes_to_the_second_box(door):
    """Once the queue of one is longer than a load takes."""
    stop = threading.Event()

    def keep_asking(user):
        while not stop.is_set():
            assert door.ask("a", takes_s=0.5, user=user).status_code == 200

    threads = [threading.Thread(target=keep_asking, args=(f"u{i}",)) for i in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: sum("a" in (box["has"] or ()) for box in boxes(door)) == 2, within_s=120)
    stop.set()
    for thread in threads:
        thread.join()


def test_a_box_that_is_killed_while_it_generates_costs_no_request_and_comes_back(door):
    rest(door)
    pid = door.ask("b").json()["pid"]
    found = []
    asks = threading.Thread(target=lambda: found.append(door.ask("b", takes_s=6)))
    asks.start()
    until(lambda: door.box()["underway"] or busy(door), within_s=60)
    time.sleep(1)
    os.kill(parent(pid), signal.SIGKILL)
    asks.join()
    assert found[0].status_code == 200
    assert found[0].json()["pid"] != pid
    until(lambda: not alive(pid), within_s=60)
    until(lambda: all(box["has"] is not None for box in boxes(door)), within_s=120)


def test_a_node_is_killed_and_the_other_serves_on(cluster, door):
    rest(door)
    held_by = {parent(door.ask(model).json()["pid"]) for model in "abcd" * 2}
    assert len(held_by) == 2
    stop, answers = threading.Event(), []

    def keep_asking():
        while not stop.is_set():
            answers.append(door.ask("ab"[len(answers) % 2]).status_code)

    asks = threading.Thread(target=keep_asking)
    asks.start()
    until(lambda: len(answers) > 5, within_s=60)
    cluster.remove_node(cluster.other, allow_graceful=False)
    until(lambda: sum(box["has"] is None for box in boxes(door)) == 1, within_s=120)
    before = len(answers)
    until(lambda: len(answers) > before + 5, within_s=60)
    stop.set()
    asks.join()
    assert set(answers) == {200}
    # What the node ran has ended, and the rest has not.
    until(lambda: sum(map(alive, held_by)) == 1, within_s=60)
    # A new node, and the box is there again.
    cluster.add_node(num_cpus=1)
    until(lambda: all(box["has"] is not None for box in boxes(door)), within_s=180)
    assert door.ask("a").status_code == 200


def busy(door):
    return any(box["busy_s"] for box in boxes(door))


def parent(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[1])


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_nobody_answers(tmp_path, address):
    with (
        pytest.raises(AssertionError, match="no Ray cluster answers there"),
        live(tmp_path, "--engine", "ray", "--address", address, box=BOX),
    ):
        pass


def test_a_box_that_does_not_start_says_why(cluster, tmp_path):
    cluster.add_node(num_cpus=1)
    pinned = BOX + "pins: [broken]\n"
    options = ("--engine", "ray", "--address", cluster.address, "--boxes", "1")
    with pytest.raises(AssertionError, match="has ended with status 7"), live(tmp_path, *options, box=pinned):
        pass


def test_without_ray_it_says_what_to_install(monkeypatch):
    import sys

    from genedge.clusters import connected

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'genedge\[ray\]'"), connected(None, {}):
        pass
