"""Animations show the numbers that `score` gives and the certified optimum, and need nothing but themselves."""

import html
import io
import re
from dataclasses import replace

import jax
import numpy as np
import pytest
from hostile import PAIRS, renamed, texts_of
from PIL import Image

from genedge.cell.types import Decision
from genedge.draw.canvas import in_figure, pixels
from genedge.draw.picture import HIT, MISS
from genedge.draw.player import Frame, gif, page_html, player_html, png, writer_for
from genedge.draw.watch import cell_figure, decisions_figure, draw_frame
from genedge.errors import InputError
from genedge.evaluation.cells import evaluate
from genedge.evaluation.watched import episode
from genedge.policies import policy
from genedge.scenario import load_scenario
from genedge.text import shown as harmless

T, USERS, SEED = 4, 6, 3


def watched(name="rcars", users=USERS, seed=SEED, slots=T, overrides=()):
    scenario = load_scenario("paper", [f"cell.slots_per_episode={T}", *overrides])
    return episode(scenario, name, policy(name, scenario), users, seed, slots)


@pytest.fixture(scope="module")
def shown():
    return watched()


@pytest.fixture(scope="module")
def frames(shown):
    return [draw_frame(shown, k) for k in range(T)]


def test_an_episode_is_the_first_that_evaluate_meets(shown):
    policies = {"rcars": policy("rcars", shown.scenario)}
    found = evaluate(shown.scenario, policies, [USERS], 1, SEED, lambda _: None)
    for metric, values in {
        "utility": shown.policy.utility,
        "delay_s": shown.policy.outcome.delay_s,
        "tv": shown.policy.outcome.tv,
        "hit_ratio": shown.policy.outcome.hit,
    }.items():
        assert found.of("rcars", USERS).samples[metric][0] == pytest.approx(values.mean(), rel=1e-12)
    assert shown.best.name == "certified optimum"
    assert found.optimum(USERS).mean == pytest.approx(shown.best.utility.mean(), rel=1e-6)
    assert (shown.best.utility <= shown.policy.utility).all()


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_names_are_shown_as_they_are_wherever_an_episode_is(first, second, shown, monkeypatch):
    odd = replace(shown, scenario=renamed(shown.scenario, first), policy=replace(shown.policy, name=second))
    halves = []
    monkeypatch.setattr("genedge.draw.watch.pixels", lambda figure: (halves.append(figure), pixels(figure))[1])
    frames = [draw_frame(odd, 0)]
    cell, decisions = map(texts_of, halves)
    assert any(text.startswith(f"scenario {in_figure(first)}, ") for text in cell)
    assert any(text.endswith(f", {in_figure(second)}") for text in cell)
    assert in_figure(second) in decisions
    page = page_html(frames, odd.caption).decode()
    assert page.count("<script>") == 1
    assert html.escape(harmless(first)) in page
    assert html.escape(harmless(second)) in page
    assert all(c.isprintable() or c == "\n" for c in page)
    comment = Image.open(io.BytesIO(gif(frames, odd.caption))).info["comment"].decode()
    assert comment.startswith(f"{harmless(second)} beside"[:200])


def test_fewer_slots_are_the_first_ones(shown):
    """Also of a policy that draws random numbers, as RCARS does."""
    few = watched(slots=2)
    pairs = (few.slots, shown.slots), (few.policy.decision, shown.policy.decision)
    for fewer, whole in pairs:
        jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y[:2]), fewer, whole)


def test_words_and_pictures_say_the_same_numbers(shown, frames):
    for k, frame in enumerate(frames):
        written = {text.get_text() for text in decisions_figure(shown, k).texts}
        for side in (shown.policy, shown.best):
            utility, delay_s, tv, hit_ratio = side.numbers(k)
            assert utility == side.outcome.utility[k].sum()
            assert delay_s == side.outcome.delay_s[k].mean()
            assert tv == side.outcome.tv[k].mean()
            assert hit_ratio == side.outcome.hit[k].mean()
            gap = f" ({utility / shown.best.utility[k] - 1:+.2%})" if side is shown.policy else ""
            assert {f"{utility:.1f}{gap}", f"{delay_s:.1f}", f"{tv:.1f}", f"{hit_ratio:.2f}"} <= written
            assert (
                f"{side.name}: utility {utility:.1f}{gap}, mean delay {delay_s:.1f} s, mean TV {tv:.1f}, "
                f"hit ratio {hit_ratio:.2f}"
            ) in frame.text
        assert frame.text.startswith(f"Slot {k + 1} of {T}. ")


def test_bars_are_as_long_as_what_was_decided(shown):
    k, params = 1, shown.scenario.params
    axes = iter(decisions_figure(shown, k).axes)
    for side in (shown.policy, shown.best):
        memory, bandwidth, steps = (next(axes).patches for _ in range(3))
        sizes = params.models.storage_gb[side.decision.cache[k]]
        np.testing.assert_allclose([bar.get_width() for bar in memory], sizes)
        for bars, share in ((bandwidth, side.decision.bandwidth), (steps, side.decision.steps)):
            rows = sorted(bars, key=lambda bar: bar.get_y())
            np.testing.assert_allclose([bar.get_width() for bar in rows], share[k] * 100)
            assert [bool(bar.get_hatch()) for bar in rows] == (~side.outcome.hit[k]).tolist()


