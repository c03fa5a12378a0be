"""The page of generated sets."""

import numpy as np
import pytest

from experiments.tools.generated import GeneratedConfig, main
from glowjax.data import generate, resolve


def test_the_page_shows_every_kind_and_says_how_far_it_is_from_the_images(folder, tmp_path):
    config = GeneratedConfig(in_dist="ramps:train", num_images=20, data_dir=folder, output_dir=tmp_path)
    result = main(config)
    images = resolve("ramps:train", None, folder, 20, 0)
    changes = result.numbers["mean_absolute_change"]
    blurred = generate("gaussian_blur-2", images).images.astype(float)
    assert changes["gaussian_blur"][1]["value"] == pytest.approx(np.abs(blurred - images.images).mean())
    assert len(changes) == 15
    assert "Not for these images: saturate." in result.summary
    corruptions, easy = [figure for section in result.sections for figure in section.figures]
    assert corruptions.data["contrast"] == [f"contrast-{factor}" for factor in (0.75, 0.5, 0.4, 0.3, 0.15)]
    assert list(easy.data) == ["ramps:train", "constant", "contrast-0", "contrast-0.3-to-black", "noise", "rotated-90"]
