"""The coverage that docstrings state is that of the kept simulation."""

import pytest
from docs.said_of_intervals import said

SAID = said()


@pytest.mark.parametrize(("of", "phrase"), SAID, ids=[f"{of.__name__}-{n}" for n, (of, _) in enumerate(SAID)])
def test_a_docstring_states_the_coverage_that_was_simulated(of, phrase):
    assert phrase in " ".join(of.__doc__.split()), f"the docstring of {of.__name__} lacks: {phrase}"
