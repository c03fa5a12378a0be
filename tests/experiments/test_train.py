"""Training: presets build and compile, options reach the model and the optimizer, seeds have folders of their own."""

import dataclasses
import re
import shlex
import signal

import chex
import jax
import jax.numpy as jnp
import pytest
from tiny import TINY

from experiments import train
from experiments.beyond import scales
from experiments.beyond.scales import ScalesConfig
from experiments.presets import PRESETS, parse, preset_named, train_command
from experiments.report.experiment import run
from experiments.report.trained import load
from glowjax.checks import InputError
from glowjax.models import BuilderConfig
from glowjax.train import Interrupted, make_state, train_step

OURS = [kind for kind in PRESETS if kind != "builder"]
IMAGE = {"fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in OURS for name in PRESETS[kind]])
def test_a_preset_initializes_shapes_and_lowers_its_training_step(kind, name):
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
    config = parse(["--preset=small-32", "--model.kind", "cv", "--training.num-steps", "7"])
    assert (config.preset, config.in_dist, config.model.kind, config.model.width) == ("small-32", "cifar10", "cv", 96)
    assert config.training.num_steps == 7


@pytest.mark.parametrize("kind", OURS)
def test_a_model_is_chosen_by_name_and_its_options_are_its_own(kind):
    config = parse([f"--model={kind}", "--preset", "demo", "--model.width", "9"])
    assert config == dataclasses.replace(
        PRESETS[kind]["demo"], model=dataclasses.replace(PRESETS[kind]["demo"].model, width=9)
    )


def test_every_preset_has_a_folder_of_its_own():
    folders = [preset.output_dir for presets in PRESETS.values() for preset in presets.values()]
    assert len(set(folders)) == len(folders)


def test_an_unknown_model_or_preset_names_the_nearest():
    with pytest.raises(InputError, match="Unknown model 'pixelcn'; did you mean 'pixelcnn'"):
        parse(["--model", "pixelcn"])
    with pytest.raises(InputError, match="Unknown preset of the model cv 'smal-28'; did you mean 'small-28'"):
        preset_named("cv", "smal-28")


@pytest.mark.parametrize("kind", OURS)
def test_the_command_of_a_training_run_gives_its_configuration_back(kind, monkeypatch):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    preset = PRESETS[kind]["small-28"]
    training = dataclasses.replace(preset.training, num_steps=7, learning_rate=1.5e-3)
    config = dataclasses.replace(
        preset, model=dataclasses.replace(preset.model, width=9), training=training, watch=("mnist", "noise")
    )
    assert parse(shlex.split(train_command(config))[4:]) == config


def test_every_option_of_a_training_reaches_fit(folder, tmp_path, monkeypatch):
    asked = {}

    def fit(model, images, **options):
        asked.update(options, model=model, images=images.images)

    monkeypatch.setattr(train.gj.train, "fit", fit)
    training = dataclasses.replace(TINY.training, optimizer="rmsprop", learning_rate=1e-4, schedule="halving", seed=3)
    config = dataclasses.replace(TINY, training=training, data_dir=folder, output_dir=tmp_path)
    assert train.train(config) == tmp_path
    assert asked["model"] == config.model.build()
    assert jax.random.key_data(asked["key"]).tolist() == jax.random.key_data(jax.random.key(3)).tolist()
    options = dataclasses.asdict(training)
    for name in ("num_steps", "batch_size", "optimizer", "learning_rate", "warmup_steps", "schedule", "evaluate_every"):
        assert asked[name] == options[name]
    assert asked["directory"] == tmp_path
    assert len(asked["images"]) + len(asked["validation"].images) == 200
    assert list(asked["watch"]) == ["noise"]


def test_each_seed_is_trained_into_a_folder_of_its_own(trained_run, folder, tmp_path):
    said = train.main(dataclasses.replace(TINY, seeds=(0, 1), data_dir=folder, output_dir=tmp_path))
    for seed in (0, 1):
        found = load(tmp_path / f"seed-{seed}")
        assert found.seed == seed
        chex.assert_trees_all_equal(found.params, load(trained_run(seed=seed)).params)
        best = rf"{tmp_path}/seed-{seed}: 6 steps in .*s, best validation {found.bits_per_dim:.3f} bits/dim at step"
        assert re.search(best, said)
    assert said.endswith(f"--run-dir {tmp_path}")


def test_a_finished_run_says_so_and_what_comes_next(trained_run, folder, capsys):
    config = dataclasses.replace(TINY, data_dir=folder, output_dir=trained_run())
    said = train.main(config)
    assert "Nothing is left to train: step 6 of 6." in capsys.readouterr().err
    assert said.startswith(f"{config.output_dir}: 6 steps in ")
    assert said.endswith(f"Next: python -m experiments likelihoods --run-dir {config.output_dir}")


def test_an_interrupted_run_says_how_far_it_came_and_the_command_that_continues_it(folder, tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, data_dir=folder, output_dir=tmp_path / "a run")

    def evaluate(*_, **__):
        signal.raise_signal(signal.SIGTERM)
        return {"validation": 3.5}

    monkeypatch.setattr("glowjax.train.loop.evaluate", evaluate)
    with pytest.raises(Interrupted) as caught:
        train.main(config)
    assert caught.value.exit_code == 143
    message, command = str(caught.value).split(" To continue: ")
    assert re.fullmatch(
        r"Interrupted by SIGTERM at step 3 of 6\. The newest checkpoint in .*/a run is of step 3\. "
        r"So far: 3 steps in .* s, best validation 3\.500 bits/dim at step 3\.",
        message,
    )
    assert command == train_command(config)


def test_seeds_that_jax_would_cut_short_are_refused(folder, tmp_path):
    for seed in (-1, 2**32, 2**64):
        with pytest.raises(InputError, match=f"--seeds is {seed}, but a seed is a whole number from 0 to 4294967295"):
            train.main(dataclasses.replace(TINY, seeds=(seed,)))
        training = dataclasses.replace(TINY.training, seed=seed)
        with pytest.raises(InputError, match=f"--training.seed is {seed}, but"):
            train.main(dataclasses.replace(TINY, training=training, data_dir=folder, output_dir=tmp_path))


def test_a_run_is_not_resumed_as_another_model(trained_run, folder):
    other = dataclasses.replace(TINY.model, width=6)
    with pytest.raises(InputError, match=r"holds a run with model.width = 4, but this one has 6"):
        train.train(dataclasses.replace(TINY, data_dir=folder, output_dir=trained_run(), model=other))


def test_a_model_of_the_users_own_is_trained_and_read_by_every_experiment(folder, tmp_path):
    config = parse(["--model.builder", "tiny:flow", "--preset", "demo", "--in-dist", "ramps", "--training.num-steps=2"])
    assert config.model == BuilderConfig("tiny:flow")
    assert parse(shlex.split(train_command(config))[4:]).model == config.model
    training = dataclasses.replace(config.training, batch_size=16, evaluate_every=2)
    run_dir = train.train(dataclasses.replace(config, training=training, data_dir=folder, output_dir=tmp_path / "run"))
    options = {"run_dir": run_dir, "num_images": 20, "data_dir": folder, "output_dir": tmp_path / "out"}
    numbers = run(scales.main, ScalesConfig(**options)).numbers
    assert list(numbers["gaps"]) == ["contrast-0.5", "constant", "noise"]
    assert "built by tiny:flow" in load(run_dir).summarize()
