"""Numbers of the orders and evictions that have some, as a file says them, under the names of their arguments."""

from typing import Annotated

from pydantic import AfterValidator, Field

from genedge.catalogue.sections import Name, Seconds
from genedge.edge.schedulers.evictions import Kernel
from genedge.settings.fields import Count, NotNegative, Positive, Section


class NoNumbers(Section):
    """Of a part that has none."""


class BoundedAffinity(Section):
    """Of `bounded-affinity`: who has waited for so long is next."""

    bound_s: Seconds


class LookAhead(Section):
    """Of `look-ahead`: how many of the queue it looks at."""

    ahead: Count


class Dwell(Section):
    """Of `dwell`: how many times a load's time a GPU generates before a load though others wait for what it has."""

    kappa: NotNegative


class KernelSection(Section):
    """One exponential in a rate of requests."""

    of_users: Annotated[bool, Field(strict=True)]
    half_life_s: Annotated[Positive, Field(ge=1e-3, le=1e9)]
    weight: NotNegative


def _kernels(sections: tuple[KernelSection, ...]) -> tuple[Kernel, ...]:
    return tuple(Kernel(**dict(section)) for section in sections)


Kernels = Annotated[tuple[KernelSection, ...], Field(min_length=1, max_length=100), AfterValidator(_kernels)]


class Rates(Section):
    """Of `popularity` and `cost-aware`: what their rates are made of, and how clearly a load must be worth it.

    `hysteresis` is of account only where a cloud takes whoever asks for what is not loaded.
    """

    kernels: Kernels
    hysteresis: NotNegative


class Forecast(Section):
    """Of `forecast`: how clearly a load must be worth it, and for how long what is told holds, loading included."""

    hysteresis: NotNegative
    horizon_s: Annotated[Positive, Field(ge=1e-3, le=1e9)] | None


class Sets(Section):
    """Of `sets`: models that may be in memory together, and what giving one up costs."""

    sets: Annotated[tuple[tuple[Name, ...], ...], Field(max_length=10_000)]
    costs: dict[Name, Positive]


class Besides(Section):
    """What a scheduler is held to besides, and what it does besides; nothing unless said.

    Of `keep_alive_s` and `most_models` the tighter one counts, if the box has one too.
    """

    keep_alive_s: Seconds | None = None
    most_models: Count | None = None
    churn_guard_s: Seconds | None = None
    anticipate_s: Seconds | None = None
    fair_share_s: Seconds | None = None
    fewer_steps_s: Seconds | None = None
    cloud_by_delay: Annotated[bool, Field(strict=True)] = False
