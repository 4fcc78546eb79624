"""What a section that names a model has chosen: a channel or a mobility, shipped or of the reader's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from genedge.errors import InputError
from genedge.own import digest, failure, in_file
from genedge.settings.fields import Section

_T = TypeVar("_T")

# What a scenario has that names none.
USUAL = ("log-distance", "uniform")


class Chosen(NamedTuple):
    """A model with its settings.

    Attributes:
        model: its name, or `FILE.py:CLASS`.
        settings: of that model.
    """

    model: str
    settings: Section

    @property
    def files(self) -> tuple[str, ...]:
        """Files that its numbers come from, beside those of the scenario."""
        named = getattr(self.settings, "file", None)
        of_model = (self.model.rpartition(":")[0],) if in_file(self.model) else ()
        return (*of_model, named) if isinstance(named, str) else of_model

    def arrays(self, *given: Any) -> Any:
        """The named tuple of float64 NumPy arrays that the settings make.

        Args:
            *given: what they need for it.

        Raises:
            InputError: they are in a reader's own file, and fail.
        """
        made = self.ask(lambda: self.settings.arrays(*given))  # type: ignore[attr-defined]
        return jax.tree.map(_in_double, made)

    def ask(self, question: Callable[[], _T]) -> _T:
        """The answer to a question to a reader's own file, or to what ships.

        Args:
            question: what to ask.

        Raises:
            InputError: a reader's own file fails to answer; it names the line.
        """
        if not in_file(self.model):
            return question()
        try:
            return question()
        except InputError:
            raise
        except (Exception, SystemExit) as e:
            raise failure(self.model, e) from e

    def physics(self) -> dict[str, Any]:
        """What the scenario's id depends on: the model and its settings, and of files what they hold."""
        numbers = self.settings.model_dump(mode="json")
        if isinstance(numbers.get("file"), str):
            numbers["file"] = digest(Path(numbers["file"]))
        if in_file(self.model):
            path, _, name = self.model.rpartition(":")
            return {"model": name, "sha256": digest(Path(path)), **numbers}
        return {"model": self.model, **numbers}


def _in_double(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x
