"""A trace through a box with a queue: the table, the JSON, the figure, and a scheduler of one's own."""

import numpy as np
import pytest

BOX = """
gpus: [{memory_gb: 20}]
models:
  defaults: {memory_gb: 20, load_s: 20, B1_s_per_step: 1}
  A: {}
  D: {}
"""
ROWS = [(0, "A"), (1, "B"), (2, "A"), (3, "A"), (4, "C"), (5, "A"), (6, "B"), (7, "C")]
MINE = '''
from genedge.edge import Load, Serve


class Newest:
    """The newest request first; gives up whatever is there."""

    def __init__(self, box, models):
        self.came = []

    def arrived(self, now, request):
        self.came.append(request)

    def cancelled(self, now, request):
        pass

    def finished(self, now, gpu, request, took_s):
        pass

    def loaded(self, now, gpu, model, took_s, failed):
        pass

    def next(self, now, gpu, view):
        request = next(r for r in reversed(self.came) if r.waiting)
        resident = view.gpus[gpu].resident
        if request.model in resident:
            return Serve(request, request.steps)
        return Load(request.model, list(resident))


class Fails(Newest):
    def next(self, now, gpu, view):
        return 1 / 0


class Cheats(Newest):
    def next(self, now, gpu, view):
        return Serve(self.came[0], 1)
'''


@pytest.fixture
def here(tmp_path):
    (tmp_path / "trace.csv").write_text(
        "time,model,user,steps\n" + "".join(f"{t},{m},u{t % 3},10\n" for t, m in ROWS)
    )
    (tmp_path / "box.yaml").write_text(BOX)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def replayed(genedge, here, *more):
    return genedge("replay", here / "trace.csv", "--box", here / "box.yaml", *more)


def test_json_says_what_each_scheduler_costs(genedge, here):
    names = "affinity+lru,dwell+cost-aware"
    (document,) = replayed(genedge, here, "--schedulers", names, "--json").rows
    assert list(document["schedulers"]) == ["affinity+lru", "dwell+cost-aware", "fifo+lru"]
    fifo, affinity = document["schedulers"]["fifo+lru"], document["schedulers"]["affinity+lru"]
    assert (fifo["mean_s"], fifo["loads"], affinity["mean_s"], affinity["loads"]) == (119, 7, 76.5, 3)
    assert (fifo["requests"], fifo["served"], fifo["refused"], fifo["max_s"]) == (8, 8, 0, 213)
    parts = affinity["parts"]
    assert list(parts) == ["generation_s", "queue_s", "own_load_s", "others_loads_s", "cloud_s"]
    assert sum(parts.values()) == pytest.approx(76.5)
    assert (parts["generation_s"], parts["cloud_s"]) == (10, 0)
    assert affinity["models"]["A"] | {"delay_s": 0} == {
        "requests": 4,
        "hits": 0,  # All of them wait for its load.
        "loads": 1,
        "gb_hours": pytest.approx(60 * 20 / 3600),
        "resident": pytest.approx(60 / 140),
        "delay_s": 0,
        # Four requests in 140 s, 20 s a load, 20 GB.
        "a_gb_saves_s": pytest.approx(4 / 140 * 3600),
    }
    assert affinity["quantiles_within"] == 0.01
    # Too few for blocks, and so for intervals.
    assert (affinity["blocks"], affinity["intervals"]) == (1, {})
    assert affinity["saved"] == {
        "mean_s": 42.5,
        "share": pytest.approx(42.5 / 119),
        "loads_per_hour": pytest.approx(fifo["loads_per_hour"] - affinity["loads_per_hour"]),
        "gb_per_hour": pytest.approx(fifo["gb_per_hour"] - affinity["gb_per_hour"]),
    }
    assert affinity["idle"] == pytest.approx(0)
    assert document["names"]["by_default"] == {"models": 2, "requests": 4, "first": ["B", "C"]}
    # 140 s: three loads and eight requests.
    assert (affinity["generating"], affinity["loading"]) == (pytest.approx(80 / 140), pytest.approx(60 / 140))
    assert document["bounds"] == {
        "anybody_s": pytest.approx(np.mean([10 * (i + 1) - i for i in range(8)])),
        # There is room for one model; one of the eight requests follows one for the same model.
        "most_hits": 1,
        "on_demand_s": document["bounds"]["on_demand_s"],
        "best_found_s": 76.5,
    }
    # Three loads of 20 s, which others wait for.
    assert document["bounds"]["anybody_s"] + 3 * 20 / 8 <= document["bounds"]["on_demand_s"] <= 76.5
    (without,) = replayed(genedge, here, "--no-bounds", "--json").rows
    assert without["bounds"] == {"on_demand_s": None, "anybody_s": None, "best_found_s": 76.5, "most_hits": None}
    assert document["box"]["gpus"] == {"value": [{"memory_gb": 20}], "provenance": "user"}


