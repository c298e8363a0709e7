"""Damages small valid files of every format at random, and reads them; the only error that may
come out is CardiovaeError. Run alone, in a process whose memory may be limited:

    python tests/reader_fuzz.py --cases 20000 --seed 1

prints one JSON object with what happened. The same seed gives the same cases.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from dicom_cases import at_indices, item, of_image_frame, region, segmentation, ultrasound
from PIL import Image
from pydicom.uid import RLELossless

from cardiovae.errors import CardiovaeError
from cardiovae.io import load_sequence, search_inputs
from cardiovae.io.echonet import read_tracings

FRAME = np.array([[0, 1, 1, 0], [2, 2, 2, 0], [3, 3, 0, 0]], np.uint8)
CINE = np.stack([FRAME, np.roll(FRAME, 1, axis=1)], axis=2)
MHD = b"""ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
Offset = 0 0 0
ElementSpacing = 0.308 0.154 1.54
DimSize = 4 3 2
ElementType = MET_UCHAR
ElementDataFile = %s
"""
_HEX = """00 ff 7f 80 0000 ffff ff7f 7fff 0080 00000000 ffffffff ffffff7f 7fffffff 00000080
000000000000f07f 0000c07f 0000807f ffffffffffffffff ffffffffffffff7f 00000000000000c0"""
NASTY_NUMBERS = [bytes.fromhex(text) for text in _HEX.split()]
NASTY_WORDS = [
    b"60000", b"99999999999", b"-1", b"0", b"nan", b"inf", b"1e400", b"LOCAL", b"LIST", b"a%d.raw",
    b"../../../../etc/passwd", b"/dev/zero", b"/dev/stdin", b"True", b"MET_DOUBLE", b"MET_OTHER",
    b"\0", b"\xff\xfe", b"O", b"|O8", b"<U999999999", b"<f8", b"(1,)", b"(60000, 60000, 60000)",
    b"'", b'"', b"\n", b"=", b",", b"{" * 50, b"(" * 300, b"-" * 3000, b"[" * 2000,
]  # fmt: skip


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    save(stream)
    return stream.getvalue()


def _nifti(kind: type, array: np.ndarray) -> bytes:
    return kind(array, np.diag([0.3, 0.2, 1, 1])).to_bytes()


def _png(values: np.ndarray, mode: str) -> bytes:
    image = Image.fromarray(values)
    if mode == "P":
        image.putpalette(bytes(range(12)))
    return _saved(lambda stream: image.convert(mode).save(stream, "PNG"))


def _dicoms() -> dict[str, bytes]:
    """DICOM files are made on the disk, since pydicom writes them so."""
    names = {1: "LV", 2: "Myocardium", 3: "LA"}
    masks = [(n, CINE[:, :, t] == n, of_image_frame(t + 1)) for n in names for t in range(2)]
    placed = [(n, CINE[:, :, t] == n, at_indices(n, t + 1)) for n in names for t in range(2)]
    axes = [item(DimensionIndexPointer=tag) for tag in (0x0062000B, 0x00209057)]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.dcm"
        regions = [region(0.02, 0.03)]
        found = {
            "us.dcm": ultrasound(path, CINE, SequenceOfUltrasoundRegions=regions, FrameTime="20")
        }
        contents = {name: file.read_bytes() for name, file in found.items()}
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
        contents["rle.dcm"] = path.read_bytes()
        contents["seg.dcm"] = segmentation(path, masks, names).read_bytes()
        contents["placed.dcm"] = segmentation(
            path, placed, names, DimensionIndexSequence=axes
        ).read_bytes()
    return contents


def _videos() -> dict[str, bytes]:
    """Videos, where the library that reads them is installed."""
    if find_spec("av") is None:
        return {}
    from video_cases import frame_of, video

    kinds = {
        "a.avi": ("ffv1", "gray"),
        "b.avi": ("huffyuv", "rgb24"),
        "c.avi": ("rawvideo", "pal8"),
        "d.avi": ("ffvhuff", "gray"),
        "a.mkv": ("ffv1", "bgr0"),
        "b.mkv": ("rawvideo", "gray"),
        "a.mp4": ("ffv1", "gray"),
        "b.mp4": ("png", "pal8"),
    }
    contents = {}
    with tempfile.TemporaryDirectory() as place:
        for name, (codec, kind) in kinds.items():
            frames = [frame_of(np.ascontiguousarray(CINE[:, :, t]), kind) for t in range(2)]
            contents[name] = video(Path(place) / name, frames, codec).read_bytes()
    return contents


def seeds() -> dict[str, bytes]:
    """Valid files of every kind, by name."""
    stored = CINE.transpose(1, 0, 2)
    scaled = nib.Nifti1Image(stored.astype(np.int16), np.eye(4))
    scaled.header.set_slope_inter(1, 0)
    scaled.header.set_xyzt_units("mm", "sec")
    nifti = _nifti(nib.Nifti1Image, stored)
    four = _nifti(nib.Nifti2Image, stored[:, :, None].astype(np.float32))
    pixels = CINE.transpose(2, 0, 1).tobytes()
    header = MHD % b"LOCAL"
    packed = header.replace(b"CompressedData = False", b"CompressedData = True")
    arrays = {"labels": CINE, "spacing_mm": [0.2, 0.3], "frame_time_ms": 20.0, "axes": "HWT"}
    rows = "FileName,X1,Y1,X2,Y2,Frame\n" + "".join(
        f"0X1.avi,{50 - y / 9},{y},{60 + y / 9},{y},{t}\n"
        for t in (3, 30)
        for y in range(20, 90, 9)
    )
    return {
        "a.nii": nifti,
        "b.nii": scaled.to_bytes(),
        "c.nii.gz": gzip.compress(nifti, mtime=0),
        "d.nii.gz": gzip.compress(four, mtime=0),
        "a.mha": header + pixels,
        "b.mha": packed + zlib.compress(pixels),
        "a.mhd": MHD % b"a.raw",
        "a.npy": _saved(lambda stream: np.save(stream, CINE)),
        "b.npy": _saved(lambda stream: np.save(stream, np.asfortranarray(CINE, np.float32))),
        "a.npz": _saved(lambda stream: np.savez(stream, **arrays)),
        "b.npz": _saved(lambda stream: np.savez_compressed(stream, **arrays)),
        "a.png": _png(FRAME, "L"),
        "b.png": _png(FRAME, "P"),
        "c.png": _png(FRAME, "RGB"),
        "d.png": _png(FRAME, "1"),
        **_dicoms(),
        **_videos(),
        "dataset.json": json.dumps({"labels": {"LV": 1, "MYO": 2, "LA": 3}}).encode(),
        "Info_4CH.cfg": b"ED: 1\nES: 2\nNbFrame: 2\nFrameRate: 50.0\n",
        "VolumeTracings.csv": rows.encode(),
    }


def mutated(rng: np.random.Generator, name: str, content: bytes) -> bytes:
    """`content` damaged; every other time within its compression, or its checksums mended."""
    inside = bool(rng.integers(2))
    if inside and name.endswith(".gz"):
        return gzip.compress(_damaged(rng, gzip.decompress(content)), mtime=0)
    if inside and name == "b.mha":
        start = content.index(b"\n", content.index(b"ElementDataFile")) + 1
        return _damaged(rng, content[:start]) + zlib.compress(
            _damaged(rng, zlib.decompress(content[start:]))
        )
    if inside and name.endswith(".npz"):
        return _other_zip(rng, content)
    if inside and name.endswith(".png"):
        return _other_chunks(rng, content)
    return _damaged(rng, content)


def _damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Some bytes replaced, inserted, repeated, moved or cut off, mostly near the start."""
    out = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        if not out:
            break
        reach = min(len(out), 400) if rng.random() < 0.7 else len(out)
        at, length = int(rng.integers(reach)), int(rng.integers(1, 12))
        number = NASTY_NUMBERS[rng.integers(len(NASTY_NUMBERS))]
        word = NASTY_WORDS[rng.integers(len(NASTY_WORDS))]
        flipped = bytes([out[at] ^ 1 << int(rng.integers(8))])
        repeated = out[at : at + length] * int(rng.integers(1, 40))
        start, end, new = [
            (at, at + 1, flipped),
            (at, at + length, rng.bytes(length)),
            (at, at + len(number), number),
            (at, at + length * int(rng.integers(2)), word),
            (at, at + length, b""),
            (at, at, repeated),
            (int(rng.integers(len(out) + 1)), len(out), b""),
            (*_digit(rng, out), word),
        ][rng.integers(8)]
        out[start:end] = new
    return bytes(out)


