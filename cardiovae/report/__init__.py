"""Self-contained HTML: a page about one correction, a folder about a batch (`batch`).

Each is a view of records, `audit.json` or those of a run, and of label maps.

Figures and pictures are pure functions, data in and SVG text or PNG bytes out, for other pages to
use. Nothing here measures: what the page says stands in the record.
"""

from __future__ import annotations

from cardiovae.report.html import write_report
from cardiovae.report.pictures import before_after_picture

__all__ = ["before_after_picture", "write_report"]
