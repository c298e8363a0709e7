"""How large a label map may be, checked before memory is taken and while a file is unpacked.

A header is a claim. A few damaged or hostile bytes can claim terabytes, and a small compressed
file can unpack to any size, so every reader compares what is claimed with `MAX_PIXELS`, takes
memory for what the file really holds, and stops unpacking where the claimed pixels end.
"""

from __future__ import annotations

import zlib
from math import prod

from cardiovae.errors import FileError

MAX_PIXELS = 2**28
"""Pixels that a label map may hold: 256 frames of 1024 x 1024, 21,000 of 112 x 112.

The largest cine of CAMUS has 3 * 10**7. A reader of float64 pixels needs at most about 6 GiB.
"""

MAX_FILE_BYTES = 2**32
"""Bytes that a file may have: `MAX_PIXELS` pixels of eight bytes, and as much again of others."""

MAX_HEADER_BYTES = 2**24
"""Bytes that may stand before the pixels: 16 MiB, for extensions written by other programs."""

DEFLATE_RATIO = 1032
"""What one byte of deflate can unpack to at most (zlib technical notes, "Maximum Compression")."""

GZIP = 31  # wbits of zlib.decompressobj
ZLIB_OR_GZIP = 47


def require_pixels(shape: tuple[int, ...], source: object) -> None:
    """Raise when a header claims more pixels than a label map may have.

    Raises:
        FileError: More than `MAX_PIXELS`.
    """
    if prod(shape) > MAX_PIXELS:
        raise FileError(
            f"{source}: its header claims {' x '.join(map(str, shape))} pixels, more than the "
            f"{MAX_PIXELS} that a label map may have; export it again, or cut it into shorter "
            "sequences"
        )


def unpack(packed: bytes, limit: int, kind: int) -> bytes:
    """The first `limit` bytes that `packed` holds, or all when it holds fewer.

    Args:
        packed: A zlib stream, or gzip members one after another.
        limit: Where to stop; at least 1.
        kind: `GZIP` or `ZLIB_OR_GZIP`.

    Returns:
        At most `limit` bytes; memory beyond them is never taken.

    Raises:
        zlib.error: Damaged.
        EOFError: It ends within a stream.
    """
    found: list[bytes] = []
    while packed and limit > 0:
        stream = zlib.decompressobj(kind)
        part = stream.decompress(packed, limit)
        found.append(part)
        limit -= len(part)
        if not stream.eof and limit > 0:
            raise EOFError("it ends within its compressed data")
        packed = stream.unused_data.lstrip(b"\0")  # padding between gzip members is allowed
    return b"".join(found)
