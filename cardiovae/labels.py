"""The structures of a heart, and the label schemes that files use for them.

Inside the package a label map always holds the values of `Label`; a `LabelScheme` says which
structures a file annotates and with which values. `LV` means the left-ventricular *cavity*;
the epicardium is `LV` together with `MYO`. Beside it lies one neighbor: the left atrium in an
apical view, the right ventricle in a short-axis slice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cardiovae.errors import ConfigError, LabelError


class Label(IntEnum):
    """Label values of CAMUS (Leclerc et al., IEEE TMI 38(9), 2019), and the right ventricle."""

    BACKGROUND = 0
    LV = 1
    MYO = 2
    LA = 3
    RV = 4


STRUCTURES: tuple[Label, ...] = (Label.LV, Label.MYO, Label.LA)
SHORT_AXIS: tuple[Label, ...] = (Label.LV, Label.MYO, Label.RV)
NEIGHBORS = (Label.LA, Label.RV)
ALL = (*STRUCTURES, Label.RV)


def neighbor(structures: tuple[Label, ...]) -> Label:
    """What lies beside the LV and its wall among annotated structures; background if nothing."""
    return next((s for s in NEIGHBORS if s in structures), Label.BACKGROUND)


_SIDE, _INSIDE = (
    r"(lv|left ventricle|left ventricular)",
    r"( ?(c|cavity|endo|endocardium|blood pool))?",
)
_NAMES = {
    Label.LV: re.compile(rf"{_SIDE}{_INSIDE}|endo|endocardium|lvc"),
    # As a value of a label map "epicardium" is what the cavity leaves of it: CAMUS calls it so.
    Label.MYO: re.compile(rf"({_SIDE} ?)?(myo|myocardium|epi|epicardium|wall)|lvm|mlv"),
    Label.LA: re.compile(rf"(la|left atrium|left atrial){_INSIDE}|atrium"),
    Label.RV: re.compile(rf"(rv|right ventricle|right ventricular){_INSIDE}"),
}
_SAYS_NOTHING = re.compile(
    r"((segment|label|class|structure|region|mask|object)?[ _-]*[0-9]*)", re.I
)


def structure_named(name: str) -> Label | None:
    """The structure that a name in a data set means; None when it is none of ours.

    Examples:
        >>> structure_named("LV_endo"), structure_named("Left-Atrium"), structure_named("aorta")
        (<Label.LV: 1>, <Label.LA: 3>, None)
    """
    words = " ".join(re.findall(r"[a-z]+", name.lower()))
    return next((label for label, known in _NAMES.items() if known.fullmatch(words)), None)


@dataclass(frozen=True)
class LabelScheme:
    """Which structures a file annotates, and the value of each in that file.

    Args:
        name: How the scheme is called on the command line and in reports.
        values: File value of each annotated structure; background is always 0.

    Raises:
        ConfigError: No LV, a neighbor (LA, RV) without MYO or two of them, a value below 1 or
            above 255, or a value used twice.
    """

    name: str
    values: Mapping[Label, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
        if Label.LV not in self.values:
            raise ConfigError(f"labels '{self.name}': the left ventricle (lv) must be given")
        beside = [s.name.lower() for s in NEIGHBORS if s in self.values]
        if beside and Label.MYO not in self.values:
            raise ConfigError(f"labels '{self.name}': {beside[0]} needs a myocardium (myo) too")
        if len(beside) > 1:
            raise ConfigError(
                f"labels '{self.name}': a left atrium (la) belongs to apical views, a right "
                "ventricle (rv) to short-axis slices; leave one of them out"
            )
        bad = [v for v in self.values.values() if not 1 <= v <= 255]
        if bad:
            raise ConfigError(f"labels '{self.name}': values are 1 to 255, got {bad}")
        if len(set(self.values.values())) < len(self.values):
            raise ConfigError(
                f"labels '{self.name}': two structures share a value, got {dict(self.values)}"
            )

    def __reduce__(self) -> tuple[type[LabelScheme], tuple[str, dict[Label, int]]]:
        """How to pickle it: a view of a dictionary cannot be, and workers need schemes."""
        return LabelScheme, (self.name, dict(self.values))

    @property
    def structures(self) -> tuple[Label, ...]:
        """Annotated structures, in the order LV, MYO, LA or RV."""
        return tuple(s for s in ALL if s in self.values)

    def to_labels(self, values: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Map file values, any shape, to `Label` values.

        Raises:
            LabelError: A value that the scheme does not name.
        """
        known = {0, *self.values.values()}
        unknown = [v for v in values_present(values) if v not in known]
        if unknown:
            named = ", ".join(f"{s.name.lower()}={v}" for s, v in self.values.items())
            raise LabelError(
                f"label values {unknown[:6]} are not in the scheme '{self.name}' ({named}, "
                "background=0); give the mapping with --labels lv=..,myo=..,la=.."
            )
        if all(structure == value for structure, value in self.values.items()):
            return values.astype(np.uint8)
        labels = np.zeros_like(values, np.uint8)
        for structure, value in self.values.items():
            labels[values == value] = structure
        return labels

    def to_values(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Map `Label` values, any shape, back to the file's values."""
        values = np.zeros(labels.shape, np.uint8)
        for structure, value in self.values.items():
            values[labels == structure] = value
        return values


CAMUS = LabelScheme("camus", {Label.LV: 1, Label.MYO: 2, Label.LA: 3})
LV_MYO = LabelScheme("lv-myo", {Label.LV: 1, Label.MYO: 2})
LV_ONLY = LabelScheme("lv", {Label.LV: 1})
# ACDC (Bernard et al., IEEE TMI 37(11), 2018) and M&Ms (Campello et al., IEEE TMI 40(12), 2021).
ACDC = LabelScheme("acdc", {Label.LV: 3, Label.MYO: 2, Label.RV: 1})
MNMS = LabelScheme("mnms", {Label.LV: 1, Label.MYO: 2, Label.RV: 3})

SCHEMES: Mapping[str, LabelScheme] = MappingProxyType(
    {scheme.name: scheme for scheme in (CAMUS, LV_MYO, LV_ONLY, ACDC, MNMS)}
)


def values_present(values: NDArray[np.integer]) -> list[int]:
    """The different values of a map, any shape, sorted.

    Examples:
        >>> values_present(np.array([[0, 3], [3, 1]]))
        [0, 1, 3]
    """
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > len(ALL):  # sorting or counting all pixels takes ten times as long
        return [int(v) for v in np.unique(values)]
    return [v for v in range(high + 1) if (values == v).any()]


def label_scheme(text: str) -> LabelScheme:
    """The scheme named `text`, or the one that a mapping such as `lv=1,myo=2,la=3` describes.

    Raises:
        ConfigError: Neither a known name nor a well-formed mapping.

    Examples:
        >>> label_scheme("lv-myo").structures
        (<Label.LV: 1>, <Label.MYO: 2>)
        >>> label_scheme("lv=255").values[Label.LV]
        255
    """
    if text in SCHEMES:
        return SCHEMES[text]
    names = {s.name.lower(): s for s in ALL}
    values: dict[Label, int] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name not in names or not value.strip().isdigit() or names[name] in values:
            raise ConfigError(
                f"labels '{text}': expected one of {sorted(SCHEMES)} or a mapping such as "
                "lv=1,myo=2,la=3"
            )
        values[names[name]] = int(value)
    return LabelScheme(text, values)


def infer_scheme(values: NDArray[np.integer]) -> LabelScheme:
    """The smallest shipped scheme that names every value present in `values`.

    Raises:
        LabelError: A value above 3: no shipped scheme fits, a mapping must be given.
    """
    highest = int(values.max(initial=0))
    for scheme in (LV_ONLY, LV_MYO, CAMUS):
        if highest <= max(scheme.values.values()):
            return scheme
    raise LabelError(
        f"label value {highest} fits none of the shipped schemes ({', '.join(SCHEMES)}); give "
        "the mapping with --labels lv=..,myo=..,la=.."
    )


def scheme_of_names(names: Mapping[int, str], title: str) -> LabelScheme | None:
    """The scheme that a data set's own names of its values amount to.

    Args:
        names: What each value stands for, in whatever wording; value 0 is background.
        title: Where the names stand, for messages.

    Returns:
        The scheme; structures that are not ours are left out of it, and so is a right ventricle
        beside a left atrium, in an apical view. None when the names say nothing, such as
        "Segment 1".

    Raises:
        LabelError: They do say something, but name no left ventricle, one structure twice, or
            an atrium or right ventricle without a myocardium.

    Examples:
        >>> dict(scheme_of_names({2: "LV_endo", 1: "myocardium", 3: "aorta"}, "x").values)
        {<Label.LV: 1>: 2, <Label.MYO: 2>: 1}
    """
    named = {value: name for value, name in names.items() if value != 0}
    if all(_SAYS_NOTHING.fullmatch(name.strip()) for name in named.values()):
        return None
    found = [(structure_named(name), value) for value, name in named.items()]
    pairs = [(structure, value) for structure, value in found if structure is not None]
    if Label.LA in dict(pairs):
        pairs = [pair for pair in pairs if pair[0] is not Label.RV]
    try:
        if len(dict(pairs)) < len(pairs):
            raise ConfigError(f"labels '{title}': one structure has two values")
        return LabelScheme(title, dict(sorted(pairs)))
    except ConfigError as error:
        shown = ", ".join(f"{value}: {name}" for value, name in named.items())
        raise LabelError(
            f"{error} (its values are {shown}); say with --labels what they mean"
        ) from error
