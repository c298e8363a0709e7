"""What can go wrong, in the few classes a caller may want to tell apart.

Every message names the thing, the rule it breaks, the value seen and the way out.
"""

from __future__ import annotations


class CardiovaeError(ValueError):
    """Base of every error that cardiovae raises on purpose."""


class FileError(CardiovaeError):
    """A file cannot be read or written, or its content breaks a rule."""


class LabelError(CardiovaeError):
    """Label values do not fit the label scheme."""


class ConfigError(CardiovaeError):
    """A preset, setting or command-line value is not usable."""


class ModelError(CardiovaeError):
    """A prior, its folder or its bank is missing, damaged or does not fit."""
