"""`genedge calibrate`: a pipeline whose truth is known is found out; what goes wrong is said, nothing is lost."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest
from command_line import call

from genedge.catalogue.load import load_catalogue

FAKE = '''
import os
import time
import numpy as np


class Fake:
    """Quality in three pieces, 1 ms an evaluation and 3 ms besides; twice as many evaluations as steps."""

    train_steps = 240

    def __init__(self):
        self.evaluations = 0
        time.sleep(0.15)

    def generate(self, steps, numbers):
        time.sleep(0.003 + 0.002 * steps)
        self.evaluations += 2 * steps
        cost = float(np.interp(steps, [8, 20], [0.5, 0.1]))
        images = []
        for number in numbers:
            level = np.random.default_rng(number).normal(0, 0.01)
            seen = np.random.default_rng([number, steps]).normal(0, 0.004)
            images.append(np.full((1, 4, 4), cost + level + seen if steps < 60 else 0.0))
        return np.array(images)


class Worse(Fake):
    def generate(self, steps, numbers):
        if steps == 10:
            raise ValueError("no ten")
        return super().generate(steps, numbers)


class Deadly(Fake):
    def generate(self, steps, numbers):
        if steps == 10:
            os._exit(9)
        return super().generate(steps, numbers)


class Flat(Fake):
    def generate(self, steps, numbers):
        return super().generate(steps, numbers)[0]


class Sharper(Fake):
    """More steps make more of its picture: total variation rises."""

    def generate(self, steps, numbers):
        blank = 0 * super().generate(steps, numbers)
        board = np.indices((4, 4)).sum(axis=0) % 2
        seen = np.random.default_rng([numbers[0], steps]).normal(0, 0.01, blank.shape)
        return blank + board * np.log(1 + steps) / 5 + seen


class Stepless:
    def generate(self, steps, numbers):
        return np.zeros((1, 1, 4, 4))


def broken():
    raise OSError("no such weights")
'''


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fake.py").write_text(FAKE)
    return tmp_path


STEPS = ("--steps", "2,4,6,8,10,12,15,20,24,30")


def rows(home, name="Fake"):
    with (home / f"box.runs/{name}/measurements.csv").open() as file:
        return list(csv.DictReader(file))


def test_what_is_known_is_found(home):
    ran = call("calibrate", "fake.py:Fake", "--out", "box.yaml", "--images", "8", *STEPS, "--batch", "1,3")
    assert "Fake: distance falls with steps" in ran.out
    catalogue = load_catalogue("box.yaml", home)
    found = {
        key: catalogue.value("Fake", key) for key in ("A1_steps", "A2_tv", "A3_steps", "A4_tv", "B1_s_per_step")
    }
    assert found == pytest.approx(
        {"A1_steps": 8, "A2_tv": 0.5, "A3_steps": 20, "A4_tv": 0.1, "B1_s_per_step": 0.002}, rel=0.15
    )
    assert 0.02 < catalogue.value("Fake", "memory_gb") < 1
    peaks = catalogue.setting("Fake", "peaks").value
    assert [(peak["images"], peak["gb"] >= 0) for peak in peaks] == [(1, True), (3, True)]
    setting = catalogue.setting("Fake", "A1_steps")
    assert setting.provenance == "measured"
    assert "measure distance" in setting.note
    assert "8 images" in setting.note
    assert all(int(row["evaluations"]) == 2 * int(row["steps"]) for row in rows(home))
    facts = json.loads((home / "box.runs/Fake/calibration.json").read_text())
    assert facts["reference_steps"] == 120
    # It takes 0.15 s to open; before that a process has to start.
    assert facts["cold_load_s"] > 0.1
    assert catalogue.value("Fake", "load_s") == pytest.approx(facts["cold_load_s"] + facts["libraries_s"], rel=1e-4)
    assert facts["batches"].keys() == {"1", "3"}


@pytest.mark.parametrize("measure", ["tv-l2", "tv-sum"])
def test_a_total_variation_that_rises_is_warned_of(home, measure):
    ran = call("calibrate", "fake.py:Sharper", "--quality", measure, "--out", "box.yaml", "--images", "6", *STEPS)
    assert f"Sharper: {measure} rises with steps" in ran.out
    assert "Warning: total variation rises with steps here" in ran.out
    again = call("fit", "box.runs/Sharper/measurements.csv")
    assert f"quality ({measure}) rises" in again.out
    assert "Warning: total variation rises" in again.out
    assert f"measure {measure}" in load_catalogue("box.yaml", home).setting("Sharper", "B1_s_per_step").note
    ran = call("calibrate", "fake.py:Fake", "--quality", measure, "--out", "other.yaml", "--images", "6", *STEPS)
    assert "Warning" not in ran.out


def test_the_order_is_shuffled_and_pairs_are_the_same_images():
    from genedge.calibrate.plan import round_of

    orders = {tuple(round_of(image, list(range(20)), 0)) for image in range(20)}
    assert len(orders) == 20
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert round_of(3, [1, 2, 3], 5) == round_of(3, [1, 2, 3], 5)


def test_it_goes_on_where_it_stopped(home):
    wanted = ("calibrate", "fake.py:Fake", "--out", "box.yaml", *STEPS)
    few = call(*wanted, "--images", "9", "--minutes", "0")
    assert few.status == 2
    assert "6" in few.err
    before = rows(home)
    assert len({row["image"] for row in before}) == 2
    call(*wanted, "--images", "7")
    after = rows(home)
    assert after[: len(before)] == before
    assert len({row["image"] for row in after}) == 7
    call(*wanted, "--images", "7")
    assert rows(home) == after


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fake.py:Worse", *STEPS], "Worse fails: ValueError: no ten"),
        (["fake.py:Deadly", *STEPS], "its process has ended (status 9)"),
        (["fake.py:Flat", *STEPS], "generate must return 1 images"),
        (["fake.py:Stepless", *STEPS], "has no train_steps"),
        (["fake.py:broken", *STEPS], "broken fails: OSError: no such weights"),
        (["fake.py:none", *STEPS], "there is no 'none' in it"),
        (["fake.py:Fake", "--steps", "1,7,9"], "7 does not divide the training's 240"),
        (["fake.py:Fake", "--steps", "1,2"], "give three or more"),
        (["fake.py:Fake", "--steps", "1,2,240"], "give at most 120"),
        (["fake.py:Fake", "--steps", "x"], "give whole numbers"),
        (["fake.py:Fake", "fake.py:Fake", *STEPS], "a name is there twice"),
        (["fake.py:Fake", "--axis", "nfe", *STEPS], "is for the models that ship"),
        (["fake.py:Fake", "--quality", "psnr", *STEPS], "has no truth to compare with"),
        (["fake.py:Fake", "--quality", "beauty", *STEPS], "no such measure"),
        (["fake.py:Fake", "--size", "64", *STEPS], "cannot choose the size of its images"),
        (["fake.py:Fake", "--size", "4,64", *STEPS], "--size 4,64: give whole numbers from 8 to 8192"),
        (["small:cats", *STEPS], "no such small model"),
    ],
)
def test_what_is_wrong_is_said(home, arguments, told):
    ran = call("calibrate", *arguments, "--out", "box.yaml", "--images", "6")
    assert ran.status == 2
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert not (home / "box.yaml").exists()


def test_a_measure_of_ones_own_needs_no_truth(home):
    """A score of the image alone, of a pipeline that knows no truth: here it is what the image is made of."""
    (home / "mine.py").write_text(
        "def level(images, other, mask):\n    return images.mean(axis=(1, 2, 3))\n\n\nlevel.against = 'nothing'\n"
    )
    wanted = ("calibrate", "fake.py:Fake", "--out", "box.yaml", "--images", "6", *STEPS)
    ran = call(*wanted, "--quality", "mine.py:level")
    assert ran.status == 0, ran.err
    for row in rows(home):
        known = 0.5 - 0.4 * min(max(int(row["steps"]) - 8, 0) / 12, 1)
        assert float(row["quality"]) == pytest.approx(known, abs=0.06)
    assert "mine.py:level" in (home / "box.yaml").read_text()


def test_a_folder_of_another_calibration_is_left_alone(home):
    wanted = ("calibrate", "fake.py:Fake", "--out", "box.yaml", "--images", "6")
    call(*wanted, *STEPS)
    before = rows(home)
    ran = call(*wanted, "--steps", "2,4,6")
    assert "holds a calibration of other steps" in ran.err
    ran = call(*wanted, *STEPS, "--seed", "1")
    assert "holds a calibration with seed 0, and this one has 1" in ran.err
    assert rows(home) == before


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("calibration.json", "{}", "not what a calibration of this version has written"),
        ("calibration.json", "[]", "not what a calibration of this version has written"),
        ("calibration.json", "{", "not what a calibration of this version has written"),
        (
            "measurements.csv",
            "image,steps,evaluations,quality,seconds\na,2,4,0.5,0.1\n",
            "which numbers its images",
        ),
        ("measurements.csv", "image,steps,evaluations,quality\n", "no column seconds"),
        ("measurements.csv", "", "no column image"),
    ],
)
def test_a_folder_that_is_damaged_is_said(home, file, text, told):
    wanted = ("calibrate", "fake.py:Fake", "--out", "box.yaml", "--images", "6", "--steps", "2,4,6")
    assert call(*wanted).status == 0
    (home / "box.yaml").unlink()
    (home / "box.runs" / "Fake" / file).write_text(text)
    ran = call(*wanted)
    assert ran.status == 2
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert not (home / "box.yaml").exists()


def test_runs_tell_what_all_cores_took(home):
    ran = call("calibrate", "fake.py:Fake", "--out", "box.yaml", "--images", "6", "--steps", "2,4,6")
    assert ran.status == 0
    # It sleeps, so no core is busy for long.
    assert all(0 <= float(row["processor_s"]) < float(row["seconds"]) for row in rows(home))
    assert "cores busy 0" in load_catalogue("box.yaml", home).setting("Fake", "B1_s_per_step").note


@pytest.mark.heavy
def test_an_interrupted_calibration_loses_no_image(home):
    """Ctrl-C in the middle: it says how to go on, ends its child, and leaves only whole images."""
    arguments = ("calibrate", "fake.py:Fake", "--out", "box.yaml", "--images", "30", *STEPS)
    # Whoever runs the tests in the background may have told them to ignore it.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "genedge", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    measured = home / "box.runs" / "Fake" / "measurements.csv"
    deadline = time.monotonic() + 300
    while not measured.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command goes on from here" in err
    assert "Traceback" not in err
    before = rows(home)
    assert len(before) % (len(STEPS[1].split(","))) == 0
    assert 0 < len({row["image"] for row in before}) < 30
    assert not (home / "box.yaml").exists()
    assert call(*arguments).status == 0
    assert rows(home)[: len(before)] == before
