"""What to cite for what: entries of `references.bib`, and which of them a run or a policy rests on."""

import importlib.resources
import re
from collections.abc import Iterable
from pathlib import Path

from genedge.learn.runs import Run, find_runs
from genedge.own import in_file
from genedge.registry import EQUIVARIANT, LAYER_NORM, LEARNING, Kind, named, unknown
from genedge.registry import entries as registered
from genedge.scenario.load import CHOOSING

# Always: the paper, and this software.
ALWAYS = ("liu2024joint", "genedge")

# What whoever loads a model of Stable-Baselines3 rests on.
SB3 = ("raffin2021stable",)

# How several runs are compared.
COMPARING = ("agarwal2021deep",)


def entries() -> dict[str, str]:
    """All entries by key, each as it stands in the file, with the comment that says what it is for."""
    text = (importlib.resources.files("genedge") / "references.bib").read_text(encoding="utf-8")
    found = {}
    for entry in text.strip().split("\n\n"):
        key = re.search(r"^@\w+\{([^,\s]+),$", entry, re.MULTILINE)
        assert key is not None, entry
        found[key[1]] = entry
    return found


def keys_of_run(run: Run) -> tuple[str, ...]:
    """What a run rests on: its agent, its network, the libraries that it learned with, its channel and mobility.

    Args:
        run: the run.
    """
    # An agent of the reader's own may have neither.
    settings = dict(run.learner.settings) | {"network": getattr(run.learner.settings, "network", None)}
    keys = [*cited("agent", run.agent)]
    if settings["network"] == "equivariant":
        keys.append(EQUIVARIANT)
    if settings.get("layer_norm"):
        keys.append(LAYER_NORM)
    for kind, chosen in run.scenario.chosen.items():
        keys += cited(CHOOSING[kind], chosen.model)
    return (*keys, *LEARNING)


def keys_of(name: str) -> tuple[str, ...]:
    """What something that can be named rests on.

    Args:
        name: a name in the registry, the folder of a run or of several, `sb3:` and a file, or a function of the
            reader's own, which rests on what only the reader knows.

    Raises:
        InputError: there is nothing of that name.
    """
    same = [entry for _, entry in registered() if entry.name == name]
    if same:
        return tuple(dict.fromkeys(key for entry in same for key in entry.cites))
    if name.startswith("sb3:"):
        return SB3
    if in_file(name):
        return ()
    if Path(name).is_dir():
        runs = find_runs([Path(name)])
        keys = [key for run in runs for key in keys_of_run(run)]
        return (*keys, *COMPARING) if len(runs) > 1 else tuple(keys)
    known = dict.fromkeys(entry.name for _, entry in registered())
    raise unknown("name", name, known, ", a run's folder, sb3:FILE, and FILE.py:FUNCTION")


def cited(kind: Kind, name: str) -> tuple[str, ...]:
    """What the registry says to cite for a name; nothing for one of a reader's own file.

    Args:
        kind: which.
        name: its name.
    """
    known = named(kind)
    return known[name].cites if name in known else ()


def bibtex(keys: Iterable[str]) -> str:
    """The paper, this software, and entries, each once, as BibTeX.

    Args:
        keys: of the entries.
    """
    all_entries = entries()
    return "\n\n".join(all_entries[key] for key in dict.fromkeys((*ALWAYS, *keys))) + "\n"
