"""How good the correction is, next to every baseline: makes docs/explanation/quality.md.

    python benchmarks/quality.py            # hours on two cores; interrupt and resume at will
    python benchmarks/quality.py --quick    # minutes, few cases, written to out/quality/

(a) 480 real U-Net predictions at four levels, (b) a real cine, (c) phantom cines with known
ejection fraction, broken by the corruption model or segmented by a U-Net on simulated B-mode
images, ground-truth masks that must stay as they are, and masks that the prior never saw. What
has been measured is kept in out/quality/ under a hash of the settings and the code.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch
from phantom_unet import trained
from proof.cases import Settings, groups, quick
from proof.figures import figures
from proof.page import page
from proof.units import available, cut, read_unit, run_all
from proof.verdicts import FULL, INPUT, Measured, verdicts
from proof.versions import ROOT, cine_version, code_version, commit

from cardiovae.baselines.methods import METHODS
from cardiovae.prior.folder import DEFAULT_PRIOR

PARTS = ("a", "b", "c", "harm", "unknown")


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of real data"
    )
    parser.add_argument("--quick", action="store_true", help="few cases of every kind")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=tuple(METHODS))
    parser.add_argument("--cines", type=int, help="number of phantom cines, even")
    parser.add_argument("--prior", default=DEFAULT_PRIOR)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="the page, figures in ../images")
    return parser.parse_args()


def asked(arguments: argparse.Namespace) -> Settings:
    """Settings of the run."""
    data = arguments.data
    if not (data / "unet_dev_preds.npz").exists():
        print(f"{data}: no unet_dev_preds.npz there, so phantoms alone", file=sys.stderr)
        data = ""
    settings = Settings(
        str(data),
        arguments.prior,
        seed=arguments.seed,
        scratch=str(ROOT / "out" / "quality"),
        version=code_version(),
        cine_version=cine_version(),
    )
    settings = quick(settings) if arguments.quick else settings
    if arguments.cines is not None:
        settings = replace(settings, n_hearts=max(1, arguments.cines // 2))
    return settings


def main() -> None:
    """Measure what is missing, then write page and figures."""
    arguments = parsed()
    torch.set_num_threads(1)
    settings = asked(arguments)
    methods, cannot = available(dict.fromkeys((FULL, INPUT, *arguments.methods)), arguments.prior)
    names = [name for part in PARTS if part in arguments.only for name in groups(part, settings)]
    if any(name.startswith("c/") for name in names):
        trained(settings.unet)
    units = cut(names, methods, settings)
    run_all(units, settings, arguments.workers)
    records: dict[tuple[str, str], list[dict[str, object]]] = {}
    for unit in units:
        records.setdefault((unit.group, unit.method), []).extend(read_unit(unit))
    measured = Measured(records, tuple(methods), settings.seed)
    output = arguments.output or _default_output(quick_run=arguments.quick)
    output.parent.mkdir(parents=True, exist_ok=True)
    commit()
    drawn = list(figures(measured, settings, output.parent.parent / "images"))
    command = " ".join(["python benchmarks/quality.py", *_without_paths(sys.argv[1:])])
    output.write_text(page(measured, settings, drawn, cannot, command), encoding="utf-8")
    for verdict in verdicts(measured):
        print(f"{verdict.word:10} {verdict.target}: {verdict.measured}")
    print(f"{output} written", file=sys.stderr)


def _default_output(*, quick_run: bool) -> Path:
    """A quick look does not replace the full table."""
    folder = ROOT / ("out/quality/docs" if quick_run else "docs")
    return folder / "explanation" / "quality.md"


def _without_paths(words: list[str]) -> list[str]:
    """The arguments, less folders of this machine.

    Examples:
        >>> _without_paths(["--quick", "--data", "/somewhere", "--seed", "1"])
        ['--quick', '--seed', '1']
    """
    paths = {i for i, word in enumerate(words) if word in ("--data", "-o", "--output")}
    return [w for i, w in enumerate(words) if i not in paths and i - 1 not in paths]


if __name__ == "__main__":
    main()
