"""Label schemes: what files say, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cardiovae.errors import ConfigError, LabelError
from cardiovae.labels import (
    CAMUS,
    LV_MYO,
    LV_ONLY,
    SCHEMES,
    Label,
    infer_scheme,
    label_scheme,
    scheme_of_names,
)


@pytest.mark.parametrize("name", sorted(SCHEMES))
@given(data=st.data())
def test_a_scheme_maps_its_values_there_and_back(name, data):
    scheme = SCHEMES[name]
    values = data.draw(
        hnp.arrays(np.uint8, (3, 4), elements=st.sampled_from([0, *scheme.values.values()]))
    )
    labels = scheme.to_labels(values)
    assert set(np.unique(labels)) <= {0, *scheme.structures}
    np.testing.assert_array_equal(scheme.to_values(labels), values)


def test_a_mapping_of_ones_own_is_read():
    scheme = label_scheme("lv=7,myo=200,la=1")
    labels = scheme.to_labels(np.array([0, 7, 200, 1]))
    assert labels.tolist() == [Label.BACKGROUND, Label.LV, Label.MYO, Label.LA]


@pytest.mark.parametrize(
    "text", ["", "camu", "lv", "lv=1,myo", "lv=0", "lv=1,lv=2", "lv=1,myo=1", "myo=2", "lv=300"]
)
def test_a_mapping_that_makes_no_sense_is_refused(text):
    if text == "lv":
        assert label_scheme(text) is LV_ONLY
        return
    with pytest.raises(ConfigError, match="labels"):
        label_scheme(text)


def test_an_atrium_without_a_wall_is_refused():
    with pytest.raises(ConfigError, match="myocardium"):
        label_scheme("lv=1,la=3")


def test_an_unknown_value_is_named_with_the_way_out():
    with pytest.raises(LabelError, match=r"\[5\].*--labels"):
        CAMUS.to_labels(np.array([0, 1, 5]))


@pytest.mark.parametrize(
    ("highest", "scheme"), [(0, LV_ONLY), (1, LV_ONLY), (2, LV_MYO), (3, CAMUS)]
)
def test_the_smallest_scheme_that_fits_is_inferred(highest, scheme):
    assert infer_scheme(np.arange(highest + 1)) is scheme


def test_no_scheme_is_inferred_for_foreign_values():
    with pytest.raises(LabelError, match="255"):
        infer_scheme(np.array([0, 255]))


def test_two_neighbors_are_refused():
    with pytest.raises(ConfigError, match="leave one of them out"):
        label_scheme("lv=1,myo=2,la=3,rv=4")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # The names that nnU-Net's conversion of ACDC gives, and an apical data set with an RV.
        ({1: "RV", 2: "MLV", 3: "LVC"}, {Label.LV: 3, Label.MYO: 2, Label.RV: 1}),
        (
            {1: "LV", 2: "MYO", 3: "LA", 4: "RV"},
            {Label.LV: 1, Label.MYO: 2, Label.LA: 3},
        ),
    ],
)
def test_a_right_ventricle_counts_where_no_atrium_is(names, expected):
    scheme = scheme_of_names(names, "dataset.json")
    assert scheme is not None
    assert dict(scheme.values) == expected
