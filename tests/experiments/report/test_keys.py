"""No random key of an experiment has two purposes: every draw is recorded with the key behind it."""

import collections
import contextlib

import jax
import numpy as np
import pytest
from jax.extend.random import define_prng_impl

from experiments.beyond import curvature_by_scale, model_samples, scales
from experiments.figures import filter as filters
from experiments.figures import likelihoods, second_order
from experiments.report.explanations import exact_form
from experiments.report.keys import key_for
from experiments.report.pairs import pair_of
from experiments.report.scoring import image_sets
from experiments.report.trained import load_flow
from glowjax import analysis as an


@contextlib.contextmanager
def recorded():
    """{key: the shapes that were drawn from it, and "parent" if others were derived from it}, by value."""
    found = collections.defaultdict(set)

    def note(key, use):
        jax.debug.callback(lambda known: found[tuple(np.asarray(known).tolist())].add(use), key)
        return jax.random.wrap_key_data(key, impl="threefry2x32")

    def random_bits(key, bit_width, shape):
        return jax.random.bits(note(key, tuple(shape)), shape, f"uint{bit_width}")

    recording = define_prng_impl(
        key_shape=(2,),
        seed=lambda seed: jax.random.key_data(jax.random.key(seed, impl="threefry2x32")),
        split=lambda key, shape: jax.random.key_data(jax.random.split(note(key, "parent"), shape)),
        random_bits=random_bits,
        fold_in=lambda key, data: jax.random.key_data(jax.random.fold_in(note(key, "parent"), data)),
        name="recording",
        tag="rec",
    )
    new = jax.random.key
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.random, "key", lambda seed, impl=None: new(seed, impl=impl or recording))
        yield found
    jax.effects_barrier()


def shared(uses):
    assert any(use != {"parent"} for use in uses.values())
    return {key: use for key, use in uses.items() if len(use) > 1}


def test_the_record_sees_a_split_that_repeats_a_fold():
    with recorded() as uses:
        key = jax.random.key(0)
        jax.random.normal(jax.random.split(key, 2)[1], (3,))
        jax.jit(jax.random.uniform, static_argnums=1)(jax.random.fold_in(key, 1), (2, 2))
    assert list(shared(uses).values()) == [{(3,), (2, 2)}]


def explain(config):
    """The noise and the bootstrap of an explanation, without what takes long between them."""
    test, (other,) = image_sets(trained := load_flow(config.run_dir), config.out_dists, config)
    exact_form(pair_of(trained, test, other, config.seed), 4, 2)


CASES = {
    "model-samples": (model_samples.main, model_samples.ModelSamplesConfig, "nvp", {"num_images": 40}),
    "model-samples-vae": (model_samples.main, model_samples.ModelSamplesConfig, "vae", {"num_draws": 2}),
    "likelihoods": (likelihoods.main, likelihoods.LikelihoodsConfig, "nvp", {"num_draws": 2}),
    "exact form": (explain, second_order.SecondOrderConfig, "nvp", {}),
    "curvature-by-scale": (
        curvature_by_scale.main,
        curvature_by_scale.CurvatureByScaleConfig,
        "nvp",
        {"num_images": 40, "num_paths": 4},
    ),
    "scales": (scales.main, scales.ScalesConfig, "nvp", {}),
    "filter": (filters.main, filters.FilterConfig, "nvp", {"angles": (30.0,), "classifier_steps": 1}),
}


class DrawnError(Exception):
    """The function that takes an experiment's last key has drawn from it."""


def draw(log_prob, in_dist, out_dist, key, **options):
    """As `location_spread_gap` and `curvature_by_scale`: a draw for each set, from parts of the key."""
    for part in jax.random.split(key):
        jax.random.bits(part, (7,))
    raise DrawnError


SLOW = ("model-samples-vae", "likelihoods", "filter")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.release] if name in SLOW else []) for name in CASES]
)
def test_no_key_of_an_experiment_has_two_purposes(trained_run, folder, tmp_path, monkeypatch, name):
    main, config, kind, options = CASES[name]
    source = trained_run(kind)
    runs = {"run_dirs": (source,)} if name == "filter" else {"run_dir": source}
    for function in ("location_spread_gap", "curvature_by_scale"):  # which take long to compile
        monkeypatch.setattr(an, function, draw)
    with recorded() as uses, contextlib.suppress(DrawnError):
        main(config(**runs, out_dists=("others",), data_dir=folder, output_dir=tmp_path, **options))
    assert not shared(uses)


def test_a_purpose_has_a_key_of_its_own():
    keys = [*jax.random.split(jax.random.key(0), 200), key_for("samples", 0), key_for("bootstrap", 0)]
    assert len({tuple(jax.random.key_data(key).tolist()) for key in keys}) == 202
