"""Arrays in files: read back bit by bit; what is damaged, foreign or hostile is refused before it is read."""

import io
import os
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genedge.errors import InputError
from genedge.learn.arrays import restore, save


def arrays_of(path):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def test_arrays_survive_the_file_bit_by_bit(tmp_path):
    tree = {
        "floats": jnp.array([[1.5, -0.0, jnp.nan, jnp.inf, 1e-40]], jnp.float32),
        "counts": jnp.int32(3),
        "flags": np.array([True, False]),
        "nothing": jnp.zeros((4, 0)),
        "key": jax.random.key(5),
    }
    save(tmp_path / "x.npz", tree, "me")
    back = restore(tmp_path / "x.npz", tree, "me")
    for ours, theirs in zip(jax.tree.leaves(tree), jax.tree.leaves(back), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert np.asarray(back["floats"]).tobytes() == np.asarray(tree["floats"]).tobytes()
    assert jax.random.key_data(back["key"]).tolist() == jax.random.key_data(tree["key"]).tolist()


ARCHIVE = {"a": np.arange(6.0, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.int32)}
FOREIGN = {
    "another id": (ARCHIVE, "you"),
    "another shape": (ARCHIVE | {"a": ARCHIVE["a"].T}, "me"),
    "another type": (ARCHIVE | {"b": np.zeros(2, np.float32)}, "me"),
    "an array more": (ARCHIVE | {"c": np.zeros(2)}, "me"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_arrays_are_refused(case, tmp_path):
    tree, owner = FOREIGN[case]
    path = tmp_path / "x.npz"
    save(path, tree, owner)
    with pytest.raises(
        InputError, match=r"x\.npz: of another run, made from other settings or another seed"
    ) as told:
        restore(path, ARCHIVE, "me")
    assert f"genedge train --resume {tmp_path}" in str(told.value)


@pytest.mark.parametrize("missing", ["0001", "run"])
def test_an_archive_without_an_array_is_damaged(missing, tmp_path):
    path = tmp_path / "x.npz"
    save(path, ARCHIVE, "me")
    np.savez(path, **{name: array for name, array in arrays_of(path).items() if name != missing})
    with pytest.raises(InputError, match=r"x\.npz: damaged; remove it"):
        restore(path, ARCHIVE, "me")


def test_an_archive_cut_anywhere_is_damaged(tmp_path):
    """Also where a single byte is missing, as after a full disk."""
    path = tmp_path / "x.npz"
    save(path, ARCHIVE, "me")
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"x\.npz: damaged"):
            restore(path, ARCHIVE, "me")


def test_a_changed_number_does_not_go_unnoticed(tmp_path):
    path = tmp_path / "x.npz"
    save(path, ARCHIVE, "me")
    whole, numbers = bytearray(path.read_bytes()), ARCHIVE["a"].tobytes()
    whole[whole.index(numbers) + len(numbers) // 2] ^= 1
    path.write_bytes(whole)
    with pytest.raises(InputError, match=r"x\.npz: damaged"):
        restore(path, ARCHIVE, "me")


def npy(array, shape=None):
    """An array as it lies in an archive; perhaps one that says it were larger."""
    file = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array) | ({} if shape is None else {"shape": shape})
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([Trap()], object))
    return file.getvalue()


LARGE = 10**9
OWNER = npy(np.array("me"))
# What stands in the place of the first array, whether it is compressed, and how the archive is refused.
HOSTILE = {
    "a bomb": (lambda: npy(np.zeros(10**7, np.float32)), "of another run"),
    "one that says it were larger": (lambda: npy(ARCHIVE["a"], (LARGE, LARGE)), "damaged"),
    "one that says it were no larger": (lambda: npy(np.zeros(10**7, np.float32), (2, 3)), "damaged"),
    "one with a tail": (lambda: npy(ARCHIVE["a"]) + b"more", "damaged"),
    "a negative size": (lambda: npy(ARCHIVE["a"], (-2, -3)), "of another run"),
    "pickled objects": (pickled, "damaged"),
    "no array": (lambda: b"import os", "damaged"),
    "nothing": (lambda: b"", "damaged"),
    "another version's header": (lambda: npy(ARCHIVE["a"]).replace(b"NUMPY\x01", b"NUMPY\x09"), "damaged"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_sizes_are_found_wrong_before_anything_is_read(case, tmp_path, monkeypatch):
    array, message = HOSTILE[case]
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("0000", array()), ("0001", npy(ARCHIVE["b"])), ("run", OWNER)):
            archive.writestr(f"{name}.npy", content)
    monkeypatch.setattr(np, "load", lambda *arguments, **more: pytest.fail("read"))
    with pytest.raises(InputError, match=rf"x\.npz: {message}"):
        restore(path, ARCHIVE, "me")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_none(tmp_path):
    path = tmp_path / "x.npz"
    save(path, ARCHIVE, "me")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("0000.npy", npy(ARCHIVE["a"]))
    with pytest.raises(InputError, match=r"x\.npz: damaged"):
        restore(path, ARCHIVE, "me")


def test_a_pipe_is_no_archive(tmp_path):
    os.mkfifo(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"x\.npz: damaged"):
        restore(tmp_path / "x.npz", ARCHIVE, "me")