def _digit(rng: np.random.Generator, out: bytearray) -> tuple[int, int]:
    """Where a digit of a number written as text is."""
    digits = [i for i, byte in enumerate(out[:4000]) if 48 <= byte <= 57] or [0]
    at = digits[int(rng.integers(len(digits)))]
    return at, at + 1


def _other_zip(rng: np.random.Generator, content: bytes) -> bytes:
    """An archive with valid checksums whose members are damaged, repeated or bombs."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for info in old.infolist():
            member = old.read(info)
            if rng.random() < 0.5:
                member = _damaged(rng, member)
            if rng.random() < 0.05:
                member += bytes(2**24)
            kind = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2][rng.integers(3)]
            new.writestr(info.filename, member, kind)
    return stream.getvalue()


def _other_chunks(rng: np.random.Generator, content: bytes) -> bytes:
    """A picture with valid checksums whose chunks are damaged, left out or repeated."""
    out, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        at += 12 + size
        if kind == b"IDAT" and rng.random() < 0.5:
            body = zlib.compress(_damaged(rng, zlib.decompress(body)))
        elif rng.random() < 0.5:
            body = _damaged(rng, body)
        for _ in range(int(rng.choice([0, 1, 1, 1, 1, 2]))):
            checksum = struct.pack(">I", zlib.crc32(kind + body))
            out += struct.pack(">I", len(body)) + kind + body + checksum
    return bytes(out)


def _series(rng: np.random.Generator, folder: Path, damaged: bytes) -> Path:
    """A folder of frames, one of which is `damaged`."""
    good = _png(FRAME, "L")
    place = int(rng.integers(3))
    for t in range(3):
        (folder / f"f_{t}.png").write_bytes(damaged if t == place else good)
    return folder


def given_path(rng: np.random.Generator, folder: Path, name: str, content: bytes) -> Path:
    """Write a damaged file and what belongs to it; the path to read."""
    if name.endswith(".png") and rng.random() < 0.3:
        return _series(rng, folder, content)
    (folder / name).write_bytes(content)
    if name == "a.mhd":
        (folder / "a.raw").write_bytes(CINE.transpose(2, 0, 1).tobytes())
    if name in ("dataset.json", "Info_4CH.cfg"):
        path = folder / "patient0001_4CH_half_sequence_gt.nii"
        path.write_bytes(_nifti(nib.Nifti1Image, CINE.transpose(1, 0, 2)))
        return path
    return folder / name


def read_path(path: Path) -> None:
    """Everything that a run does with a path."""
    if path.name == "VolumeTracings.csv":
        for tracing in read_tracings(path):
            assert tracing.stem == Path(tracing.stem).name
            assert tracing.sequence().labels.shape[:2] == (112, 112)
        return
    for found in search_inputs([path]).paths:
        labels = load_sequence(found).labels
        assert labels.dtype == np.uint8
        assert labels.ndim == 3


def fuzz(n_cases: int, seed: int, seconds: float, only: str = "") -> dict[str, object]:
    """Read `n_cases` damaged files, or as many as there is time for; of one format if so told."""
    known = {name: content for name, content in seeds().items() if name.endswith(only)}
    rng = np.random.default_rng(seed)
    read = refused = 0
    slowest = (0.0, "")
    failures: list[str] = []
    start = time.monotonic()
    for case in range(n_cases):
        if time.monotonic() - start > seconds:
            break
        name = str(rng.choice(list(known)))
        content = mutated(rng, name, known[name])
        with tempfile.TemporaryDirectory() as place:
            path = given_path(rng, Path(place), name, content)
            began = time.monotonic()
            try:
                read_path(path)
                read += 1
            except CardiovaeError:
                refused += 1
            except Exception:  # noqa: BLE001 (whatever else comes out is what we look for)
                failures.append(f"{name}, case {case}: {traceback.format_exc(limit=-4)}")
                Path(os.environ.get("CARDIOVAE_FUZZ_KEEP", place), f"{case}-{name}").write_bytes(
                    content
                )
            slowest = max(slowest, (time.monotonic() - began, f"{name}, case {case}"))
    return {
        "cases": read + refused + len(failures),
        "read": read,
        "refused": refused,
        "failures": failures,
        "slowest_s": round(slowest[0], 3),
        "slowest": slowest[1],
        "seconds": round(time.monotonic() - start, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Read the command line, limit the memory, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--extra-mb", type=int, default=1024, help="memory beyond that at start")
    parser.add_argument("--only", default="", help="suffix of the files to damage")
    given = parser.parse_args()
    fuzz(1, 0, 60)  # what is loaded on first use is no memory of a case
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + given.extra_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("error")
    json.dump(fuzz(given.cases, given.seed, given.seconds, given.only), sys.stdout)


if __name__ == "__main__":
    main()
