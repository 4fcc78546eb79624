"""Everything that can be named: what it is, where it is, and what to cite for it.

An entry is text alone, so that help and tables cost no import; what it names is imported when it is used. Help,
hints at what was meant, tables in the docs, citations and the parameters of tests are made from these entries. What
is not here but in a reader's own Python file is named `FILE.py:NAME`; see `genedge.own`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Literal

from genedge.errors import InputError
from genedge.text import nearest

Kind = Literal[
    "policy",
    "box rule",
    "order",
    "eviction",
    "agent",
    "channel",
    "mobility",
    "trace format",
    "measure",
    "small model",
]


@dataclass(frozen=True)
class Entry:
    """One thing that can be named.

    Attributes:
        name: what it is called on the command line and in files.
        what: what it is, half a sentence.
        home: where it is, `module:NAME`.
        cites: keys of `references.bib`, of what it rests on beyond the paper.
        settings: where its section of a scenario, or of a scheduler's file, is declared, `module:NAME`; empty if
            it has none.
        traits: what sets it apart from others of its kind. Of a policy, `of_scenario`: it is made for a scenario.
            Of an eviction, `foresees`: it is handed the whole trace; `told`: or told, as time goes by, how popular
            models are. Of a trace format, `replayed`: `genedge
            replay` reads files of that suffix.
    """

    name: str
    what: str
    home: str
    cites: tuple[str, ...] = ()
    settings: str = ""
    traits: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """Of a scenario, the section that holds its settings."""
        return self.name.replace("-", "_")

    def load(self) -> Any:
        """What it names."""
        return _at(self.home)

    def load_settings(self) -> Any:
        """Its section of a scenario, a class."""
        return _at(self.settings)


# What every learner rests on: Adam, and the libraries; and some: networks over users and models, layer norm.
LEARNING = ("kingma2015adam", "jax2018github", "deepmind2020jax")
EQUIVARIANT, LAYER_NORM = "zaheer2017deep", "ba2016layer"
_REINFORCE = ("williams1992simple", "kool2019buy")
_LEARNED = (*_REINFORCE, EQUIVARIANT, LAYER_NORM, *LEARNING)
_DIFFUSION = ("ho2020denoising", "song2021denoising", "lugmayr2022repaint")
_GENETIC = ("deb1995simulated", "deb1996combined")

_ENTRIES: Mapping[Kind, tuple[Entry, ...]] = {
    "policy": (
        Entry("rcars", "random caching, average bandwidth and steps; the paper's", "genedge.policies.rcars:rcars"),
        Entry(
            "hcras",
            "a genetic algorithm for each slot; the paper's",
            "genedge.policies.hcras:hcras_of",
            _GENETIC,
            settings="genedge.policies.hcras:Hcras",
            traits=("of_scenario",),
        ),
        Entry("cloud-only", "caches nothing", "genedge.policies.cloud_only:cloud_only"),
        Entry(
            "constant",
            "the best decision that does not look at the slot",
            "genedge.policies.constant:constant_of",
            traits=("of_scenario",),
        ),
        Entry(
            "greedy",
            "caches what serves most of the slot's requests; bandwidth and steps equal",
            "genedge.policies.greedy:greedy",
        ),
        Entry(
            "knapsack",
            "caches what saves most; bandwidth equal, steps to those whom they save most",
            "genedge.policies.knapsack:knapsack",
        ),
        Entry(
            "learned",
            "a trained network that ships with the package, for any cell",
            "genedge.policies.learned:learned_of",
            _LEARNED,
            traits=("of_scenario",),
        ),
        Entry(
            "learned-search",
            "the same, and the best of what lies near",
            "genedge.policies.learned:learned_search_of",
            _LEARNED,
            traits=("of_scenario",),
        ),
        Entry("priced", "near the optimum in any cell, with a certificate", "genedge.policies.certified:priced"),
        Entry(
            "optimal",
            "the certified optimum of each slot",
            "genedge.policies.certified:optimal",
            ("huangfu2018parallelizing",),
        ),
    ),
    "box rule": (
        Entry(
            "cloud-only",
            "holds what is pinned; and sends everybody to the cloud all the same",
            "genedge.policies.boxes:cloud_only",
        ),
        Entry(
            "constant",
            "holds one set for good, the best on episodes of its own",
            "genedge.policies.box_constant:constant",
        ),
        Entry(
            "rcars", "holds what `rcars` would cache in the paper's cell", "genedge.policies.boxes:random_caches"
        ),
        Entry(
            "greedy",
            "holds what `greedy` would cache in the paper's cell, for the requests just seen",
            "genedge.policies.boxes:greedy_caches",
        ),
        Entry(
            "knapsack",
            "holds what `knapsack` would cache in the paper's cell, for the requests just seen",
            "genedge.policies.boxes:knapsack_caches",
        ),
        Entry(
            "hcras",
            "the paper's genetic algorithm, for this slot; it shares bandwidth and steps itself",
            "genedge.policies.boxes:genetic",
            _GENETIC,
        ),
        Entry("optimal", "what the dynamic program says, shares included", "genedge.policies.boxes:optimal"),
    ),
    "order": (
        Entry("fifo", "first come, first served", "genedge.edge.schedulers.orders:Fifo"),
        Entry(
            "affinity",
            "requests for models in memory first, the oldest first; else the oldest",
            "genedge.edge.schedulers.orders:Affinity",
        ),
        Entry(
            "bounded-affinity",
            "the same, but whoever has waited for five minutes is next",
            "genedge.edge.schedulers.orders:BoundedAffinity",
            settings="genedge.boxes.parts:BoundedAffinity",
        ),
        Entry(
            "look-ahead",
            "the oldest for a model in memory among the first 32 of the queue, else the oldest",
            "genedge.edge.schedulers.orders:LookAhead",
            settings="genedge.boxes.parts:LookAhead",
        ),
        Entry(
            "round-robin",
            "users take turns, each user's requests as they came",
            "genedge.edge.schedulers.orders:RoundRobin",
        ),
        Entry(
            "response-ratio",
            "the longest wait over what serving takes, a load included",
            "genedge.edge.schedulers.orders:ResponseRatio",
            ("hansen1971short",),
        ),
        Entry(
            "dwell",
            "ours: models in memory first, the longest wait over own time; another is loaded when nobody waits for "
            "these, or once the GPU has generated 16 times as long as that load takes and an older request waits",
            "genedge.edge.schedulers.orders:Dwell",
            settings="genedge.boxes.parts:Dwell",
        ),
    ),
    "eviction": (
        Entry("lru", "what was used least recently", "genedge.edge.schedulers.evictions:Lru"),
        Entry("lfu", "what was used least often since the start", "genedge.edge.schedulers.evictions:Lfu"),
        Entry(
            "gdsf",
            "Greedy-Dual-Size-Frequency: the least requests × cost of a miss ÷ memory, ageing",
            "genedge.edge.schedulers.evictions:Gdsf",
            ("cherkasova1998improving",),
        ),
        Entry("by-name", "the first by name", "genedge.edge.schedulers.evictions:ByName"),
        Entry("smallest", "the smallest", "genedge.edge.schedulers.evictions:Smallest"),
        Entry(
            "sets",
            "what is in no set with the new model, of the sets that are written by hand the cheapest",
            "genedge.edge.schedulers.sets:Sets",
            settings="genedge.boxes.parts:Sets",
        ),
        Entry(
            "popularity",
            "the least rate of requests, over half-lives of a minute and a day; loads what leads by 20 %",
            "genedge.edge.schedulers.evictions:Popularity",
            settings="genedge.boxes.parts:Rates",
        ),
        Entry(
            "cost-aware",
            "ours: the least expected requests times the cost of a miss, over the memory; loads what will save a "
            "fifth more than what must go",
            "genedge.edge.schedulers.evictions:CostAware",
            settings="genedge.boxes.parts:Rates",
        ),
        Entry(
            "keep-forever",
            "loads while there is room; where it must give something up, what came last",
            "genedge.edge.schedulers.evictions:KeepForever",
        ),
        Entry(
            "cloud-only",
            "never loads; where it must, what came first goes",
            "genedge.edge.schedulers.evictions:CloudOnly",
        ),
        Entry(
            "static",
            "knows the whole trace: keeps the models that together save most over it, and loads no other",
            "genedge.edge.schedulers.foreseeing:Static",
            traits=("foresees",),
        ),
        Entry(
            "forecast",
            "knows how often each model is asked for, in all or in a slot box now: the least of that times the "
            "cost of a miss, over the memory",
            "genedge.edge.schedulers.foreseeing:Forecast",
            settings="genedge.boxes.parts:Forecast",
            traits=("foresees", "told"),
        ),
        Entry(
            "belady",
            "knows the whole trace: what is needed latest, times its size; loads what is needed before all that",
            "genedge.edge.schedulers.foreseeing:Belady",
            ("belady1966study",),
            traits=("foresees",),
        ),
    ),
    "agent": (
        Entry(
            "ddpg",
            "deep deterministic policy gradient, the paper's",
            "genedge.learn.ddpg:DDPG",
            ("lillicrap2016continuous",),
            settings="genedge.learn.ddpg:DdpgSettings",
        ),
        Entry(
            "td3",
            "DDPG with twin critics, delayed and smoothed",
            "genedge.learn.ddpg:TD3",
            ("fujimoto2018addressing",),
            settings="genedge.learn.ddpg:Td3Settings",
        ),
        Entry(
            "sac",
            "the soft actor-critic",
            "genedge.learn.sac:SAC",
            ("haarnoja2018soft", "haarnoja2018applications"),
            settings="genedge.learn.sac:SacSettings",
        ),
        Entry(
            "two-timescale",
            "for boxes: double DQN for the cache, DDPG for bandwidth and steps",
            "genedge.learn.two_timescale:TwoTimescale",
            ("liu2024twotimescale", "vanhasselt2016deep", "fujimoto2018addressing"),
            settings="genedge.learn.double_dqn:TwoTimescaleSettings",
        ),
        Entry(
            "reinforce",
            "REINFORCE: several decisions for each slot, each judged against the others",
            "genedge.learn.reinforce:Reinforce",
            _REINFORCE,
            settings="genedge.learn.reinforce:ReinforceSettings",
        ),
        Entry(
            "any-cell",
            "REINFORCE over cells of any size: one policy for catalogues and users not seen",
            "genedge.learn.any_cell:AnyCell",
            _REINFORCE,
            settings="genedge.learn.any_cell:AnyCellSettings",
        ),
    ),
    "channel": (
        Entry(
            "log-distance",
            "path loss of one slope and Rayleigh fading, the paper's",
            "genedge.cell.channels.log_distance:LogDistance",
            settings="genedge.cell.channels.log_distance:Settings",
        ),
        Entry(
            "two-slopes",
            "the same with another slope near the base station",
            "genedge.cell.channels.two_slopes:TwoSlopes",
            settings="genedge.cell.channels.two_slopes:Settings",
        ),
        Entry(
            "urban-micro",
            "3GPP's street canyon: line of sight by chance, shadowing along the way",
            "genedge.cell.channels.urban_micro:UrbanMicro",
            ("3gpp38901",),
            settings="genedge.cell.channels.urban_micro:Settings",
        ),
        Entry(
            "block-fading",
            "log-distance, its Rayleigh fading correlated from slot to slot",
            "genedge.cell.channels.block_fading:BlockFading",
            ("jakes1974microwave", "nasir2019multiagent"),
            settings="genedge.cell.channels.block_fading:Settings",
        ),
    ),
    "mobility": (
        Entry(
            "uniform",
            "anywhere in the area, anew in every slot, the paper's",
            "genedge.cell.mobility.uniform:Uniform",
            settings="genedge.cell.mobility.uniform:Settings",
        ),
        Entry(
            "random-waypoint",
            "straight to a place, a rest, and on to the next",
            "genedge.cell.mobility.random_waypoint:RandomWaypoint",
            ("johnson1996dynamic",),
            settings="genedge.cell.mobility.random_waypoint:Settings",
        ),
        Entry(
            "gauss-markov",
            "velocities that change little by little",
            "genedge.cell.mobility.gauss_markov:GaussMarkov",
            ("liang1999predictive",),
            settings="genedge.cell.mobility.gauss_markov:Settings",
        ),
        Entry(
            "positions",
            "as a file says",
            "genedge.cell.mobility.positions:Positions",
            settings="genedge.cell.mobility.positions:Settings",
        ),
    ),
    "trace format": (
        Entry("csv", "a header and a line a request", "genedge.replay.trace:csv_rows", traits=("replayed",)),
        Entry("jsonl", "a JSON object a request", "genedge.replay.trace:json_rows", traits=("replayed",)),
        Entry("gentd26", "GenTD26's lora_request_trace.csv", "genedge.replay.gentd26:gentd26_rows"),
        Entry("journal", "a journal of genedge live, its folder or a file", "genedge.replay.trace:journal_rows"),
        Entry("llama-swap", "llama-swap's activity in JSON", "genedge.replay.llama_swap:llama_swap_rows"),
        Entry("ollama", "the log of ollama serve", "genedge.replay.ollama:ollama_rows"),
    ),
    "measure": (
        Entry(
            "distance",
            "root mean square distance to the model's own image of the same seed and many steps, in the hole",
            "genedge.calibrate.quality:DISTANCE",
        ),
        Entry("psnr", "peak signal to noise against the truth, in the hole [dB]", "genedge.calibrate.quality:PSNR"),
        Entry(
            "ssim",
            "structural similarity with the truth, in the hole",
            "genedge.calibrate.quality:SSIM",
            ("wang2004image",),
        ),
        Entry(
            "tv-l2",
            "total variation, root of the sum of squared differences; most probably the paper's",
            "genedge.calibrate.quality:TV_L2",
        ),
        Entry("tv-sum", "total variation, sum of absolute differences", "genedge.calibrate.quality:TV_SUM"),
        Entry("tv-off", "how far `tv-l2` is from that of the truth", "genedge.calibrate.quality:TV_OFF"),
    ),
    "small model": (
        Entry(
            "faces",
            "faces of 24 pixels, grey",
            "genedge.calibrate.small.images:faces",
            (*_DIFFUSION, "huang2007labeled"),
        ),
        Entry(
            "textures",
            "brick, grass and gravel of 32 pixels, grey",
            "genedge.calibrate.small.images:textures",
            _DIFFUSION,
        ),
        Entry(
            "shapes",
            "discs, squares and triangles of 32 pixels, in colour",
            "genedge.calibrate.small.images:shapes",
            _DIFFUSION,
        ),
    ),
}


def named(kind: Kind) -> Mapping[str, Entry]:
    """All of a kind, by name.

    Args:
        kind: which.
    """
    return MappingProxyType({entry.name: entry for entry in _ENTRIES[kind]})


def for_boxes() -> Mapping[str, Entry]:
    """What decides for a slot box, by name: evictions, but for those that need a whole trace, and its own rules."""
    evictions = {
        name: entry
        for name, entry in named("eviction").items()
        if "foresees" not in entry.traits or "told" in entry.traits
    }
    return MappingProxyType({**evictions, **named("box rule")})


def entries() -> tuple[tuple[Kind, Entry], ...]:
    """All of all kinds."""
    return tuple((kind, entry) for kind, some in _ENTRIES.items() for entry in some)


def listed(names: Iterable[str], last: str = "and") -> str:
    """Names in a sentence: "a, b and c".

    Args:
        names: one or more.
        last: the word before the last of them.
    """
    *before, end = names
    return f"{', '.join(before)} {last} {end}" if before else end


def unknown(kind: str, name: str, known: Iterable[str], else_: str = "") -> InputError:
    """The error for a name that nothing of a kind has.

    Args:
        kind: which, for the message.
        name: what was asked for.
        known: the names that there are.
        else_: what it may be besides, such as ", or FILE.py:CLASS".
    """
    known = list(known)
    near = nearest(name, known)
    hint = f"; did you mean {near}?" if near else ""
    return InputError(f"{kind} {name!r}: no such {kind}{hint}; there are {', '.join(known)}{else_}")


def _at(home: str) -> Any:
    module, _, name = home.partition(":")
    return getattr(import_module(module), name)
