"""What CAMUS says of an image beside it, and is no measurement of the patient.

`Info_4CH.cfg` has lines such as `ImageQuality: Good`; also `Sex`, `Age` and `EF`, which stay
there.
"""

from __future__ import annotations

import re
from pathlib import Path

from cardiovae.errors import FileError
from cardiovae.io.content import file_bytes

_NAME = re.compile(r"patient\d+_([24]CH)_", re.IGNORECASE)
_QUALITY = re.compile(r"^\s*ImageQuality\s*:\s*(\w+)\s*$", re.IGNORECASE | re.MULTILINE)


def image_quality(path: Path) -> str | None:
    """Image quality of a file of CAMUS in lower case, such as "good"; None where nothing says.

    S. Leclerc et al., IEEE TMI 38(9), 2019: good, medium or poor, by a cardiologist.
    """
    match = _NAME.match(path.name)
    if match is None:
        return None
    try:
        text = file_bytes(path.with_name(f"Info_{match[1].upper()}.cfg")).decode("latin-1")
    except FileError:
        return None
    found = _QUALITY.search(text)
    return found[1].lower() if found else None
