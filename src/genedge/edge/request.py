"""A request on its way through a box, and what it waited for."""

from collections.abc import Sequence


class Request:
    """One request.

    Attributes:
        number: counts requests as they came.
        time: when it came [s].
        model: the model's name.
        user: who asks; empty where unknown.
        steps: denoising steps, of all images together.
        megabytes: of request and result, which travel if the cloud serves it.
        own_s: how long it generates with these steps [s].
        working_mb: memory that it takes besides its model's weights; None for what that takes usually.
        waiting: whether it waits in the box's queue.
        loading_then: seconds that each GPU had been loading when it came, of all models and of its own [s].
    """

    __slots__ = (
        "loading_then", "megabytes", "model", "number", "own_s", "steps", "time", "user", "waiting", "working_mb",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        time: float,
        model: str,
        user: str,
        steps: float,
        own_s: float,
        megabytes: float = 0.0,
        working_mb: int | None = None,
    ) -> None:
        """A request that has not come yet.

        Args:
            number: counts requests as they came.
            time: when it comes [s].
            model: the model's name.
            user: who asks; empty where unknown.
            steps: denoising steps, of all images together.
            own_s: how long it generates with these steps [s].
            megabytes: of request and result, which travel if the cloud serves it.
            working_mb: memory that it takes besides its model's weights; None for what that takes usually.
        """
        self.number, self.time, self.model, self.user = number, time, model, user
        self.steps, self.own_s, self.megabytes, self.working_mb = steps, own_s, megabytes, working_mb
        self.waiting = False
        self.loading_then: Sequence[tuple[float, float]] = ()

    def __repr__(self) -> str:
        return f"request {self.number} for {self.model}"
