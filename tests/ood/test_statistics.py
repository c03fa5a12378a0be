"""Statistics: families, files and joins; what a score may be fitted to; scores that are no numbers."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import tiny

from glowjax import InputError, ood
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize
from glowjax.models import PixelCNN
from glowjax.models.pixels import Categorical
from glowjax.ood.families import Subject, View, noise_keys

KEY = jax.random.key(0)
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), np.uint8)


@pytest.fixture(scope="module")
def flow():
    model = tiny.flow()
    return model, model.init(KEY, IMAGES)


def normal(x):
    """An own density of one point: normal with mean 100 and standard deviation 50, in 16 dimensions."""
    return -((x - 100) ** 2).sum() / 2 / 50**2 - 8 * jnp.log(2 * jnp.pi * 50**2)


def gaussian(mean, num=400):
    values = np.random.default_rng(1).normal(mean, 1, num)
    return ood.Statistics({"log_prob": -0.5 * values**2 - 0.5 * math.log(2 * math.pi)})


def test_the_log_prob_of_a_flow_is_its_density_at_the_dequantized_images(flow):
    stats = ood.statistics(*flow, KEY, IMAGES)
    noisy = View(Subject(), ood.Options(), KEY, IMAGES, noise_keys(KEY, jnp.arange(30)))
    np.testing.assert_allclose(stats["log_prob"], flow[0].log_prob(flow[1], noisy.x), rtol=1e-5)


def test_an_own_density_takes_images_and_points():
    points = np.asarray(dequantize(KEY, IMAGES))
    expected = jax.vmap(normal)(points)
    np.testing.assert_allclose(ood.density_statistics(normal, KEY, points)["log_prob"], expected, rtol=1e-5)
    assert np.abs(ood.density_statistics(normal, KEY, IMAGES)["log_prob"] - expected).max() < 1


def test_statistics_are_saved_and_read_without_pickle(flow, tmp_path):
    path = tmp_path / "stats.npz"
    stats = ood.statistics(*flow, KEY, ImageSet("mine:train", IMAGES)).as_reference()
    stats.save(path)
    again = ood.load_statistics(path)
    assert isinstance(again, ood.Reference)
    assert again.about == stats.about
    np.testing.assert_array_equal(again["log_prob"], stats["log_prob"])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="compute them again"):
        ood.load_statistics(path)


def test_scores_are_fitted_to_a_reference_alone():
    with pytest.raises((InputError, jaxtyping.TypeCheckError), match="Reference"):
        ood.Likelihood().fit(gaussian(0))
    for bad in (ImageSet("mine:test", IMAGES), ImageSet("noise", IMAGES, generated=True)):
        with pytest.raises(InputError, match="cannot be a reference"):
            ood.density_statistics(normal, KEY, bad).as_reference()


def test_the_auroc_of_the_likelihood_of_two_normals_is_its_closed_form():
    detector = ood.Likelihood().fit(gaussian(0).as_reference())
    metrics = ood.detection_metrics(detector(gaussian(0, 4000)), detector(gaussian(3, 4000)))
    # |x| under N(3, 1) exceeds |y| under N(0, 1): by independent quadrature of the folded normals
    grid = np.linspace(-12, 12, 4001)
    density = np.exp(-0.5 * (grid - 3) ** 2) / math.sqrt(2 * math.pi)
    below = np.array([math.erf(abs(x) / math.sqrt(2)) for x in grid])
    assert metrics.auroc.value == pytest.approx(np.sum(density * below) * (grid[1] - grid[0]), abs=0.01)


def test_a_score_says_what_it_lacks_and_what_is_no_number():
    reference = gaussian(0).as_reference()
    with pytest.raises(InputError, match="needs the statistics 'log_prob', but got 'other'"):
        ood.Likelihood().fit(reference)(ood.Statistics({"other": np.zeros(3)}))
    values = np.array([0.0, np.nan, -np.inf])
    with pytest.raises(InputError, match="not finite for 2 of 3 images, first for image 1"):
        ood.Likelihood().fit(reference)(ood.Statistics({"log_prob": values}))
    with pytest.warns(ood.ConstantScoreWarning, match="orders none of them"):
        ood.Likelihood().fit(reference)(ood.Statistics({"log_prob": np.zeros(3)}))


def test_an_own_score_is_a_function_of_statistics_and_a_fitted_score_is_a_pytree():
    doubled = ood.OwnScore(lambda stats: 2 * stats["log_prob"]).fit(gaussian(0).as_reference())
    np.testing.assert_array_equal(doubled(gaussian(1)), 2 * gaussian(1)["log_prob"])
    leaves, structure = jax.tree.flatten(doubled)
    assert jax.tree.unflatten(structure, leaves).score is doubled.score


def test_statistics_of_the_same_images_are_joined():
    one, other = gaussian(0), gaussian(1)
    both = one.joined(other.named("background"))
    np.testing.assert_array_equal(both["background.log_prob"], other["log_prob"])
    assert both.families == ("log_prob", "background")
    with pytest.raises(InputError, match="rename one"):
        one.joined(other)
    with pytest.raises(InputError, match="different images"):
        one.joined(gaussian(1, 3).named("background"))


def test_a_model_says_what_it_cannot_give(monkeypatch):
    of_flows = ood.Family("for_flows", "flow", "", lambda view: {})
    monkeypatch.setitem(ood.FAMILIES, "for_flows", of_flows)
    assert ood.missing(None, ["log_prob", "for_flows"], normal) == {
        "for_flows": "it needs the latents of a flow, and this is a density"
    }
    with pytest.raises(InputError, match="need the latents of a flow, and this is a density"):
        ood.density_statistics(normal, KEY, IMAGES, ["for_flows"])
    with pytest.raises(InputError, match="did you mean 'log_prob'"):
        ood.density_statistics(normal, KEY, IMAGES, ["log_probs"])


def test_every_entry_names_known_families_and_is_described():
    for name, one in ood.SCORES.items():
        assert (name, bool(one.paper), bool(one.formula)) == (one.name, True, True)
        families = [ood.needed([name], other) for other in ("", *ood.OTHERS) if other != "classifier"]
        assert set().union(*families) <= set(ood.FAMILIES)
        assert isinstance(hash(one.score), int)
    for one in ood.FAMILIES.values():
        assert all((one.description, one.cost))


def test_the_noise_of_an_image_depends_on_its_index_alone(flow, monkeypatch):
    log_prob = ood.statistics(*flow, KEY, IMAGES)["log_prob"]
    np.testing.assert_allclose(ood.statistics(*flow, KEY, IMAGES[:7])["log_prob"], log_prob[:7], rtol=1e-6)
    monkeypatch.setitem(ood.FAMILIES, "log_prob", dataclasses.replace(ood.FAMILIES["log_prob"], batch_size=4))
    np.testing.assert_allclose(ood.statistics(*flow, KEY, IMAGES)["log_prob"], log_prob, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": ()}, "No statistics are named"),
        ({"key": 0}, "key"),
        ({"images": IMAGES[0]}, "expected uint8 grey levels 0 to 255 of shape"),
        ({"images": IMAGES / 255}, "expected uint8 grey levels"),
        ({"images": IMAGES[:0]}, "no empty axis"),
        ({"images": IMAGES[:, :2]}, r"of shape \[4, 4, 1\], but got \[30, 2, 4, 1\]"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_sentence(flow, change, sentence):
    arguments = {"key": KEY, "images": IMAGES, "names": "log_prob"} | change
    with pytest.raises((InputError, jaxtyping.TypeCheckError), match=sentence):
        ood.statistics(*flow, **arguments)


def test_densities_and_noise_that_cannot_be_used_are_refused_in_a_sentence():
    with pytest.raises(InputError, match="cannot be traced by JAX"):
        ood.density_statistics(lambda x: float(x.sum()), KEY, IMAGES)
    for levels in ((), (-1.0,), (math.nan,)):
        with pytest.raises(InputError, match="expected one or more standard deviations"):
            ood.Options(noise_levels=levels)


class Scaled:
    """Its bound methods are equal, whatever its state."""

    scale = 1.0

    def log_prob(self, x):
        return -self.scale * (x**2).sum()


def test_a_density_that_changed_gives_statistics_of_the_new_state():
    model, points = Scaled(), np.ones((3, 2), np.float32)
    assert model.log_prob == model.log_prob
    np.testing.assert_array_equal(ood.density_statistics(model.log_prob, KEY, points)["log_prob"], -2)
    model.scale = 5.0
    np.testing.assert_array_equal(ood.density_statistics(model.log_prob, KEY, points)["log_prob"], -10)


def test_no_score_has_the_name_of_a_group():
    assert not set(ood.SCORES) & {one.group for one in ood.SCORES.values()}


def test_what_is_no_statistic_is_refused_in_a_sentence():
    for values in ({}, {"a": 1.0}, {"a": np.zeros(0)}, {"a": ["x"]}, {"a": np.ones(3), "b": np.ones(2)}, {"a[0]": [1]}):
        with pytest.raises((InputError, jaxtyping.TypeCheckError)):
            ood.Statistics(values)
    stats = ood.Statistics({"log_prob": [1.0, 2.0], "half": jnp.ones(2, jnp.bfloat16)})
    assert isinstance(stats["log_prob"], np.ndarray)
    assert stats["half"].dtype == np.float32
    with pytest.raises(InputError, match="cannot be a reference"):
        ood.Reference(stats.values, {"set": "mine:test"})
    with pytest.raises(InputError, match="Cannot write"):
        stats.save("/dev/null/stats.npz")


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9])
def test_damaged_bytes_are_never_read_as_statistics(tmp_path, place):
    path = tmp_path / "stats.npz"
    gaussian(0).save(path)
    found = bytearray(path.read_bytes())
    found[int(place * len(found))] ^= 0x55
    path.write_bytes(found)
    with pytest.raises(InputError, match="compute them again"):
        ood.load_statistics(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["rank", "typicality-and-score-test", "layer-gradients", "stirring"])
def test_statistics_that_are_no_numbers_are_not_ranked(name, bad):
    rng = np.random.default_rng(0)
    values = {need: rng.uniform(1, 2, (9, 3)) for need in ("parameter_gradients", "stirring")}
    good = ood.Statistics({"log_prob": rng.normal(size=9), **values})
    for need in (score := ood.SCORES[name].score).needs:
        spoiled = good[need].copy()
        spoiled[4] = bad
        other = ood.Statistics({**good.values, need: spoiled})
        for use in (score.fit, score.fit(good.as_reference())):
            with pytest.raises(InputError, match=f"'{need}'.* is not finite for 1 of 9 images, first for image 4"):
                use(other.as_reference())


def test_a_score_is_applied_to_statistics_that_were_computed_as_those_of_the_reference(flow):
    model, params = flow
    reference = ood.statistics(model, params, KEY, IMAGES, ("log_prob", "png")).as_reference()
    other_options = ood.statistics(model, params, KEY, IMAGES, ("log_prob", "png"), options=ood.Options(num_draws=2))
    other_params = ood.statistics(model, jax.tree.map(lambda x: x + 1, params), KEY, IMAGES, ("log_prob", "png"))
    detector = ood.Likelihood().fit(reference)
    for other, what in ((other_options, "options of log_prob"), (other_params, "params of log_prob")):
        with pytest.raises(InputError, match=f"fitted to statistics with {what}"):
            detector(other)
        ood.SCORES["null-png"].score.fit(reference)(other)


@pytest.mark.parametrize(
    "function", [lambda stats: 1.0, lambda stats: [1.0], lambda stats: ["a"] * 400, lambda s: None]
)
def test_an_own_score_gives_one_number_per_image(function):
    with pytest.raises(InputError, match="expected"):
        ood.OwnScore(function).fit(gaussian(0).as_reference())(gaussian(1))


def test_a_fitted_score_works_on_a_device_too():
    stats = gaussian(0)
    for name in ("density-of-log-p", "rank", "typicality"):
        detector = ood.SCORES[name].score.fit(stats.as_reference())
        np.testing.assert_allclose(jax.device_put(detector)(stats), detector(stats), atol=2e-3)  # half a rank


def test_options_are_numbers_that_can_be_compared():
    assert ood.Options(noise_levels=np.array([1, 2])) == ood.Options(noise_levels=[1.0, 2.0])
    assert hash(ood.Options(noise_levels=3)) == hash(ood.Options(noise_levels=(3.0,)))
    for bad in ({"noise_levels": "8"}, {"regret_learning_rate": math.nan}, {"regret_learning_rate": -1}):
        with pytest.raises((InputError, jaxtyping.TypeCheckError)):
            ood.Options(**bad)


def test_points_in_half_precision_are_computed_in_float32():
    points = np.random.default_rng(0).normal(100, 50, (5, 16)).astype(np.float16)
    found = ood.density_statistics(normal, KEY, points)["log_prob"]
    np.testing.assert_array_equal(found, ood.density_statistics(normal, KEY, points.astype(np.float32))["log_prob"])
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "change", [{"params": None}, {"model": "flow"}, {"names": None}, {"names": (3,)}, {"options": {"num_draws": 1}}]
)
def test_arguments_of_another_kind_are_refused_in_a_sentence(flow, change):
    arguments = {"model": flow[0], "params": flow[1], "key": KEY, "images": IMAGES, "names": "log_prob"} | change
    with pytest.raises((InputError, jaxtyping.TypeCheckError)):
        ood.statistics(**arguments)


def test_statistics_and_metrics_run_on_the_host(flow, unchecked):
    for fun in (
        lambda x: ood.statistics(*flow, KEY, x)["log_prob"],
        lambda x: ood.statistics(
            flow[0], jax.tree.map(lambda leaf: leaf + x.sum(dtype=leaf.dtype), flow[1]), KEY, IMAGES
        ),
        lambda x: ood.Statistics({"log_prob": x}),
        lambda x: ood.detection_metrics(x.ravel(), [1.0, 2.0]).auroc.value,
    ):
        with pytest.raises(InputError, match="are traced"):
            jax.jit(fun)(jnp.asarray(IMAGES))


def test_images_with_levels_that_a_model_does_not_know_are_refused():
    model = PixelCNN(1, 2, Categorical(4))
    params = model.init(KEY, IMAGES // 64)
    with pytest.raises(InputError, match="this model knows the levels 0 to 3"):
        ood.statistics(model, params, KEY, IMAGES)
