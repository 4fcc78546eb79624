"""What each model of a box takes."""

from typing import NamedTuple

from genedge.edge.peaks import Peak, peak_mb


class Model(NamedTuple):
    """One model.

    Attributes:
        name: as requests name it.
        memory_mb: of its own weights, whole megabytes, so that sums are exact.
        load_s: time to load these from disk [s].
        s_per_step: generation time of a step [s].
        s_fixed: generation time besides the steps [s].
        working_mb: memory that it takes besides, while it generates.
        megabytes: of a request for it and its result together, where these do not say.
        least_steps: with which its owner lets a request be generated under load; None if with all that it asks for.
        needs: names of models whose weights must be in memory with its own, such as that which it adapts. They are
            there once, for all that need them.
        peaks: what its generating was measured to take; none if any request takes `working_mb`.
    """

    name: str
    memory_mb: int
    load_s: float
    s_per_step: float
    s_fixed: float
    working_mb: int = 0
    megabytes: float = 0.0
    least_steps: float | None = None
    needs: tuple[str, ...] = ()
    peaks: tuple[Peak, ...] = ()

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the models whose weights it needs: its own, and those that it shares."""
        return (self.name, *self.needs)

    @property
    def most_mb(self) -> int:
        """The most that was measured of it, weights and all."""
        return self.memory_mb + max([self.working_mb, *(peak.memory_mb for peak in self.peaks)])

    def working_of_mb(self, images: int, pixels: int | None) -> int:
        """Memory that a request takes besides, while it is generated; never less than `working_mb`.

        Args:
            images: at once.
            pixels: of each; None for the model's own.
        """
        return max(self.working_mb, peak_mb(self.peaks, images, pixels)) if self.peaks else self.working_mb

    def generation_s(self, steps: float) -> float:
        """How long it generates.

        Args:
            steps: denoising steps.
        """
        return self.s_fixed + self.s_per_step * steps

    def with_steps_s(self, own_s: float, asked: float, steps: float) -> float:
        """How long a request generates with another number of steps than it asks for.

        Its own time changes in the proportion in which the model's does; a measured time keeps what sets it apart.

        Args:
            own_s: its time with as many steps as it asks for [s].
            asked: so many.
            steps: it gets.
        """
        usual_s = self.generation_s(asked)
        if own_s == usual_s:
            return self.generation_s(steps)
        return own_s * self.generation_s(steps) / usual_s if usual_s > 0 else own_s
