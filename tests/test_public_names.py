from __future__ import annotations

import subprocess
import sys

import pytest

import cardiovae


def test_the_public_names_are_sorted_few_and_all_there():
    assert cardiovae.__all__ == sorted(cardiovae.__all__)
    assert len(cardiovae.__all__) <= 16
    assert all(getattr(cardiovae, name) is not None for name in cardiovae.__all__)
    assert set(cardiovae.__all__) <= set(dir(cardiovae))


def test_every_public_name_has_one_home():
    assert {*cardiovae._HOMES, "__version__"} == set(cardiovae.__all__)
    for name, home in cardiovae._HOMES.items():
        assert getattr(cardiovae, name).__module__ == f"cardiovae.{home}"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'correct_everything'"):
        cardiovae.correct_everything  # noqa: B018 (reading it is the test)


def test_importing_the_package_loads_not_even_numpy_and_its_names_load_no_network():
    code = (
        "import sys, cardiovae\n"
        "print('numpy' in sys.modules)\n"
        "from cardiovae import *\n"
        "print(sorted({'torch', 'monai', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "[]"]
