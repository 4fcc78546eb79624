"""The arrays that walk through the program: params, slot, decision, outcome.

All are named tuples, hence JAX pytrees, and every field may carry leading batch axes, written `*batch`.
N is the number of places (users that a slot can hold), M the number of models.
Quantities are in SI units: hertz, watts, bits, seconds, metres; storage is in gigabytes.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from genedge.cell.shown import slots_html
from genedge.cell.station import Station

# NumPy arrays come from scenarios and certificates, JAX arrays from compiled code; both are welcome.
AnyArray = Array | np.ndarray


class Curve(NamedTuple):
    """TV over steps as a table: linear between its steps, constant before the first and after the last.

    Attributes:
        steps: never falling; a model with fewer than others repeats its last.
        tv: at these steps, never rising.
    """

    steps: Float[AnyArray, "*m J"]
    tv: Float[AnyArray, "*m J"]


class Models(NamedTuple):
    """The catalogue as arrays, one entry per model (or per request, see `of_requests`).

    Attributes:
        storage_gb: c_m, memory that a cached copy takes [GB].
        output_bits: d_out,m, size of a result [bit].
        A1: steps at which the quality begins to improve.
        A2: TV of the unimproved image.
        A3: steps from which the quality no longer improves.
        A4: best TV.
        B1: generation time per step [s].
        B2: generation time at zero steps [s].
        floor_steps: least steps that a served request may get; 0 without a quality floor, infinite where
            the model cannot reach the floor.
        curve: TV over steps in place of the three pieces, whose A1 to A4 then say where it begins to fall and where
            it ends; None where no model has one.
    """

    storage_gb: Float[AnyArray, "*m"]
    output_bits: Float[AnyArray, "*m"]
    A1: Float[AnyArray, "*m"]
    A2: Float[AnyArray, "*m"]
    A3: Float[AnyArray, "*m"]
    A4: Float[AnyArray, "*m"]
    B1: Float[AnyArray, "*m"]
    B2: Float[AnyArray, "*m"]
    floor_steps: Float[AnyArray, "*m"]
    curve: Curve | None = None


class Box(NamedTuple):
    """What sets a real box apart from the paper's base station: its cache lasts, its backhaul and cloud are finite.

    Attributes:
        weights_gb: what is read to load a model [GB].
        load_s: how long that takes [s].
        load_slots: in how many slots, from the one in which it begins, a model that loads serves nobody.
        pinned: models that always stay.
        every: K, slots from one decision on the cache to the next, which is taken before the requests are known;
            None if it is taken in every slot, when they are.
        offload: whether a request that gets no steps goes to the cloud although its model is there.
        shared: whether the requests of a slot that go to the cloud share the backhaul's rates.
        generators: G, requests that the cloud generates at once; infinite for any number.
        rank_drift: probability that two neighbours in popularity change places from one slot to the next.
    """

    weights_gb: Float[AnyArray, "M"]
    load_s: Float[AnyArray, "M"]
    load_slots: Int[AnyArray, "M"]
    pinned: Bool[AnyArray, "M"]
    every: Int[AnyArray, ""] | None
    offload: Bool[AnyArray, ""]
    shared: Bool[AnyArray, ""]
    generators: Float[AnyArray, ""]
    rank_drift: Float[AnyArray, ""]


class Outage(NamedTuple):
    """When a user is not served at all.

    Attributes:
        least_gain: h_min, the least channel power gain with which a user is served, linear.
        delay_s: D_out, the delay that a request costs which is not served [s].
    """

    least_gain: Float[AnyArray, ""]
    delay_s: Float[AnyArray, ""]


class Costs(NamedTuple):
    """What a slot costs beyond Eq. (14), or instead of it; each None where it is off.

    Attributes:
        energy: λ_E, what a denoising step costs at the base station, on top of its time.
        deadline_s: D_max, the delay from which on a request is late [s].
        late: λ_L, what a late request costs.
        fairness: λ_F, weight of the largest delay of a slot [1/s].
        function: a cost of one's own instead, of delays, TV values, hits, steps, and who is there; a
            `jax.tree_util.Partial`.
    """

    energy: Float[AnyArray, ""] | None = None
    deadline_s: Float[AnyArray, ""] | None = None
    late: Float[AnyArray, ""] | None = None
    fairness: Float[AnyArray, ""] | None = None
    function: Any = None


class Observation(NamedTuple):
    """How the base station sees its users' channels, where that is not as they are.

    Attributes:
        stale: an entry for each slot that gains are old when they are seen; how many there are is all that counts,
            as compiled code must know it.
        noise_db: standard deviation of what is seen of a gain around it [dB].
    """

    stale: Float[AnyArray, "k"]
    noise_db: Float[AnyArray, ""]


@runtime_checkable
class AnyChannel(Protocol):
    """What every channel can tell of the gains that it makes."""

    def typical_db(self, area_m: Float[AnyArray, "2"]) -> Float[Array, ""]:
        """A gain of the middle [dB], which what agents see is measured from.

        Args:
            area_m: sides of the area [m].
        """
        ...

    def bounds(self, area_m: Float[AnyArray, "2"]) -> tuple[float, float]:
        """Least and largest gain that a slot can have; called outside of JAX.

        Args:
            area_m: sides of the area [m].
        """
        ...


@runtime_checkable
class Channel(AnyChannel, Protocol):
    """A channel that is fresh in every slot; a named tuple of arrays with these methods."""

    def gain(
        self, position_m: Float[AnyArray, "*batch 2"], u: Float[AnyArray, "*batch 2"]
    ) -> Float[Array, "*batch"]:
        """Channel power gains, linear.

        Args:
            position_m: where users are, the base station at the origin [m].
            u: two numbers for each, uniform in [0, 1).
        """
        ...


@runtime_checkable
class LastingChannel(AnyChannel, Protocol):
    """A channel of which something lasts from slot to slot.

    What lasts is a named tuple of arrays, and one of them is the slot's `gain`.
    """

    def first(self, position_m: Float[AnyArray, "N 2"], u: Float[AnyArray, "N 4"]) -> Any:
        """What lasts, when an episode begins.

        Args:
            position_m: where users are, the base station at the origin [m].
            u: four numbers for each, uniform in [0, 1).
        """
        ...

    def move(
        self,
        before: Any,
        position_m: Float[AnyArray, "N 2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Any:
        """The same a slot later.

        Args:
            before: in the slot before.
            position_m: where users are now [m].
            slot_s: how long a slot lasts [s].
            u: four numbers for each, uniform in [0, 1).
        """
        ...


@runtime_checkable
class Mobility(Protocol):
    """Users that are elsewhere in every slot; a named tuple of arrays with this method."""

    def place(self, area_m: Float[AnyArray, "2"], u: Float[AnyArray, "*batch 2"]) -> Float[Array, "*batch 2"]:
        """Where users are, within the area, the base station at the origin, in its middle [m].

        Args:
            area_m: sides of the area [m].
            u: two numbers for each user, uniform in [0, 1).
        """
        ...


@runtime_checkable
class LastingMobility(Protocol):
    """Users that move from slot to slot.

    What lasts is a named tuple of arrays, and one of them is `position_m`, where users are in the slot.
    """

    def first(self, area_m: Float[AnyArray, "2"], u: Float[AnyArray, "N 4"]) -> Any:
        """What lasts, when an episode begins.

        Args:
            area_m: sides of the area [m].
            u: four numbers for each user, uniform in [0, 1).
        """
        ...

    def move(
        self,
        before: Any,
        area_m: Float[AnyArray, "2"],
        slot_s: Float[AnyArray, ""],
        u: Float[AnyArray, "N 4"],
    ) -> Any:
        """The same a slot later.

        Args:
            before: in the slot before.
            area_m: sides of the area [m].
            slot_s: how long a slot lasts [s].
            u: four numbers for each user, uniform in [0, 1).
        """
        ...


class Params(NamedTuple):
    """A scenario as arrays, with the paper's symbols.

    Attributes:
        W_up: uplink bandwidth [Hz].
        W_dw: downlink bandwidth [Hz].
        p_n: transmit power of a user [W].
        p_BS: transmit power of the base station [W].
        N0: noise power spectral density [W/Hz].
        noise_over_own_band: True if the noise is taken over the bandwidth a user holds, False if over the
            whole band.
        R_bc: rate from the base station to the cloud, per request [bit/s].
        R_cb: rate from the cloud to the base station, per request [bit/s].
        S: denoising steps of the base station in a slot.
        C: storage of the base station [GB].
        delay_weight: weight of the delay in the utility [1/s].
        tv_weight: weight of the TV value in the utility.
        area_m: sides of the area [m].
        slot_s: how long a slot lasts [s]; of account where something lasts from slot to slot.
        input_bits: least and largest request size [bit].
        skews: the K states of the popularity's skew γ.
        transition: transition probabilities between them, Eq. (23).
        first_skew: probability of each state in the first slot.
        channel: how strong users are received.
        mobility: where they are.
        models: the catalogue.
        box: what sets a real box apart; None for a cell like the paper's.
        outage: when a user is not served at all; None where everybody is.
        costs: what a slot costs beyond Eq. (14); None if nothing.
        recorded: E episodes of T slots that are met in place of drawn ones, fields with leading axes (E, T); None
            where slots are drawn.
        observation: how channels are seen; None where they are seen as they are.
        station: what the base station of a system that runs has; None for one like the paper's.
    """

    W_up: Float[AnyArray, ""]
    W_dw: Float[AnyArray, ""]
    p_n: Float[AnyArray, ""]
    p_BS: Float[AnyArray, ""]
    N0: Float[AnyArray, ""]
    noise_over_own_band: Bool[AnyArray, ""]
    R_bc: Float[AnyArray, ""]
    R_cb: Float[AnyArray, ""]
    S: Float[AnyArray, ""]
    C: Float[AnyArray, ""]
    delay_weight: Float[AnyArray, ""]
    tv_weight: Float[AnyArray, ""]
    area_m: Float[AnyArray, "2"]
    slot_s: Float[AnyArray, ""]
    input_bits: Float[AnyArray, "2"]
    skews: Float[AnyArray, "K"]
    transition: Float[AnyArray, "K K"]
    first_skew: Float[AnyArray, "K"]
    channel: Channel | LastingChannel
    mobility: Mobility | LastingMobility
    models: Models
    box: Box | None = None
    outage: Outage | None = None
    costs: Costs | None = None
    recorded: "Slot | None" = None
    observation: Observation | None = None
    station: Station | None = None


class Memory(NamedTuple):
    """What the base station's memory holds when a slot begins.

    Attributes:
        held: models that occupy memory, loaded or loading.
        wait: slots until the model serves; 0 where it does, or is not held.
        until: slots until the next decision on the cache; 0 if this slot's counts.
    """

    held: Bool[AnyArray, "*batch M"]
    wait: Int[AnyArray, "*batch M"]
    until: Int[AnyArray, "*batch"]


class Slot(NamedTuple):
    """What the base station sees at the beginning of a slot, Eq. (16).

    The result sizes d_out of the state follow from the requests: `params.models.output_bits[requests]`.

    Attributes:
        skew: γ(t).
        requests: φ_n(t), index of the model that each user asks for, from 0; where nobody is, it may be −1.
        input_bits: d_in,n(t), size of each request [bit].
        gain: h_n(t), channel power gain, linear, the same up and down.
        position_m: where each user is, the base station at the origin [m]; not used by any cost.
        active: whether there is a user at this place who can be served; inactive places hold no share, cost
            nothing that is decided, and their numbers may be any.
        ranking: of a box, the model at each rank of popularity.
        memory: of a box whose episode is under way, what its memory holds.
        outage: of a scenario with an outage, whether there is a user at this place who cannot be served, and
            hence is not `active`.
        seen_gain: what the base station sees in place of `gain`, and policies are given; None where it sees the
            gain itself.
    """

    skew: Float[AnyArray, "*batch"]
    requests: Int[AnyArray, "*batch N"]
    input_bits: Float[AnyArray, "*batch N"]
    gain: Float[AnyArray, "*batch N"]
    position_m: Float[AnyArray, "*batch N 2"]
    active: Bool[AnyArray, "*batch N"]
    ranking: Int[AnyArray, "*batch M"] | None = None
    memory: Memory | None = None
    outage: Bool[AnyArray, "*batch N"] | None = None
    seen_gain: Float[AnyArray, "*batch N"] | None = None

    def _repr_html_(self) -> str:
        return slots_html(self)


class Decision(NamedTuple):
    """What the base station decides for a slot, Eq. (17).

    Attributes:
        cache: ρ_m(t), True where the model is cached. In a box whose cache is decided every K slots, the models to
            hold from the next slot on; it counts only in the slot before that, and must fit in all of them.
        bandwidth: b_n(t), share of the bandwidth, the same up and down.
        steps: ξ_n(t), share of the base station's denoising steps.
    """

    cache: Bool[AnyArray, "*batch M"]
    bandwidth: Float[AnyArray, "*batch N"]
    steps: Float[AnyArray, "*batch N"]


class Outcome(NamedTuple):
    """What a decision means to each user; zero at inactive places.

    A user in an outage has its delay and what that costs, and zero elsewhere.

    Attributes:
        uplink_s: radio part of D_up, Eq. (4) [s].
        downlink_s: radio part of D_dw, Eq. (6) [s].
        backhaul_s: backhaul parts of D_up and D_dw, both ways [s].
        generation_s: D_gen, Eq. (12) [s].
        tv: TV_n, Eq. (10), lower is better.
        hit: whether the base station served the request: its model is cached.
        delay_s: D_n, Eq. (13) [s].
        utility: U_n, Eq. (14), and what `Params.costs` adds to it; lower is better.
        queue_s: of a box, the wait for one of the cloud's generators, part of the delay [s].
        wait_s: where the base station generates few at once, the wait for it, part of the delay [s].
    """

    uplink_s: Float[AnyArray, "*batch N"]
    downlink_s: Float[AnyArray, "*batch N"]
    backhaul_s: Float[AnyArray, "*batch N"]
    generation_s: Float[AnyArray, "*batch N"]
    tv: Float[AnyArray, "*batch N"]
    hit: Bool[AnyArray, "*batch N"]
    delay_s: Float[AnyArray, "*batch N"]
    utility: Float[AnyArray, "*batch N"]
    queue_s: Float[AnyArray, "*batch N"] | None = None
    wait_s: Float[AnyArray, "*batch N"] | None = None


def with_outage(params: Params, slot: Slot) -> Slot:
    """The same slot, those whose channels are too weak not served; as it is where the scenario has no outage.

    Args:
        params: the scenario.
        slot: the slot, leading axes *batch, `active` wherever there is a user.
    """
    if params.outage is None:
        return slot
    weak = slot.active & (slot.gain < params.outage.least_gain)
    return slot._replace(active=slot.active & ~weak, outage=weak)


def present(slot: Slot) -> Bool[AnyArray, "*batch N"]:
    """Whether there is a user at each place, served or not.

    Args:
        slot: the slot, leading axes *batch.
    """
    return slot.active if slot.outage is None else slot.active | slot.outage


def lasts(params: Params) -> bool:
    """Whether anything of where users are and how they are received lasts from slot to slot.

    Args:
        params: the scenario.
    """
    return isinstance(params.mobility, LastingMobility) or isinstance(params.channel, LastingChannel)


def as_seen(slot: Slot) -> Slot:
    """The slot as the base station sees it: with the gains that it sees for those that there are.

    Args:
        slot: slots, leading axes *batch.
    """
    return slot if slot.seen_gain is None else slot._replace(gain=slot.seen_gain, seen_gain=None)


def with_places(slot: Slot, places: int) -> Slot:
    """The same slot with more places, the further ones inactive.

    Args:
        slot: the slot, leading axes *batch.
        places: N, at least as many as it has.
    """
    missing = places - slot.requests.shape[-1]

    def widen(x: AnyArray, axis: int = -1) -> Array:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (0, missing)
        return jnp.pad(jnp.asarray(x), widths)

    return slot._replace(
        requests=widen(slot.requests),
        input_bits=widen(slot.input_bits),
        gain=widen(slot.gain),
        position_m=widen(slot.position_m, -2),
        active=widen(slot.active),
        outage=None if slot.outage is None else widen(slot.outage),
        seen_gain=None if slot.seen_gain is None else widen(slot.seen_gain),
    )


def models_in_float64(models: Models) -> Models:
    """The catalogue in float64 NumPy.

    Args:
        models: the catalogue.
    """
    double: Models = jax.tree.map(lambda field: np.asarray(field, np.float64), models)
    return double


def of_requests(models: Models, requests: Int[AnyArray, "*batch N"]) -> Models:
    """The properties of the model that each user asks for.

    Args:
        models: the catalogue, fields of shape (M,).
        requests: model indices, shape (*batch, N).

    Returns:
        The same fields, of shape (*batch, N).
    """
    asked: Models = jax.tree.map(lambda field: jnp.asarray(field)[requests], models)
    return asked
