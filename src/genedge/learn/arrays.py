"""Arrays of learners in files: what is written is read back bit by bit, and nothing else passes for it."""

import math
import zipfile
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from genedge.errors import InputError
from genedge.files import refuse_no_plain_file, whole_file

_Tree = TypeVar("_Tree")


def save(path: Path, tree: Any, run_id: str) -> None:
    """Writes the arrays of a pytree, random keys included, as a NumPy archive.

    Args:
        path: where.
        tree: any pytree of arrays.
        run_id: whose they are.
    """
    leaves = jax.tree.leaves(tree)
    arrays = {f"{i:04d}": np.asarray(_plain(leaf)) for i, leaf in enumerate(leaves)} | {"run": np.array(run_id)}
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def restore(path: Path, like: _Tree, run_id: str, anew: str | None = None) -> _Tree:
    """Reads what `save` wrote. Nothing is allocated before all sizes have been found to be those wanted.

    Args:
        path: the archive.
        like: a pytree of the same structure, shapes and types.
        run_id: whose arrays are wanted.
        anew: how to come by a good one; None for an archive of a run.

    Raises:
        InputError: it is missing, damaged, or of another run.
    """
    remedy = anew or f"remove it, and 'genedge train --resume {path.parent}' writes it anew"
    leaves, structure = jax.tree.flatten(like)
    wanted = {f"{i:04d}": (plain.shape, plain.dtype) for i, plain in enumerate(map(_plain, leaves))}
    wanted["run"] = ((), np.dtype(f"<U{len(run_id)}"))
    try:
        refuse_no_plain_file(path)
        there = _headers(path)
        complete = wanted.keys() <= there.keys()
        ours = there == wanted
        if complete and ours:
            with np.load(path, allow_pickle=False) as archive:
                arrays = [archive[name] for name in wanted if name != "run"]
                ours = archive["run"].item() == run_id
    except FileNotFoundError:
        going_on = f"the run has not come that far, 'genedge train --resume {path.parent}' goes on"
        raise InputError(f"{path}: missing; {going_on if anew is None else anew}") from None
    except PermissionError:
        raise InputError(f"{path}: cannot be read; give yourself permission to read it") from None
    except Exception:  # A damaged archive can fail in almost any way.
        complete = False
    if not complete:
        raise InputError(f"{path}: damaged; {remedy}")
    if not ours:
        raise InputError(f"{path}: of another run, made from other settings or another seed; {remedy}")
    restored = [
        jax.random.wrap_key_data(array) if _is_key(leaf) else jax.numpy.asarray(array)
        for array, leaf in zip(arrays, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, restored)


def restore_actor(path: Path, like: _Tree, run_id: str, anew: str | None = None) -> _Tree:
    """Reads an actor that `save` wrote.

    Args:
        path: the archive.
        like: an actor of the same structure, shapes and types.
        run_id: whose it is.
        anew: how to come by a good one; None for an archive of a run.

    Raises:
        InputError: it is missing, damaged, of another run, or its weights are no numbers to decide with.
    """
    actor = restore(path, like, run_id, anew)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(actor)):
        raise InputError(
            f"{path}: damaged, it has weights that are infinite or no numbers; "
            + (anew or f"remove {path.parent}, and train the run again")
        )
    return actor


def _headers(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of every array in an archive, which holds neither more nor less than they take.

    Raises:
        Exception: it is damaged; of almost any kind.
    """
    if not path.is_file():
        path.stat()  # Says what is wrong where nothing is there.
        raise ValueError("no plain file")
    there = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as stream:
                if np.lib.format.read_magic(stream) != (1, 0):
                    raise ValueError("none of ours")
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
                if entry.file_size != stream.tell() + math.prod(shape) * dtype.itemsize:
                    raise ValueError("an array of another size")
            name = entry.filename.removesuffix(".npy")
            if name in there:
                raise ValueError("an array twice")
            there[name] = (shape, dtype)
    return there


def _is_key(leaf: Any) -> bool:
    return bool(jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _plain(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf
