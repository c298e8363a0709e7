"""Label maps as runs: what the audit and the attributes measure, compiled; knows no clinic."""

from __future__ import annotations
