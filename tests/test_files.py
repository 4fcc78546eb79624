"""Files are whole or not there, with the mode and under the name that the user chose."""

import os
import stat
import threading

import pytest

from genedge.errors import InputError
from genedge.files import open_input, read_bytes, remove_left_behind, unfinished_beside, whole_file


def write(path, text="new"):
    with whole_file(path) as file:
        file.write(text.encode())


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """A function that sets the umask, for this test alone."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o027, 0o077])
def test_a_new_file_has_the_mode_that_the_umask_leaves(mask, umask, tmp_path):
    umask(mask)
    write(tmp_path / "file")
    assert mode_of(tmp_path / "file") == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(mode, umask, tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(mode)
    write(tmp_path / "file")
    assert (mode_of(tmp_path / "file"), (tmp_path / "file").read_text()) == (mode, "new")


@pytest.mark.parametrize("chain", [1, 3])
@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_is_written_through(chain, dangling, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target"
    if not dangling:
        target.write_text("old")
    last = target
    for i in range(chain):
        (tmp_path / f"link{i}").symlink_to(last)
        last = tmp_path / f"link{i}"
    write(last)
    assert last.is_symlink()
    assert (last.read_text(), target.read_text()) == ("new", "new")
    assert not target.is_symlink()


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "loop")
    assert (tmp_path / "loop").is_symlink()


def test_a_files_other_names_keep_what_they_held(tmp_path):
    (tmp_path / "file").write_text("old")
    os.link(tmp_path / "file", tmp_path / "snapshot")
    write(tmp_path / "file")
    assert ((tmp_path / "file").read_text(), (tmp_path / "snapshot").read_text()) == ("new", "old")


def test_a_write_protected_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o444)
    monkeypatch.setattr("genedge.files.os.access", lambda path, how: False)  # Also for the superuser.
    with pytest.raises(InputError, match="write-protected"):
        write(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link to a device"])
def test_what_is_no_file_is_not_written_to(kind, tmp_path):
    path = tmp_path / "there"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = path if kind == "link to a device" else tmp_path / os.devnull
        if kind == "link to a device":
            path.symlink_to(os.devnull)
    with pytest.raises(InputError, match="something else than a file"):
        write(path)
    assert path.exists()
    assert not path.is_file()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, ValueError, OSError])
def test_what_fails_leaves_nothing(failure, tmp_path):
    (tmp_path / "file").write_text("old")

    def half_a_file():
        with whole_file(tmp_path / "file") as file:
            file.write(b"half")
            raise failure

    def half_a_folder():
        with unfinished_beside(tmp_path / "folder") as hidden:
            hidden.mkdir()
            (hidden / "file").write_text("half")
            raise failure

    with pytest.raises((failure, InputError)):
        half_a_file()
    with pytest.raises(failure):
        half_a_folder()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


# --- Reading --------------------------------------------------------------------------------------------------


def test_a_pipe_is_read_to_its_end_however_slow(tmp_path):
    """Also where its writer has nothing to say for longer than nobody's would be waited for."""
    os.mkfifo(tmp_path / "pipe")
    ready = threading.Event()

    def writer():
        with (tmp_path / "pipe").open("wb") as file:
            ready.wait()
            file.write(b"late")

    thread = threading.Thread(target=writer)
    thread.start()
    with open_input(tmp_path / "pipe") as file:
        ready.set()
        assert file.read() == b"late"
    thread.join()


def test_a_pipe_that_nobody_writes_to_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="nobody writes"):
        open_input(tmp_path / "pipe")


def test_what_has_no_end_is_refused():
    with pytest.raises(InputError, match="/dev/zero: too large"):
        read_bytes("/dev/zero", 1 << 20)
    assert read_bytes(os.devnull) == b""


def test_only_what_a_killed_process_left_is_removed(tmp_path):
    others = [".notes.md.swp", ".notes.md", ".notes.md.0123456789ab.txt", ".card.md.0123456789ab", "notes.md"]
    for name in others:
        (tmp_path / name).write_text("somebody's")
    (tmp_path / ".notes.md.aaaaaaaaaaaa").mkdir()
    (tmp_path / ".notes.md.bbbbbbbbbbbb").symlink_to("notes.md")
    with unfinished_beside(tmp_path / "notes.md") as hidden:
        hidden.write_text("half")
        remove_left_behind(tmp_path / "notes.md")
        assert not hidden.exists()
    kept = sorted([*others, ".notes.md.aaaaaaaaaaaa", ".notes.md.bbbbbbbbbbbb"])
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
