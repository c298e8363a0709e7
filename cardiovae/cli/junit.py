"""Results as JUnit XML, which the pages of continuous integration show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

Add = Callable[[Mapping[str, Any]], None]


@contextmanager
def junit(path: Path) -> Iterator[Add]:
    """A file to add records to: one test case per input, failed where it does not pass.

    Raises:
        FileError: The file system refuses.
    """
    from cardiovae.io import staged

    with (
        staged(path, overwrite=True) as target,
        target.open("w", encoding="utf-8") as stream,
    ):
        xml = XMLGenerator(stream, encoding="utf-8", short_empty_elements=True)
        xml.startDocument()
        xml.startElement("testsuites", AttributesImpl({}))
        xml.startElement("testsuite", AttributesImpl({"name": "cardiovae"}))

        def add(record: Mapping[str, Any]) -> None:
            xml.characters("\n")
            name = _plain(record["source"])
            about = AttributesImpl({"classname": "cardiovae", "name": name})
            xml.startElement("testcase", about)
            kind, message, details = _outcome(record)
            if kind:
                xml.startElement(kind, AttributesImpl({"message": _plain(message)}))
                xml.characters(_plain(details))
                xml.endElement(kind)
            xml.endElement("testcase")

        yield add
        xml.characters("\n")
        xml.endElement("testsuite")
        xml.endElement("testsuites")
        xml.endDocument()


def _outcome(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind of what went wrong, "" if nothing did; a message, and every finding in a line."""
    from cardiovae.audit.record import implausible_frames
    from cardiovae.audit.rows import finding_rows

    if record["status"] != "ok":
        return "error", record["error"], ""
    if record["passed"]:
        return "", "", ""
    n_bad = len(implausible_frames(record))
    lines = [
        f"frame {row['frame']}: {row['set']} {row['criterion']} {row['verdict']} "
        f"{row['value']} {row['unit']} {row['reason']}".rstrip()
        for row in finding_rows(record)
    ]
    return "failure", f"{n_bad} of {record['n_frames']} frames implausible", "\n".join(lines)


def _plain(text: str) -> str:
    """Text without the control characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\t\n" or c >= " " else "\N{REPLACEMENT CHARACTER}" for c in text)
