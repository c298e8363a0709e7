"""Damages small valid files of every format and audits all of them in one run of the command line.

    python tests/audit_fuzz.py --cases 5000 --seed 1

prints one JSON object with what happened: whatever is damaged, the run ends with a record for each
file, and none of an internal error. The same seed gives the same files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from reader_fuzz import given_path, mutated, seeds

from cardiovae.cli import main as cardiovae


def fuzz(n_cases: int, seed: int, folder: Path) -> dict[str, object]:
    """Audit `n_cases` damaged files; what came of them."""
    known = {name: content for name, content in seeds().items() if not name.endswith(".csv")}
    rng = np.random.default_rng(seed)
    for case in range(n_cases):
        name = str(rng.choice(list(known)))
        place = folder / "in" / f"{case:06}"
        place.mkdir(parents=True)
        given_path(rng, place, name, mutated(rng, name, known[name]))
    words = [str(folder / "in"), *map(str, _videos(folder / "in")), "-o", str(folder / "out")]
    began, said = time.monotonic(), io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = cardiovae(["audit", *words, "--engine", "serial", "--pages", "all"])
    lines = (folder / "out" / "records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    errors = [record["error"] for record in records if record["status"] == "error"]
    return {
        "code": code,
        "cases": n_cases,
        "records": len(records),
        "audited": len(records) - len(errors),
        "refused": len(errors),
        "internal": [error for error in errors if "internal error" in error],
        "tracebacks": said.getvalue().count("Traceback"),
        "report": (folder / "out" / "index.html").exists(),
        "seconds": round(time.monotonic() - began, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _videos(folder: Path) -> list[Path]:
    """Videos, which a folder does not stand for."""
    return sorted(path for end in ("avi", "mkv", "mp4") for path in folder.rglob(f"*.{end}"))


def main() -> None:
    """Read the command line, audit, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        json.dump(fuzz(given.cases, given.seed, Path(place)), sys.stdout)


if __name__ == "__main__":
    main()
