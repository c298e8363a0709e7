"""Pieces of sets of pixels, found step by step: what the oracles of metrics count with."""

from __future__ import annotations

EIGHT = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
FOUR = [(-1, 0), (1, 0), (0, -1), (0, 1)]


def flood(pixels, steps):
    """The pieces of a set of pixels, as sets."""
    left, found = set(pixels), []
    while left:
        todo = [left.pop()]
        piece = set(todo)
        while todo:
            r, c = todo.pop()
            for dr, dc in steps:
                if (r + dr, c + dc) in left:
                    left.discard((r + dr, c + dc))
                    piece.add((r + dr, c + dc))
                    todo.append((r + dr, c + dc))
        found.append(piece)
    return found
