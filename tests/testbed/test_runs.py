"""Three users, a base station and a cloud run: real namespaces where there are any, else paced links."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_cell import loaded, small_cell

from genedge.calibrate.quality import measure
from genedge.errors import InputError
from genedge.testbed.bed import started
from genedge.testbed.generators import Size
from genedge.testbed.links import BUCKET_S, links_of
from genedge.testbed.pictures import damaged, image_of
from genedge.testbed.rows import PARTS, read_rows
from genedge.testbed.run import Wanted, run
from genedge.testbed.summary import summary
from genedge.testbed.tasks import Job, Request

pytestmark = pytest.mark.heavy("torch", "skimage")

HOW = links_of(None).links.how
POLICIES = "knapsack,cloud-only"
PATIENCE_S = 300.0


def until(true, within_s=PATIENCE_S):
    """Waits until something is true."""
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.05)


def descendants(pid):
    """Processes that a process has started, and those that they have."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, more = set(), {pid}
    while more:
        found |= more
        more = {child for child, parent in parents.items() if parent in more} - found
    return found - {pid}


def networks(pids=None):
    """The networks of some processes, but for the machine's own; of all of them unless said otherwise."""
    found = set()
    for pid in [path.name for path in Path("/proc").iterdir()] if pids is None else pids:
        try:
            found.add(os.readlink(f"/proc/{pid}/ns/net"))
        except OSError:
            continue
    return found - {os.readlink("/proc/self/ns/net")}


def command(folder, slots, *more):
    options = f"testbed --scenario small.yaml --policies {POLICIES} --users 3 --slots {slots} --out run"
    return [sys.executable, "-m", "genedge", *options.split(), *more]


