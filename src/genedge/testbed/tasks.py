"""What the processes of the testbed are told, and what they tell: plain values, which need no JAX and no torch."""

from typing import NamedTuple


class Request(NamedTuple):
    """A user's request in a slot, as a policy has decided it.

    Attributes:
        user: who asks.
        model: which of the small models, without `small:`.
        picture: the number of the picture with a hole, which is also the seed.
        input_bytes: d_in.
        output_bytes: d_out.
        hit: whether the base station serves it; else the cloud does.
        steps: of denoising.
        up_bps: the user's rate up, Eq. (2) [bit/s].
        down_bps: the user's rate down, Eq. (5) [bit/s].
        to_cloud_bps: R_bc [bit/s].
        from_cloud_bps: R_cb [bit/s].
        generation_s: how long generation should take, Eq. (12) [s].
    """

    user: int
    model: str
    picture: int
    input_bytes: int
    output_bytes: int
    hit: bool
    steps: int
    up_bps: float
    down_bps: float
    to_cloud_bps: float
    from_cloud_bps: float
    generation_s: float

    def slowed(self, factor: float) -> "Request":
        """The same on links that are slower.

        Args:
            factor: how many times.
        """
        slower = {key: getattr(self, key) / factor for key in RATES}
        return self._replace(**slower)


RATES = ("up_bps", "down_bps", "to_cloud_bps", "from_cloud_bps")


class Generated(NamedTuple):
    """A picture that was repaired.

    Attributes:
        png: it.
        began: when its generation began, on the machine's clock [s].
        seconds: that it took.
    """

    png: bytes
    began: float
    seconds: float


class Job(NamedTuple):
    """What a generator is asked for.

    Attributes:
        model: see `Request`.
        png: the picture with its hole.
        mask: black where it is to be repaired, as a picture.
        steps: of denoising.
        seed: of the noise.
        expected_s: how long it should take, Eq. (12) [s].
    """

    model: str
    png: bytes
    mask: bytes
    steps: int
    seed: int
    expected_s: float = 0.0


class Times(NamedTuple):
    """What a request met, on the machine's clock [s].

    Attributes:
        began: the user began to connect.
        received: the base station had the whole request.
        to_cloud_s: it was on its way to the cloud; 0 for a hit.
        generation_s: it was generated.
        from_cloud_s: the result was on its way from the cloud; 0 for a hit.
        answered: the base station began to send the result.
        ended: the user had it.
    """

    began: float
    received: float
    to_cloud_s: float
    generation_s: float
    from_cloud_s: float
    answered: float
    ended: float

    def parts(self) -> dict[str, float]:
        """Where the time went, in the columns of `genedge score`; the parts add up to the delay."""
        parts = {
            "uplink_s": self.received - self.began,
            "downlink_s": self.ended - self.answered,
            "backhaul_s": self.to_cloud_s + self.from_cloud_s,
            "generation_s": self.generation_s,
        }
        delay_s = self.ended - self.began
        return {**parts, "wait_s": delay_s - sum(parts.values()), "delay_s": delay_s}


class Served(NamedTuple):
    """A request that came to its end.

    Attributes:
        request: it.
        hit: whether the base station generated it.
        times: what it met.
        png: what the user got back.
    """

    request: Request
    hit: bool
    times: Times
    png: bytes
