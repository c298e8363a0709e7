"""Presets: YAML files of `configs/`, read strictly into frozen settings dataclasses.

`configs/` is the single source. The wheel carries it as `cardiovae/_configs`; in a checkout the
folder beside the package is used.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from cardiovae.errors import ConfigError

Settings = TypeVar("Settings")


def preset_folder() -> Path:
    """Folder that holds the presets, one sub-folder per kind.

    Raises:
        ConfigError: The installation lacks it.
    """
    package = Path(__file__).parent
    for folder in (package / "_configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"no presets beside {package}: this installation is incomplete, reinstall it"
    )


def preset_names(kind: str) -> tuple[str, ...]:
    """Names of the presets of one kind ("criteria", "train", "correct"), sorted."""
    return tuple(sorted(path.stem for path in (preset_folder() / kind).glob("*.yaml")))


def read_preset(kind: str, name: str) -> dict[str, Any]:
    """Content of a preset, by its name or by the path of a YAML file.

    Raises:
        ConfigError: No such preset or file, or not a YAML mapping.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        path = preset_folder() / kind / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(
            f"{kind} preset '{name}': no such file; shipped presets are "
            f"{', '.join(preset_names(kind)) or 'none'}, or give the path of a .yaml file"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: a preset is a mapping of keys, got {type(content).__name__}")
    return content


def build_settings(
    cls: type[Settings], content: Mapping[str, Any], *, origin: str = "settings"
) -> Settings:
    """Build the frozen dataclass `cls` from plain data, strictly.

    Nested dataclasses are built from nested mappings, tuples from lists, and whole numbers are
    accepted where a float is meant.

    Raises:
        ConfigError: An unknown key (the nearest valid one is named), a missing key, or a value
            of another type than the field's.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; keys are {sorted(fields)}"
            raise ConfigError(f"{origin}: unknown key '{key}'{hint}")
        values[key] = _convert(hints[key], value, f"{origin}.{key}")
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    missing = sorted(required - values.keys())
    if missing:
        raise ConfigError(f"{origin}: missing {missing}")
    return cls(**values)


def _convert(hint: Any, value: Any, origin: str) -> Any:
    """`value` as the type `hint` names, or a ConfigError that says what was expected."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{origin}: expected a mapping, got {value!r}")
        return build_settings(hint, value, origin=origin)
    kind, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, origin)
    if kind is tuple and isinstance(value, list | tuple):
        hints = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(hints) == len(value):
            return tuple(_convert(h, v, origin) for h, v in zip(hints, value, strict=True))
    elif _is_a(kind, value):
        return float(value) if hint is float else value
    expected = getattr(hint, "__name__", str(hint))
    raise ConfigError(f"{origin}: expected {expected}, got {value!r}")


def _is_a(hint: Any, value: Any) -> bool:
    """Whether a plain value fits its type: a whole number is a float too, a bool is no number."""
    if isinstance(value, bool):
        return hint is bool
    return isinstance(hint, type) and isinstance(value, (int, float) if hint is float else hint)


def apply_overrides(content: Mapping[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Plain settings with `a.b=value` overrides applied; values are read as YAML.

    Raises:
        ConfigError: An override without `=`, or one that reaches into a plain value.

    Examples:
        >>> apply_overrides({"optimizer": {"lr": 1.0}}, ["optimizer.lr=0.5"])
        {'optimizer': {'lr': 0.5}}
    """
    result = {k: dict(v) if isinstance(v, Mapping) else v for k, v in content.items()}
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"--set {override}: expected key=value or group.key=value")
        *groups, key = path.strip().split(".")
        target: Any = result
        for group in groups:
            target = target.setdefault(group, {})
            if not isinstance(target, dict):
                raise ConfigError(f"--set {override}: '{group}' is a value, not a group of keys")
        target[key] = yaml.safe_load(text)
    return result
