from __future__ import annotations

import pytest
from batch_cases import ENGINES, double, lost, obey
from hypothesis import given
from hypothesis import strategies as st

from cardiovae.batch.engines import Engine
from cardiovae.batch.run import run_items
from cardiovae.errors import ConfigError


@given(items=st.lists(st.integers(), max_size=40), batch=st.integers(1, 9))
def test_every_item_has_its_result_in_its_place(items, batch):
    found = list(run_items(double, items, lost, Engine("serial"), batch=batch))
    assert found == [str(2 * item) for item in items]


@pytest.mark.parametrize("engine", ENGINES)
def test_all_engines_say_the_same(engine):
    found = list(run_items(double, range(50), lost, Engine(engine, _workers(engine)), batch=7))
    assert found == [str(2 * item) for item in range(50)]


def test_an_item_that_kills_its_worker_twice_is_lost_and_no_other(tmp_path):
    items = [f"a{i}" for i in range(20)]
    items[3], items[11] = "die", f"die-once:{tmp_path / 'once'}"
    found = list(run_items(obey, items, lost, Engine("processes", 2), batch=2))
    expected = [f"{item} done" for item in items]
    expected[3] = "die lost: the worker process died on it"
    assert found == expected


def test_on_dask_too_a_killed_worker_costs_nothing_but_the_item_that_kills(tmp_path):
    items = [f"a{i}" for i in range(12)]
    items[2], items[7] = "die", f"die-once:{tmp_path / 'once'}"
    found = list(run_items(obey, items, lost, Engine("dask", 2), batch=3))
    expected = [f"{item} done" for item in items]
    expected[2] = "die lost: the worker process died on it"
    assert found == expected


def test_work_is_asked_for_as_results_are_taken_and_not_all_at_once():
    taken: list[int] = []

    def note(item: int) -> int:
        taken.append(item)
        return item

    results = run_items(note, range(1000), lost, Engine("serial"), batch=5)
    assert next(results) == 0
    assert len(taken) <= 2 * 5


def test_an_engine_has_workers_and_only_dask_a_scheduler():
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        Engine("processes", 0)
    with pytest.raises(ConfigError, match="only --engine dask"):
        Engine("serial", scheduler="tcp://node1:8786")


def _workers(engine: str) -> int:
    return 1 if engine == "serial" else 2
