"""The audit on real masks; they lie outside of the repository and are never part of it."""

import json
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cardiovae.audit.audit import audit_frame, audit_sequence, frame_is_valid
from cardiovae.audit.criteria import criteria
from cardiovae.config import preset_folder
from cardiovae.labels import LV_MYO
from cardiovae.sequence import EchoSequence

DATA = Path(__file__).parents[2] / "shared" / "data"
GRIDS = {"native", "256", "224", "128"}


def shared(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{name} is not in ../shared/data: real masks are not part of the repository")
    return path


def echo_toolkit(name):
    image = nib.load(shared(f"echo_toolkit_{name}.nii.gz"))
    labels = np.asarray(image.dataobj).astype(np.uint8).transpose(1, 0, 2)
    across, down = (float(zoom) for zoom in image.header.get_zooms()[:2])
    return EchoSequence(labels, (down, across), LV_MYO.structures, source=name)


def test_sixteen_of_25_frames_of_the_echo_toolkit_candidate_are_invalid():
    audit = audit_sequence(echo_toolkit("candidate2"), anatomy="camus-public", temporal="rl4seg3d")
    assert audit.invalid_frames == (4, *range(7, 22))
    assert audit.temporal_verdict == "FAIL"
    assert audit_sequence(echo_toolkit("candidate2")).invalid_frames == (4, *range(7, 22))


def test_the_reference_of_echo_toolkit_passes_its_own_criteria():
    audit = audit_sequence(echo_toolkit("reference"), anatomy="camus-public", temporal="rl4seg3d")
    assert audit.passed


def test_full_resolution_ground_truth_passes_camus():
    masks = np.load(shared("camus4CH_fullres_dev.npz"))
    names = masks.files[::10]
    passed = [frame_is_valid(masks[n], (0.308, 0.308), criteria("camus")) for n in names]
    assert np.mean(passed) >= 0.995


def test_the_published_criteria_reject_real_masks_for_the_contact_of_wall_and_atrium():
    data = np.load(shared("camus224_dev.npz"))
    published = criteria("camus-public")
    failed = Counter(
        finding.criterion
        for mask in data["masks"][3::16]
        for finding in audit_frame(mask, None, published).failures
    )
    assert set(failed) == {"frontier_ratio_between_myo_and_atrium"}
    assert failed.total() >= 5


def test_the_stored_pass_rates_keep_the_promise_on_every_grid():
    path = preset_folder() / "criteria" / "camus_pass_rates.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    rates = table["pass_rate"]["camus"]
    assert {row["grid"] for row in rates} == GRIDS
    for row in rates:
        assert row["passed"] / row["n"] >= 0.995
    # The limits that were calibrated are those that ship.
    limits = {c.name: [c.low, c.high] for c in criteria("camus").criteria}
    assert {c["criterion"]: [c["low"], c["high"]] for c in table["extremes"]} == limits
