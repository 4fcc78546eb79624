"""`genedge trace` and `genedge replay` as a user meets them."""

import json

import pytest
from pictures import dots, legend, levels, names, written

BOX = ("--box", "cloud-no-queue")
CLASSICS = "lru,lfu,gdsf,popularity,cost-aware,keep-forever,static,belady"


@pytest.fixture(scope="module")
def trace(genedge, tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "trace.csv"
    answer = genedge("trace", "generate", "--out", path, "--requests", 1500, "--models", 12, "--users", 60)
    assert answer.status == 0
    assert "1500 requests for 12 models by 60 users" in answer.out
    return path


def test_replay_tells_everything(genedge, trace):
    (result,) = genedge("replay", trace, *BOX, "--memory", 17, "--json").rows
    bounds = result["bounds"]
    assert result["box"]["models"]["defaults"]["load_s"]["provenance"] == "measured"
    assert list(result["schedulers"]) == CLASSICS.split(",")
    for row in result["schedulers"].values():
        assert (row["requests"], row["served"], row["refused"]) == (1500, 1500, 0)
        assert row["hit_ratio"] == row["hits"] / 1500
        assert row["hits"] <= bounds["load_free_hits"]
        assert bounds["on_demand_s"] <= row["mean_s"] <= bounds["cloud_s"]
        assert row["utility"] == pytest.approx(0.7 * row["mean_s"] + 0.3 * 28)
        assert row["p50_s"] <= row["p95_s"] <= row["p99_s"] <= row["max_s"] * 1.01
        assert row["loaded_gb"] == 4 * row["loads"]
        assert row["loading_s"] == 22.5 * row["loads"]
        parts, models = row["parts"], row["models"].values()
        assert sum(parts.values()) == pytest.approx(row["mean_s"])
        assert parts["queue_s"] == parts["own_load_s"] == parts["others_loads_s"] == 0
        for part, total in (("requests", 1500), ("hits", row["hits"]), ("loads", row["loads"])):
            assert sum(each[part] for each in models) == total
        held = sum(each["gb_hours"] for each in models)
        assert held <= 17 * result["hours"]
        assert held == pytest.approx(4 * result["hours"] * sum(each["resident"] for each in models))
        delay_s = sum(each["delay_s"] * each["requests"] for each in models)
        assert delay_s == pytest.approx(1500 * row["mean_s"])
        over = row["over_time"]
        assert sum(over["requests"]) == 1500
        assert sum(over["hits"]) == row["hits"]
        assert sum(over["loads"]) == row["loads"]
        assert sum(over["delay_s"]) == pytest.approx(1500 * row["mean_s"])
        assert row["distances"]["delay_gap"] >= 0
        assert row["distances"]["saved_of_bound"] <= 1
    assert len(result["schedulers"]["lru"]["models"]) == 12
    assert result["schedulers"]["lru"]["distances"]["closed"] == 0
    assert sum(bounds["over_time"]["load_free_hits"]) == bounds["load_free_hits"]
    assert sum(bounds["over_time"]["delay_s"]) == pytest.approx(1500 * bounds["on_demand_s"], rel=1e-5)
    assert result == genedge("replay", trace, *BOX, "--memory", 17, "--json").rows[0]


def test_where_nothing_queues_an_order_is_of_no_effect(genedge, trace):
    given = ("replay", trace, *BOX, "--memory", 12, "--no-bounds", "--json", "--schedulers")
    (result,) = genedge(*given, "lru,fifo+lru,dwell+lru,ollama").rows
    assert result["against"] == "lru"
    rows = result["schedulers"]
    assert rows["lru"] == rows["fifo+lru"] == rows["dwell+lru"]
    assert "fifo+by-name" not in rows
    assert rows["ollama"]["loads"] > 0


def test_unequal_models_have_a_bound_too(genedge, trace, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        """
name: own
queue: false
alpha: 0.5
gpus: [{memory_gb: 10}]
cloud: {backhaul_mbit_per_s: 50, wait_s: 3}
models:
  defaults: {memory_gb: 3, load_s: 10, B1_s_per_step: 0.1, B2_s: 1, request_mb: 5, result_mb: 5, A4_tv: 20}
  M0000: {memory_gb: {value: 7.5, provenance: measured}, load_s: 40}
  M0003: {memory_gb: 1}
"""
    )
    (result,) = genedge("replay", trace, "--box", own, "--json").rows
    assert not result["bounds"]["load_free_is_attained"]
    assert all(row["hits"] <= result["bounds"]["load_free_hits"] for row in result["schedulers"].values())
    answer = genedge("replay", trace, "--box", own, "--set", "models.defaults.A4_tv=null", "--no-bounds")
    assert answer.status == 2
    told = "A4_tv is missing, and models.defaults has none; with alpha: null, quality is of no account"
    assert told in " ".join(answer.err.split())
    (result,) = genedge("replay", trace, "--box", own, "--set", "alpha=null", "--json").rows
    assert "utility" not in result["schedulers"]["lru"]


OWN = """
name: own
queue: false
alpha: ALPHA
gpus: [{memory_gb: 10}]
cloud: {backhaul_mbit_per_s: 50, wait_s: 3}
models: {ENTRIES}
"""
DEFAULTS = {
    "memory_gb": 3,
    "load_s": 0,
    "B1_s_per_step": 0,
    "B2_s": 0,
    "request_mb": 5,
    "result_mb": 5,
    "A4_tv": 20,
}


def own_box(entries, alpha=0.5):
    """A file of a box with these models."""
    return OWN.replace("{ENTRIES}", json.dumps({"defaults": DEFAULTS, **entries})).replace("ALPHA", str(alpha))


@pytest.fixture
def named(tmp_path):
    """Files of a trace and a box, from the names asked for and the sizes of entries."""

    def write(asked, entries):
        trace, box = tmp_path / "named.jsonl", tmp_path / "own.yaml"
        rows = [{"time": i, "model": name, "steps": 1} for i, name in enumerate(asked)]
        trace.write_text("\n".join(json.dumps(row) for row in rows))
        box.write_text(own_box({name: {"memory_gb": size} for name, size in entries.items()}))
        return trace, "--box", box

    return write


def test_where_a_few_requests_make_the_mean_median_and_interquartile_mean_stand_beside_it(genedge, tmp_path):
    trace, box = tmp_path / "trace.jsonl", tmp_path / "own.yaml"
    asked = ["slow" if i == 40 else "quick" for i in range(1500)]
    trace.write_text("\n".join(json.dumps({"time": i, "model": name, "steps": 1}) for i, name in enumerate(asked)))
    box.write_text(own_box({"slow": {"B2_s": 7995}, "quick": {"B2_s": 5}}, alpha=1))
    arguments = ("replay", trace, "--box", box, "--memory", 1, "--schedulers", "lru")
    # Nothing fits: every request takes 1.6 s over the backhaul and 3 s of waiting besides.
    told = genedge(*arguments, "--json").rows[0]["schedulers"]["lru"]["tail"]
    most, total = 7999.6 + 9.6, 1499 * 9.6 + 7999.6
    for metric in ("mean_s", "utility"):
        assert told[metric]["mean"] == pytest.approx(total / 1500)
        assert told[metric]["largest_share"] == pytest.approx(most / total)
        assert told[metric]["median"] == pytest.approx(9.6, rel=0.01)
        assert told[metric]["interquartile_mean"] == pytest.approx(9.6)
    out = genedge(*arguments).out
    assert "heavy tails: the largest 0.1 % of the requests make more than a tenth of a mean" in out
    assert f"{most / total:.1%}" in out
    assert "heavy" not in genedge("replay", trace, *BOX, "--schedulers", "lru").out


def test_names_that_do_not_meet_are_told(genedge, named):
    arguments = named(
        ["sdxl"] * 4 + ["SDXL", "flux", "flux", "own"], {"sdxl-base": 8, "flux": 24, "other": 1, "own": 1}
    )
    (result,) = genedge("replay", *arguments, "--json").rows
    assert result["names"] == {
        "by_default": {"models": 2, "requests": 5, "first": ["sdxl", "SDXL"]},
        "never_fit": {"models": 1, "requests": 2, "first": ["flux"]},
        "not_asked_for": {
            "entries": 2,
            "first": [{"name": "sdxl-base", "nearest": "sdxl"}, {"name": "other", "nearest": None}],
        },
    }
    out = genedge("replay", *arguments, "--no-bounds").out
    assert "Not named in the box, so as its defaults say: sdxl, SDXL." in out
    assert "Nobody asks for sdxl-base (the trace has sdxl), other." in out
    assert "2 requests: their models fit on no GPU, so the cloud serves them: flux." in out


def test_names_that_meet_are_not_talked_about(genedge, named):
    arguments = named(["a", "b", "a"], {"a": 4, "b": 5})
    out = genedge("replay", *arguments, "--no-bounds").out
    assert "static holds a." in out
    for words in ("defaults", "Nobody asks for", "fit on no GPU"):
        assert words not in out
    (result,) = genedge("replay", *arguments, "--json").rows
    assert result["schedulers"]["static"]["holds"] == ["a"]
    assert "holds" not in result["schedulers"]["lru"]


def test_many_and_hostile_names_take_little_room(genedge, named):
    names = [f"\x1b[31m\r{i}" + "x" * 10_000 for i in range(300)]
    arguments = named(names, dict.fromkeys((f"{i}" + "y" * 200 for i in range(300)), 20))
    answer = genedge("replay", *arguments, "--no-bounds", "--schedulers", "lru,static")
    assert answer.status == 0, answer.err
    out = answer.out
    assert out.count("and 295 more") == 2
    assert len(out) < 5000
    assert not {"\x1b", "\r"} & set(out)
    (result,) = genedge("replay", *arguments, "--json", "--schedulers", "lru").rows
    assert len(result["names"]["not_asked_for"]["first"]) == len(result["names"]["by_default"]["first"]) == 5


def test_tables_and_figure(genedge, trace, tmp_path, monkeypatch):
    arguments = ("replay", trace, "--memory", 12, "--box", "load-free")
    with written(monkeypatch) as figures:
        answer = genedge(*arguments, "--figure", tmp_path / "replay.png")
    assert answer.status == 0
    assert (tmp_path / "replay.png").exists()
    assert "Running HiGHS" not in answer.out
    for word in (*CLASSICS.split(","), "load-free bound", "attained by Belady", "right to 1%", "loads per hour"):
        assert word in answer.out
    (told,), (figure,) = genedge(*arguments, "--json").rows, figures
    assert_replay_is_shown(told, figure)


def assert_replay_is_shown(told, figure):
    """Dots where the rows' values are, lines where the bounds are, and the hits so far in time."""
    rows, bounds = list(told["schedulers"].values()), told["bounds"]
    panels = dict(zip(("utility", "mean_s", "hit_ratio", "loads_per_hour"), figure.axes, strict=False))
    for metric, axes in panels.items():
        assert dots(axes) == pytest.approx({i: row[metric] for i, row in enumerate(rows)})
    assert names(panels["utility"]) == list(told["schedulers"])
    assert levels(panels["hit_ratio"]) == {"load-free bound": bounds["load_free_hit_ratio"]}
    delays = {"bound with loads": bounds["on_demand_s"], "all to the cloud": bounds["cloud_s"]}
    assert levels(panels["mean_s"]) == pytest.approx(delays)
    quality = rows[0]["utility"] - 0.7 * rows[0]["mean_s"]
    assert levels(panels["utility"]) == pytest.approx({name: 0.7 * s + quality for name, s in delays.items()})
    assert levels(panels["loads_per_hour"]) == {}
    assert sorted(legend(figure)) == ["all to the cloud", "bound with loads", "load-free bound"]
    over_time = figure.axes[4]
    ends = {line.get_label(): line.get_ydata()[-1] for line in over_time.get_lines()}
    expected = {name: row["hit_ratio"] for name, row in told["schedulers"].items()}
    assert ends == pytest.approx(expected | {"load-free bound": bounds["load_free_hit_ratio"]})
    assert over_time.get_xlabel() == "time since the first request [h]"
    assert [text.get_text() for text in over_time.get_legend().get_texts()] == list(ends)


def test_without_bounds_a_policy_alone(genedge, trace):
    answer = genedge("replay", trace, *BOX, "--memory", 12, "--schedulers", "lru", "--no-bounds")
    assert "load-free bound" not in answer.out
    (result,) = genedge("replay", trace, *BOX, "--memory", 0, "--schedulers", "lru,lru", "--json").rows
    assert result["schedulers"]["lru"]["hits"] == 0
    assert result["bounds"]["on_demand_s"] == result["bounds"]["cloud_s"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--schedulers", "lru,best"), "scheduler 'best': write ORDER+EVICTION"),
        (("--schedulers", "fifo+best"), "'best': no such eviction; there are lru,"),
        (("--schedulers", ","), "--schedulers is empty"),
        (("--schedulers", ""), "--schedulers is empty"),
        (("--memory", "-1"), "give gigabytes"),
        (("--memory", "nan"), "give gigabytes"),
        (("--memory", "8,12"), "--memory 8,12: where nothing queues, give one amount at a time"),
        (("--set", "models=none"), "no such preset or file"),
        (
            ("--policies", "lru"),
            "--policies is --schedulers now, such as genedge replay TRACE --box cloud-no-queue",
        ),
        (("--catalogue", "gentd26"), "--catalogue is the models of a box now, such as genedge replay TRACE --box"),
    ],
)
def test_what_is_wrong_is_said(genedge, trace, arguments, message):
    answer = genedge("replay", trace, *BOX, *arguments)
    assert answer.status == 2
    assert message in " ".join(answer.err.split())
    assert "Traceback" not in answer.err


