"""Which pixels a failed criterion points at, for pictures.

A record names the criteria that fail, not the pixels. These masks follow the definitions of
`cardiovae.audit.anatomy` on the words of a criterion's name ("hole", "gap", "frontier", ...), so
that sets of one's own are marked too where their names say what they are about. They show; they
never judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiovae.audit.regions import CROSS, SQUARE, padded, pieces
from cardiovae.labels import ALL, STRUCTURES, Label
from cardiovae.morphology import Mask, dilate

Frame = NDArray[np.uint8]
THIN = 0.2  # of the largest depth: the limit of `myo_thickness_ratio` in the set `camus`
CROWD = 3  # pixels of nine; fewer are the grain of a contour, no motion
_TOKENS = {
    "lv": (Label.LV,),
    "myo": (Label.MYO,),
    "la": (Label.LA,),
    "rv": (Label.RV,),
    "atrium": (Label.LA,),
    "epi": (Label.LV, Label.MYO),
    "annulus": (Label.LV, Label.LA),
}


def is_fine(name: str) -> bool:
    """Whether a criterion is about single pixels, which a smaller picture would lose."""
    return any(word in name for word in ("hole", "gap", "disconnect"))


def marked(frame: Frame, beside: Sequence[Frame], names: Iterable[str]) -> Mask:
    """Pixels of a frame that the named criteria are about.

    Args:
        frame: Label map, shape (H, W); holes and gaps are those within it.
        beside: The frames before and after it, or the only one that there is.
        names: Criteria that it fails.

    Returns:
        Shape (H, W): holes, pieces apart, pockets, a contact that is too long, walls that are too
        thin, dents, a row whose widths do not fit. For motion and absence, the pixels in which the
        frame differs from neighbors that agree. Otherwise, or where that is empty, the contours of
        the structures concerned; nothing where there are none.
    """
    found = np.zeros(frame.shape, bool)
    moved: list[Label] = []
    for name in names:
        structures = _structures(name)
        mask = _place(frame, name, structures)
        if mask is None:
            moved += structures
        else:
            found |= mask if mask.any() else _contours(frame, structures)
    if moved:
        mask = _unlike_neighbors(frame, beside, moved)
        found |= mask if mask.any() else _contours(frame, moved)
    return found


def _structures(name: str) -> tuple[Label, ...]:
    """Structures in the words of a name; all where it names none."""
    named = [s for word in name.split("_") for s in _TOKENS.get(word, ())]
    return tuple(dict.fromkeys(named)) or ALL


def _place(frame: Frame, name: str, structures: tuple[Label, ...]) -> Mask | None:
    """What an anatomical criterion is about; None for all others."""
    if "gap" in name or "holes_between" in name:
        around = STRUCTURES if "annulus" in name else structures
        return _pockets(frame, around, structures)
    if "hole" in name:
        # The cavity is no hole of the ring around it.
        cavity = frame == (Label.LV if structures == (Label.MYO,) else len(Label))
        return np.asarray(_holes(_member(frame, structures)) & ~cavity)
    if "disconnect" in name:
        return _apart(frame, structures)
    if "frontier" in name or "opening" in name:
        return _contact(frame, structures)
    if "thickness" in name or "erosion" in name:
        return _thin(frame == structures[0])
    if "concavity" in name:
        return _dents(frame == structures[0])
    if "circularity" in name:
        return np.zeros(frame.shape, bool)
    return _row_at_center(frame) if "width_ratio" in name else None


def _member(frame: Frame, structures: Iterable[Label]) -> Mask:
    table = np.zeros(256, bool)
    table[list(structures)] = True
    return np.asarray(table[frame])


def _holes(walls: Mask) -> Mask:
    numbers, _ = pieces(~padded(walls), CROSS)
    inside: Mask = (numbers != numbers[0, 0]) & ~padded(walls)
    return inside[1:-1, 1:-1]


def _pockets(frame: Frame, around: Iterable[Label], between: tuple[Label, ...]) -> Mask:
    """Enclosed regions that share an edge with every structure of `between`."""
    numbers, count = pieces(~padded(_member(frame, around)), CROSS)
    wanted = np.ones(count + 1, bool)
    wanted[[0, numbers[0, 0]]] = False
    for structure in between:
        beside = ndimage.binary_dilation(padded(frame == structure), CROSS)
        touched = np.zeros(count + 1, bool)
        touched[numbers[beside]] = True
        wanted &= touched
    return np.asarray(wanted[numbers])[1:-1, 1:-1]


def _apart(frame: Frame, structures: tuple[Label, ...]) -> Mask:
    """Pixels outside the largest piece of each structure."""
    found = np.zeros(frame.shape, bool)
    for structure in structures:
        numbers, count = pieces(frame == structure, SQUARE)
        if count > 1:
            sizes = np.bincount(numbers.ravel())
            sizes[0] = 0
            found |= (numbers != sizes.argmax()) & (numbers > 0)
    return found


def _dents(mask: Mask) -> Mask:
    """What the convex hull of a structure has more than the structure without its holes."""
    from skimage.morphology import convex_hull_image  # late: it takes long to start

    if not mask.any():
        return mask
    solid = ndimage.binary_fill_holes(mask)
    hull = convex_hull_image(solid)  # type: ignore[no-untyped-call]
    return np.asarray(ndimage.binary_opening(hull & ~solid, SQUARE))


def _contact(frame: Frame, structures: tuple[Label, ...]) -> Mask:
    """Pixels of the first structure beside the second, or beside background."""
    second = structures[1] if len(structures) > 1 else Label.BACKGROUND
    return np.asarray((frame == structures[0]) & dilate(frame == second))


def _thin(wall: Mask) -> Mask:
    """Where a wall is thinner than a share of its greatest thickness."""
    if not wall.any():
        return wall
    depth = ndimage.distance_transform_edt(padded(wall))
    limit = THIN * depth.max()
    opened = ndimage.distance_transform_edt(depth <= limit) <= limit
    return np.asarray(wall & ~opened[1:-1, 1:-1])


def _row_at_center(frame: Frame) -> Mask:
    """The row of the epicardium's center of mass, within LV and MYO."""
    heart = (frame == Label.LV) | (frame == Label.MYO)
    found = np.zeros(frame.shape, bool)
    if heart.any():
        row = round(float(np.flatnonzero(heart.any(1)) @ heart.sum(1)[heart.any(1)]) / heart.sum())
        found[row] = heart[row]
    return found


def _unlike_neighbors(frame: Frame, beside: Sequence[Frame], structures: Iterable[Label]) -> Mask:
    """Pixels of the structures in which the frames beside this one agree, and it differs."""
    if not beside:
        return np.zeros(frame.shape, bool)
    unlike = (frame != beside[0]) & (beside[0] == beside[-1])
    unlike &= _member(frame, structures) | _member(beside[0], structures)
    crowd = ndimage.correlate(unlike.view(np.uint8), SQUARE.view(np.uint8), mode="constant")
    kept: Mask = unlike & (crowd >= CROWD)
    return kept


def _contours(frame: Frame, structures: Iterable[Label]) -> Mask:
    found = np.zeros(frame.shape, bool)
    for structure in set(structures):
        mask = frame == structure
        found |= mask & dilate(~mask)
    return found
