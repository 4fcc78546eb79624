"""Whatever ends a box ends all that it has started, also the server behind a script, and while models load."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import pytest
from live_boxes import House
from live_server import ECHO, alive, live, until

from genedge.live.jobs import Failure, Limits
from genedge.live.journal import NoJournal

BOX = """
name: wrapped
gpus: [{{memory_gb: 4}}]
models:
  defaults: {{memory_gb: 2, load_s: 0.2, B1_s_per_step: 0, B2_s: 0.001}}
  a: {{worker: {{command: "{echo}.sh {python} {echo} {{port}} 0", health: /healthz}}}}
"""
WARM = """
name: warm
gpus: [{{memory_gb: 4}}]
warm: [a]
models:
  defaults: {{memory_gb: 2, load_s: 0.2, B1_s_per_step: 0, B2_s: 0.001}}
  a: {{worker: {{command: "{home}/wrap.sh {python} {home}/loads.py {{port}}", health: /nope}}}}
"""
# The shell waits for it, and is not replaced by it.
WRAP = '#!/bin/sh\n"$@"\nexit 0\n'
LOADS = f"""
import os, pathlib
pathlib.Path(__file__).with_name("pid.part").write_text(str(os.getpid()))
pathlib.Path(__file__).with_name("pid.part").rename(pathlib.Path(__file__).with_name("pid"))
{ECHO.replace('"healthy": True', '"healthy": False').replace("float(sys.argv[2])", "0").replace("200", "404")}
"""


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")
def test_a_killed_box_ends_the_server_behind_a_script(tmp_path):
    script(tmp_path / "echo.py.sh", WRAP)
    with live(tmp_path, box=BOX) as box:
        pid = box.ask("a").json()["pid"]
        os.kill(box.process.pid, signal.SIGKILL)
        box.process.wait()
        until(lambda: not alive(pid), within_s=10)


@pytest.fixture
def loading(tmp_path):
    """A box whose warm model never answers as it should; its process, and its server's number."""
    script(tmp_path / "wrap.sh", WRAP)
    (tmp_path / "loads.py").write_text(LOADS)
    (tmp_path / "warm.yaml").write_text(WARM.format(python=sys.executable, home=tmp_path))
    command = [sys.executable, "-m", "genedge", "live", str(tmp_path / "warm.yaml"), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (tmp_path / "pid").exists())
        pid = int((tmp_path / "pid").read_text())
        yield process, pid
        process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_box_that_is_ended_while_models_load_ends_them(loading, number):
    process, pid = loading
    assert process.stderr.readline() == "waiting for a to load, until its server answers /nope with 200\n"
    process.send_signal(number)
    assert process.wait(30) == 130
    until(lambda: not alive(pid), within_s=10)


def test_a_warm_model_has_as_long_to_load_as_any_other(tmp_path):
    takes = "{memory_gb: 2, load_s: 30, B1_s_per_step: 0}"
    text = f"name: warm\ngpus: [{{memory_gb: 4}}]\nwarm: [a]\nmodels: {{defaults: {takes}, a: {{}}}}"

    async def started():
        house = House(tmp_path, NoJournal(), text, limits=Limits(load_s=0.05))
        try:
            await house.driver.start()
        finally:
            await house.driver.close()
            assert house.held_mb == 0

    with pytest.raises(Failure, match=r"a was not loaded within 0\.05 s"):
        asyncio.run(asyncio.wait_for(started(), 20))
