"""The spectrum of the Hessian."""

import pytest

from experiments.beyond.spectrum import SpectrumConfig, main


@pytest.mark.parametrize("kind", ["nvp", "cv"])
def test_the_extreme_eigenvalues_bound_the_mean_one(trained_run, folder, kind):
    config = SpectrumConfig(run_dir=trained_run(kind), out_dists=("others",), num_low=3, num_high=2, data_dir=folder)
    result = main(config)
    values = result.numbers["eigenvalues"]
    assert values == sorted(values)
    assert values[0] < result.numbers["trace"] / 64 < values[-1]
    (table,) = result.sections[0].tables
    assert [row[0] for row in table.rows] == ["1", "2", "3", "63", "64"]
    assert [float(str(row[3]).replace(",", "")) for row in table.rows] == pytest.approx(
        result.numbers["variance along, others test"], abs=0.06
    )