def test_the_running_utility_ends_at_this_slot(shown):
    for k in (0, T - 1):
        lines = cell_figure(shown, k).axes[1].get_lines()
        for line, side in zip(lines, (shown.policy, shown.best), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), side.utility[: k + 1])
            assert f"mean {side.utility[: k + 1].mean():.1f}" in line.get_label()


def test_where_nothing_is_certified_the_name_says_how_near_it_is():
    near = watched(overrides=["models.count=24", "server.storage_gb=40"], users=18)
    percent = float(re.fullmatch(r"optimum to within (\S+) %", near.best.name)[1])
    assert 0 < percent < 5
    assert near.best.name in near.caption


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("users", "overrides"),
    [
        (1, ["cell.slots_per_episode=1"]),
        (40, []),
        (USERS, ["server.storage_gb=0"]),
        (USERS, ["objective.alpha_weighs=tv", "objective.alpha=0", "models.B1_s_per_step=0", "models.B2_s=0"]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_any_cell_can_be_drawn(users, overrides):
    drawn = watched("rcars", users, slots=1, overrides=overrides)
    frame = draw_frame(drawn, 0)
    assert [size_of(picture) for picture in frame.pictures] == [(560, 740)] * 2
    cell, utilities = cell_figure(drawn, 0).axes
    places = np.concatenate(
        [np.asarray(marks.get_offsets()) for marks in cell.collections if marks.get_offsets().size]
    )
    for place in drawn.slots.position_m[0]:
        assert (np.abs(places - place).max(axis=1) < 1e-3).any()
    assert [line.get_ydata().tolist() for line in utilities.get_lines()] == [
        side.utility.tolist() for side in (drawn.policy, drawn.best)
    ]
    memory, bandwidth, steps = decisions_figure(drawn, 0).axes[:3]
    assert len(memory.patches) == drawn.policy.decision.cache[0].sum()
    assert len(bandwidth.patches) == len(steps.patches) == users


def size_of(picture):
    return Image.open(io.BytesIO(picture)).size


def test_hits_and_misses_keep_their_exact_colours(shown, frames):
    for picture in frames[0].pictures:
        colours = {colour for _, colour in Image.open(io.BytesIO(picture)).convert("RGB").getcolors()}
        for colour in (HIT, MISS, "#FFFFFF", "#000000"):
            assert tuple(bytes.fromhex(colour[1:])) in colours


@pytest.mark.heavy
def test_the_same_seed_makes_the_same_bytes(shown, frames):
    again, other = watched(), watched(seed=SEED + 1)
    assert [draw_frame(again, k) for k in range(2)] == frames[:2]
    assert draw_frame(other, 0) != frames[0]
    for written in (page_html, gif):
        assert written(frames[:2], again.caption) == written(frames[:2], shown.caption)


def test_a_page_holds_all_frames_and_refers_to_nothing_else(shown, frames):
    page = page_html(frames, shown.caption).decode()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count('<div class="frame"') == T
    assert page.count('<div class="frame" hidden>') == T - 1
    addresses = re.findall(r"""(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]*)""", page)
    assert len(addresses) > 2 * T
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"data:[^\"]*", "", page).replace("// ", ""))
    assert "{{" not in page
    for frame in frames:
        assert frame.text in page
    assert len(page) < T * 60_000


def test_a_page_with_several_players_and_odd_names():
    picture = png(np.full((2, 3, 3), 255, np.uint8), (HIT,))
    odd = '</script><b>&" {{caption}}'
    players = [player_html([Frame((picture,), odd)] * 2, odd, identifier) for identifier in ("one", "two")]
    assert ['id="one"' in players[0], 'id="two"' in players[1]] == [True, True]
    for player in players:
        assert player.count("</script>") == 1
        assert "<b>" not in player
        assert "<html" not in player
        assert "&lt;/script&gt;&lt;b&gt;&amp;&quot; {{caption}}" in player


def test_gif(shown, frames):
    image = Image.open(io.BytesIO(gif(frames, shown.caption)))
    assert (image.format, image.n_frames, image.size) == ("GIF", T, (1120, 740))
    assert image.info["loop"] == 0
    assert image.info["comment"] == shown.caption.encode()
    for k, frame in enumerate(frames):
        image.seek(k)
        assert image.info["duration"] == 500
        whole = np.asarray(image.convert("RGB"))
        halves = [np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")) for picture in frame.pictures]
        np.testing.assert_array_equal(whole, np.concatenate(halves, axis=1))


def test_what_is_wrong_is_said(tmp_path):
    for name in ("episode.mp4", "episode", "gif"):
        with pytest.raises(InputError, match=r"such as \w+\.html or \w+\.gif"):
            writer_for(tmp_path / name)
    assert writer_for(tmp_path / "a.b.HTML") is page_html
    with pytest.raises(InputError, match="--users 0: at least one"):
        watched(users=0)
    for slots in (0, T + 1):
        with pytest.raises(InputError, match=rf"--slots {slots}: an episode has {T} slots"):
            watched(slots=slots)


def test_a_policy_that_breaks_a_constraint_is_found_out(shown):
    def greedy_for_bandwidth(params, slots, key):
        fine = policy("cloud-only", shown.scenario)(params, slots, key)
        return Decision(fine.cache, np.asarray(slots.active, float), fine.steps)

    with pytest.raises(InputError, match=r"\(11e\)"):
        episode(shown.scenario, "greedy", greedy_for_bandwidth, USERS, SEED, T)
