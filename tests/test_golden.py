"""Commands print what they printed when their outputs were last believed; `make golden` renews them."""

import json

import golden
import pytest


@pytest.mark.parametrize("case", golden.CASES)
def test_prints_what_it_printed(case):
    kept = json.loads(golden.kept(case))
    exact = kept["machine"] == golden.machine()
    assert list(golden.differences(kept["printed"], golden.printed(case), exact)) == []


def test_every_kept_output_has_its_command():
    assert {path.stem for path in golden.FOLDER.glob("*.json")} == set(golden.CASES)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("kept", "now"),
    [
        ({"hits": 3}, {"hits": 4}),
        ({"hits": 3}, {"hits": 3.0}),
        ({"hits": 3}, {}),
        ({}, {"hits": 3}),
        ([1, 2], [1, 2, 3]),
        ({"a": [{"name": "lru"}]}, {"a": [{"name": "lfu"}]}),
        ({"mean": None}, {"mean": 1.0}),
        ({"mean": 1.0}, {"mean": 1.001}),
        ({"held": False}, {"held": 0}),
    ],
)
def test_a_difference_is_told(kept, now, exact):
    assert len(list(golden.differences(kept, now, exact))) == 1


def test_last_bits_count_on_a_like_machine_only():
    assert list(golden.differences([1.0], [1.0 + 2e-16], exact=True)) == [".0: was 1.0, is 1.0000000000000002"]
    assert list(golden.differences([1.0], [1.0 + 2e-16], exact=False)) == []
