"""What to cite for what: entries of `references.bib`, and which of them a run or a policy rests on."""

import importlib.resources
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from genedge.learn.agents import settings_of
from genedge.learn.runs import Run, open_run
from genedge.policies import REGISTRY, no_such_policy
from genedge.policies.boxes import RULES

# Always: the paper, and this software.
ALWAYS = ("liu2024joint", "genedge")

# What every agent learns with.
LEARNING = ("kingma2015adam", "jax2018github", "deepmind2020jax")
EQUIVARIANT, LAYER_NORM = "zaheer2017deep", "ba2016layer"

REINFORCE = ("williams1992simple", "kool2019buy")
AGENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ddpg": ("lillicrap2016continuous",),
        "td3": ("fujimoto2018addressing",),
        "sac": ("haarnoja2018soft", "haarnoja2018applications"),
        "two-timescale": ("liu2024twotimescale", "vanhasselt2016deep", "fujimoto2018addressing"),
        "reinforce": REINFORCE,
        "any-cell": REINFORCE,
    }
)

LEARNED = (*REINFORCE, EQUIVARIANT, LAYER_NORM, *LEARNING)
POLICIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rcars": (),
        "hcras": ("deb1995simulated", "deb1996combined"),
        "cloud-only": (),
        "greedy": (),
        "knapsack": (),
        "learned": LEARNED,
        "learned-search": LEARNED,
        "priced": (),
        "optimal": ("huangfu2018parallelizing",),
    }
)
SB3 = ("raffin2021stable",)


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
    """What a run rests on: its agent, its network, and the libraries that it learned with.

    Args:
        run: the run.
    """
    s = settings_of(run.scenario, run.agent)
    network = (EQUIVARIANT,) if s.network == "equivariant" else ()
    return (*AGENTS[run.agent], *network, *((LAYER_NORM,) if s.layer_norm else ()), *LEARNING)


def keys_of_policy(name: str) -> tuple[str, ...]:
    """What a policy rests on.

    Args:
        name: a name in the registry, the folder of a run, `sb3:` and a file, or a function of the reader's own,
            which rests on what only the reader knows.

    Raises:
        InputError: there is no such policy.
    """
    if name in POLICIES:
        return POLICIES[name]
    if name in RULES:
        return ()
    if name.startswith("sb3:"):
        return SB3
    if name.rpartition(":")[0].endswith(".py"):
        return ()
    if Path(name).is_dir():
        return keys_of_run(open_run(Path(name)))
    raise no_such_policy(name, REGISTRY)


def bibtex(keys: Iterable[str]) -> str:
    """The paper, this software, and entries, each once, as BibTeX.

    Args:
        keys: of the entries.
    """
    all_entries = entries()
    return "\n\n".join(all_entries[key] for key in dict.fromkeys((*ALWAYS, *keys))) + "\n"
