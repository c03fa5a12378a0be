"""Bits of codecs, against files that are read back; the ratio and the mixture, against scikit-learn."""

import io
import math

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn import mixture

from glowjax import InputError, ood

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
FILES = {
    "png": {"format": "PNG", "compress_level": 9},
    "jpeg2000": {"format": "JPEG2000", "no_jp2": True},
    "webp": {"format": "WEBP", "lossless": True, "quality": 100, "method": 4},
}


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 6, 3)])
def test_bits_are_those_of_files_that_lose_nothing(shape):
    images = np.stack([np.zeros(shape, np.uint8), RNG.integers(0, 256, shape, np.uint8)])
    stats = ood.statistics(None, None, KEY, images, ood.CODECS)
    for codec, options in FILES.items():
        file = io.BytesIO()
        Image.fromarray(images[1].squeeze()).save(file, **options)
        assert stats[codec][1] == 8 * file.tell() > stats[codec][0] > 0
        again = np.asarray(Image.open(file)).reshape(*shape[:2], -1)[..., : shape[2]]
        np.testing.assert_array_equal(again, images[1])


def test_a_codec_refuses_what_it_cannot_write_and_says_if_it_is_not_installed(monkeypatch):
    with pytest.raises(InputError, match="1 or 3 channels, but these have 2"):
        ood.statistics(None, None, KEY, np.zeros((1, 4, 4, 2), np.uint8), ["png"])
    monkeypatch.setitem(ood.FAMILIES, "none", ood.Family("none", "images", "", dict, lack="Pillow with NONE"))
    assert ood.missing(None, ["png", "none"]) == {"none": "it needs Pillow with NONE"}


def test_input_complexity_is_the_bits_of_the_model_minus_the_fewest_bits_of_the_codecs_per_dimension():
    values = {"log_prob": np.float32([-10, -20]), "png": [80.0, 96], "webp": [88.0, 88], "jpeg2000": [160.0, 160]}
    stats = ood.Statistics({name: np.asarray(one) for name, one in values.items()}, {"image_shape": [2, 2, 1]})
    reference = stats.as_reference()
    smallest = ood.SCORES["complexity"].score.fit(reference)(stats)
    np.testing.assert_allclose(smallest, [(10 / math.log(2) - 80) / 4, (20 / math.log(2) - 88) / 4])
    alone = ood.SCORES["complexity-png"].score.fit(reference)(stats)
    np.testing.assert_allclose(alone, [(10 / math.log(2) - 80) / 4, (20 / math.log(2) - 96) / 4])
    with pytest.raises(InputError, match="shape of the images is unknown"):
        ood.InputComplexity().fit(reference)(ood.Statistics(stats.values))


def test_the_mixture_is_that_of_scikit_learn_and_high_away_from_its_clusters():
    clusters = np.concatenate([RNG.normal([0, 0], [1, 10], (200, 2)), RNG.normal([8, 90], [1, 10], (200, 2))])
    stats = ood.Statistics({"png": clusters[:, 0], "scales.log_pz": clusters[:, 1:]})
    one = ood.GaussianMixture(("png", "scales.log_pz[sum]"), num_components=2)
    scores = one.fit(stats.as_reference())(stats)
    standard = (clusters - clusters.mean(axis=0)) / clusters.std(axis=0)
    options = {"reg_covar": one.MIN_VARIANCE, "n_init": 3, "max_iter": 500, "random_state": 0}
    expected = -mixture.GaussianMixture(2, **options).fit(standard).score_samples(standard)
    np.testing.assert_allclose(scores, expected)
    between = ood.Statistics({"png": np.array([0.0]), "scales.log_pz": np.array([[90.0]])})
    assert one.fit(stats.as_reference())(between)[0] > scores.max()
    with pytest.raises(InputError, match="a reference of 50 images or more, but got 40"):
        ood.GaussianMixture(one.statistics).fit(stats.select(slice(40)).as_reference())
