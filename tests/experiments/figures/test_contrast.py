"""log p against contrast."""

import jax
import numpy as np
import pytest

from experiments.figures.contrast import ContrastConfig, main
from experiments.report.scoring import image_sets
from experiments.report.trained import load_flow
from glowjax.checks import InputError
from glowjax.likelihood import dequantize


@pytest.mark.parametrize("kind", ["nvp", "cv"])
def test_full_contrast_is_the_images_themselves_and_its_end_depends_on_the_direction(trained_run, folder, kind):
    factors = (1.0, 0.5, 0.0)
    config = ContrastConfig(run_dir=trained_run(kind), out_dists=("others",), factors=factors, data_dir=folder)
    result = main(config)
    rows = {towards: curves["ramps:test"] for towards, curves in result.numbers.items()}
    assert rows["mean"][0] == rows["black"][0] == rows["grey"][0]
    assert len({curve[2]["mean"] for curve in rows.values()}) == 3
    trained = load_flow(trained_run(kind))
    test, (others,) = image_sets(trained, ("others",), config)
    for images in (test, others):
        log_p = trained.model.log_prob(trained.params, dequantize(jax.random.key(0), images.images))
        assert result.numbers["mean"][images.name][0]["mean"] == pytest.approx(float(np.mean(log_p)), rel=1e-5)
    change = rows["black"][2]["mean"] - rows["black"][0]["mean"]
    assert f"by {change:+,.0f} ± " in result.summary


@pytest.mark.parametrize("kind", ["pixelcnn", "vae"])
def test_a_discrete_likelihood_has_no_density_to_expand(trained_run, folder, kind):
    with pytest.raises(InputError, match="probabilities of 8-bit images and no density between them"):
        main(ContrastConfig(run_dir=trained_run(kind), data_dir=folder))
