"""The models that come with glowjax: their likelihoods are those that they state, and damaged weights are refused."""

import jax
import numpy as np
import pytest

import glowjax as gj
from glowjax import pretrained
from glowjax.checks import InputError

GOLDEN = {
    "fashion-mnist": [-1200.613689, -1966.745139, -1009.428947, -1165.657530],
    "fashion-mnist-small": [-1462.821242, -2440.472704, -1275.972933, -1437.123308],
    "fashion-mnist-small-cv": [-2851.557712, -4024.013654, -2834.408753, -2879.000123],
}
"""log p of the first four test images, in nats, in double precision."""


@pytest.mark.usefixtures("promotion")
@pytest.mark.parametrize("name", pretrained.HASHES)
def test_a_pretrained_model_has_the_likelihoods_that_it_states_and_digits_are_more_likely(name):
    model, params, about = gj.load_pretrained(name)
    clothes = gj.data.load("fashion_mnist", "test")
    x = np.asarray(gj.dequantize(jax.random.key(1), clothes.images[:32])[:4])
    with jax.enable_x64(True):
        np.testing.assert_allclose(model.log_prob(params, x.astype(np.float64)), GOLDEN[name], rtol=0, atol=1e-4)
    images = clothes.take(300).images
    log_likelihood = model.log_likelihood(params, jax.random.key(0), images)
    bits = gj.bits_per_dim(log_likelihood, images[0].size)
    assert float(bits.mean()) == pytest.approx(about["bits_per_dim"], abs=4 * float(bits.std()) / len(images) ** 0.5)
    digits = gj.data.load("mnist", "train").take(300).images
    assert model.log_likelihood(params, jax.random.key(0), digits).mean() > log_likelihood.mean()


def extreme_images():
    """Images of black and white pixels: {name: [28, 28] grey levels}."""
    rows, columns = np.indices((28, 28))
    dot = (rows == 14) & (columns == 14)
    patterns = {
        "stripes": rows % 2,
        "columns": columns % 2,
        "dot": dot,
        "hole": ~dot,
        "blocks": (rows // 2 + columns // 2) % 2,
    }
    patterns |= {"black": dot & ~dot, "white": dot | ~dot, "noise": np.random.default_rng(0).integers(0, 2, (28, 28))}
    patterns |= {"checkerboard": (rows + columns) % 2, "other checkerboard": (rows + columns + 1) % 2}
    return {name: 255.0 * pattern for name, pattern in patterns.items()}


@pytest.mark.parametrize(
    ("name", "inverts_checkerboards"),
    [("fashion-mnist", False), ("fashion-mnist-small", True), ("fashion-mnist-small-cv", True)],
)
def test_a_pretrained_model_inverts_extreme_images_as_far_as_is_documented(name, inverts_checkerboards):
    model, params, _ = gj.load_pretrained(name)
    x = np.stack(list(extreme_images().values()))[..., None].astype(np.float32)
    back = jax.jit(lambda x: model.decode(params, model.encode(params, x)))(x)
    errors = dict(zip(extreme_images(), np.abs(np.asarray(back) - x).max(axis=(1, 2, 3)), strict=True))
    print(name, errors)
    checkerboards = max(errors.pop("checkerboard"), errors.pop("other checkerboard"))
    assert max(errors.values()) < 0.1
    assert (checkerboards < 0.1) == inverts_checkerboards


def test_a_pretrained_model_is_described_like_a_run():
    trained = gj.load("pretrained:fashion-mnist-small")
    assert (trained.in_dist, trained.step, trained.seed, trained.num_dims) == ("fashion_mnist", 2500, 0, 784)
    assert trained.summarize() == (
        "NVP-Glow, 2 scales x 8 steps, conv conditioners of width 64 (relu), trained on 57,019 images for 2,500 steps "
        "of 64"
    )
    assert repr(trained) == "Trained(NVP-Glow, step 2,500, 3.569 bits/dim)"
    assert trained.description["command"].startswith("python -m experiments.train --preset small-28 ")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'fashion-mnist-small'"):
        gj.load("pretrained:fashion-mnist-smal")


def test_weights_of_another_hash_are_refused(monkeypatch, tmp_path):
    name = "fashion-mnist-small"
    (tmp_path / f"{name}.safetensors").write_bytes(pretrained.file(name).read_bytes() + b"0")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    with pytest.raises(InputError, match="SHA-256"):
        gj.load_pretrained(name)
