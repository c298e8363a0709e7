"""Audit and correct label maps of the heart in echocardiography.

Importing the package is cheap: neither torch nor monai is loaded before a prior is.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