def start(folder, slots, *more):
    """Starts a run as a shell does, in a group of its own."""
    with (folder / "err.txt").open("wb") as err:
        return subprocess.Popen(
            ["env", "--default-signal=INT,HUP", *command(folder, slots, *more)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=err,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder in which a run of two slots has come to its end."""
    folder = tmp_path_factory.mktemp("testbed")
    small_cell(folder)
    done = subprocess.run(command(folder, 2), cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    (folder / "out.txt").write_text(done.stdout)
    return folder


def test_every_request_is_there_and_came_as_decided(ran):
    rows = read_rows(ran / "run" / "rows.csv")
    assert [(row.slot, row.policy, row.user) for row in rows] == [
        (slot, policy, user) for slot in (0, 1) for policy in POLICIES.split(",") for user in (0, 1, 2)
    ]
    # A link lets so much through at once, which counts where a transfer takes a few milliseconds.
    at_once_s = BUCKET_S / json.loads((ran / "run" / "summary.json").read_text())["factor"]
    for row in rows:
        assert (
            row.measured_hit == row.predicted_hit == (row.policy == "knapsack" and row.predicted["backhaul_s"] == 0)
        )
        for side in (row.predicted, row.measured):
            assert side["delay_s"] == pytest.approx(sum(side[part] for part in PARTS))
            assert side["utility"] == pytest.approx(0.2 * side["delay_s"] + 0.8 * side["tv"])
        assert row.measured["wait_s"] > -1e-6
        # What waits for others has its turn in the end; nobody is faster than the links.
        for part in ("uplink_s", "downlink_s", "backhaul_s"):
            assert row.measured[part] >= 0.9 * row.predicted[part] - at_once_s
        assert (row.measured["backhaul_s"] == 0) == row.measured_hit


def test_it_says_who_kept_to_the_rates_and_whether_the_ranking_holds(ran):
    out = (ran / "out.txt").read_text()
    assert {"namespaces": "shaped by the kernel", "paced": "senders paced themselves"}[HOW] in out
    assert "Ranking by Σ U" in out
    assert "All times are the scenario's" in out
    found = json.loads((ran / "run" / "summary.json").read_text())
    assert found["links"] == HOW
    assert (found["slots"], found["requests"], found["repeated"]) == (2, 6, 0)
    rows = read_rows(ran / "run" / "rows.csv")
    totals = {
        policy: sum(row.measured["utility"] for row in rows if row.policy == policy) / 2
        for policy in POLICIES.split(",")
    }
    assert found["ranking"]["measured"] == sorted(totals, key=totals.get)
    assert found["policies"]["knapsack"]["utility"]["measured"]["mean"] == pytest.approx(totals["knapsack"])


def test_pictures_come_back_with_the_hole_filled_and_as_good_as_told(ran):
    from genedge.calibrate.pipeline import Recipe

    rows = read_rows(ran / "run" / "rows.csv")
    loaded_models = {model: Recipe(f"small:{model}", eta=0.0).load() for model in {row.model for row in rows}}
    for row in rows:
        of_slot = ran / "run" / "pictures" / str(row.slot)
        sent = image_of((of_slot / f"sent-{row.user}.png").read_bytes())
        got = image_of((of_slot / f"{POLICIES.split(',').index(row.policy)}-{row.user}.png").read_bytes())
        pipeline = loaded_models[row.model]
        whole, mask = pipeline.truth(row.picture)
        known = np.broadcast_to(mask == 1, sent.shape)
        assert (sent[~known] == 0).all()
        np.testing.assert_array_equal(got[known], sent[known])
        # Pictures travel with 256 levels, and the model's own was made of one with more.
        own = pipeline.generate(100, [row.picture])[0]
        told = measure("distance").cost(got[None], own[None], mask[None])[0]
        assert row.measured["tv"] == pytest.approx(told, abs=0.02)
        if row.steps == 0:
            np.testing.assert_array_equal(got, sent)
        else:
            assert (got[~known] > 0).any()
        assert np.abs(whole[known] - sent[known]).max() <= 0.5 / 255 + 1e-6


def test_what_is_done_is_not_done_again(ran):
    before = (ran / "run" / "rows.csv").read_bytes()
    # As a run leaves it that is killed while it writes.
    for left in (".rows.csv.0123456789ab", "pictures/2/0-0.png", "pictures/2/.0-1.png.0123456789ab"):
        (ran / "run" / left).parent.mkdir(exist_ok=True)
        (ran / "run" / left).write_bytes(b"half of it")
    again = subprocess.run(command(ran, 3), cwd=ran, capture_output=True, text=True, timeout=PATIENCE_S)
    assert again.returncode == 0, again.stderr
    after = (ran / "run" / "rows.csv").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 6
    assert not list((ran / "run").rglob(".*"))
    assert (ran / "run" / "pictures" / "2" / "0-0.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--seed", "1"], ("of another run", "seed")),
        (["--factor", "9"], ("--factor", "go on with that")),
        (["--policies", "rcars"], ("of another run", "policies")),
        (["--policies", "nobody"], ("no such policy",)),
        (["--scenario", "paper"], ("none that can run",)),
        (["--quality", "beauty"], ("no such measure",)),
        (["--out", "."], ("holds something else",)),
    ],
)
def test_what_does_not_fit_is_one_line(ran, more, words):
    answer = subprocess.run(command(ran, 2, *more), cwd=ran, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (answer.returncode, answer.stdout) == (2, "")
    (line,) = answer.stderr.strip().splitlines()
    for word in words:
        assert word in line


@pytest.mark.parametrize("how", sorted({HOW, "paced"}))
def test_links_alone_keep_to_their_rates(how):
    links = links_of(how).links
    size = Size(("faces",), 1, False, 0.0)
    with started(2, size, links) as bed:
        picture = damaged("faces", 0)
        in_cloud = bed.make(Job("faces", *picture, 2, 0))
        for request in (
            Request(0, "faces", 0, 3_000_000, 1_500_000, False, 2, 30e6, 40e6, 100e6, 50e6, 0.0),
            Request(1, "faces", 0, 8_000_000, 5_000_000, True, 2, 120e6, 90e6, 100e6, 100e6, 0.0),
        ):
            bits_in, bits_out = 8 * request.input_bytes, 8 * request.output_bytes
            on_backhaul = bits_in / request.to_cloud_bps + bits_out / request.from_cloud_bps
            expected = {
                "uplink_s": bits_in / request.up_bps,
                "downlink_s": bits_out / request.down_bps,
                "backhaul_s": 0.0 if request.hit else on_backhaul,
            }
            # A machine that does other things meanwhile may be late, but not ten times in a row.
            for _ in range(10):
                (served,) = bed.serve([request], [picture], {0: in_cloud})
                found = served.times.parts()
                if all(found[part] == pytest.approx(expected[part], rel=0.05) for part in expected):
                    break
            else:
                pytest.fail(f"{found}, expected {expected}")


def test_a_killed_run_leaves_nothing_and_goes_on(tmp_path):
    small_cell(tmp_path)
    process = start(tmp_path, 3)
    until(lambda: (tmp_path / "run" / "rows.csv").exists() or process.poll() is not None)
    assert process.poll() is None, (tmp_path / "err.txt").read_text()
    children = descendants(process.pid)
    # Not all that there are: other programs have some, too, such as browsers.
    own = networks(children)
    # The base station with its generators, the cloud and the users.
    assert len(children) >= 5
    done = (tmp_path / "run" / "rows.csv").read_bytes()
    process.kill()
    process.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    until(lambda: not networks() & own)
    again = subprocess.run(command(tmp_path, 3), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert again.returncode == 0, again.stderr
    rows = read_rows(tmp_path / "run" / "rows.csv")
    assert (tmp_path / "run" / "rows.csv").read_bytes().startswith(done)
    assert sorted({row.slot for row in rows}) == [0, 1, 2]
    assert not list(tmp_path.rglob(".*"))


def test_ctrl_c_leaves_nothing(tmp_path):
    small_cell(tmp_path)
    process = start(tmp_path, 50)
    until(lambda: (tmp_path / "run" / "rows.csv").exists() or process.poll() is not None)
    children = descendants(process.pid)
    # Not all that there are: other programs have some, too, such as browsers.
    own = networks(children)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE_S) == 130
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    until(lambda: not networks() & own)
    told = (tmp_path / "err.txt").read_text().strip().splitlines()
    assert told[-1] == "genedge: interrupted; the same command goes on from here"
    assert "Traceback" not in "\n".join(told)
    assert not list(tmp_path.rglob(".*"))


def wanted(folder, slots):
    policies = {name: name for name in POLICIES.split(",")}
    return Wanted(loaded(folder), policies, 3, slots, 0, None, 1.0, measure("distance"))


def generators():
    """Processes of this one's base station that have none of their own."""
    return [pid for pid in descendants(os.getpid()) if _parent(pid) != os.getpid() and not descendants(pid)]


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_slot_in_which_a_generator_dies_is_done_again_and_counted(tmp_path):
    killed, told = [], []

    def report(text, done):
        told.append(text)
        if text == "slot 1, knapsack" and not killed:
            killed.extend(generators())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    ran = run(wanted(tmp_path, 2), tmp_path / "run", report)
    assert len(killed) == 3
    assert {row.slot: row.repeated for row in ran.rows} == {0: 0, 1: 1}
    assert summary(ran.rows).repeated == 1
    assert any("a generator of the base station has ended; it is done again" in text for text in told)
    assert len(ran.rows) == 12
    assert ran.facts["why_repeated"] == ["slot 1: a generator of the base station has ended"]


def test_a_slot_that_fails_again_and_again_is_given_up(tmp_path):
    def report(text, done):
        if text == "slot 1, knapsack":
            for pid in generators():
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(InputError, match=r"slot 1: .* has ended; it was tried 3 times"):
        run(wanted(tmp_path, 2), tmp_path / "run", report)
    # What was done is whole, and kept.
    assert {row.slot for row in read_rows(tmp_path / "run" / "rows.csv")} == {0}


def test_few_generators_serve_in_order(tmp_path):
    for shortest_first, last in ((False, "shapes"), (True, "faces")):
        with started(3, Size(("faces", "shapes"), 1, shortest_first, 0.0), links_of("paced").links) as bed:
            requests, pictures = [], []
            # User 0 keeps the only generator busy; user 1 comes before user 2, and takes longer.
            for user, (model, steps, size) in enumerate((("faces", 1000, 1), ("faces", 200, 2), ("shapes", 20, 3))):
                sent = 50_000 * size
                rates = (1e6, 50e6, 100e6, 100e6)
                requests.append(Request(user, model, 0, sent, 100_000, True, steps, *rates, float(steps)))
                pictures.append(damaged(model, 0))
            served = bed.serve(requests, pictures, {})
            waits = {one.request.model: one.times.parts()["wait_s"] for one in served[1:]}
            answered = {one.request.model: one.times.answered for one in served[1:]}
            assert max(answered, key=answered.get) == last, waits
