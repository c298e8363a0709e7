"""Kernels of runs: drawn answers, what the cache does, and what they are without compilation."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audit_cases import drawn, heart, noise
from scipy.spatial.distance import cdist

from cardiovae.audit.temporal import neighbor_hausdorff_mm
from cardiovae.kernels import compiled
from cardiovae.kernels.contours import contour
from cardiovae.kernels.frontiers import common_contact
from cardiovae.kernels.runs import encode, plain
from cardiovae.kernels.survey import boxes, moments

ROOT = Path(__file__).resolve().parent.parent
AUDIT = """
import numpy as np
from audit_cases import heart
from cardiovae.audit.audit import audit_frame
from cardiovae.audit.criteria import criteria
labels = heart(24, 20)
labels[10, 10] = 0
for name in ("camus", "camus-public"):
    found = audit_frame(labels, (0.5, 0.7), criteria(name))
    print([(f.criterion, float(f.value), str(f.verdict)) for f in found.findings])
"""


def run(code, **environment):
    """Standard output of a fresh interpreter that sees the tests."""
    paths = [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_runs_of_a_drawn_frame_and_what_they_touch():
    runs = encode(plain(drawn("1120\n3302")), framed=False)
    assert runs.first.tolist() == [0, 3, 6]
    assert runs.start.tolist() == [0, 2, 3, 0, 2, 3]
    assert runs.stop.tolist() == [2, 3, 4, 2, 3, 4]
    assert runs.label.tolist() == [1, 2, 0, 3, 0, 2]
    assert sorted(map(tuple, runs.edges.tolist())) == [
        (0, 1), (0, 3), (1, 2), (1, 4), (2, 5), (3, 4), (4, 5)
    ]  # fmt: skip
    assert sorted(map(tuple, runs.corners.tolist())) == [(0, 4), (1, 3), (1, 5), (2, 4)]


def test_a_framed_frame_begins_with_the_outside():
    runs = encode(plain(np.full((2, 3), 7, np.uint8)))
    assert runs.label.tolist() == [0, 0, 4, 0, 0, 4, 0, 0]
    assert runs.start.tolist() == [0, 0, 1, 4, 0, 1, 4, 0]
    assert runs.stop.tolist() == [5, 1, 4, 5, 1, 4, 5, 5]


def test_boxes_and_moments_are_those_of_the_pixels():
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels = noise((int(rng.integers(1, 20)), int(rng.integers(1, 20))), rng)
        runs = encode(plain(labels))
        for value in (1, 2, 3):
            r, c = np.nonzero(labels == value)
            r, c = r + 1, c + 1
            expected = [r.size, r.sum(), c.sum(), (r * r).sum(), (c * c).sum(), (r * c).sum()]
            assert moments(*runs[:4])[value].tolist() == expected
            box = [r.min(), c.min(), r.max() + 1, c.max() + 1] if r.size else [0, 0, 0, 0]
            assert boxes(*runs[:4])[value].tolist() == box


def test_common_contacts_are_the_pixels_that_see_both():
    labels = drawn(
        """
        .22..
        .11..
        .111.
        2.3..
        """
    )
    runs = encode(plain(labels))
    found = common_contact(*runs[:4], 1, 1 << 2, 1 << 0 | 1 << 3) - 1
    assert found.tolist() == [[1, 1], [1, 2], [2, 1]]


def test_the_contour_is_what_has_an_outside_pixel_beside_it():
    rng = np.random.default_rng(1)
    for _ in range(60):
        labels = noise((int(rng.integers(1, 16)), int(rng.integers(1, 16))), rng, background=0.1)
        labels = np.kron(labels, np.ones((2, 3), np.uint8))
        for members in ((1,), (1, 2, 3)):
            mask = np.pad(np.isin(labels, members), 1)
            inner = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
            expected = np.argwhere(mask[1:-1, 1:-1] & ~inner)
            bits = sum(1 << member for member in members)
            index, cols = contour(labels.shape, *encode(plain(labels))[:4], bits)
            rows = np.repeat(np.arange(labels.shape[0]), np.diff(index))
            assert np.stack([rows, cols], axis=1).tolist() == expected.tolist()


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.154, 0.308), (3.0, 0.2)])
def test_hausdorff_distances_are_those_of_all_pairs_of_contour_pixels(spacing):
    rng = np.random.default_rng(2)
    for _ in range(40):
        masks = rng.random((int(rng.integers(1, 14)), int(rng.integers(1, 14)), 2)) < 0.1
        points = [np.argwhere(masks[..., t]) * spacing for t in range(2)]
        found = neighbor_hausdorff_mm(masks, spacing)
        if not all(len(p) for p in points):
            assert np.isnan(found).all()
            continue
        # Sparse masks: every pixel but the inner ones of a plus is contour, and none is nearer.
        apart = cdist(*points)
        assert found[0] <= max(apart.min(1).max(), apart.min(0).max()) + 1e-12
        if not (masks[1:-1, 1:-1] & masks[:-2, 1:-1] & masks[2:, 1:-1]).any():
            expected = max(apart.min(1).max(), apart.min(0).max())
            assert found.tolist() == pytest.approx([expected] * 2)


def test_exotic_labels_become_those_of_kernels():
    assert plain(np.array([[0.0, 1.0, 2.5, math.nan, -1.0, 3.0]])).tolist() == [[0, 1, 4, 4, 4, 3]]
    assert not plain(heart()).flags.writeable


@pytest.mark.slow
def test_kernels_give_the_same_without_compilation():
    assert run(AUDIT, NUMBA_DISABLE_JIT="1") == run(AUDIT)


def test_where_no_cache_can_be_written_kernels_are_compiled_all_the_same(monkeypatch):
    def refuse(function, **options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda: (function(), options)

    monkeypatch.setattr(compiled.numba, "njit", lambda **options: lambda f: refuse(f, **options))

    def two():
        return 2

    assert compiled.kernel(two)()[0] == 2


def test_the_cache_knows_the_sources_of_all_kernels():
    # numba alone would only see changes of the file a kernel is in, not of those it calls.
    def three():
        return 3

    stamped = compiled._stamped(three)
    assert stamped() == 3
    assert stamped.__closure__[0].cell_contents == compiled._sources()
    assert len(compiled._sources()) == 64