def test_without_a_box_what_to_write_is_said(genedge, trace):
    for given in (("--memory", 12), ()):
        answer = genedge("replay", trace, *given)
        assert answer.status == 2
        assert "genedge replay TRACE --box cloud-no-queue --memory 12" in " ".join(answer.err.split())


def test_missing_and_odd_files(genedge, tmp_path):
    answer = genedge("replay", tmp_path / "none.csv", *BOX)
    assert (answer.status, "none.csv" in answer.err) == (2, True)
    answer = genedge("replay", tmp_path, *BOX)
    assert answer.status == 2
    answer = genedge("trace", "generate", "--out", tmp_path / "trace.parquet")
    assert answer.status == 2
    assert "ends in .csv" in answer.err


def test_convert_tells_what_it_set_aside(genedge, tmp_path):
    source, path = tmp_path / "requests.csv", tmp_path / "trace.csv"
    source.write_text(
        "gmt_create,predict_status,groupId,num_images_per_prompt,num_inference_steps,checkpoint_model_version_id\n"
        "2024-01-01 00:01:00,SUCCEED,G1,4.0,30.0,M1\n2024-01-01 00:00:30,FAILED,G1,1.0,30.0,M1\n"
        "2024-01-01 00:00:10,SUCCEED,,1.0,30.0,M1\n"
    )
    answer = genedge("trace", "convert", source, "--out", path)
    assert answer.status == 0
    assert "2 requests of 3 rows" in answer.out
    assert "set aside: 1, predict_status FAILED" in answer.out
    assert "noted: 1, earlier than the row before it; sorted" in answer.out
    answer = genedge("replay", source, *BOX)
    assert (answer.status, "genedge trace convert" in answer.err) == (2, True)


