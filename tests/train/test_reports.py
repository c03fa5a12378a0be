"""A model that is worse than none is told, once during the training and once at its end."""

import math
import warnings

import pytest

from glowjax.train.reports import Reports


def told(records, warmup_steps=10):
    """The warnings of a training with these records."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Reports(None, 0, 100, warmup_steps, shows_progress=False) as reports:
            for record in records:
                reports.write(record)
    return [str(warning.message) for warning in caught]


def record(step, train, validation=None):
    return {"step": step, "train": train, **({} if validation is None else {"validation": validation})}


def test_divergence_is_told_once_after_the_warm_up_and_at_the_end():
    records = [record(10, 20.0), record(20, 7.5), record(30, 9.5), record(40, 12.0, 7.0), record(50, 6.7e6)]
    first, last = told(records)
    assert first.startswith(
        "The bits/dim (train) are 9.5 at step 30, but uniform noise needs 8: the model has diverged"
    )
    assert last.startswith("The bits/dim (train) are 6.7e+06 at step 50,")
    (validation,) = told([record(20, 7.5, 8.5), record(30, 5.0, 5.0)])
    assert validation.startswith("The bits/dim (validation) are 8.5 at step 20,")


@pytest.mark.parametrize("bits", [math.nan, math.inf])
def test_numbers_that_are_not_finite_count_as_divergence(bits):
    assert len(told([record(20, bits)])) == 2


def test_a_model_that_learns_is_not_warned_of():
    assert told([record(5, 12.0, 11.0), record(20, 8.0, 7.9), record(30, 4.0)]) == []


def test_an_error_ends_the_reports_without_a_second_warning():
    reports = Reports(None, 0, 100, 10, shows_progress=False)
    with pytest.warns(UserWarning, match="at step 20"):
        reports.write(record(20, 9.0))
    with pytest.raises(ZeroDivisionError), reports:
        raise ZeroDivisionError
