"""How far single dimensions of codes tell single attributes: the metrics of the AR-VAE.

Pati and Lerch, "Attribute-based regularization of latent spaces for variational auto-encoders",
Neural Computing and Applications 33, 2021, with the definitions of its public code, so that
figures can be put beside the published ones:

- interpretability: R2 of the linear regression of an attribute on the dimension that shares most
  information with it (Adel et al., ICML 2018);
- MIG, mutual information gap: by how much that dimension is ahead of the next, over the entropy
  of the attribute (Chen et al., NeurIPS 2018);
- modularity: of a dimension, 1 minus the information about all attributes but its main one, over
  as much as there could be (Ridgeway and Mozer, NeurIPS 2018);
- SAP: gap between the two largest squared correlations (Kumar et al., ICLR 2018);
- SCC: the largest absolute rank correlation, 0 where it is not significant.

Mutual information of continuous values is estimated from nearest neighbors (Kraskov et al., Phys
Rev E 69, 2004, first estimator), as scikit-learn's `mutual_info_regression` does, which the public
code calls. That library would be needed for these thirty lines alone; it checks them in the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.spatial import cKDTree
from scipy.special import digamma

from cardiovae.errors import CardiovaeError

Array = NDArray[np.float64]

N_NEIGHBORS = 3  # of the estimator, as published
LEAST_KNOWN = N_NEIGHBORS + 2  # values of an attribute; with fewer nothing can be said
SIGNIFICANT = 0.05  # largest p of a rank correlation that counts
# Rounded values tie, and the estimator wants all distances to differ: noise this small relative
# to the spread breaks ties and moves nothing else (Kraskov et al. add as much).
TIE_BREAK = 1e-10


@dataclass(frozen=True, eq=False)
class Disentanglement:
    """What D dimensions of codes say about A attributes; NaN where an attribute says nothing.

    Args:
        n_known: Frames where each attribute is known, shape (A,).
        information: Mutual information of dimensions and attributes in nats, shape (D, A).
        best: Dimension that shares most information with each attribute, -1 = none, shape (A,).
        interpretability: R2 of each attribute on its best dimension, shape (A,).
        assigned_r2: R2 of each attribute on the dimension that is to follow it, shape (A,).
        mig: Mutual information gap, shape (A,); NaN for one dimension alone.
        sap: Gap of squared correlations, shape (A,); NaN for one dimension alone.
        scc: Largest significant |Spearman|, shape (A,).
        assigned_scc: |Spearman| of each attribute and the dimension that is to follow it, (A,).
        modularity: Of each dimension, shape (D,); NaN for one attribute alone.
    """

    n_known: NDArray[np.int64]
    information: Array
    best: NDArray[np.int64]
    interpretability: Array
    assigned_r2: Array
    mig: Array
    sap: Array
    scc: Array
    assigned_scc: Array
    modularity: Array

    def means(self) -> dict[str, float]:
        """Mean of each metric over what it is known of: one published number each."""
        names = (
            "interpretability",
            "assigned_r2",
            "mig",
            "sap",
            "scc",
            "assigned_scc",
            "modularity",
        )
        return {name: _mean_known(getattr(self, name)) for name in names}


def disentanglement(
    codes: ArrayLike, attributes: ArrayLike, *, assigned: ArrayLike | None = None
) -> Disentanglement:
    """Measure how far single dimensions of codes tell single attributes.

    Args:
        codes: Shape (N, D), finite; of frames that were not trained on.
        attributes: Shape (N, A); frames where an attribute is NaN are left out for it alone.
        assigned: Dimension that is to follow each attribute, -1 = none, shape (A,); None = none.

    Raises:
        CardiovaeError: Shapes that do not fit, codes that are not finite, an unknown dimension.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> codes = rng.standard_normal((500, 3))
        >>> found = disentanglement(codes, 2 * codes[:, [1]] + 5, assigned=[1])
        >>> found.best.tolist(), found.interpretability.round(6).tolist()
        ([1], [1.0])
    """
    z, a = np.asarray(codes, np.float64), np.asarray(attributes, np.float64)
    follows = _checked(z, a, assigned)
    columns = [_of_attribute(z, a[:, i], int(follows[i])) for i in range(a.shape[1])]
    information = np.stack([c["information"] for c in columns], axis=1)

    def gather(name: str) -> Array:
        return np.array([c[name] for c in columns], np.float64)

    return Disentanglement(
        np.isfinite(a).sum(0),
        information,
        gather("best").astype(np.int64),
        gather("interpretability"),
        gather("assigned_r2"),
        gather("mig"),
        gather("sap"),
        gather("scc"),
        gather("assigned_scc"),
        _modularity(information),
    )


def mutual_information(x: ArrayLike, y: ArrayLike) -> float:
    """Mutual information of two continuous variables in nats, from pairs of values.

    Args:
        x: Finite, shape (N,), N > `N_NEIGHBORS`.
        y: Finite, shape (N,).

    Returns:
        At least 0; 0 where either never changes.

    Raises:
        CardiovaeError: Shapes that do not fit, or too few pairs.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape or a.ndim != 1 or a.size <= N_NEIGHBORS:
        raise CardiovaeError(
            f"mutual information takes pairs of numbers, more than {N_NEIGHBORS}; got shapes "
            f"{a.shape} and {b.shape}"
        )
    return _information(_spread(a, 0), _spread(b, 1))


