"""How hard XLA works on a program: seconds less to compile where the program runs no slower for it, or seldom."""

from collections.abc import Mapping
from types import MappingProxyType

# Higher levels take a fifth longer to compile the training steps, which then run no faster.
OFTEN: Mapping[str, int | bool] = MappingProxyType({"xla_backend_optimization_level": 1})

# The emitters of fused operations that are XLA's default on CPUs make code a tenth faster, in twice the time.
SELDOM: Mapping[str, int | bool] = MappingProxyType({**OFTEN, "xla_cpu_use_fusion_emitters": False})
ONCE: Mapping[str, int | bool] = MappingProxyType({**SELDOM, "xla_backend_optimization_level": 0})
