"""Runs by their training time."""

import dataclasses
import math

import numpy as np
import pytest

from experiments.report.trained import compressed, curves, load
from experiments.tools.training_time import VALIDATION, TrainingTimeConfig, label, main
from glowjax.checks import InputError


def test_a_run_stands_at_the_bits_and_the_time_of_its_last_evaluation(trained_run):
    result = main(TrainingTimeConfig(run_dirs=(trained_run(), trained_run()), labels=("once", "again")))
    last = load(trained_run()).history[-1]
    assert result.numbers["once"]["bits_per_dim"] == {VALIDATION: last["validation"], "uniform noise": last["noise"]}
    assert result.numbers["once"]["minutes"] == pytest.approx(last["seconds"] / 60)
    assert [row[0] for row in result.sections[0].tables[0].rows] == ["once", "again"]


def test_runs_that_cannot_be_compared_are_refused(trained_run):
    run = load(trained_run())
    early = dataclasses.replace(run, history=[{**run.history[-1], "step": 1}])
    with pytest.raises(InputError, match=r"is at step 1 of .* finish it"):
        label([early], ())
    with pytest.raises(InputError, match="comes without its evaluations"):
        label([dataclasses.replace(run, history=[])], ())
    with pytest.raises(InputError, match="give each run a label of its own"):
        label([run, run], ("once",))
    with pytest.raises(InputError, match="name one or more runs"):
        main(TrainingTimeConfig(run_dirs=()))


def test_a_set_that_was_watched_late_or_was_once_not_finite_is_drawn_at_the_other_times(trained_run):
    values = ({}, {"mnist": math.nan, "svhn": 9.0}, {"mnist": 7.0, "svhn": 8.5}, {"mnist": 9.0, "svhn": 8.1})
    history = [{"step": k, "seconds": k, "validation": 8.4} | value for k, value in enumerate(values)]
    found = curves(dataclasses.replace(load(trained_run()), history=history), VALIDATION)
    np.testing.assert_array_equal(found["MNIST"], [np.nan, np.nan, 7, 9])
    assert list(compressed(found)) == [VALIDATION, "MNIST"]
