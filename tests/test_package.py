"""What is built holds what it needs, and installs where there is nothing else."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = (".py", ".yaml", ".npz", ".md", ".html", ".bib", ".typed")


def run(*command: object, **more) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def test_the_wheel_holds_the_whole_package(built):
    names = set(zipfile.ZipFile(built[0]).namelist())
    package = ROOT / "src" / "genedge"
    needed = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.suffix in DATA or path.name == "py.typed"
    }
    assert "genedge/policies/learned.npz" in needed
    assert needed <= names
    metadata = zipfile.ZipFile(built[0]).read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "Requires-Python: <3.14,>=3.11" in metadata
    core = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not any("torch" in line or "ray" in line or "gymnasium" in line for line in core)


def test_the_source_holds_tests_and_docs(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "Makefile",
        "constraints.txt",
        "tests/conftest.py",
        "docs/learning.md",
        "examples/ten_lines.py",
    } <= names
    assert not any(name.startswith((".venv", "runs/", "demo/")) for name in names)


def test_importing_costs_next_to_nothing():
    """Nothing but the interpreter's own library is imported, and little of that."""
    program = "import sys; before = set(sys.modules); import genedge; print(*set(sys.modules) - before)"
    imported = set(run(sys.executable, "-c", program).split())
    assert "genedge" in imported
    others = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
    assert others == {"genedge"}
    assert not [name for name in imported if name.startswith("genedge.")]


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_it_installs_into_an_empty_environment(built, tmp_path, kind):
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    package = built[0] if kind == "wheel" else built[1]
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", package)
    # Elsewhere than here, so that nothing is found by chance.
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = (tmp_path / "venv" / "bin" / "genedge", "evaluate", "--policies", "learned,rcars", "--episodes", 1)
    said = run(*program, cwd=tmp_path, env=clean)
    assert "certified optimum" in said
