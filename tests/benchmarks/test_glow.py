"""The Glow's benchmarks from end to end at tiny sizes, and the Glows of PyTorch and normflows against ours."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest

from benchmarks import arithmetic, costs, glow, profile, scaling
from benchmarks.glow import GlowCase
from benchmarks.networks import Case
from glowjax.checks import InputError
from glowjax.train.step import loss_and_gradient

TINY = GlowCase(8, 3, 2, 1, 4, 2)
lu_is_allowed = pytest.mark.filterwarnings("ignore:torch.lu is deprecated")  # normflows 1.7 calls it


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("benchmarks.timing.SETTLING_SECONDS", 0.0)
    monkeypatch.setattr(glow, "CASES", (TINY,))
    monkeypatch.setattr(glow, "NUM_IMAGES", 2)


@pytest.mark.release
@lu_is_allowed
def test_every_part_of_the_glow_is_measured_beside_its_peers_and_written(tmp_path):
    results = glow.main(glow.BenchmarkConfig(cases=(0,), repeats=1, output=tmp_path / "glow.json"))
    written = json.loads((tmp_path / "glow.json").read_text())
    for part in glow.PARTS:
        assert written[part] == results[part]
        assert (results[part][0]["way"], results[part][0]["ratio_wall"]) == ("glowjax", 1.0)
        assert {"torch", "normflows"} <= {row["way"] for row in results[part]}
        assert all(row["limit_s"] > 0 and row["fraction"] > 0 for row in results[part])
    assert [row["way"] for row in results["step"][:3]] == ["glowjax", "glowjax, store", "glowjax, invert"]


@pytest.mark.release
@lu_is_allowed
@pytest.mark.parametrize("peer", ["torch", "normflows"])
def test_a_peer_inverts_and_has_our_density_and_one_that_has_not_is_refused(peer):
    import torch

    from benchmarks import torch_glow, torch_glow_runs

    params, images = TINY.params(), TINY.images(2)
    build = torch_glow_runs.builds(with_normflows=True)[peer]
    torch_glow_runs.check_alike(peer, build, TINY.model(), params, images)
    x = torch.tensor(np.moveaxis(images, -1, 1).copy()).double()

    def doubled(params):
        return jax.tree.map(torch.Tensor.double, torch_glow.leaves(params))

    shapes = torch_glow_runs.latent_shapes(TINY.num_scales, tuple(x.shape))
    latents = [torch.randn(shape, generator=torch.Generator().manual_seed(0)).double() for shape in shapes]
    with torch.no_grad():
        decoded = np.moveaxis(build(doubled(params)).decode(latents).numpy(), 1, -1)
    ours = TINY.model().decode(params, tuple(np.moveaxis(z.float().numpy(), 1, -1) for z in latents))
    np.testing.assert_allclose(decoded, np.asarray(ours), atol=1e-2)
    other = jax.tree.map(lambda leaf: leaf + 0.01, params)
    with pytest.raises(InputError, match="disagree"):
        torch_glow_runs.check_alike(peer, lambda _: build(doubled(other)), TINY.model(), params, images)


@pytest.mark.release
def test_costs_are_measured():
    config = costs.BenchmarkConfig(case=TINY, deep=TINY, depths=(1,), repeats=1)
    rows = costs.by_depth(config)
    assert [(row["memory"], row["steps_per_scale"]) for row in rows] == [("store", 1), ("remat", 1), ("invert", 1)]
    exact = costs.gradients(config)
    assert [row["params"] for row in exact] == 3 * ["random"] + 3 * ["trained"]
    for store, _, invert in (exact[:3], exact[3:]):
        assert 0 < invert["relative_error"] < 2 * store["relative_error"] < 1e-2
    assert all(row["reconstruction_error_grey_levels"] < 0.1 for row in exact)
    assert {row["way"] for row in costs.by_convolution(config)} == {"glowjax, auto", "glowjax, product", "glowjax, xla"}
    assert [row["way"] for row in costs.by_dtype(config)] == ["glowjax", "glowjax, bfloat16"]


@pytest.mark.release
def test_a_start_ends_with_its_first_step(tmp_path):
    assert 0 < costs.start(costs.BenchmarkConfig(), tmp_path, "run") < 300
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.release
def test_bfloat16_changes_a_trained_glow_a_little():
    (row,) = costs.bits_in_bfloat16(costs.BenchmarkConfig())
    assert 0 < abs(row["mean_difference"]) < 0.05
    assert row["standard_error"] < 0.01


def test_the_products_of_a_step_are_three_times_those_of_its_convolutions():
    keys = jax.random.split(jax.random.key(0), 2)
    gradient = functools.partial(loss_and_gradient, TINY.model("store"))
    every = arithmetic.products(gradient, TINY.params(), keys, TINY.images(2))
    found = arithmetic.Products({p: count for p, count in every.items() if len({p.rows, p.inner, p.columns}) > 1})
    pixels, width = 2 * 4 * 4, 4  # the first scale: 12 channels; the second: 24 at a quarter of the pixels
    first = 3 * 2 * pixels * (9 * 6 * width + width**2 + 9 * 12 * width)
    second = 3 * 2 * (pixels // 4) * (9 * 12 * width + width**2 + 9 * 24 * width)
    convolutions = 3 * 2 * (pixels * 12**2 + pixels // 4 * 24**2)
    prior = 3 * 2 * pixels * 9 * 6 * 12  # of the half that leaves the flow at the split
    assert arithmetic.operations(found) == first + second + convolutions + prior  # and products of [C, C] with [C, C]


@pytest.mark.release
def test_every_size_is_varied_and_drawn(tmp_path):
    one = {"width": (4,), "depth": (1,), "batch_size": (2,), "size": (8,)}
    config = scaling.BenchmarkConfig(base=scaling.Sizes("nvp", 4, 1, 2, 8), **one, repeats=1)
    results = scaling.main(dataclasses.replace(config, output=tmp_path / "scaling.json"))
    rows = [row for part in config.parts for row in results[part]]
    assert {row["model"] for row in rows} == set(scaling.TITLES)
    assert {row["varied"] for row in rows} == set(scaling.LABELS)
    assert [axes.get_xlabel() for axes in scaling.figure(rows).axes] == list(scaling.LABELS.values())


@pytest.mark.release
@pytest.mark.skipif(jax.default_backend() != "cpu", reason="operations bear other names elsewhere")
@pytest.mark.parametrize("model", ["nvp", "cv", "vae"])
def test_a_profile_finds_the_products_of_a_step(tmp_path, model):
    network = Case("demo", size=8, channels=1)
    config = profile.BenchmarkConfig(model=model, case=TINY, network=network, memory="store", repeats=1)
    config = dataclasses.replace(config, output=tmp_path / "profile.json")
    results = profile.main(config)
    assert {row["operations"]: row["ms_per_step"] for row in results["operations"]}["matrix products"] > 0
    assert results["page_faults"][0]["user_s"] >= 0
