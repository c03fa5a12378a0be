"""The networks' benchmark from end to end at tiny sizes, PyTorch's networks against ours, and the naive sampling."""

import dataclasses

import jax
import numpy as np
import pytest

from benchmarks import networks
from benchmarks.naive_sampling import naive_sample
from benchmarks.networks import BenchmarkConfig, Case
from experiments.presets import PRESETS
from glowjax.checks import InputError
from glowjax.models import PixelCNNConfig, VAEConfig

pytestmark = pytest.mark.release
GREY, COLOR = Case("tiny", size=8, channels=1), Case("tiny", size=8, channels=3)
CONFIG = BenchmarkConfig(grey=GREY, color=COLOR, num_images=2, repeats=1)
MODELS = {
    "pixelcnn": PixelCNNConfig(num_layers=2, width=4, head_width=5),
    "vae": VAEConfig(num_latents=3, width=4),
}
KEY = jax.random.key(5)
each_network = pytest.mark.parametrize(("kind", "case"), [(kind, case) for kind in MODELS for case in (GREY, COLOR)])


@pytest.fixture(autouse=True)
def tiny_presets(monkeypatch):
    for kind, model in MODELS.items():
        small = PRESETS[kind]["small-28"]
        training = dataclasses.replace(small.training, batch_size=2)
        monkeypatch.setitem(PRESETS[kind], "tiny", dataclasses.replace(small, model=model, training=training))
    monkeypatch.setattr("benchmarks.timing.SETTLING_SECONDS", 0.0)


def prepared(given):
    from benchmarks import torch_runs

    ours = np.asarray(given.model.log_likelihood(given.params, KEY, given.images))
    return *torch_runs.prepared(given.model, given.params, KEY, given.images), ours


@each_network
def test_the_torch_network_has_our_log_likelihood_and_gradient(kind, case):
    from benchmarks import torch_networks

    given = networks.problem(kind, case)
    network, levels, noise, expected = prepared(given)
    log_likelihood = network.log_likelihood(levels, noise)
    np.testing.assert_allclose(log_likelihood.detach().numpy(), expected, rtol=1e-5)
    log_likelihood.mean().backward()
    gradient = jax.grad(lambda params: given.model.log_likelihood(params, KEY, given.images).mean())(given.params)
    for theirs, ours in zip(network.parameters, torch_networks.copied(given.model, gradient).parameters, strict=True):
        np.testing.assert_allclose(theirs.grad.numpy(), ours.detach().numpy(), rtol=1e-3, atol=1e-3)


@each_network
def test_a_change_to_any_copied_tensor_is_refused(kind, case):
    import torch

    from benchmarks import torch_runs

    network, levels, noise, ours = prepared(networks.problem(kind, case))
    for tensor in network.parameters:
        right = tensor.detach().clone()
        with torch.no_grad():
            tensor += torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0))
        with pytest.raises(InputError, match="not the same network"):
            torch_runs.check_alike(network, levels, noise, ours)
        with torch.no_grad():
            tensor.copy_(right)
    torch_runs.check_alike(network, levels, noise, ours)


@pytest.mark.parametrize("case", [GREY, COLOR])
def test_the_naive_loop_draws_our_samples(case):
    given = networks.problem("pixelcnn", case)
    samples = np.asarray(given.model.sample(given.params, KEY, 3))
    np.testing.assert_array_equal(np.asarray(naive_sample(given.model, given.params, KEY, 3)), samples)


def test_every_part_is_measured(tmp_path):
    results = networks.main(dataclasses.replace(CONFIG, output=tmp_path / "networks.json"))
    for part in ("step", "likelihood"):
        assert [row["way"] for row in results[part]] == ["glowjax", "torch"] * 4
        assert all(row["ratio_wall"] == 1 for row in results[part] if row["way"] == "glowjax")
    assert [row["equal_pixels"] for row in results["sampling"]] == [1, 1]


def test_without_torch_ours_is_measured_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(networks, "has_torch", lambda: False)
    config = dataclasses.replace(CONFIG, parts=("likelihood",), kinds=("vae",), output=tmp_path / "networks.json")
    assert [row["way"] for row in networks.main(config)["likelihood"]] == ["glowjax"] * 2
    assert "no comparison" in capsys.readouterr().out
