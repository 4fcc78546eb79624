"""What is read back from a study's folder: what is not its own is no finding, and is never removed."""

import copy
import json
import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import made_up

from genedge.errors import InputError
from genedge.paper.folder import _checksum, do, keep, list_written, listed, load
from genedge.paper.records import fits
from genedge.paper.tasks import Found, Measure, MeasureBox, Train

MEASURE = Measure("paper", (), 1, (3, 5), ("rcars", "knapsack"), 2, "")
TRAIN = Train("paper", (), 1, 3, "ddpg", 30, 0, 2)
LOADS = MeasureBox("paper", ("models.load_s=20",), 1, 10, ("rcars", "hcras"), 2)
CERTIFIED = MeasureBox("edge-box", (), 1, 8, ("rcars", "optimal"), 2)
TASKS = (MEASURE, LOADS, CERTIFIED, TRAIN)
DIVERGED = {
    "found": {
        "diverged": True,
        "metrics": {metric: [None, None] for metric in made_up(TRAIN)["found"]["metrics"]},
        "caches": None,
        "rows": made_up(TRAIN)["found"]["rows"][:-1],
    },
    "times": {},
}
tasks = pytest.mark.parametrize("task", TASKS, ids=["Measure", "MeasureBox", "MeasureBox, optimum known", "Train"])


def kept(folder, task, told=None):
    """A result's file."""
    told = told or made_up(task)
    keep(folder, task, Found(told["found"], told["times"], {}))
    return folder / "results" / f"{task.key}.json"


def places(told, path=()):
    """Where there is something: the way to every entry, however deep."""
    entries = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def at(told, path):
    return reduce(lambda tree, key: tree[key], path, told)


# --- Results ------------------------------------------------------------------------------------------------


@tasks
def test_what_is_kept_is_found_again(task, tmp_path):
    kept(tmp_path, task)
    assert load(tmp_path, task) == made_up(task)


def test_a_training_that_diverged_is_found_again(tmp_path):
    kept(tmp_path, TRAIN, DIVERGED)
    assert load(tmp_path, TRAIN) == DIVERGED


NEVER = (math.nan, math.inf, -math.inf, 10**400, "0.5", True, [], {}, [0.5])


@tasks
def test_every_entry_has_its_place_and_its_range(task):
    """Anything else in any place, an entry too few or one too many: whatever else the file says of itself."""
    whole = made_up(task)
    assert fits(whole, task)
    for path in places(whole):
        *above, key = path
        was = at(whole, path)
        for other in (*NEVER, *([-1.0, 99.0] if isinstance(was, float) and str(path).count("_ratio") else [])):
            told = copy.deepcopy(whole)
            at(told, above)[key] = other
            # A training either diverged or did not, and the rest must say the same.
            assert not fits(told, task), (path, other)
        told = copy.deepcopy(whole)
        del at(told, above)[key]
        assert not fits(told, task), path
        told = copy.deepcopy(whole)
        if isinstance(was, dict):
            at(told, path)["more"] = 0.5
            assert not fits(told, task), path
        elif isinstance(was, list):
            at(told, path).append(copy.deepcopy(was[-1]))
            assert not fits(told, task), path


def test_what_is_undefined_may_be():
    """A policy without a cache has no ratio of used models."""
    told = made_up(MEASURE)
    told["found"]["policies"]["rcars"]["3"]["used_cache_ratio"][0] = None
    assert fits(told, MEASURE)


@pytest.mark.parametrize("count", [0, -1, 101, 2.0, "3", None, True])
def test_caches_that_nobody_counts_are_refused(count):
    """Whole ones, and of every policy at least one; None of a training that diverged, and of no other."""
    for task, place in (
        (MEASURE, ("caches", "rcars", "3")),
        (LOADS, ("caches", "hcras", "10")),
        (TRAIN, ("caches",)),
    ):
        told = made_up(task)
        *above, key = ("found", *place)
        at(told, above)[key] = count
        assert not fits(told, task), task
    assert not fits({**DIVERGED, "found": DIVERGED["found"] | {"caches": 3}}, TRAIN)


def sealed(told):
    """What a file would say of itself if it had been written so."""
    bare = {key: value for key, value in told.items() if key != "sha256"}
    return json.dumps(bare | {"sha256": _checksum(bare)})


def refused(folder, task):
    with pytest.raises(InputError, match=f"{task.key}.json: damaged, or of another piece of work; remove it"):
        load(folder, task)


