"""What each model of a box takes."""

from typing import NamedTuple


class Model(NamedTuple):
    """One model.

    Attributes:
        name: as requests name it.
        memory_mb: of its weights, whole megabytes, so that sums are exact.
        load_s: time to load it from disk [s].
        s_per_step: generation time of a step [s].
        s_fixed: generation time besides the steps [s].
        working_mb: memory that it takes besides, while it generates.
    """

    name: str
    memory_mb: int
    load_s: float
    s_per_step: float
    s_fixed: float
    working_mb: int = 0

    def generation_s(self, steps: float) -> float:
        """How long it generates.

        Args:
            steps: denoising steps.
        """
        return self.s_fixed + self.s_per_step * steps