def test_a_table_of_what_people_ask(genedge, here):
    answer = replayed(genedge, here, "--schedulers", "affinity+lru")
    assert answer.status == 0
    text = " ".join(answer.out.split())
    for told in (
        "8 requests in 0.1 h, box box (20 GB, no cloud)",
        "saved, of what fifo+lru takes on the same requests",
        "+35.7%",
        "longest delay 133 s, for C; longest waits on average for C (120 s).",
        "A mean without an interval: the trace is too short",
        "affinity+lru: in memory, of the time: A 43%, ",
        "Not named in the box, so as its defaults say: B, C.",
        "Nobody asks for D.",
        "models under affinity+lru",
        "│ A │ 4 │ 0.0% │ 1 │ 0.3 │ 42.9% │ 42.50 │ 102.9 │",
        "Why: a GB of memory for one saves, at most, in loads an hour: A ",
        "p50, p95 and p99 are right to 1%.",
    ):
        assert told in text, told


def test_several_memories(genedge, here):
    (document,) = replayed(genedge, here, "--memory", "20,40,60", "--schedulers", "fifo+lru", "--json").rows
    loads = {gb: each["schedulers"]["fifo+lru"]["loads"] for gb, each in document["by_memory_gb"].items()}
    assert loads == {"20": 7, "40": 5, "60": 3}
    assert list(document["memory"]["fifo+lru"]) == ["knee_gb", "steps"]


def test_what_memory_costs(genedge, here):
    some = ("--memory", "40,20,60", "--price", "2", "--schedulers", "fifo+lru", "--no-levers")
    answer = replayed(genedge, here, *some, "--figure", here / "m.png")
    assert (here / "m.png").stat().st_size > 10000
    text = " ".join(answer.out.split())
    assert "Memory: under fifo+lru, 60 GB save" in text
    assert "what more memory saves" in text
    (document,) = replayed(genedge, here, *some, "--json").rows
    assert document["prices"] == {"20": 40, "40": 80, "60": 120}
    mean = {gb: each["schedulers"]["fifo+lru"]["mean_s"] for gb, each in document["by_memory_gb"].items()}
    first, _ = document["memory"]["fifo+lru"]["steps"]
    assert first["less_s"] == pytest.approx(mean["20"] - mean["40"])
    assert first["second_costs"] == pytest.approx(40 / first["less_s"])


def test_what_caching_is_worth_is_what_replays_say(genedge, here):
    some = ("--memory", "20,40", "--schedulers", "fifo+lru", "--no-levers")
    (document,) = replayed(genedge, here, *some, "--worth", "--json").rows
    worth = document["worth"]
    fields = {(field["memory_gb"], field["loads"]): field for field in worth["fields"]}
    assert sorted(fields) == [(gb, loads) for gb in (20, 40) for loads in (0.25, 0.5, 1, 2, 4)]

    def mean(name, load_s, gb, *more):
        told = ("--set", f"models.defaults.load_s={load_s}", "--memory", str(gb), "--no-levers", *more)
        (other,) = replayed(genedge, here, "--schedulers", name, *told, "--json").rows
        return other["schedulers"][name]["mean_s"]

    for gb, load_s in ((20, 5), (40, 40)):
        field = fields[gb, load_s / 20]
        ours = mean("dwell+cost-aware", load_s, gb)
        assert field["mean_s"] == pytest.approx(mean("fifo+lru", load_s, gb))
        assert field["of_deciding_s"] == pytest.approx(field["mean_s"] - ours)
        alone = mean("dwell+cost-aware", load_s, gb, "--set", "most_models=1")
        assert field["of_caching_s"] == pytest.approx(alone - ours)
    # With 20 GB there is room for one in any case.
    assert fields[20, 4]["of_caching_s"] == 0
    answer = replayed(genedge, here, *some, "--worth", "--figure", here / "w.png")
    assert (here / "w.png").stat().st_size > 10000
    text = " ".join(answer.out.split())
    assert "What caching is worth: memory for more than one model at a time saves 0.0 s (20 GB, loads ×" in text
    assert "loads ×0.25" in text


