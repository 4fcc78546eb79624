"""What docs/howto/sweep.md reads into pandas and TensorBoard is what training logged."""

import json
import re
import struct
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy("pandas", "tensorboardX")

PAGE = (Path(__file__).parent.parent / "docs" / "howto" / "sweep.md").read_text(encoding="utf-8")
PANDAS, TENSORBOARD = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def logged(tmp_path, monkeypatch):
    """Rows by setting and seed, in the folders of a sweep."""
    monkeypatch.chdir(tmp_path)
    rows = {
        (setting, seed): [
            {"episode": episode, "evaluated_utility": value + seed + episode, "seconds": 0.5}
            for episode in (10, 20)
        ]
        for setting, value in (("ddpg.batch=32", 400.25), ("ddpg.batch=64", 300.5))
        for seed in (0, 1)
    }
    for (setting, seed), each in rows.items():
        folder = tmp_path / "rates" / setting / f"seed-{seed}"
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each))
    return rows


def test_pandas(logged, capsys):
    session = {}
    exec(PANDAS, session)
    table = session["metrics"]
    told = {
        (setting, seed): frame[["episode", "evaluated_utility", "seconds"]].to_dict("records")
        for (setting, seed), frame in table.groupby(["setting", "seed"])
    }
    assert told == logged
    assert "420.75  420.25  421.25" in capsys.readouterr().out


def test_tensorboard(logged, tmp_path):
    """The files are read back by the layout of their records: a length, its checksum, as many bytes, theirs."""
    from tensorboardX.proto.event_pb2 import Event

    exec(TENSORBOARD, {})
    for (setting, seed), rows in logged.items():
        (file,) = (tmp_path / "board" / setting / f"seed-{seed}").iterdir()
        assert "tfevents" in file.name
        content, at, found = file.read_bytes(), 0, {}
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += 16 + length
            for value in event.summary.value:
                found[event.step, value.tag] = value.simple_value
        assert found == {(row["episode"], name): value for row in rows for name, value in row.items()}
