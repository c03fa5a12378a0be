"""A model survives a description in JSON and a pickle that another process reads."""

import dataclasses
import json
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import glowjax as gj
from glowjax import models
from glowjax.checks import InputError
from glowjax.layers import ActNorm, AffineCoupling, Chain, PixelScaling, Repeat, Squeeze
from glowjax.models import BuilderConfig, GlowConfig, PixelCNNConfig, VAEConfig
from glowjax.networks.conditioners import ConvConditioner

CONFIGS = [
    GlowConfig(num_steps=2, width=4),
    GlowConfig("cv", 1, 3, 8, "highway", "tanh", "bfloat16", memory="invert"),
    GlowConfig(log_scale_bound=float("inf"), convolution="xla"),
    PixelCNNConfig(num_layers=2, pixels="logistics"),
    VAEConfig(num_latents=3, pixels="logistic"),
]


class Pixelwise(nn.Module):
    """A conditioner with a default that has no name."""

    width: int
    kernel_init: Callable = nn.Dense.kernel_init

    @nn.compact
    def __call__(self, x, num_outputs):
        return nn.Dense(num_outputs)(nn.relu(nn.Dense(self.width, kernel_init=self.kernel_init)(x)))


OWN = {
    "own layers": gj.Flow(Chain((PixelScaling(), Squeeze(), Repeat(Chain((ActNorm(),)), 2)))),
    "own conditioner": gj.nvp_glow(1, 1, conditioner=Pixelwise(3)),
    "own activation": gj.nvp_glow(1, 1, 4, activation=jax.nn.gelu),
    "free width": gj.PixelCNN(2, 4),
}


@pytest.mark.parametrize("model", [*(config.build() for config in CONFIGS), *OWN.values()])
def test_build_undoes_describe(model):
    description = json.loads(json.dumps(models.describe(model), allow_nan=False))
    assert models.build(description) == model


@pytest.mark.parametrize("config", CONFIGS)
def test_the_configuration_of_a_model_is_the_one_that_built_it(config):
    assert models.config_of(config.build()) == config
    assert models.config_from(models.describe(config.build())) == config


@pytest.mark.parametrize("name", ["own layers", "own conditioner", "own activation"])
def test_a_model_of_other_parts_has_no_configuration(name):
    assert models.config_of(OWN[name]) is None


def test_a_description_fills_in_what_it_leaves_out():
    assert models.build({"kind": "nvp", "width": 4}) == GlowConfig(width=4).build()


def test_another_process_reads_a_pickled_model(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 1), dtype=np.uint8)
    model = gj.nvp_glow(1, 1, 4, activation=jax.nn.swish)
    params = model.init(jax.random.key(0), images)
    x = gj.dequantize(jax.random.key(1), images)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps((model, jax.tree.map(np.asarray, params), np.asarray(x))))
    code = "import pickle; model, *given = pickle.load(open('model.pkl', 'rb')); print(model.log_prob(*given).sum())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(float(model.log_prob(params, x).sum()), rel=1e-5)


@pytest.mark.parametrize("model", [*(config.build() for config in CONFIGS), OWN["own layers"], OWN["own activation"]])
def test_a_pickled_model_comes_back_equal(model):
    assert pickle.loads(pickle.dumps(model)) == model


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of the user's with builders of models."""
    code = """
        import glowjax as gj
        def glow():
            return gj.nvp_glow(1, 1, 4, activation=lambda x: x)
        def fixed(model=gj.nvp_glow(1, 1, 4, activation=lambda x: x)):
            return model
        def layer():
            return gj.layers.ActNorm()
        number = 3
    """
    (tmp_path / "own_models.py").write_text(textwrap.dedent(code))
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_models"
    sys.modules.pop("own_models", None)


def test_a_builder_describes_what_nothing_else_can(own_module):
    config = BuilderConfig("own_models:fixed")
    with pytest.raises(InputError, match=r"^The model cannot be described: '<lambda>.* Or give builder='package"):
        models.describe(config.build())
    description = models.describe(config.build(), builder="own_models:fixed")
    assert description == dataclasses.asdict(config) == {"builder": "own_models:fixed"}
    assert models.build(description) == config.build()
    with pytest.raises(InputError, match=r"not equal to what own_models:glow\(\) returns"):
        models.describe(config.build(), builder="own_models:glow")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"builder": "own_models.glow"}, "names no function; write package.module:function"),
        ({"builder": "own_modles:glow"}, r"cannot be imported \(No module named 'own_modles'\); run from the folder"),
        ({"builder": "own_models:flow"}, "The module own_models has no 'flow'"),
        ({"builder": "own_models:number"}, "is a int; name a function that returns the model"),
        ({"builder": "own_models:layer"}, r"returned a ActNorm, but a model has .* return gj.Flow\(layer\)"),
        ({"kind": "cvv"}, "Unknown kind of model 'cvv'; did you mean 'cv'"),
        ({"kind": "nvp", "num_step": 3}, "Unknown option of the kind 'nvp' 'num_step'; did you mean 'num_steps'"),
        (
            {"class": "os:system", "fields": {}},
            "'os:system' is not a dataclass or linen module, so build",
        ),
        ({"class": "glowjax.layers:ActNorm", "fields": {}}, "is of a ActNorm, which is not an image model"),
    ],
)
def test_a_description_of_no_model_is_refused(own_module, description, message):
    with pytest.raises(InputError, match=message):
        models.build(description)


def test_a_class_or_function_that_cannot_be_imported_is_named():
    @dataclasses.dataclass(frozen=True)
    class Local(ActNorm):
        pass

    with pytest.raises(InputError, match=r"Local' \(in .*\) has no name to import it by"):
        models.describe(gj.Flow(Local()))
    with pytest.raises(InputError, match=r"<lambda>' \(in .*\) has no name to import it by"):
        models.describe(gj.Flow(AffineCoupling(ConvConditioner(4, lambda x: jnp.tanh(x)))))


def test_params_are_printed_in_one_short_line():
    images = np.zeros((2, 8, 8, 1), np.uint8)
    flow, vae = gj.cv_glow(1, 1, 4), gj.conv_vae(2, 2)
    numbers = [sum(leaf.size for leaf in jax.tree.leaves(m.init(jax.random.key(0), images))) for m in (flow, vae)]
    assert repr(flow.init(jax.random.key(0), images)) == f"FlowParams({numbers[0]:,} params, 8x8x1)"
    assert repr(vae.init(jax.random.key(0), images)) == f"ModelParams({numbers[1]:,} params, 8x8x1)"


@pytest.mark.parametrize(("family", "words"), [("nvp", "dequantization"), ("pixelcnn", "exact"), ("vae", "importance")])
def test_each_family_says_what_its_likelihood_is(family, words):
    assert words in models.likelihood(models.build({"kind": family}), 7)