def test_each_lever_is_worth_what_a_replay_says(genedge, here):
    (document,) = replayed(genedge, here, "--schedulers", "fifo+lru", "--json").rows
    levers = document["levers"]
    assert list(levers) == ["order", "eviction", "scheduler", "memory", "RAM", "GPU", "steps"]

    def mean(name="fifo+lru", *more):
        (other,) = replayed(genedge, here, "--schedulers", name, "--no-levers", "--json", *more).rows
        assert other["levers"] == {}
        return other["schedulers"][name]["mean_s"]

    expected = {
        "order": mean("dwell+lru"),
        "eviction": mean("fifo+cost-aware"),
        "scheduler": mean("dwell+cost-aware"),
        "memory": mean("fifo+lru", "--memory", "40"),
        "RAM": mean("fifo+lru", "--set", "ram.memory_gb=60", "--set", "ram.load_share=0.25"),
        "GPU": mean("fifo+lru", "--set", "gpus=[{memory_gb: 20}, {memory_gb: 20}]"),
    }
    for name, mean_s in expected.items():
        assert levers[name]["mean_s"] == pytest.approx(mean_s), name
        assert levers[name]["saved_s"] == pytest.approx(119 - mean_s), name
    # Each of the eight takes 2.5 s less, and whoever waits for k others waits 2.5 s less for each.
    assert levers["steps"]["saved_s"] == pytest.approx(2.5 * np.mean(range(1, 9)))
    most = max(levers, key=lambda name: levers[name]["saved_s"])
    told = " ".join(replayed(genedge, here).out.split())
    assert f"Worth most here: {most} (" in told
    alone = replayed(genedge, here, "--against", f"{here / 'mine.py'}:Newest", "--json").rows[0]["levers"]
    assert list(alone) == ["scheduler", "memory", "RAM", "GPU", "steps"]


def test_what_fits_nowhere_is_refused_and_said(genedge, here):
    answer = replayed(genedge, here, "--set", "models.B.memory_gb=30")
    assert "2 requests are refused: their models fit on no GPU, and there is no cloud: B." in " ".join(
        answer.out.split()
    )
    # A refused request has no share in the bound, as it has none in the mean.
    (document,) = replayed(genedge, here, "--set", "models.B.memory_gb=30", "--json").rows
    times = [t for t, model in ROWS if model != "B"]
    assert document["bounds"]["anybody_s"] == pytest.approx(
        np.mean([10 * (i + 1) - t for i, t in enumerate(times)])
    )
    (document,) = replayed(genedge, here, "--memory", "1", "--json").rows
    assert set(document["bounds"].values()) == {None}
    assert document["schedulers"]["fifo+lru"]["refused"] == 8
    cloud = ("--set", "cloud.wait_s=5", "--set", "cloud.backhaul_mbit_per_s=8", "--set", "models.B.result_mb=3")
    (document,) = replayed(genedge, here, "--set", "models.B.memory_gb=30", *cloud, "--json").rows
    fifo = document["schedulers"]["fifo+lru"]
    assert (fifo["refused"], fifo["parts"]["cloud_s"]) == (0, pytest.approx(2 * (5 + 10 + 3) / 8))


def test_what_is_warm_is_held_since_the_first_request(genedge, here):
    """Times may be seconds since 1970."""
    late = [(1.7e9 + t, m) for t, m in ROWS]
    (here / "trace.csv").write_text("time,model,user,steps\n" + "".join(f"{t},{m},,10\n" for t, m in late))
    (document,) = replayed(genedge, here, "--set", "warm=[A]", "--no-levers", "--json").rows
    fifo = document["schedulers"]["fifo+lru"]
    assert (fifo["loads"], fifo["models"]["A"]["requests"]) == (6, 4)
    # From the first request until its own is served, and then as before.
    assert sum(model["resident"] for model in fifo["models"].values()) == pytest.approx(1)


def test_a_closed_loop(genedge, here):
    (document,) = replayed(genedge, here, "--set", "think_s=0", "--json").rows
    assert document["bounds"]["anybody_s"] is None
    assert document["schedulers"]["fifo+lru"]["served"] == 8


