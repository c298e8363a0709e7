"""One self-contained HTML page about one correction: a view of `audit.json` and the label maps.

Figures and pictures are pure functions, data in and SVG text or PNG bytes out, for other pages to
use. Nothing here measures: what the page says stands in the record.
"""

from __future__ import annotations

from cardiovae.report.html import write_report
from cardiovae.report.pictures import before_after_picture

__all__ = ["before_after_picture", "write_report"]
