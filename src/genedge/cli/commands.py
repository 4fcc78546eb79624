"""The typer application with all its verbs, one file each. Nothing heavy is imported until a verb runs."""

from genedge.cli.app import app
from genedge.cli.verbs import (
    calibrate,
    cite,
    decide,
    demo,
    evaluate,
    export,
    fit,
    live,
    paper,
    replay,
    runs,
    scenario,
    score,
    slots,
    sweep,
    testbed,
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
    calibrate,
    fit,
    live,
    testbed,
    export,
    demo,
    cite,
):
    verb.register(app)
