from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import Terminal, broken, run, sound, truncated
from hypothesis import given
from hypothesis import strategies as st

import cardiovae
from cardiovae.audit import audit as audit_module
from cardiovae.cli import options
from cardiovae.cli.cases import Tally, find_cases
from cardiovae.cli.exits import MEANINGS, ExitCode
from cardiovae.cli.results import folder_names, plan_targets
from cardiovae.errors import ConfigError
from cardiovae.report.wording import frames_text

ROOT = Path(__file__).resolve().parent.parent
VERBS = ("correct", "audit", "convert", "demo", "train", "bank", "info")
CODES = [0, 1, 2, 3, 4, 5, 130]


def test_the_exit_codes_are_those_of_the_contract_and_have_a_meaning():
    assert [code.value for code in ExitCode] == CODES
    assert list(MEANINGS) == list(ExitCode)


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/exit-codes.md"])
def test_every_page_that_lists_exit_codes_lists_all_of_them(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == CODES


def test_the_help_names_every_verb_and_every_exit_code(capsys):
    done = run(capsys, "--help")
    assert done.code == 0
    assert all(re.search(rf"^\W*{verb} ", done.out, re.MULTILINE) for verb in VERBS)
    text = " ".join(done.out.split())
    assert all(f"{code.value} {meaning}" in text for code, meaning in MEANINGS.items())


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_and_its_flags_look_like_flags(capsys, verb):
    done = run(capsys, verb, "-h")
    assert done.code == 0
    assert f"cardiovae {verb}" in done.out
    assert "<bool>" not in done.out
    assert "None" not in done.out


def test_nothing_typed_shows_the_help_and_is_a_usage_error(capsys):
    done = run(capsys)
    assert done.code == ExitCode.USAGE
    assert "Usage: cardiovae" in done.out


def test_the_version_is_one_line(capsys):
    assert run(capsys, "--version") == (0, f"cardiovae {cardiovae.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["operate"], "'operate'.* See 'cardiovae --help'"),
        (["audit"], "INPUT.* See 'cardiovae audit --help'"),
        (["audit", "a.nii", "--colour"], "--colour"),
        (["audit", "a.nii", "--spacing", "0,1"], "--spacing 0,1"),
        (["audit", "a.nii", "--spacing", "1,2,3"], "--spacing 1,2,3"),
        (["audit", "a.nii", "--frame-time", "soon"], "--frame-time soon"),
        (["audit", "a.nii", "--labels", "lv=1,lv=2"], "labels 'lv=1,lv=2'"),
        (["audit", "a.nii", "--criteria", "nobody"], "'nobody'.*camus"),
        (["audit", "a.nii", "--criteria", "tmi2022"], "--criteria tmi2022: .*--temporal"),
        (["audit", "a.nii", "--temporal", "camus"], "--temporal camus: .*--criteria"),
        (["audit", "a.nii", "--fail-on", "most"], "--fail-on"),
        (["correct", "a.nii", "--prior", "nobody"], "prior 'nobody'"),
        (["correct", "a.nii", "--set", "detial=[1]"], "did you mean 'detail'"),
        (["correct", "a.nii", "--device", "tpu"], "--device"),
        (["train", "-o", "prior"], "--config"),
        (["bank", "nowhere"], "prior 'nowhere'"),
    ],
)
def test_a_usage_error_is_one_line_that_names_what_was_typed(capsys, words, told):
    done = run(capsys, *words)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert re.match(f"error: .*{told}", done.err)
    assert done.err.count("\n") == 1


def test_a_bug_ends_in_a_message_without_a_traceback(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(audit_module, "audit_sequence", _bug)
    done = run(capsys, "audit", sound(tmp_path / "a.nii"))
    assert done.code == ExitCode.INTERNAL
    what = "internal error: ZeroDivisionError: oops"
    assert done.err == f"error: {what}; please report it with what --debug shows\n"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_debug_shows_the_traceback_wherever_it_stands(capsys, tmp_path, monkeypatch, place):
    monkeypatch.setattr(audit_module, "audit_sequence", _bug)
    words = ["audit", sound(tmp_path / "a.nii")]
    done = run(capsys, *words[:place], "--debug", *words[place:])
    assert done.code == ExitCode.INTERNAL
    assert "Traceback" in done.err
    assert ", in _bug" in done.err


def _bug(*_, **__):
    raise ZeroDivisionError("oops")


def test_an_interruption_has_its_own_code(capsys, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_module, "audit_sequence", interrupted)
    done = run(capsys, "audit", sound(tmp_path / "a.nii"))
    assert (done.code, done.out) == (ExitCode.INTERRUPTED, "")
    assert done.err == "interrupted\n"


def test_starting_asking_for_help_auditing_and_planning_load_no_network(tmp_path):
    prior = tmp_path / "prior"
    prior.mkdir()
    for name in ("config.yaml", "weights.safetensors", "latent.npz", "provenance.json"):
        (prior / name).touch()
    code = (
        "import sys\n"
        "from cardiovae.cli import main\n"
        "file, prior = sys.argv[1:]\n"
        "codes = [main(words) for words in (['--help'], ['correct', '--help'], ['info'],\n"
        "    ['audit', file], ['correct', file, '--dry-run', '--prior', prior])]\n"
        "heavy = {'torch', 'monai', 'matplotlib', 'click'} & set(sys.modules)\n"
        "print(*map(int, codes), sorted(heavy))"
    )
    file = broken(tmp_path / "a.nii")
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), str(prior)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.splitlines()[-1] == "0 0 0 3 0 []"


