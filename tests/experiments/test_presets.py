"""Every preset is a model that can be built and a step that can be compiled, without running it."""

import dataclasses
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
import tyro

import glowjax as gj
from experiments import presets
from experiments.command_line import command, expanded, parse_train_config, train_command
from experiments.ensemble import EnsembleConfig
from experiments.likelihoods import LikelihoodsConfig
from experiments.presets import PRESETS, TrainingConfig
from glowjax.checks import InputError
from glowjax.models import GlowConfig, LogisticMixture, PixelCNNConfig, VAEConfig
from glowjax.train import make_state, train_step

IMAGE = {"fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in PRESETS for name in PRESETS[kind]])
def test_a_preset_initialises_shapes_and_lowers_its_training_step(kind, name):
    preset = PRESETS[kind][name]
    assert (preset.model.kind, preset.preset) == (kind, name)
    model, optimizer = preset.model.build(), preset.training.make_optimizer()
    images = jax.ShapeDtypeStruct((preset.training.batch_size, *IMAGE[preset.in_dist]), jnp.uint8)
    key = jax.eval_shape(jax.random.key, 0)
    state = jax.eval_shape(lambda key, images: make_state(model.init(key, images), optimizer), key, images)
    assert state.params.image_shape == IMAGE[preset.in_dist]

    def step(state, key, images):
        return train_step(model, optimizer, state, key, images)

    lowered = jax.jit(step).lower(state, key, images)
    assert jax.tree.map(lambda leaf: leaf.shape, lowered.out_info[0]) == jax.tree.map(lambda leaf: leaf.shape, state)


def test_options_override_the_preset():
    config = parse_train_config(["--preset=small-32", "--model.kind", "cv", "--training.num-steps", "7"], "")
    assert (config.preset, config.in_dist, config.model.kind, config.model.width) == ("small-32", "cifar10", "cv", 96)
    assert config.training.num_steps == 7


@pytest.mark.parametrize("kind", PRESETS)
def test_a_model_is_chosen_by_name_and_its_options_are_its_own(kind):
    config = parse_train_config([f"--model={kind}", "--preset", "demo", "--model.width", "9"], "")
    assert config == dataclasses.replace(
        PRESETS[kind]["demo"], model=dataclasses.replace(PRESETS[kind]["demo"].model, width=9)
    )


def test_every_option_of_an_architecture_reaches_the_model():
    config = GlowConfig("nvp", 3, 4, 5, "highway", "tanh", "bfloat16", 1.5, "store")
    assert config.build() == gj.nvp_glow(
        3,
        4,
        5,
        conditioner="highway",
        activation=jax.nn.tanh,
        compute_dtype="bfloat16",
        log_scale_bound=1.5,
        memory="store",
    )
    assert GlowConfig("cv", 1, 2, 3).build() == gj.cv_glow(1, 2, 3, memory="remat")
    assert PixelCNNConfig(num_layers=2, width=3, head_width=4, pixels="logistics").build() == gj.PixelCNN(
        2, 3, LogisticMixture(5), head_width=4
    )
    assert VAEConfig(num_latents=2, width=3, pixels="logistic").build() == gj.conv_vae(2, 3, pixels=LogisticMixture(1))


def test_every_option_of_a_training_reaches_the_optimiser(monkeypatch):
    asked = []
    monkeypatch.setattr(presets, "make_optimizer", lambda *args, **options: asked.append((args, options)))
    TrainingConfig(7, 8, "rmsprop", 1e-4, 5, "halving").make_optimizer()
    (((name,), options),) = asked
    assert name == "rmsprop"
    assert options == {"learning_rate": 1e-4, "num_steps": 7, "warmup_steps": 5, "schedule": "halving"}


def test_every_preset_has_a_folder_of_its_own():
    folders = [preset.output_dir for presets in PRESETS.values() for preset in presets.values()]
    assert len(set(folders)) == len(folders)


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(InputError, match="Unknown model 'pixelcn'; did you mean 'pixelcnn'"):
        parse_train_config(["--model", "pixelcn"], "")


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(InputError, match="Unknown preset 'smal-28'; did you mean 'small-28'"):
        parse_train_config(["--preset", "smal-28"], "")


def test_the_command_of_a_configuration_gives_that_configuration_back(monkeypatch):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    config = LikelihoodsConfig(Path("runs/a b"), ("mnist:train", "noise"), num_draws=3, seed=1)
    words = shlex.split(command("likelihoods", config))
    assert words[:3] == ["python", "-m", "experiments.likelihoods"]
    assert tyro.cli(LikelihoodsConfig, args=words[3:]) == config
    assert "--num-images" not in words


@pytest.mark.parametrize("kind", PRESETS)
def test_the_command_of_a_training_run_gives_its_configuration_back(kind, monkeypatch):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    preset = PRESETS[kind]["small-28"]
    training = dataclasses.replace(preset.training, num_steps=7, learning_rate=1.5e-3)
    config = dataclasses.replace(
        preset, model=dataclasses.replace(preset.model, width=9), training=training, watch=("mnist", "noise")
    )
    assert parse_train_config(shlex.split(train_command(config))[3:], "") == config


def test_a_command_finds_the_images_of_the_environments_data_folder_without_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path))
    config = LikelihoodsConfig(Path("runs/a"), ("mnist",))
    words = shlex.split(command("likelihoods", config))
    assert tyro.cli(LikelihoodsConfig, args=words[3:]) == dataclasses.replace(config, data_dir=tmp_path)
    assert parse_train_config(shlex.split(train_command(PRESETS["nvp"]["demo"]))[3:], "").data_dir == tmp_path
    elsewhere = dataclasses.replace(config, data_dir=tmp_path / "mine")
    assert f"{tmp_path}/mine" in command("likelihoods", elsewhere)


def test_the_home_folder_is_found_where_the_shell_has_left_its_sign(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    trained = expanded(parse_train_config(["--data-dir=~/data", "--output-dir=~/runs/a"], ""))
    assert (trained.data_dir, trained.output_dir) == (tmp_path / "data", tmp_path / "runs" / "a")
    joined = expanded(EnsembleConfig(("mnist",), (Path("~/runs/a"), Path("runs/b"))))
    assert joined.run_dirs == (tmp_path / "runs" / "a", Path("runs/b"))