def test_a_finding_out_of_range_is_refused_even_where_its_checksum_is_right(tmp_path):
    path = kept(tmp_path, MEASURE)
    told = json.loads(path.read_text())
    told["found"]["policies"]["rcars"]["3"]["hit_ratio"][0] = 99
    path.write_text(sealed(told))
    refused(tmp_path, MEASURE)


@tasks
def test_a_finding_of_another_task_is_refused(task, tmp_path):
    path = kept(tmp_path, task)
    told = json.loads(path.read_text())
    for key, value in told["task"].items():
        other = copy.deepcopy(told)
        other["task"][key] = [*value, "x"] if isinstance(value, list) else f"{value}x"
        path.write_text(sealed(other))
        refused(tmp_path, task)
    path.write_text(sealed(told))
    assert load(tmp_path, task) == made_up(task)


@given(data=st.data())
def test_one_changed_byte_changes_no_finding(data, tmp_path_factory):
    """It is refused, unless it stands where a file may be laid out otherwise."""
    folder = tmp_path_factory.mktemp("study")
    path = kept(folder, MEASURE)
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        told = load(folder, MEASURE)
    except InputError as e:
        assert "remove it, and the same command does that piece again" in str(e)  # noqa: PT017
    else:
        assert told == made_up(MEASURE)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"a"', "{}", "[" * 10**5, "9" * 10**4, "\udce9"])
def test_what_is_no_result_is_refused_before_any_work(text, tmp_path):
    path = kept(tmp_path, MEASURE)
    path.write_bytes(text.encode(errors="surrogateescape"))
    refused(tmp_path, MEASURE)
    with pytest.raises(InputError, match="remove it"):
        do(tmp_path, [MEASURE], lambda *arguments: pytest.fail("worked"), lambda text, work: None)


# --- What reports wrote -------------------------------------------------------------------------------------

NAMES = ["tables/gap.csv", "figures/gap.png", "figures/gap.pdf", "tables/claims-on-paper--ddpg-as-the-agent.csv"]


def test_what_a_report_does_not_have_any_more_is_removed(tmp_path):
    for name in (*NAMES, "tables/mine.csv", "figures/mine.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    list_written(tmp_path, NAMES)
    assert listed(tmp_path) == sorted(NAMES)
    list_written(tmp_path, NAMES[1:])
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert left == {"written.json", "tables/mine.csv", "figures/mine.png", *NAMES[1:]}


FOREIGN = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "../victim.txt",
            "/tmp/victim.csv",
            "tables/../../victim.csv",
            "tables/../report.html",
            "figures/../results/x.png",
            "results/0123.json",
            "runs/a/best.npz",
            "report.html",
            "written.json",
            "tables",
            "tables/.csv",
            "tables/a/b.csv",
            "tables/a.csv\n",
            "tables/a.csv\0.csv",
            "figures/a.csv",
            "./tables/a.csv",
            "tables//a.csv",
            "tables/a.csv/",
            "TABLES/a.csv",
        ]
    ),
    st.none(),
    st.integers(),
    st.lists(st.just("tables/gap.csv")),
)


@given(name=FOREIGN)
def test_a_list_that_names_anything_else_is_refused_and_nothing_removed(name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "study"
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / "gap.csv").touch()
    (folder / "written.json").write_text(json.dumps(["tables/gap.csv", name]))
    before = sorted(folder.parent.rglob("*"))
    for work in (
        lambda: list_written(folder, []),
        lambda: do(folder, [MEASURE], lambda *arguments: pytest.fail("worked"), lambda text, work: None),
    ):
        with pytest.raises(InputError, match=r"written\.json: damaged, or it lists what no report writes; remove"):
            work()
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("text", ["", "{", "{}", "3", "null", '"tables/gap.csv"', "[" * 10**5, "\udce9"])
def test_what_is_no_list_is_refused(text, tmp_path):
    (tmp_path / "written.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"written\.json: damaged"):
        listed(tmp_path)


def test_nothing_is_removed_behind_links_and_no_folder(tmp_path):
    elsewhere, study = tmp_path / "elsewhere", tmp_path / "study"
    elsewhere.mkdir()
    study.mkdir()
    (elsewhere / "gap.csv").touch()
    (study / "tables").symlink_to(elsewhere)
    (study / "figures" / "gap.png").mkdir(parents=True)
    (study / "figures" / "gap.pdf").symlink_to(elsewhere / "gap.csv")
    (study / "written.json").write_text(json.dumps(NAMES))
    list_written(study, [])
    assert (elsewhere / "gap.csv").exists()
    assert (study / "figures" / "gap.png").is_dir()
    assert (study / "figures" / "gap.pdf").is_symlink()
