"""Does a replay of a live box's journal predict it? python benchmarks/live_prediction.py [--minutes 60]

The box `demo` serves for an hour, for real: users ask for images of three small models, of which two fit at once.
Then its journal is replayed, once with the durations that it recorded, which must decide the same, and once with
those that the box's file says, which were measured before (docs/make_measured.py). Printed: delays and loads as the
client and the box saw them beside what the replay says, and of what the difference is made. The journal is kept.
Nothing else should run meanwhile; box, workers and client share whatever cores they are given.
"""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from genedge.boxes.load import BoxFile, load_box
from genedge.calibrate.child import processor
from genedge.live.demo import Answered, Play, outcomes, play, second_box
from genedge.live.processes import free_port
from genedge.replay.again import replayed_again
from genedge.replay.journal import Asked, Life, lived, lives_in
from genedge.replay.queue_tally import QueueTally
from genedge.replay.queueing import replayed
from genedge.replay.trace import rows_lived

MEAN_WITHIN, P95_WITHIN = 0.10, 0.20


async def serve_and_ask(asked: Play, box: str, scheduler: str, journal: Path) -> list[Answered]:
    rows = asked.rows(load_box(box).models.named)
    options = (box, "--scheduler", scheduler, "--journal", str(journal), "--shadow", "")
    print(f"{len(rows)} requests in {asked.seconds / 60:g} min", flush=True)

    def told(what: str, done: int) -> None:
        if done % 100 == 0:
            print(f"{done} {what}, {datetime.now(UTC):%H:%M:%S} UTC", flush=True)

    async with second_box(free_port(), options) as url:
        return await play(url, rows, told)


def line(name: str, delays: Sequence[float], loads: int | None) -> str:
    told = "" if loads is None else f"{loads:8d}"
    return f"{name:24}{np.mean(delays):10.3f}{np.quantile(delays, 0.95):10.3f}{len(delays):10d}{told}"


def compare(life: Life, answered: Sequence[Answered], file: BoxFile) -> None:
    scheduler, here = life.head["scheduler"], lived([life])
    tally = replayed(scheduler, list(rows_lived([life])), file, scheduler, lambda *told: None)
    predicted = np.array(tally.delays)
    print(f"\n{'':24}{'mean [s]':>10}{'p95 [s]':>10}{'requests':>10}{'loads':>8}")
    if answered:
        print(line("live, by the client", [each.delay_s for each in answered if each.served_by], None))
    print(line("live, by the box", here.delays_s, here.loads))
    print(line("replayed", predicted.tolist(), tally.loads))
    for name, of, within in (
        ("mean", np.mean, MEAN_WITHIN),
        ("p95", lambda delays: np.quantile(delays, 0.95), P95_WITHIN),
    ):
        off = float(of(predicted) / of(np.array(here.delays_s)) - 1)
        print(f"{name}: {off:+.1%} of what was lived; the target is {within:.0%}")
    of_what(life, file, tally)


def of_what(life: Life, file: BoxFile, tally: QueueTally) -> None:
    """How long things took, over what the box's file says of them."""
    served = [each for each in life.asked() if each.took_s is not None]
    print(f"\nOver what the file says: {'generations':>14}{'loads':>10}")
    for model in file.models.named:
        print(f"{model:24}{ratio_of_generations(served, model, file):>14}{ratio_of_loads(life, model, file):>10}")
    share = sum(each.took_s or 0.0 for each in served) / max(life.events[-1]["time"], 1e-9)
    print(f"\nGenerating took {share:.0%} of the time; the replay waited {np.mean(tally.waits):.3f} s on average.")


def ratio_of_generations(served: Sequence[Asked], model: str, file: BoxFile) -> str:
    took = sum(each.took_s or 0.0 for each in served if each.model == model)
    said = sum(file.models[model].generation_s(each.steps) for each in served if each.model == model)
    return f"{took / said:.3f}" if said else "-"


def ratio_of_loads(life: Life, model: str, file: BoxFile) -> str:
    began: dict[int, str] = {}
    took = []
    for event in life.events:
        if event["event"] == "load":
            began[event["gpu"]] = event["model"]
        elif event["event"] == "loaded" and not event["failed"] and began[event["gpu"]] == model:
            took.append(event["took_s"])
    return f"{np.mean(took) / file.models[model].load_s:.3f}" if took else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=0.5, help="mean number of requests a second")
    parser.add_argument("--box", default="demo")
    parser.add_argument("--scheduler", default="dwell+cost-aware")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", type=Path, default=Path("live-prediction"), help="folder; kept")
    parser.add_argument("--again", action="store_true", help="look at that journal anew; nothing is served")
    given = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}, {processor()}", flush=True)
    answered: list[Answered] = []
    if not given.again:
        asked = Play(given.minutes * 60, given.rate, seed=given.seed)
        answered = asyncio.run(serve_and_ask(asked, given.box, given.scheduler, given.journal))
        print(outcomes(answered))
    file = load_box(given.box)
    print(replayed_again(given.journal, file)[-1].in_words)
    compare(lives_in(given.journal)[-1], answered, file)


if __name__ == "__main__":
    main()