OWN_FORMAT = """
from genedge.replay.trace import Aside

def read(path, lines):
    for number, line in enumerate(lines, 1):
        who, what, when = line.split()
        if what == "none":
            yield number, Aside("without a model")
        else:
            yield number, (float(when), what, who, 30)
"""


def test_a_strangers_format_becomes_a_trace(genedge, tmp_path):
    (tmp_path / "own.py").write_text(OWN_FORMAT)
    (tmp_path / "log.txt").write_text("ann sdxl 7\nbob none 8\nbob flux 3\n")
    converted = genedge(
        "trace", "convert", tmp_path / "log.txt", "--format", f"{tmp_path}/own.py:read", "--out", tmp_path / "t.csv"
    )
    assert (tmp_path / "t.csv").read_text() == "time,model,user,steps\n3.000,flux,bob,30\n7.000,sdxl,ann,30\n"
    assert "2 requests of 3 rows" in converted.out
    assert "set aside: 1, without a model" in converted.out
    replayed = json.loads(genedge("replay", tmp_path / "t.csv", *BOX, "--json").out)
    assert sorted(replayed["schedulers"]["lru"]["models"]) == ["flux", "sdxl"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    raise KeyError('when')", "own.py line 3: read fails: KeyError: 'when'"),
        ("    yield 1, ('noon', 'm', 'u', 30)", "log.txt, line 1, time: 'noon' is no number"),
        ("    yield 1, (1.0, 'm')", "log.txt, line 1: a row is a tuple of time, model, user, steps"),
        ("    yield 1, (1.0, '', 'u', 30)", "log.txt, line 1, model: missing"),
        ("    return iter(())", "none of its 0 rows is a request"),
    ],
)
def test_what_a_strangers_format_does_wrong_is_said(genedge, tmp_path, body, message):
    (tmp_path / "own.py").write_text(f"\ndef read(path, lines):\n{body}\n")
    (tmp_path / "log.txt").write_text("x\n")
    own, out = f"{tmp_path}/own.py:read", tmp_path / "t.csv"
    answer = genedge("trace", "convert", tmp_path / "log.txt", "--format", own, "--out", out)
    assert (answer.status, out.exists()) == (2, False)
    assert message in answer.err


def test_requests_keep_sizes_of_their_own_when_converted(genedge, tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"time": 2, "model": "m", "user": "u", "steps": 30, "request_mb": 1.5}\n'
        '{"time": 1, "model": "n", "user": "", "steps": 20}\n'
    )
    genedge("trace", "convert", tmp_path / "a.jsonl", "--format", "jsonl", "--out", tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "time,model,user,steps,request_mb",
        "1.000,n,,20,",
        "2.000,m,u,30,1.5",
    ]
