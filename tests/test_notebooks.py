"""What a notebook shows of scenarios and slots, and of a library call: nothing that was not asked for."""

import subprocess
import sys
from html.parser import HTMLParser

import jax
import numpy as np
from hostile import NAMES, renamed

import genedge
from genedge.scenario import load_scenario


class Cells(HTMLParser):
    """The texts of a page, and its tags."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td"}


def test_a_scenario_shows_every_setting_with_unit_and_provenance():
    scenario = load_scenario("paper", ["objective.alpha=0.5"])
    shown = Cells(scenario._repr_html_())
    assert shown.tags == TAGS
    texts = shown.texts
    assert texts[0] == f"scenario paper ({scenario.id})"
    assert set(scenario.of_cell) <= set(texts)
    at = texts.index("objective.alpha")
    assert texts[at : at + 4] == ["objective.alpha", "0.5", "1", "user"]
    assert f"{scenario.models[3].storage_gb:.4g}" in texts


def test_no_name_is_markup():
    for name in NAMES:
        assert Cells(renamed(load_scenario("paper"), name)._repr_html_()).tags == TAGS


def test_slots_show_the_users_of_the_first_one():
    params = load_scenario("paper").params
    slots = genedge.sample_episode(params, jax.random.key(0), 2, 3, 4)
    shown = Cells(slots._repr_html_())
    assert shown.tags == TAGS
    title, head = shown.texts[0], shown.texts[1:6]
    assert title == f"slots of shape (4,); the first: skew γ {slots.skew[0]:g}, 2 of 3 places taken"
    assert head == ["user", "asks for model", "request [Mbit]", "channel gain [dB]", "position [m]"]
    first = jax.tree.map(lambda x: np.asarray(x)[0], slots)
    for n in range(2):
        x_m, y_m = first.position_m[n]
        assert shown.texts[6 + 5 * n : 11 + 5 * n] == [
            str(n),
            str(first.requests[n]),
            f"{first.input_bits[n] / 1e6:.4g}",
            f"{10 * np.log10(first.gain[n]):.1f}",
            f"{x_m:.0f}, {y_m:.0f}",
        ]
    assert len(shown.texts) == 16
    assert Cells(jax.tree.map(lambda x: x[1], slots)._repr_html_()).texts[0].startswith("slot: skew γ ")


def test_slots_that_are_traced_say_so():
    slots = genedge.sample_episode(load_scenario("paper").params, jax.random.key(0), 2, 3, 4)
    pages = []
    jax.make_jaxpr(lambda s: pages.append(s._repr_html_()))(slots)
    assert "values that are not known yet" in pages[0]


QUIET = """
import matplotlib
before = dict(dict.items(matplotlib.rcParams))
import genedge, genedge.extend, genedge.gym, genedge.optimum
import genedge.cli.commands, genedge.paper.report, genedge.draw.evaluated, genedge.draw.watch, genedge.draw.slot
scenario = genedge.load_scenario("paper", ["cell.slots_per_episode=3"])
genedge.evaluate(scenario, {"rcars": genedge.policy("rcars", scenario)}, [3], 1, 0)._repr_html_()
env = genedge.gym.CellEnv("paper", ["cell.users=3", "cell.places=3"], render_mode="rgb_array")
env.reset(seed=0)
env.render()
after = dict(dict.items(matplotlib.rcParams))
assert after == before, {key for key in before if before[key] != after[key]}
import sys
assert "matplotlib.pyplot" not in sys.modules
"""


def test_a_library_call_prints_nothing_and_leaves_matplotlib_as_it_was():
    """So a later `plt.show()` shows what it would have shown without this package."""
    run = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
