"""Linear programmes as they are written down, and their least value, certified by weak duality.

HiGHS solves; the value that is told is computed from its prices in NumPy, and is a lower bound whatever they are.
"""

from collections.abc import Callable

import highspy
import numpy as np
from jaxtyping import Float, Int

from genedge.highs import quiet_solver, run_watched


class Least:
    """min cost·x over lower ≤ A x ≤ upper, 0 ≤ x ≤ top, all tops finite."""

    def __init__(self) -> None:
        """Without variables and rows."""
        self._cost: list[np.ndarray] = []
        self._top: list[np.ndarray] = []
        self._lower: list[np.ndarray] = []
        self._upper: list[np.ndarray] = []
        self._entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._columns = self._rows = 0

    def variables(self, shape: tuple[int, ...], cost: np.ndarray | float, top: np.ndarray | float) -> np.ndarray:
        """New variables.

        Args:
            shape: of the array of their numbers.
            cost: of each.
            top: the most that each may be.

        Returns:
            Their numbers.
        """
        number = self._columns + np.arange(int(np.prod(shape))).reshape(shape)
        self._columns += number.size
        self._cost.append(np.broadcast_to(np.asarray(cost, float), shape).ravel())
        self._top.append(np.broadcast_to(np.asarray(top, float), shape).ravel())
        return number

    def rows(
        self,
        shape: tuple[int, ...],
        lower: np.ndarray | float,
        upper: np.ndarray | float,
        *entries: tuple[np.ndarray, np.ndarray | float],
    ) -> np.ndarray:
        """New rows.

        Args:
            shape: of the array of their numbers.
            lower: of each.
            upper: of each.
            *entries: variables and their factors, one for each row; a number below zero is no variable.

        Returns:
            Their numbers.
        """
        number = self._rows + np.arange(int(np.prod(shape))).reshape(shape)
        self._rows += number.size
        self._lower.append(np.broadcast_to(np.asarray(lower, float), shape).ravel())
        self._upper.append(np.broadcast_to(np.asarray(upper, float), shape).ravel())
        for column, value in entries:
            self.enter(number, column, value)
        return number

    def enter(self, row: np.ndarray, column: np.ndarray, value: np.ndarray | float) -> None:
        """Writes entries; several in one place add up.

        Args:
            row: of each.
            column: of each; one below zero is no variable.
            value: of each.
        """
        rows, columns, values = (
            each.ravel() for each in np.broadcast_arrays(row, column, np.asarray(value, float))
        )
        there = (columns >= 0) & (values != 0)
        self._entries.append((rows[there], columns[there], values[there]))

    def solve(self, report: Callable[[int], None]) -> float:
        """Solves it, and certifies the value.

        Args:
            report: told now and then how many steps the solver has made.

        Returns:
            A value that no x that keeps the rows is below.
        """
        cost, top = np.concatenate(self._cost), np.concatenate(self._top)
        lower, upper = np.concatenate(self._lower), np.concatenate(self._upper)
        start, column, value = self._by_rows()
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = cost.size, lower.size
        lp.col_cost_ = cost
        lp.col_lower_, lp.col_upper_ = np.zeros(cost.size), top
        lp.row_lower_, lp.row_upper_ = lower, upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = start, column, value
        highs = quiet_solver()
        highs.passModel(lp)
        run_watched(highs, report)
        solution = highs.getSolution()
        price = np.array(solution.row_dual) if solution.dual_valid else np.zeros(lower.size)
        # For any prices whose unbounded sides are at zero: cost·x ≥ min over rows of price·row + min over boxes.
        price = np.where(np.isinf(upper), np.maximum(price, 0), price)
        price = np.where(np.isinf(lower), np.minimum(price, 0), price)
        price = np.where(np.isfinite(price), price, 0.0)
        rows = np.where(price > 0, lower, np.where(price < 0, upper, 0.0)) * price
        charged = np.bincount(column, value * np.repeat(price, np.diff(start)), cost.size)
        return float(rows.sum() + (np.minimum(cost - charged, 0) * top).sum())

    def _by_rows(self) -> tuple[Int[np.ndarray, "r+1"], Int[np.ndarray, "e"], Float[np.ndarray, "e"]]:
        """Where each row's entries begin, and their variables and factors."""
        row, column, value = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
        place, of = np.unique(row * np.int64(self._columns) + column, return_inverse=True)
        value = np.bincount(of, value, place.size)
        row, column = place // self._columns, place % self._columns
        start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self._rows))])
        return start.astype(np.int32), column.astype(np.int32), value
