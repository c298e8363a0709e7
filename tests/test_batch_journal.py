from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiovae.batch.journal import JOURNAL, RECORDS, Journal
from cardiovae.errors import FileError

NAMES = st.text(min_size=1, max_size=5)


def _line(source: str, value: int) -> bytes:
    return json.dumps({"source": source, "sha256": str(value), "value": value}).encode()


def _values(journal: Journal) -> dict[str, int]:
    return {record["source"]: record["value"] for record in journal.records()}


@settings(max_examples=40, deadline=None)
@given(runs=st.lists(st.lists(st.tuples(NAMES, st.integers()), max_size=6), max_size=4))
def test_a_journal_is_a_dictionary_whichever_runs_wrote_it(tmp_path_factory, runs):
    folder = tmp_path_factory.mktemp("out")
    expected: dict[str, int] = {}
    for i, run in enumerate(runs):
        journal = Journal(folder)
        with journal:
            for source, value in run:
                journal.append(source, _line(source, value))
                expected[source] = value
        if i % 2:  # the others were killed before the end
            journal.close()
    assert _values(Journal(folder)) == expected
    assert list(_values(Journal(folder))) == sorted(expected)


def test_a_line_that_was_cut_off_is_forgotten_and_the_next_one_is_whole(tmp_path):
    (tmp_path / JOURNAL).write_bytes(_line("a", 1) + b"\n" + _line("b", 2)[:9])
    journal = Journal(tmp_path)
    assert _values(journal) == {"a": 1}
    with journal:
        journal.append("c", _line("c", 3))
    assert _values(Journal(tmp_path)) == {"a": 1, "c": 3}


def test_a_full_disk_loses_the_line_at_hand_and_says_how_to_go_on(tmp_path):
    journal = Journal(tmp_path)
    with journal:
        journal.append("a", _line("a", 1))
        journal._stream = _Full(journal._stream)
        with pytest.raises(FileError, match=r"No space left.*goes on from here"):
            journal.append("b", _line("b", 2))
    assert _values(Journal(tmp_path)) == {"a": 1}


class _Full:
    """A stream on a full disk: it takes a few bytes more."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, content):
        self._stream.write(content[:5])
        self._stream.flush()
        raise OSError(28, "No space left on device")

    def __getattr__(self, name):
        return getattr(self._stream, name)


def test_what_is_complete_is_one_sorted_file(tmp_path):
    journal = Journal(tmp_path)
    with journal:
        for source in "cab":
            journal.append(source, _line(source, ord(source)))
    journal.close()
    assert (tmp_path / RECORDS).read_bytes() == b"".join(
        _line(source, ord(source)) + b"\n" for source in "abc"
    )
    assert not (tmp_path / JOURNAL).exists()


def test_a_file_of_somebody_else_is_refused(tmp_path):
    (tmp_path / RECORDS).write_text("once upon a time\n")
    with pytest.raises(FileError, match="is no record of cardiovae"):
        Journal(tmp_path)
