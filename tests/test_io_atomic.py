from __future__ import annotations

from pathlib import Path

import pytest

from cardiovae.errors import FileError
from cardiovae.io import staged, write_bytes, write_text
from cardiovae.io.atomic import staging


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_appears_with_its_content_and_nothing_beside_it(tmp_path):
    write_text(tmp_path / "audit.json", "{}\n")
    assert (tmp_path / "audit.json").read_bytes() == b"{}\n"
    assert listing(tmp_path) == ["audit.json"]


def test_an_existing_file_stays_and_the_message_names_it_and_the_way_out(tmp_path):
    path = tmp_path / "labels.nii"
    path.write_bytes(b"old")
    with pytest.raises(FileError, match=r"labels\.nii: exists already .* --overwrite"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    write_bytes(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert listing(tmp_path) == ["labels.nii"]


def test_a_link_to_nowhere_is_in_the_way_too(tmp_path):
    path = tmp_path / "labels.nii"
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(FileError, match="--overwrite"):
        write_bytes(path, b"new")


def test_a_folder_is_never_replaced(tmp_path):
    with pytest.raises(FileError, match="is a folder"):
        write_bytes(tmp_path, b"new", overwrite=True)


@pytest.mark.parametrize(
    "failure", [ValueError("writer"), KeyboardInterrupt(), OSError(28, "full")]
)
def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "map.nii"
    path.write_bytes(b"old")

    def write_half() -> None:
        with staged(path, overwrite=True) as target:
            target.write_bytes(b"ne")
            raise failure

    expected = FileError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected):
        write_half()
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["map.nii"]


def test_a_failing_move_leaves_no_file_and_no_folder(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(FileError, match=r"a/b/x\.json: cannot be written \(Permission denied\)"):
        write_bytes(tmp_path / "a" / "b" / "x.json", b"{}")
    assert listing(tmp_path) == []


def test_a_folder_that_was_there_before_survives_a_failure(tmp_path):
    (tmp_path / "a").mkdir()

    def fail() -> None:
        with staged(tmp_path / "a" / "b" / "x"):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (raised by this test itself)
        fail()
    assert listing(tmp_path) == ["a"]


def write_pair(path: Path, *, overwrite: bool) -> None:
    with staged(path, overwrite=overwrite) as target:
        target.write_bytes(b"new header")
        target.with_suffix(".raw").write_bytes(b"new pixels")


def test_companions_move_too_and_are_not_replaced_by_default(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"old pixels")
    with pytest.raises(FileError, match=r"a\.raw: exists already"):
        write_pair(tmp_path / "a.mhd", overwrite=False)
    assert listing(tmp_path) == ["a.raw"]
    write_pair(tmp_path / "a.mhd", overwrite=True)
    assert (tmp_path / "a.raw").read_bytes() == b"new pixels"
    assert listing(tmp_path) == ["a.mhd", "a.raw"]


@pytest.mark.parametrize("old_pixels", [b"old pixels", None])
def test_when_the_second_move_fails_the_first_is_undone(tmp_path, monkeypatch, old_pixels):
    if old_pixels:
        (tmp_path / "a.raw").write_bytes(old_pixels)
        (tmp_path / "a.mhd").write_bytes(b"old header")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    move = Path.replace

    def refuse_headers(self, target):
        if self.suffix == ".mhd":
            raise OSError(5, "Input/output error")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse_headers)
    with pytest.raises(FileError, match="Input/output error"):
        write_pair(tmp_path / "a.mhd", overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["x" * 300, "file.txt/x"])
def test_a_path_that_cannot_be_is_a_file_error(tmp_path, name):
    (tmp_path / "file.txt").write_bytes(b"")
    with pytest.raises(FileError, match="cannot be written"):
        write_bytes(tmp_path / name, b"")


def test_staged_files_appear_one_by_one_and_the_hidden_folder_goes(tmp_path):
    with staging(tmp_path / "new" / "report") as write_file:
        write_file(Path("pages/a.html"), b"one")
        assert (tmp_path / "new/report/pages/a.html").read_bytes() == b"one"
        write_file(Path("pages/a.html"), b"two")
        write_file(Path("index.html"), b"last")
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == {"new/report/pages/a.html", "new/report/index.html"}
    assert {p.name for p in (tmp_path / "new/report").iterdir()} == {"pages", "index.html"}
    assert (tmp_path / "new/report/pages/a.html").read_bytes() == b"two"


def test_a_staged_file_that_cannot_be_placed_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "index.html").mkdir()
    with (
        pytest.raises(FileError, match=r"index\.html: cannot be written"),
        staging(tmp_path) as write_file,
    ):
        write_file(Path("index.html"), b"text")
    assert [p.name for p in tmp_path.iterdir()] == ["index.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file: cannot be written"), staging(tmp_path / "file"):
        pass


def test_an_error_of_the_caller_is_not_taken_for_one_of_writing(tmp_path):
    with pytest.raises(FileNotFoundError), staging(tmp_path):
        (tmp_path / "missing").read_bytes()
    assert not list(tmp_path.iterdir())