def test_a_scheduler_of_ones_own(genedge, here):
    own = f"{here / 'mine.py'}:Newest"
    (document,) = replayed(genedge, here, "--schedulers", own, "--json").rows
    mine = document["schedulers"][own]
    # Loads A, and while that lasts all come; then from the newest on C, B, A, C, A twice, B, and A at last.
    assert (mine["served"], mine["loads"], mine["max_s"]) == (8, 8, 240)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--schedulers", "{}:Fails"), "mine.py line 33: Fails fails: ZeroDivisionError: division by zero"),
        (
            ("--schedulers", "{}:Cheats"),
            "Cheats, at 0 s: it serves request 0 for A on GPU 0, which has not loaded it",
        ),
        (("--schedulers", "{}:MINE"), "there is no 'MINE' in it"),
        (("--schedulers", "{}:Load"), "Load: not a scheduler; it must be a class with the methods arrived, "),
        (("--schedulers", ","), "--schedulers is empty"),
        (("--schedulers", ""), "--schedulers is empty"),
        (("--schedulers", "fifo+belad"), "eviction 'belad': no such eviction; did you mean belady?"),
        (("--memory", "20,x"), "--memory 20,x: give gigabytes"),
        (("--memory", "-1"), "--memory -1: give gigabytes"),
        (("--price", "5"), "--price 5: what memory is worth takes several amounts; give --memory A,B"),
        (("--worth",), "--worth: what caching is worth is told over several amounts; give --memory A,B"),
        (("--memory", "20,40", "--price", "x"), "--price x: give what a GB costs a month"),
        (("--memory", "20,40", "--price", "1,2,3"), "give one, of a GB for a month, or 2, one for each --memory"),
    ],
)
def test_what_is_wrong_is_said(genedge, here, arguments, told):
    answer = replayed(genedge, here, *(each.format(here / "mine.py") for each in arguments))
    assert answer.status == 2
    assert told in answer.err
    assert answer.err.count("\n") == 1


def test_a_figure_of_the_delay_taken_apart(genedge, here):
    from genedge.boxes.load import load_box
    from genedge.draw.queued import queued_figure
    from genedge.replay.queueing import replay_queue

    assert replayed(genedge, here, "--figure", here / "f.png").status == 0
    assert (here / "f.png").stat().st_size > 10000
    results = replay_queue(
        here / "trace.csv",
        load_box(str(here / "box.yaml")),
        ["affinity+lru"],
        "fifo+lru",
        False,
        False,
        lambda *told: None,
    )
    *_, bars, today, best = queued_figure(results).axes
    ends = [sum(bar.get_width() for bar in bars.patches if bar.get_y() == pytest.approx(y - 0.35)) for y in (0, 1)]
    assert ends == pytest.approx([76.5, 119])
    for axes, name, held in ((today, "fifo+lru", "A A A B B C C"), (best, "affinity+lru", "A B C")):
        rows = [label.get_text() for label in axes.get_yticklabels()]
        assert rows == ["A", "B", "C"]
        # Each stay is a bar for the load and one for what follows.
        drawn = sorted(rows[round(bar.get_y() + 0.4)] for bar in axes.patches[::2])
        assert drawn == held.split()
        assert sum(line.get_marker() == "o" for line in axes.lines) == 8
        assert axes.get_xlabel().startswith(f"{name}\ntime [min]")
    assert [text.get_text() for text in bars.get_legend().get_texts()] == [
        "generation",
        "queue",
        "own load",
        "others' loads",
    ]


def test_what_is_in_a_trace(genedge, here):
    (document,) = genedge("trace", "show", here / "trace.csv", "--json").rows
    assert document["models"] == {"A": 4, "B": 2, "C": 2}
    text = " ".join(genedge("trace", "show", here / "trace.csv").out.split())
    assert "8 requests in 0.0 h for 3 models" in text
    apart = "(whoever asks again within 10 min is in the same)"
    assert f"3 users in 3 sessions {apart}, 60% of whose next requests are for the same model." in text
    assert "█·······················; 100% from 0 to 1." in text
    assert (document["session_s"], document["by_hour"]) == (600, [8] + [0] * 23)
    assert (document["generation_s"], document["with_adapters"]) == (None, None)
    assert "easured" not in text
    assert "dapters" not in text


def test_a_table_of_ones_own_becomes_a_trace(genedge, here):
    (here / "log.tsv").write_text("When\tModel\n2\tB\n1\tA\n")
    answer = genedge(
        "trace", "convert", here / "log.tsv", "--columns", "time=When,model=Model", "--out", here / "t.csv"
    )
    assert "2 requests of 2 rows" in answer.out
    assert genedge("replay", here / "t.csv", "--box", here / "box.yaml").status == 0
    both = ("--columns", "time=When,model=Model", "--format", "gentd26")
    answer = genedge("trace", "convert", here / "log.tsv", *both, "--out", here / "t.csv")
    assert (answer.status, "give --columns or --format, not both" in answer.err) == (2, True)


def test_help_names_every_catalogue(genedge):
    from genedge.catalogue.load import catalogue_presets

    told = "".join(genedge("replay", "--help").out.split())
    assert f"anothercatalogue:{','.join(catalogue_presets())},orafile" in told
