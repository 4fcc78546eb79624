"""What a live box refuses before it listens: boxes that could not be served as they are simulated."""

import pytest
from command_line import call

WORKER = 'worker: {command: "server {port}", health: /healthz}'
TAKES = "memory_gb: 1, load_s: 1, B1_s_per_step: 0.1, B2_s: 0"
BOX = "name: mine\ngpus: [{{memory_gb: 4}}]\n{box}\nmodels: {{defaults: {{{takes}}}{models}}}\n"


@pytest.mark.parametrize(
    ("box", "models", "told"),
    [
        ("", "", "mine: no model is named; a live box serves those that are"),
        ("", ", a: {}", "mine: models.a.worker is missing; give {pipeline: FOLDER} or {command: "),
        ("ram: {memory_gb: 8, load_share: 0.2}", f", a: {{{WORKER}}}", "mine: ram is for replays"),
        (
            "",
            f", base: {{{WORKER}}}, a: {{needs: [base], {WORKER}}}",
            "mine: models.a.needs is for replays; each live worker is a process with all weights of its own",
        ),
        (
            "",
            """, a: {worker: {command: "server 'oops {port}"}}""",
            "mine: models.a.worker.command: No closing quotation: a quote or a backslash has no other end, in",
        ),
        (
            "",
            ", a: {worker: {command: server --port 80}}",
            "mine: models.a.worker.command: it is not told where to listen; write {port} where",
        ),
        (
            "queue: false\ncloud: {wait_s: 1, backhaul_mbit_per_s: 100, generators: null}",
            f", a: {{{WORKER}}}",
            "mine: queue: false is for replays",
        ),
        (
            "cloud: {wait_s: 1, backhaul_mbit_per_s: 100, generators: 4}",
            f", a: {{{WORKER}}}",
            "mine: it has a cloud; say where with --cloud URL",
        ),
    ],
)
def test_what_cannot_be_served_is_said(tmp_path, box, models, told):
    path = tmp_path / "mine.yaml"
    path.write_text(BOX.format(box=box, takes=TAKES, models=models))
    ran = call("live", path, "--port", "0")
    assert ran.status == 2
    assert told in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


@pytest.mark.heavy("starlette", "uvicorn", "httpx", "prometheus_client")
@pytest.mark.parametrize(
    "cloud",
    [
        "http://a:b", "http://a:99999", "http://a:0", "http://a:-1", "http://:80", "ftp://a", "a:80", "http://[::1",
        "http://a b", "http://a,http://b:c", "",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_cloud_is_said(tmp_path, cloud):
    path = tmp_path / "mine.yaml"
    path.write_text(BOX.format(box="", takes=TAKES, models=f", a: {{{WORKER}}}"))
    ran = call("live", path, "--port", "0", "--cloud", cloud)
    assert ran.status == 2
    assert "is no address; give http://HOST:PORT, with commas between several" in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
