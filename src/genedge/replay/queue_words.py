"""What a replay through a box with a queue comes to, in sentences."""

from collections.abc import Mapping, Sequence

from genedge.boxes.load import BoxFile
from genedge.boxes.models import MB_PER_GB
from genedge.replay.journal import Lived
from genedge.replay.names import Group, Names
from genedge.replay.queue_tally import QueueTally
from genedge.replay.waiting import Waits, WhoWaits
from genedge.text import in_brief

# So many models are named in a remark, and of a name so many characters.
NAMED, LONGEST = 5, 40


def who_stays(name: str, tally: QueueTally, who: WhoWaits) -> str | None:
    """Which models a scheduler keeps for how much of the time, and who waits longest.

    Args:
        name: of the scheduler.
        tally: of it.
        who: waits how long.

    Returns:
        A sentence; None if nobody was served.
    """
    longest, span_s = tally.longest, tally.end - tally.begin
    if longest is None or who.longest_model is None:
        return None
    most = sorted(tally.models.items(), key=lambda item: -item[1].held_s)[:NAMED]
    held = [f"{short(model)} {each.held_s / span_s:.0%}" for model, each in most if each.held_s > 0 and span_s > 0]
    stays = f"in memory, of the time: {', '.join(held)}; " if held else ""
    on_average = f"on average for {short(who.longest_model.name)} ({who.longest_model.wait_s:.0f} s"
    if who.longest_user is not None:
        on_average += f") and user {short(who.longest_user.name)} ({who.longest_user.wait_s:.0f} s"
    of_one = f"longest delay {longest.delay_s:.0f} s, for {short(longest.request.model)}"
    return f"{name}: {stays}{of_one}; longest waits {on_average})."


def what_a_gb_saves(tally: QueueTally, file: BoxFile) -> dict[str, float]:
    """Seconds of loads that a GB of memory for a model saves in an hour at most: were it held, and else never.

    Args:
        tally: of any scheduler.
        file: the box.

    Returns:
        By model that is asked for, the most first; nothing if all requests come at once.
    """
    hours = (tally.end - tally.begin) / 3600
    asked = tally.asked_for() if hours > 0 else {}
    found = {
        name: count / hours * file.models[name].load_s / (file.models[name].memory_mb / MB_PER_GB)
        for name, count in asked.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def why_they_stay(saves: Mapping[str, float]) -> str | None:
    """Why some models are worth their memory, and others less.

    Args:
        saves: seconds of loads that a GB of memory saves in an hour at most, by model, the most first.

    Returns:
        A sentence; None if there are fewer than two.
    """
    if len(saves) < 2:
        return None
    *most, least = saves
    told = ", ".join(f"{short(name)} {saves[name]:.1f} s" for name in most[:NAMED])
    last = f"{short(least)} {saves[least]:.1f} s"
    return f"Why: a GB of memory for one saves, at most, in loads an hour: {told}; least {last}."


def who_starves(name: str, who: WhoWaits) -> str | None:
    """Who starves under a scheduler.

    Args:
        name: of the scheduler.
        who: waits how long.

    Returns:
        A sentence; None if nobody does.
    """
    found = [
        *(("model", each) for each in who.starving_models[:NAMED]),
        *(("user", each) for each in who.starving_users[:NAMED]),
    ]
    if not found:
        return None
    more = max(len(who.starving_models) - NAMED, 0) + max(len(who.starving_users) - NAMED, 0)
    told = ", ".join(f"{kind} {_starving(each)}" for kind, each in found)
    return f"Who starves under {name}: {told}{f' and {more} more' if more else ''}."


def _starving(each: Waits) -> str:
    many = f"{each.requests} requests wait {each.wait_s:.0f} s on average"
    told = many if each.requests > 1 else f"its request waits {each.wait_s:.0f} s"
    others = "nobody else waits" if each.of_others is None else f"{each.of_others:.0f} times as long as others"
    return f"{short(each.name)} ({told}, {others})"


def about_names(names: Names, file: BoxFile, refused: int) -> list[str]:
    """What fits nowhere, what the box does not name, and what of it nobody asks for.

    Args:
        names: of the trace beside those of the box.
        file: the box.
        refused: how many requests.
    """
    lines = []
    if names.never_fit.models:
        served = "and there is no cloud" if refused else "so the cloud serves them"
        verb = (
            f"{refused} requests are refused: their" if refused else f"{names.never_fit.requests} requests: their"
        )
        lines.append(f"{verb} models fit on no GPU, {served}: {_few(names.never_fit)}.")
    if names.by_default.models:
        lines.append(f"Not named in the box, so as its defaults say: {_few(names.by_default)}.")
    if names.not_asked_for:
        entries = [
            short(entry) + (f" (the trace has {short(near)})" if near is not None else "")
            for entry, near in names.nearest.items()
        ]
        lines.append(f"Nobody asks for {_counted(entries, names.not_asked_for)}.")
    return lines


def as_it_lived(lived: Lived) -> str:
    """How a live box served the requests of its journal.

    Args:
        lived: it.
    """
    words = {"edge": "here", "cloud": "by the cloud", "left": "left", "": "under way at the end"}
    became = ", ".join(f"{n} {words.get(outcome, f'not: {outcome}')}" for outcome, n in lived.outcomes.items())
    told = f"As it was served live by {', '.join(lived.schedulers)}: {became}; {lived.loads} loads"
    if lived.mean_s is None or lived.p95_s is None:
        return f"{told}."
    return f"{told}; mean delay {lived.mean_s:.2f} s, p95 {lived.p95_s:.2f} s."


def short(name: str) -> str:
    """Somebody's name for something, in a sentence.

    Args:
        name: any text.
    """
    return in_brief(name, LONGEST)


def _few(group: Group) -> str:
    return _counted([short(name) for name in group.first], group.models)


def _counted(texts: Sequence[str], count: int) -> str:
    return ", ".join(texts) + (f" and {count - len(texts)} more" if count > len(texts) else "")
