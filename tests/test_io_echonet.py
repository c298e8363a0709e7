from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_cases import run
from PIL import Image

from cardiovae.cli.exits import ExitCode
from cardiovae.errors import FileError
from cardiovae.io import find_inputs, load_sequence
from cardiovae.io.echonet import is_tracings, read_tracings
from cardiovae.labels import Label

# A box: the long axis, then chords at rows 20, 30 and 40 from column 50 to column 60.
BOX = "{name},55,20,55,40,{frame}\n" + "".join(
    f"{{name}},50,{y},60,{y},{{frame}}\n" for y in (20, 30, 40)
)
DYNAMIC = "FileName,X1,Y1,X2,Y2,Frame\n"
PEDIATRIC = "FileName,X,Y,Frame\n"
CORNERS = ((50, 20), (60, 20), (60, 40), (50, 40))


def table(path: Path, *rows: str, header: str = DYNAMIC) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(rows))
    return path


def box() -> np.ndarray:
    """The drawn box: rows 20 to 40 and columns 50 to 60, borders included."""
    mask = np.zeros((112, 112), np.uint8)
    mask[20:41, 50:61] = 1
    return mask


def test_chords_give_the_area_between_their_ends_and_the_long_axis_counts_for_nothing(tmp_path):
    far_axis = BOX.replace("55,20,55,40", "0,0,111,111")
    path = table(
        tmp_path / "VolumeTracings.csv",
        BOX.format(name="0X1A.avi", frame=46),
        far_axis.format(name="0X1A.avi", frame=7),
        BOX.format(name="0X2B.avi", frame=3),
    )
    assert is_tracings(path)
    first, second = read_tracings(path)
    assert (first.name, first.frames, first.stem) == ("0X1A.avi", (7, 46), "0X1A")
    assert (second.name, second.frames) == ("0X2B.avi", (3,))
    sequence = first.sequence()
    assert sequence.labels.shape == (112, 112, 2)
    for t in range(2):
        assert (sequence.labels[:, :, t] == box()).all()
    assert (sequence.structures, sequence.view) == ((Label.LV,), "A4C")
    assert (sequence.spacing_mm, sequence.frame_time_ms) == (None, None)


def test_a_slanted_ventricle_agrees_with_a_drawing_of_another_library(tmp_path):
    from PIL import ImageDraw

    heights = np.linspace(15, 95, 21)
    half = 22 * np.sqrt(np.clip(1 - ((heights - 55) / 41) ** 2, 0, None))
    middle = 40 + 0.3 * (heights - 15)
    left = np.stack([middle - half, heights - 0.2 * half], axis=1)
    right = np.stack([middle + half, heights + 0.2 * half], axis=1)
    rows = ["v.avi,0,0,1,1,1\n"] + [
        f"v.avi,{a},{b},{c},{d},1\n" for (a, b), (c, d) in zip(left, right, strict=True)
    ]
    (tracing,) = read_tracings(table(tmp_path / "VolumeTracings.csv", *rows))
    mask = tracing.sequence().labels[:, :, 0]
    picture = Image.new("L", (112, 112))
    corners = [*map(tuple, np.rint(left)), *map(tuple, np.rint(right[::-1]))]
    ImageDraw.Draw(picture).polygon(corners, fill=1)
    other = np.asarray(picture)
    dice = 2 * (mask & other).sum() / (mask.sum() + other.sum())
    assert dice > 0.98  # they differ in what they do with the border


def test_corners_of_children_are_read_and_rows_without_a_point_left_out(tmp_path):
    points = [f"CR1.avi,{x},{y},{t}\n" for t in (9, 4) for x, y in CORNERS]
    path = table(
        tmp_path / "A4C" / "VolumeTracings.csv",
        *points,
        "CR1.avi,,,No Systolic\n",
        "CR2.avi,3,4,No Diastolic\n",
        header=PEDIATRIC,
    )
    (tracing,) = read_tracings(path)
    assert (tracing.frames, tracing.view) == ((4, 9), "A4C")
    assert (tracing.sequence().labels[:, :, 1] == box()).all()
    psax = table(tmp_path / "PSAX" / "VolumeTracings.csv", *points, header=PEDIATRIC)
    assert read_tracings(psax)[0].view is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("v.avi,1,2,3,4\n", "line 2: could not convert"),
        ("v.avi,1,2,3,x,5\n", "line 2: could not convert"),
        ("v.avi,1,2,3,nan,5\n", "line 2: its numbers are"),
        ("v.avi,1,2,3,4,5.5\n", "frame 5.5"),
        ("v.avi,1,2,3,4,-1\n", "frame -1"),
    ],
)
def test_a_row_that_is_none_is_named_with_its_line(tmp_path, rows, message):
    with pytest.raises(FileError, match=rf"Tracings\.csv, {message}|{message}"):
        read_tracings(table(tmp_path / "VolumeTracings.csv", rows))


@pytest.mark.parametrize(
    "rows",
    ["v.avi,1,2,3,4,5\n", "v.avi,1,2,3,4,5\n" * 2, "v.avi,1,2,3,4,5\nv.avi,1,2,3e9,4,5\n" * 3],
)
def test_a_contour_that_is_none_is_refused_for_its_video_alone(tmp_path, rows):
    (tracing,) = read_tracings(table(tmp_path / "VolumeTracings.csv", rows))
    with pytest.raises(FileError, match=r"contour of v\.avi in frame 5 has \d+ corners"):
        tracing.sequence()


@pytest.mark.parametrize("name", ["", "../x.avi", "a/b.avi", ".hidden", "c:\\x.avi", "x*.avi"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    (tracing,) = read_tracings(table(tmp_path / "t.csv", BOX.format(name=name, frame=1)))
    with pytest.raises(FileError, match="no name for a file"):
        _ = tracing.stem


def test_other_tables_are_not_taken_for_contours(tmp_path):
    other = table(tmp_path / "FileList.csv", header="FileName,EF,ESV,EDV\n")
    assert not is_tracings(other)
    assert not is_tracings(tmp_path / "absent.csv")
    with pytest.raises(FileError, match="has the columns FileName, Frame and X1"):
        read_tracings(other)


def test_the_other_verbs_say_what_to_do_with_contours(capsys, tmp_path):
    path = table(tmp_path / "VolumeTracings.csv", BOX.format(name="a.avi", frame=1))
    assert "'cardiovae convert " in run(capsys, "audit", path).err
    with pytest.raises(FileError, match=r"contours, not label maps; .* 'cardiovae convert "):
        find_inputs([path])


def test_contours_become_label_maps_on_the_command_line(capsys, tmp_path):
    path = table(
        tmp_path / "VolumeTracings.csv",
        BOX.format(name="a.avi", frame=9),
        BOX.format(name="a.avi", frame=2),
        "b.avi,1,2,3,4,5\n",
        BOX.format(name="../c.avi", frame=1),
    )
    done = run(capsys, "convert", path, "-o", tmp_path / "out", "--json")
    assert done.code == ExitCode.SOME_FAILED
    (record,) = (r for r in done.records if "error" not in r)
    assert record["source"] == f"{path}::a.avi"
    assert record["frames"] == [2, 9]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.nii.gz"]
    sequence = load_sequence(tmp_path / "out" / "a.nii.gz")
    assert (sequence.labels == box()[:, :, None]).all()
    assert sequence.spacing_mm is None
    assert "contour of b.avi" in done.err
    assert "no name for a file" in done.err
