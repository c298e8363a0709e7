"""Anatomical and temporal audit of label maps; knows nothing of networks."""

from __future__ import annotations
