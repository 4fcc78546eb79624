"""The typer application with all its verbs, one file each. Nothing heavy is imported until a verb runs."""

from genedge.cli.app import app
from genedge.cli.verbs import (
    cite,
    decide,
    demo,
    evaluate,
    export,
    paper,
    replay,
    runs,
    scenario,
    score,
    slots,
    sweep,
    trace,
    train,
    watch,
)

__all__ = ["app"]

for verb in (
    scenario,
    slots,
    decide,
    score,
    train,
    sweep,
    runs,
    evaluate,
    watch,
    paper,
    trace,
    replay,
    export,
    demo,
    cite,
):
    verb.register(app)
