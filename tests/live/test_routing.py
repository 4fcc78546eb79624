"""Where a request goes: to its model, to where room for it costs least, and a hot model to more than one box."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest

from genedge.live.routing import Seen, Takes, costs, route, seen_of


def box(busy_s=0.0, free_mb=0, gpus=1, **models):
    return Seen(busy_s, free_mb, gpus, {name: Takes(*takes) for name, takes in models.items()})


HAS, HAS_NOT = (0.0, 0.0, 2.0), (9.0, 0.0, 2.0)


def first(boxes, model="m"):
    return route(boxes, model)[0]


def test_it_goes_to_where_its_model_is():
    assert first([(box(m=HAS_NOT), ()), (box(busy_s=8.9, m=HAS), ())]) == 1


def test_a_hot_model_comes_to_a_second_box_when_the_queue_is_longer_than_a_load():
    assert first([(box(m=HAS_NOT), ()), (box(busy_s=9.1, m=HAS), ())]) == 0
    # Requests on their way are a queue, too: four of two seconds are less than the load, five are more.
    assert first([(box(m=HAS_NOT), ()), (box(m=HAS), "mmmm")]) == 1
    assert first([(box(m=HAS_NOT), ()), (box(m=HAS), "mmmmm")]) == 0
    # Where it is on its way already nothing is loaded for it again.
    assert first([(box(m=HAS_NOT), "m"), (box(m=HAS), "mmmmmm")]) == 0


def test_it_goes_to_where_room_for_it_costs_others_least():
    assert first([(box(m=(9, 5.0, 2)), ()), (box(m=(9, 4.0, 2)), ())]) == 1
    assert first([(box(m=(9, 5.0, 2)), ()), (box(busy_s=1.5, m=(9, 4.0, 2)), ())]) == 0


def test_boxes_that_do_not_serve_it_are_not_asked():
    assert route([(box(x=HAS), ()), (box(busy_s=1e6, m=HAS), ()), (box(), ())], "m") == [1]
    assert route([], "m") == []


def test_models_that_come_to_boxes_at_rest_are_spread():
    """Before any box has said that it has got one."""
    names = [f"m{i}" for i in range(40)]
    boxes = [box(free_mb=1000, **dict.fromkeys(names, HAS_NOT)) for _ in range(4)]
    sent = [[] for _ in boxes]
    for name in names:
        sent[first(list(zip(boxes, sent, strict=True)), name)].append(name)
    assert [len(each) for each in sent] == [10, 10, 10, 10]


def test_of_equals_the_emptier_one():
    assert first([(box(free_mb=10, m=HAS_NOT), ()), (box(free_mb=20, m=HAS_NOT), ())]) == 1


def test_two_gpus_do_twice_as_much():
    one, two = box(m=HAS), box(gpus=2, m=HAS)
    assert costs(one, "mm", "m").served_s == 6
    assert costs(two, "mm", "m").served_s == 4


@pytest.mark.parametrize("seed", range(20))
def test_the_first_costs_no_more_than_any_other(seed):
    """By a plain sum, model by model."""
    rng = random.Random(seed)
    boxes = []
    for _ in range(5):
        there = [name for name in "abc" if rng.random() < 0.8]
        takes = {name: (rng.choice([0, 9]), rng.uniform(0, 9), rng.uniform(1, 3)) for name in there}
        boxes.append((box(rng.uniform(0, 20), **takes), rng.choices("abcd", k=rng.randrange(4))))
    found = []
    for seen, sent in boxes:
        if "a" not in seen.models:
            found.append(math.inf)
            continue
        total, loaded = seen.busy_s, set()
        for name in sent:
            if name in seen.models:
                total += seen.models[name].own_s + (0 if name in loaded else seen.models[name].load_s)
                loaded.add(name)
        takes = seen.models["a"]
        found.append(total + takes.own_s + (0 if "a" in loaded else takes.load_s + takes.displaces_s))
    ranked = route(boxes, "a")
    assert sorted(ranked) == [i for i, cost in enumerate(found) if cost < math.inf]
    assert all(found[a] <= found[b] + 1e-9 for a, b in pairwise(ranked))


def test_what_a_box_says_is_read_and_rubbish_is_not():
    takes = {"load_s": 1, "displaces_s": 0.5, "own_s": 2}
    said = {"busy_s": 3, "free_mb": 10, "gpus": 2, "models": {"m": takes}}
    assert seen_of(said) == box(3, 10, 2, m=(1, 0.5, 2))
    for wrong in (
        None, [], "x", 3, {}, {**said, "busy_s": -1}, {**said, "busy_s": math.nan}, {**said, "busy_s": math.inf},
        {**said, "busy_s": "1"}, {**said, "busy_s": True}, {**said, "gpus": "many"}, {**said, "gpus": math.inf},
        {**said, "models": [takes]}, {**said, "models": {"m": None}},
        {**said, "models": {"m": {**takes, "own_s": None}}},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="no "):
            seen_of(wrong)


def test_as_many_as_are_asked_for_settle_where_they_are():
    """A hot model and ten cold ones, on three boxes for four models each: few loads, and the hot one on several."""
    rng, loads, served = random.Random(1), Counter(), Counter()
    held, busy = [[] for _ in range(3)], [0.0] * 3
    for _ in range(2000):
        model = "hot" if rng.random() < 0.7 else f"cold{rng.randrange(10)}"
        boxes = []
        for number in range(3):
            takes = {
                name: (0.0 if name in held[number] else 9.0, 0.0 if len(held[number]) < 4 else 1.0, 2.0)
                for name in ["hot", *(f"cold{i}" for i in range(10))]
            }
            boxes.append((box(busy[number], 4 - len(held[number]), 1, **takes), ()))
        to = first(boxes, model)
        if model in held[to]:
            held[to].remove(model)
        else:
            loads[model] += 1
            busy[to] += 9
            if len(held[to]) == 4:
                held[to].pop(0)
        held[to].append(model)
        busy[to] += 2
        served[to, model] += 1
        busy = [max(each - 1.2, 0.0) for each in busy]
    assert sum(served[number, "hot"] > 100 for number in range(3)) >= 2
    assert sum(loads.values()) < 400