def _checked(z: Array, a: Array, assigned: ArrayLike | None) -> NDArray[np.int64]:
    """The dimension assigned to each attribute, shape (A,)."""
    if z.ndim != 2 or a.ndim != 2 or len(z) != len(a) or 0 in z.shape or 0 in a.shape:
        raise CardiovaeError(
            "codes (N, D) and attributes (N, A) are of the same frames, at least one; got shapes "
            f"{z.shape} and {a.shape}"
        )
    if not np.isfinite(z).all():
        raise CardiovaeError("codes: all are finite; leave out the frames without a code")
    if assigned is None:
        return np.full(a.shape[1], -1, np.int64)
    follows = np.asarray(assigned, np.int64)
    if follows.shape != a.shape[1:] or follows.min() < -1 or follows.max() >= z.shape[1]:
        raise CardiovaeError(
            f"assigned: for each of {a.shape[1]} attributes a dimension below {z.shape[1]}, or -1 "
            f"for none; got {follows.tolist()}"
        )
    return follows


def _of_attribute(codes: Array, attribute: Array, follows: int) -> dict[str, float | Array]:
    """All that the dimensions say about one attribute, shape (N,)."""
    known = np.isfinite(attribute)
    z, a = codes[known], attribute[known]
    d = codes.shape[1]
    names = ("interpretability", "assigned_r2", "mig", "sap", "scc", "assigned_scc")
    found: dict[str, float | Array] = dict.fromkeys(names, math.nan)
    found |= {"best": -1, "information": np.full(d, math.nan)}
    if a.size < LEAST_KNOWN or np.ptp(a) == 0:
        return found
    spread = _spread(a, 1)
    information = np.array([_information(_spread(z[:, i], 0), spread) for i in range(d)])
    squared = np.array([_correlation(z[:, i], a)[0] ** 2 for i in range(d)])
    ranks = [_rank_correlation(z[:, i], a) for i in range(d)]
    best = int(np.argmax(information))
    found |= {
        "information": information,
        "best": best,
        "interpretability": squared[best],
        "scc": max(rho if p <= SIGNIFICANT else 0.0 for rho, p in ranks),
    }
    if follows >= 0:
        found |= {"assigned_r2": squared[follows], "assigned_scc": ranks[follows][0]}
    if d > 1:
        # The information of a continuous attribute about itself is infinite. The estimate is
        # not: without ties it is digamma(N) - digamma(k + 1). It is what was published as H(a),
        # so a MIG depends on N: compare those of the same frames.
        entropy = mutual_information(a, a)
        found |= {"mig": _gap(information) / entropy, "sap": _gap(squared)}
    return found


def _gap(values: Array) -> float:
    """Difference between the two largest."""
    second, first = np.sort(values)[-2:]
    return float(first - second)


def _modularity(information: Array) -> Array:
    """Modularity of each dimension, (D,), from information (D, A); 0 where there is none."""
    known = information[:, np.isfinite(information).all(0)]
    if known.shape[1] < 2:
        return np.full(len(information), math.nan)
    squared = known**2
    top = squared.max(1)
    others = squared.sum(1) - top
    largest = top * (known.shape[1] - 1)
    return np.asarray(np.where(top > 0, 1 - others / np.where(top > 0, largest, 1), 0.0))


def _correlation(x: Array, y: Array) -> tuple[float, float]:
    """Pearson's correlation and its p; (0, 1) for a dimension that never changes."""
    if np.ptp(x) == 0:
        return 0.0, 1.0
    found = stats.pearsonr(x, y)
    return float(found.statistic), float(found.pvalue)


def _rank_correlation(x: Array, y: Array) -> tuple[float, float]:
    """|Spearman| and its p; (0, 1) for a dimension that never changes."""
    if np.ptp(x) == 0:
        return 0.0, 1.0
    found = stats.spearmanr(x, y)
    return abs(float(found.statistic)), float(found.pvalue)


def _spread(values: Array, seed: int) -> Array | None:
    """Values in standard deviations from their mean, without ties; None if all are equal.

    Centered, or rounding and the noise that breaks ties would depend on the zero of the unit.
    """
    if np.ptp(values) == 0:
        return None
    noise = np.random.default_rng(seed).standard_normal(values.size)
    return np.asarray((values - values.mean()) / values.std() + TIE_BREAK * noise)


def _information(x: Array | None, y: Array | None) -> float:
    """The first estimator of Kraskov et al. for two columns of `_spread`, (N,)."""
    if x is None or y is None:
        return 0.0
    tree = cKDTree(np.stack([x, y], axis=1))
    distances = tree.query(tree.data, k=[N_NEIGHBORS + 1], p=math.inf)[0]
    radius = np.nextafter(np.asarray(distances)[:, 0], 0)  # closer than the k-th neighbor
    near = sum(float(digamma(_neighbors(v, radius) + 1).mean()) for v in (x, y))
    return max(0.0, float(digamma(x.size) + digamma(N_NEIGHBORS)) - near)


def _neighbors(values: Array, radius: Array) -> NDArray[np.int64]:
    """How many other values lie within each value's radius, shape (N,).

    By distances, since the rounded sum of a value and its radius may reach its k-th neighbor.
    """
    column = values[:, None]
    found = cKDTree(column).query_ball_point(column, radius, return_length=True)
    return np.asarray(found, np.int64) - 1


def _mean_known(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