def test_the_module_is_the_command_and_returns_its_code(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cardiovae", "audit", str(broken(tmp_path / "a.nii"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.GATE
    assert "1 of 5 frames invalid" in done.stdout


def test_a_folder_gives_its_label_maps_but_no_uncertainty_map(tmp_path):
    kept = {sound(tmp_path / "x" / "labels.nii.gz"), sound(tmp_path / "y" / "uncertainty.nii.gz")}
    (tmp_path / "x" / "audit.json").touch()
    map_path = sound(tmp_path / "x" / "uncertainty.nii.gz")
    assert set(find_cases([str(tmp_path)], results=True).paths) == kept
    assert find_cases([str(map_path)], results=True).paths == (map_path,)


def test_corrected_labels_are_not_corrected_again_unless_named(tmp_path):
    source, result = sound(tmp_path / "a.nii"), sound(tmp_path / "out" / "a" / "labels.nii")
    (result.parent / "audit.json").touch()
    assert find_cases([str(tmp_path)], results=False).paths == (source,)
    assert find_cases([str(result)], results=False).paths == (result,)
    nothing = find_cases([str(tmp_path / "out")], results=False)
    assert nothing.paths == ()
    assert "results of 'cardiovae correct'" in nothing.unmatched[0][1]


@pytest.mark.parametrize(
    ("tally", "gate", "code"),
    [
        (Tally(met=2), True, 0),
        (Tally(met=1, unmet=1), True, 3),
        (Tally(met=1, unmet=1), False, 0),
        (Tally(met=1, unmet=1, failed=1), True, 4),
        (Tally(failed=1), True, 4),
        (Tally(met=1, unmatched=1), True, 4),
        (Tally(unmatched=2), True, 5),
        (Tally(), True, 5),
    ],
)
def test_failed_files_outrank_the_gate_and_nothing_matched_outranks_all(tally, gate, code):
    assert tally.exit_code(gate=gate) == code


PATHS = [
    Path("data", folder, stem + suffix)
    for folder in ("", "a", "b", "a/b")
    for stem in ("a", "b", "B", "c")
    for suffix in (".nii", ".nii.gz", ".mha")
]


@given(
    st.lists(st.sampled_from(PATHS), unique_by=lambda p: str(p).casefold(), min_size=1, max_size=6)
)
def test_every_input_gets_a_folder_of_its_own_inside_the_output(paths):
    names = folder_names(paths)
    assert list(names) == paths
    assert len({str(name).casefold() for name in names.values()}) == len(paths)
    assert not any(name.is_absolute() or ".." in name.parts for name in names.values())
    stems = {str(path.name).partition(".")[0] for path in paths}
    if len({stem.casefold() for stem in stems}) == len(paths):
        assert all(len(name.parts) == 1 for name in names.values())


def test_one_output_file_for_two_inputs_is_refused(tmp_path):
    inputs = [tmp_path / "a.nii", tmp_path / "b.nii"]
    with pytest.raises(ConfigError, match="is one file, and there are 2 inputs"):
        plan_targets(inputs, tmp_path / "c.nii")


def test_an_existing_file_is_no_folder_for_results(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match=r"notes\.txt: is a file; give a folder"):
        plan_targets([tmp_path / "a.nii"], tmp_path / "notes.txt")


@given(st.lists(st.integers(0, 30), unique=True, max_size=8).map(sorted))
def test_the_text_of_few_frames_says_exactly_which(frames):
    told: list[int] = []
    for run_text in frames_text(frames).split(", "):
        first, _, last = run_text.partition("-")
        told += range(int(first), int(last or first) + 1) if run_text else []
    assert told == frames


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_spacing_comes_back_as_typed_rows_first(row, col):
    assert options.parse_spacing(f"{row!r},{col!r}mm") == (row, col)


def test_one_bad_argument_among_good_ones_stops_nothing(capsys, tmp_path):
    good, bad = sound(tmp_path / "good.nii"), truncated(tmp_path / "bad.nii.gz")
    done = run(capsys, "audit", tmp_path / "absent.nii", bad, good)
    assert done.code == ExitCode.SOME_FAILED
    assert "good.nii: all 5 frames valid" in done.out
    assert re.search(r"error: .*absent\.nii: does not exist", done.err)
    assert re.search(r"error: .*bad\.nii\.gz", done.err)
    assert "Traceback" not in done.err


def test_progress_never_mixes_with_records(capsys, tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    files = [sound(tmp_path / f"{name}.nii") for name in "ab"]
    done = run(capsys, "audit", *files, "--json")
    assert [record["source"] for record in done.records] == [str(file) for file in files]
    assert "auditing" in terminal.getvalue()


def test_on_one_terminal_for_both_streams_every_result_is_shown_once(
    capsys, tmp_path, monkeypatch
):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    files = [sound(tmp_path / f"{name}.nii") for name in "ab"]
    assert run(capsys, "audit", *files).code == ExitCode.OK
    assert all(terminal.getvalue().count(f"{file}: all 5 frames valid") == 1 for file in files)


def test_no_color_is_heeded_on_a_terminal(capsys, tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    run(capsys, "audit", broken(tmp_path / "a.nii", spacing_mm=None))
    assert not re.search(r"\x1b\[\d*;?3\dm", terminal.getvalue())
