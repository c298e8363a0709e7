"""`cardiovae correct` around the correction itself, whose place a simple remedy takes."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from audit_cases import heart
from cli_cases import broken, run, sound, truncated

import cardiovae.cli.correct
import cardiovae.cli.correcting
import cardiovae.correction.correct
import cardiovae.report
import cardiovae.uncertainty.assess
from cardiovae.audit.audit import audit_sequence
from cardiovae.cli.exits import ExitCode
from cardiovae.correction.record import Correction, FrameChange
from cardiovae.errors import FileError
from cardiovae.io import header_bytes, load_sequence
from cardiovae.uncertainty.record import Doubt, Interval

FILES = ["audit.json", "labels.nii.gz", "report.html", "uncertainty.nii.gz"]


EXPERTS = SimpleNamespace(crisp=None, opinion=None)


def remedy(sequence, prior, bank, config, *, seed=None, distrust=None, progress=None):
    """Rub out the upper left corner, where `broken` has its island; refuse unknown spacing."""
    assert (prior, bank) == ("prior", "bank")
    labels = sequence.labels.copy()
    labels[:6, :6] = 0
    reason = "" if sequence.spacing_mm else "spacing unknown"
    result = sequence if reason else sequence.with_labels(labels)
    changed = (labels != sequence.labels).any((0, 1)) & (not reason)
    before, after = (
        (audit_sequence(s, anatomy=config.criteria, temporal=config.temporal),)
        for s in (sequence, result)
    )
    frames = tuple(
        FrameChange(
            t, "repaired" if c else "kept", (), math.nan, math.nan, 9 * int(c), 0.0, 1.0, 50.0
        )
        for t, c in enumerate(changed)
    )
    return Correction(
        original=sequence,
        sequence=result,
        status="not_corrected" if reason else "corrected" if changed.any() else "unchanged",
        reason=reason,
        before=before,
        after=after,
        frames=frames,
        prior={"name": "remedy", "license": "none", "sha256": {}},
        config=config,
        seed=seed,
    )


def doubts(correction, experts, config, *, rng, images=None, progress=None):
    """Random maps, and frames in the order of time to look at."""
    assert experts is EXPERTS
    shape = correction.original.labels.shape
    unknown = np.full(shape[2], math.nan)
    return Doubt(
        method=config.method,
        level=config.level,
        n_samples=config.n_samples,
        signals={"disagreement": np.zeros(shape[2])},
        failure_probability=unknown,
        dice_expected=unknown,
        dice_low=unknown,
        look=np.zeros(shape[2], bool),
        look_rank=np.arange(1, shape[2] + 1),
        below=math.nan,
        lv_area_mm2=np.full((3, shape[2]), math.nan),
        attribute_sd={},
        ef=Interval(),
        ejection=None,
        calibrated=(),
        posterior=rng.random(shape, np.float32) if config.by_prior else None,
        image=images if config.by_image else None,
        calibration=None,
        reasons={},
    )


@pytest.fixture(autouse=True)
def simple_remedy(monkeypatch):
    monkeypatch.setattr(cardiovae.cli.correct, "prior_folder", lambda name: None)
    monkeypatch.setattr(cardiovae.cli.correcting, "models", lambda *_: ("prior", "bank"))
    monkeypatch.setattr(cardiovae.cli.correcting, "experts", lambda *_: EXPERTS)
    monkeypatch.setattr(cardiovae.correction.correct, "correct_sequence", remedy)
    monkeypatch.setattr(cardiovae.uncertainty.assess, "assess", doubts)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_corrected_file_gets_a_folder_with_everything(capsys, tmp_path):
    source, out = broken(tmp_path / "a.nii.gz"), tmp_path / "out"
    done = run(capsys, "correct", source, "-o", out)
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert "1 of 5 frames" in done.out
    assert "  frames   4 kept, 1 repaired\n" in done.out
    assert "  motion   not consistent -> consistent (tmi2022)\n" in done.out
    assert f"  results  {out / 'a'}\n" in done.out
    assert names(out) == [f"a/{name}" for name in FILES]
    result = load_sequence(out / "a" / "labels.nii.gz")
    assert (result.labels == heart()[:, :, None]).all()
    assert header_bytes(out / "a" / "labels.nii.gz") == header_bytes(source)


def test_the_record_on_standard_output_is_the_one_in_the_folder(capsys, tmp_path):
    out = tmp_path / "out"
    done = run(capsys, "correct", broken(tmp_path / "a.nii.gz"), "-o", out, "--json", "--seed", 7)
    (record,) = done.records
    assert record.pop("output") == str(out / "a")
    assert record == json.loads((out / "a" / "audit.json").read_text(encoding="utf-8"))
    assert (record["status"], record["seed"]) == ("corrected", 7)
    assert "1 of 5 frames" in done.err


def test_a_file_name_as_output_gets_the_labels_alone(capsys, tmp_path):
    out = tmp_path / "out" / "fixed.nii"
    assert run(capsys, "correct", broken(tmp_path / "a.nii.gz"), "-o", out).code == ExitCode.OK
    assert names(tmp_path / "out") == ["fixed.nii"]
    assert (load_sequence(out).labels == heart()[:, :, None]).all()


def test_what_cannot_be_corrected_comes_back_unchanged_with_the_reason(capsys, tmp_path):
    source, out = broken(tmp_path / "a.nii", spacing_mm=None), tmp_path / "out"
    good = broken(tmp_path / "b.nii")
    done = run(capsys, "correct", source, good, "-o", out)
    assert done.code == ExitCode.GATE
    assert "  reason   spacing unknown\n" in done.out
    assert "1 of 2 sequences pass the audit now" in done.out
    assert (out / "a" / "labels.nii").read_bytes() == source.read_bytes()
    assert "b/audit.json" in names(out)


def test_a_bad_file_stops_no_other_and_outranks_what_could_not_be_corrected(capsys, tmp_path):
    bad, hopeless = truncated(tmp_path / "a.nii.gz"), broken(tmp_path / "b.nii", spacing_mm=None)
    good, out = broken(tmp_path / "c.nii"), tmp_path / "out"
    done = run(capsys, "correct", bad, hopeless, good, "-o", out, "--json")
    assert done.code == ExitCode.SOME_FAILED
    assert [record.get("status", "error") for record in done.records] == [
        "error",
        "not_corrected",
        "corrected",
    ]
    assert {path.parent.name for path in out.rglob("audit.json")} == {"b", "c"}
    rows = (out / "sequences.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[2] for row in rows] == ["status", "error", "ok", "ok"]


def test_nothing_is_replaced_unless_allowed(capsys, tmp_path):
    source, out = broken(tmp_path / "a.nii.gz"), tmp_path / "out"
    assert run(capsys, "correct", source, "-o", out).code == ExitCode.OK
    before = {name: (out / name).read_bytes() for name in names(out)}
    for extra in ([], ["--dry-run"]):
        done = run(capsys, "correct", source, "-o", out, "--seed", 1, *extra)
        assert done.code == ExitCode.SOME_FAILED
        assert "--overwrite" in done.err
        assert {name: (out / name).read_bytes() for name in names(out)} == before
    words = ("correct", source, "-o", out, "--seed", 1, "--overwrite", "--no-report")
    assert run(capsys, *words).code == ExitCode.OK
    assert names(out) == ["a/audit.json", "a/labels.nii.gz", "a/uncertainty.nii.gz"]
    record = json.loads((out / "a" / "audit.json").read_text(encoding="utf-8"))
    assert record["seed"] == 1


def test_the_record_is_written_last(capsys, tmp_path, monkeypatch):
    source, out = broken(tmp_path / "a.nii.gz"), tmp_path / "out"
    assert run(capsys, "correct", source, "-o", out).code == ExitCode.OK

    def no_space(path, *_, **__):
        raise FileError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(cardiovae.report, "write_report", no_space)
    done = run(capsys, "correct", source, "-o", out, "--overwrite")
    assert done.code == ExitCode.SOME_FAILED
    assert names(out) == ["a/labels.nii.gz", "a/uncertainty.nii.gz"]


def test_inputs_of_one_name_keep_their_folders(capsys, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in ("x", "y"):
        sound(data / folder / "seq.nii.gz")
    assert run(capsys, "correct", data, "-o", out, "--no-report").code == ExitCode.OK
    assert {str(path.parent.relative_to(out)) for path in out.rglob("audit.json")} == {
        "x/seq",
        "y/seq",
    }


def test_a_second_run_on_the_same_folder_does_not_take_results_for_inputs(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    sound(tmp_path / "a.nii.gz")
    for _ in range(2):
        assert run(capsys, "correct", ".", "--overwrite").code == ExitCode.OK
        assert names(tmp_path) == ["a.nii.gz", *(f"cardiovae-out/a/{name}" for name in FILES)]


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(capsys, tmp_path):
    source, out = broken(tmp_path / "a.nii.gz"), tmp_path / "out"
    done = run(capsys, "correct", source, "-o", out, "--dry-run")
    assert (done.code, names(tmp_path)) == (ExitCode.OK, ["a.nii.gz"])
    assert "1 of 5 frames invalid (camus); motion not consistent (tmi2022)" in done.out
    assert "96 x 80 pixels, pixels of 0.5 x 0.5 mm, labels camus (LV, MYO, LA)" in done.out
    assert f"  writes   {out / 'a'}: labels.nii.gz, uncertainty.nii.gz, " in done.out
    planned = run(capsys, "correct", source, "-o", out, "--dry-run", "--json").records[0]
    assert (planned["shape"], planned["spacing_mm"]) == ([96, 80, 5], [0.5, 0.5])
    assert planned["dry_run"] is True
    assert run(capsys, "correct", source, "-o", out).code == ExitCode.OK
    assert sorted(planned["output"]) == [str(out / name) for name in names(out)]


def test_a_dry_run_exits_as_the_real_run_would(capsys, tmp_path):
    bad, good = truncated(tmp_path / "a.nii.gz"), sound(tmp_path / "b.nii")
    assert run(capsys, "correct", bad, good, "--dry-run").code == ExitCode.SOME_FAILED
    absent = tmp_path / "absent.nii"
    assert run(capsys, "correct", absent, "--dry-run").code == ExitCode.NOTHING_MATCHED
    assert run(capsys, "correct", absent).code == ExitCode.NOTHING_MATCHED


def test_the_result_of_a_file_does_not_depend_on_the_others(capsys, tmp_path):
    first, second = broken(tmp_path / "a.nii.gz"), broken(tmp_path / "b.nii.gz")
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert run(capsys, "correct", second, "-o", alone).code == ExitCode.OK
    assert run(capsys, "correct", first, second, "-o", together).code == ExitCode.OK
    for name in ("labels.nii.gz", "uncertainty.nii.gz"):
        assert (alone / "b" / name).read_bytes() == (together / "b" / name).read_bytes()


def test_options_win_over_set_and_set_over_the_preset(capsys, tmp_path):
    source = sound(tmp_path / "a.nii.gz")
    words = ("--criteria", "camus-public", "--temporal", "none", "--uncertainty", "none")
    changes = ("--set", "criteria=nobody", "--set", "fit.n_steps=3")
    done = run(capsys, "correct", source, "-o", tmp_path / "x.nii", "--json", *words, *changes)
    assert done.code == ExitCode.USAGE  # a setting is checked even where an option wins
    done = run(capsys, "correct", source, "-o", tmp_path / "x", "--json", *words, *changes[2:])
    settings = done.records[0]["settings"]
    asked = settings["uncertainty"]["method"]
    assert (settings["criteria"], settings["temporal"], asked) == (
        "camus-public",
        None,
        "none",
    )
    assert settings["fit"]["n_steps"] == 3
    assert "uncertainty.nii.gz" not in {path.name for path in (tmp_path / "x").rglob("*")}


def image_of(path, like):
    """A gray image on the grid of a label map."""
    labels = load_sequence(like).labels
    gray = np.moveaxis(labels, 2, 0).swapaxes(1, 2)  # stored as columns, rows, frames
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(np.moveaxis(gray * 80, 0, 2), np.eye(4)), path)
    return path


def test_images_given_alone_ask_for_both_kinds_of_doubt(capsys, tmp_path):
    source, out = broken(tmp_path / "a.nii.gz"), tmp_path / "out"
    image = image_of(tmp_path / "seen.nii.gz", source)
    done = run(capsys, "correct", source, "-o", out, "--images", image, "--json")
    assert done.code == ExitCode.OK, done.err
    assert names(out) == [f"a/{n}" for n in [*FILES, "uncertainty_crisp.nii.gz"]]
    (record,) = done.records
    assert record["uncertainty"]["method"] == record["settings"]["uncertainty"]["method"] == "both"
    assert record["uncertainty"]["images"] == str(image)
    stored = nib.load(out / "a" / "uncertainty_crisp.nii.gz").get_fdata()
    assert (stored.min(), stored.max()) == (0, 1)  # what the doubts above make of the image


def test_every_input_gets_its_own_image(capsys, tmp_path):
    sources = [broken(tmp_path / f"{n}_gt.nii.gz") for n in "ab"]
    for name, source in zip("ab", sources, strict=True):
        image_of(tmp_path / "images" / f"{name}.nii.gz", source)
    out = tmp_path / "out"
    words = ("--images", tmp_path / "images", "--uncertainty", "crisp", "--workers", "1")
    done = run(capsys, "correct", *sources, "-o", out, *words)
    assert done.code == ExitCode.OK, done.err
    assert (out / "a_gt" / "uncertainty_crisp.nii.gz").exists()
    assert not (out / "a_gt" / "uncertainty.nii.gz").exists()
    header = (out / "frames.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"doubt:crisp", "doubt:failure_probability", "doubt:look_rank"} <= set(header)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--uncertainty", "crisp"), "give them with --images"),
        (("--uncertainty", "posterior", "--images", "."), "looks at no image"),
        (("--uncertainty", "psychic"), "one of none, posterior, crisp, both"),
        (("--images", "nowhere"), "does not exist"),
    ],
)
def test_doubt_that_cannot_be_had_is_refused_before_any_work(capsys, tmp_path, words, message):
    out = tmp_path / "out"
    done = run(capsys, "correct", broken(tmp_path / "a.nii.gz"), "-o", out, *words)
    assert done.code == ExitCode.USAGE
    assert message in " ".join(done.err.split())
    assert not out.exists()


def test_a_metaimage_gives_a_metaimage_and_an_uncertainty_in_nifti(capsys, tmp_path):
    image = sitk.GetImageFromArray(np.repeat(heart()[None], 4, axis=0))
    image.SetSpacing((0.154, 0.308, 1.0))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    out = tmp_path / "out"
    assert run(capsys, "correct", tmp_path / "a.mha", "-o", out).code == ExitCode.OK
    assert (out / "a" / "labels.mha").read_bytes() == (tmp_path / "a.mha").read_bytes()
    assert nib.load(out / "a" / "uncertainty.nii.gz").shape[:2] == (80, 96)
