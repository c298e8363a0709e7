from __future__ import annotations

from dataclasses import dataclass

import pytest

from cardiovae.config import apply_overrides, build_settings, read_preset
from cardiovae.errors import ConfigError


@dataclass(frozen=True)
class Optimizer:
    rate: float
    steps: int = 10


@dataclass(frozen=True)
class Training:
    optimizer: Optimizer
    name: str = "plain"
    widths: tuple[int, ...] = (16, 32)
    spacing_mm: tuple[float, float] | None = None
    shuffle: bool = True


def build(**content):
    return build_settings(Training, {"optimizer": {"rate": 0.1}} | content)


def test_plain_data_becomes_nested_settings_with_floats_and_tuples():
    settings = build(optimizer={"rate": 1, "steps": 3}, widths=[8], spacing_mm=[1, 0.5])
    assert settings == Training(Optimizer(1.0, 3), widths=(8,), spacing_mm=(1.0, 0.5))
    assert isinstance(settings.optimizer.rate, float)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"widhts": [8]}, "unknown key 'widhts'; did you mean 'widths'"),
        ({"optimizer": {"rate": 0.1, "stepz": 3}}, r"settings\.optimizer: unknown key 'stepz'"),
        ({"optimizer": {}}, "missing \\['rate'\\]"),
        ({"optimizer": 3}, "expected a mapping, got 3"),
        ({"optimizer": {"rate": 0.1, "steps": 2.5}}, "expected int, got 2.5"),
        ({"optimizer": {"rate": 0.1, "steps": True}}, "expected int, got True"),
        ({"optimizer": {"rate": "fast"}}, "expected float, got 'fast'"),
        ({"shuffle": 1}, "expected bool, got 1"),
        ({"name": None}, "expected str, got None"),
        ({"spacing_mm": [1.0]}, r"spacing_mm: expected .*, got \[1.0\]"),
        ({"widths": [8, "x"]}, "widths: expected int, got 'x'"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_rule_and_value(content, message):
    with pytest.raises(ConfigError, match=message):
        build(**content)


def test_an_optional_setting_takes_none():
    assert build(spacing_mm=None).spacing_mm is None


def test_overrides_reach_into_groups_and_leave_the_original_alone():
    content = {"optimizer": {"rate": 0.1}, "name": "plain"}
    changed = apply_overrides(content, ["optimizer.rate=0.5", "widths=[4, 8]", "name=other"])
    assert changed == {"optimizer": {"rate": 0.5}, "name": "other", "widths": [4, 8]}
    assert content == {"optimizer": {"rate": 0.1}, "name": "plain"}


@pytest.mark.parametrize("override", ["name", "name.first=x"])
def test_an_override_that_says_nothing_or_reaches_into_a_value_is_refused(override):
    with pytest.raises(ConfigError, match="--set"):
        apply_overrides({"name": "plain"}, [override])


@pytest.mark.parametrize(
    ("text", "message"), [("a: [1", "not readable as YAML"), ("- 1\n- 2\n", "got list")]
)
def test_a_preset_file_that_is_no_mapping_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_preset("train", str(path))
    assert "broken.yaml" in str(caught.value)


def test_an_unknown_preset_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"train preset 'nowhere'.*give the path"):
        read_preset("train", "nowhere")
