"""How much memory this process holds, and held at most."""

import contextlib
import ctypes
import gc
import resource
import sys
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"


def held_bytes() -> int:
    """Of the GPU's memory where there is one, else of the host's: there it is all of the process."""
    return _on_gpu("memory_reserved") if _gpu() else _of_status("VmRSS")


def most_held_bytes() -> int:
    """The most since `forget_peak`."""
    return _on_gpu("max_memory_reserved") if _gpu() else _of_status("VmHWM")


def forget_peak() -> None:
    """What was held until now is no peak any more; unused memory is given back first."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with contextlib.suppress(OSError):
        CLEAR.write_text(RESET_PEAK)
    if _gpu():
        sys.modules["torch"].cuda.empty_cache()
        sys.modules["torch"].cuda.reset_peak_memory_stats()


def _of_status(key: str) -> int:
    """A value of the kernel's; elsewhere than on Linux, the most that this process ever held."""
    try:
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _gpu() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_available())


def _on_gpu(what: str) -> int:
    return int(getattr(sys.modules["torch"].cuda, what)())
