"""Who belongs to whom: the pairs of rows and columns whose weights add up to the most."""

from __future__ import annotations

import numpy as np

from edgevision.errors import InputError
from edgevision.tensors import Array

_NOBODY = -1


def match(weights: Array) -> tuple[Array, Array]:
    """Return the one-to-one pairs with the greatest sum of weights; rows and columns may stay alone.

    Shortest augmenting paths over the allowed pairs alone (R. Jonker and A. Volgenant, Computing 38, 1987), exact. Of
    several best answers it gives one, the same each time.

    Args:
        weights: (R, C), finite. A weight that is not positive forbids its pair.

    Returns:
        Rows (K,) in rising order and their columns (K,), int64.

    Raises:
        InputError: Not a matrix, or NaN or infinity in it.

    >>> rows, columns = match(np.array([[0.9, 0.8], [0.7, 0.0]]))
    >>> rows.tolist(), columns.tolist()
    ([0, 1], [1, 0])
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2:
        raise InputError("match: weights", got=f"shape {list(weights.shape)}", allowed="[rows, columns]")
    if not np.isfinite(weights).all():
        raise InputError("match: weights are finite", got="NaN or infinity")
    rows, columns = (weights > 0).nonzero()
    if not len(rows):
        return rows, columns
    settled = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)  # nobody competes for these
    if settled.all():
        return rows, columns
    partner = np.array(_Matching(weights, rows[~settled], columns[~settled]).solve(), np.int64)
    partner[rows[settled]] = columns[settled]
    (matched,) = (partner != _NOBODY).nonzero()
    return matched, partner[matched]


class _Matching:
    """A matching that grows row by row, with prices of rows and columns that prove it the best so far.

    Of every allowed pair, row price + column price ≥ weight, with equality for the pairs matched; whoever is alone has
    price 0.
    """

    def __init__(self, weights: Array, rows: Array, columns: Array) -> None:
        height, width = weights.shape
        self.row_price = [0.0] * height
        self.column_price = [0.0] * width
        self.column_of = [_NOBODY] * height
        self.row_of = [_NOBODY] * width
        self.choices: list[list[tuple[int, float]]] = [[] for _ in range(height)]
        allowed = weights[rows, columns].tolist()
        for row, column, weight in zip(rows.tolist(), columns.tolist(), allowed, strict=True):
            self.choices[row].append((column, weight))

    def solve(self) -> list[int]:
        """Return each row's column, or -1."""
        waiting = [row for row, choices in enumerate(self.choices) if choices]
        for row in self._bid(self._bid(waiting)):
            self._add(row)
        return self.column_of

    def _bid(self, waiting: list[int]) -> list[int]:
        """Give each row its best column at a price that the next best is worth to it; return who lost one by that."""
        outbid = []
        for row in waiting:
            best, second, wish = 0.0, 0.0, _NOBODY  # to be alone is worth 0
            for column, weight in self.choices[row]:
                worth = weight - self.column_price[column]
                if worth > best:
                    best, second, wish = worth, best, column
                elif worth > second:
                    second = worth
            self.row_price[row] = second
            if wish == _NOBODY:
                continue
            loser = self.row_of[wish]
            if loser != _NOBODY and best == second:
                self.row_price[row] = best
                outbid.append(row)
                continue
            self.column_price[wish] += best - second
            self.row_of[wish], self.column_of[row] = row, wish
            if loser != _NOBODY:
                self.column_of[loser] = _NOBODY
                outbid.append(loser)
        return outbid

    def _add(self, start: int) -> None:
        """Match a new row, or leave somebody alone for it: along the path that costs least (Dijkstra's algorithm)."""
        distance = {start: 0.0}  # of the rows in the tree
        reached: dict[int, float] = {}  # columns at the edge of the tree -> their distance
        came_from: dict[int, int] = {}  # column -> the row that reached it
        settled: dict[int, float] = {}  # columns in the tree
        least_alone, loner = self.row_price[start], start
        row, far = start, 0.0
        while True:
            price = self.row_price[row]
            for column, weight in self.choices[row]:
                if column in settled:
                    continue
                there = far + price + self.column_price[column] - weight
                if there < reached.get(column, np.inf):
                    reached[column], came_from[column] = there, row
            column = min(reached, key=reached.__getitem__, default=_NOBODY)
            if column == _NOBODY or reached[column] > least_alone:
                self._reprice(least_alone, distance, settled)
                self.row_price[loner] = 0.0
                self._turn(self._freed(loner, start), came_from)
                return
            far = reached.pop(column)
            if self.row_of[column] == _NOBODY:
                self._reprice(far, distance, settled)
                self._turn(column, came_from)
                return
            settled[column] = far
            row = self.row_of[column]
            distance[row] = far
            if far + self.row_price[row] < least_alone:
                least_alone, loner = far + self.row_price[row], row

    def _reprice(self, end: float, distance: dict[int, float], settled: dict[int, float]) -> None:
        for row, far in distance.items():
            self.row_price[row] -= end - far
        for column, far in settled.items():
            self.column_price[column] += end - far

    def _freed(self, loner: int, start: int) -> int:
        """Take the column of a row that shall be alone; -1 when that is the new row itself."""
        column, self.column_of[loner] = self.column_of[loner], _NOBODY
        return _NOBODY if loner == start else column

    def _turn(self, column: int, came_from: dict[int, int]) -> None:
        """Hand the columns on along the path that ends at ``column``."""
        while column != _NOBODY:
            row = came_from[column]
            self.row_of[column] = row
            self.column_of[row], column = column, self.column_of[row]
