"""The process that holds a pipeline: reads what to make, writes what it has made."""

import os
import sys
import time
from typing import IO, Any

from genedge.errors import InputError
from genedge.interruption import serve
from genedge.live import frames
from genedge.live.jobs import Picture
from genedge.live.memory_words import tells_of_memory

# Between two words of how far it is [s].
EVERY_S = 0.1


def main(source: str) -> None:
    """Its life.

    Args:
        source: of the pipeline.
    """
    serve(os.getppid())
    # What libraries print must not come among the messages.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    try:
        from genedge.live.pipelines import pipeline_of

        pipeline = pipeline_of(source)
        pipeline.make(Picture(), 1, lambda done, of: None)
    except BaseException as e:
        _write(out, _failed(e))
        return
    _write(out, {"ready": True})
    while (frame := frames.read_blocking(sys.stdin.buffer)) is not None:
        try:
            _write(out, *_made(out, pipeline, frame))
        except Exception as e:
            _write(out, _failed(e))
        give_back()


def give_back() -> None:
    """What torch took to generate is free again for other processes, as the box supposes; it would keep it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _made(out: IO[bytes], pipeline: Any, frame: frames.Frame) -> tuple[dict[str, Any], list[bytes]]:
    from genedge.live.pipelines import png

    head, parts = frame
    steps = head.pop("steps")
    image, mask = (parts.pop(0) if has else None for has in head.pop("has"))
    picture = Picture(**head, image=image, mask=mask)
    of_each = max(round(steps / picture.images), 1)
    told_at = -EVERY_S

    def tick(done: int, of: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        # What tells of every step keeps the box as busy as a small model.
        if done == of or now - told_at >= EVERY_S:
            told_at = now
            _write(out, {"progress": [done, of]})

    images = pipeline.make(picture, of_each, tick)
    return {"done": len(images)}, [png(each) for each in images]


def _failed(error: BaseException) -> dict[str, str]:
    # What a user's own file raised was put in words.
    raised = error.__cause__ or error
    if not isinstance(raised, InputError) and tells_of_memory(_said(raised)):
        return {"kind": "memory", "message": f"out of memory: {_said(raised)}"}
    if isinstance(error, InputError):
        return {"kind": "bad", "message": str(error)}
    return {"kind": "failed", "message": _said(error)}


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _write(out: IO[bytes], head: dict[str, Any], parts: list[bytes] | None = None) -> None:
    out.write(frames.packed(head, parts or []))


if __name__ == "__main__":
    main(sys.argv[1])
