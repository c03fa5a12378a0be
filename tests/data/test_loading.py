import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import generate, known_names, load, parse_spec, resolve

ONE = np.full((1, 28, 28, 1), 7, np.uint8)


def add_archive(folder):
    np.savez_compressed(folder / "fashion_mnist_test.npz", image=ONE)


def add_image_file(folder):
    (folder / "fashion_mnist/test").mkdir(parents=True)
    Image.fromarray(ONE[0, ..., 0]).save(folder / "fashion_mnist/test/a.png")


def message(call, *arguments, **options):
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_archives_win_over_image_files_and_both_over_the_bundle(tmp_path):
    assert "bundled with glowjax" in load("fashion_mnist", data_dir=tmp_path).source
    add_image_file(tmp_path)
    assert "image files in" in load("fashion_mnist", data_dir=tmp_path).source
    add_archive(tmp_path)
    assert "fashion_mnist_test.npz" in load("fashion_mnist", data_dir=tmp_path).source
    assert load("fashion_mnist", "train", tmp_path).num_images == 10_000  # a split that the folder lacks


def test_the_environment_names_the_folder_and_the_argument_wins(tmp_path, monkeypatch):
    add_archive(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path))
    assert load("fashion_mnist").num_images == 1
    assert load("fashion_mnist", data_dir=tmp_path / "empty").num_images == 2_000


def test_a_data_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    assert "absent from data_dir does not exist" in message(load, "mnist", data_dir=tmp_path / "absent")
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path / "absent"))
    assert "absent from the environment variable GLOWJAX_DATA_DIR does not exist" in message(load, "mnist")


def test_a_name_is_no_path_even_if_there_is_a_folder_called_so(tmp_path, monkeypatch):
    add_image_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load("fashion_mnist").num_images == 2_000
    assert load("./fashion_mnist").num_images == 1
    monkeypatch.chdir(tmp_path / "fashion_mnist")
    assert load(".").name == "fashion_mnist:test"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("fashion-mnist", "fashion_mnist"),
        ("notmnist-small", "notmnist_small"),
        ("leafes", "leaves"),
        ("zoomblur-3", "zoom_blur-3"),
    ],
)
def test_an_unknown_name_suggests_the_nearest_and_the_ways_to_add_one(tmp_path, name, nearest):
    np.savez_compressed(tmp_path / "leaves_train.npz", image=ONE)
    error = message(load, name, data_dir=tmp_path)
    assert error.startswith(f"Unknown data set '{name}'; did you mean '{nearest}'?")
    assert error.splitlines()[1].startswith("Known: celeba32, cifar10, ")
    assert f"{name}_test.npz" in error
    assert "prepare" not in error


def test_an_absent_set_is_refused_with_where_it_was_sought_and_how_to_get_it(tmp_path):
    error = message(load, "cifar10", data_dir=tmp_path)
    assert error.startswith("The data set 'cifar10' is not on this machine.")
    assert f"\nLooked in {tmp_path}, in TensorFlow Datasets' " in error
    assert "put cifar10_test.npz (key" in error
    assert "or run glowjax.data.prepare('cifar10')" in error


def test_an_absent_split_is_refused_with_the_splits_that_are_here():
    error = message(load, "mnist", "test")
    assert error.startswith("The data set 'mnist' has no split 'test' here, only 'train' (bundled with glowjax).")
    assert "or run glowjax.data.prepare('mnist')" in error


def test_the_known_names_are_those_here_and_those_that_can_be_prepared(tmp_path):
    np.savez_compressed(tmp_path / "leaves_train.npz", image=ONE)
    assert known_names(tmp_path) - known_names() == {"leaves"}
    assert {"mnist", "svhn", "celeba32", "letters"} <= known_names()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("mnist", ("mnist", None)),
        ("mnist:train", ("mnist", "train")),
        ("./pictures:train", ("./pictures", "train")),
        ("C:/pictures", ("C:/pictures", None)),
        ("C:/pictures:all", ("C:/pictures", "all")),
    ],
)
def test_a_spec_is_a_name_and_a_split(spec, expected):
    assert parse_spec(spec) == expected


@pytest.mark.parametrize("spec", ["", ":", "mnist:", ":train"])
def test_an_incomplete_spec_is_refused(spec):
    assert f"The data set '{spec}' is incomplete; expected 'name' or 'name:split'" in message(parse_spec, spec)


@pytest.mark.parametrize("num_images", [None, 50])
def test_a_spec_loads_the_set_or_a_fixed_subset(num_images):
    found = resolve("mnist:train", num_images=num_images, seed=3)
    np.testing.assert_array_equal(found.images, load("mnist", "train").take(num_images, seed=3).images)


def test_a_generated_set_takes_its_shape_from_the_reference_and_needs_one(small):
    found = resolve("noise", like=small, num_images=6, seed=2)
    np.testing.assert_array_equal(found.images, generate("noise", small, 6, seed=2).images)
    assert "'noise' needs a reference set for its shape; expected an ImageSet" in message(resolve, "noise")
    assert "'noise' is generated in the shape of a reference set and has no splits" in message(load, "noise")


def test_another_shape_is_refused_rather_than_resized(small):
    error = message(resolve, "mnist:train", like=small)
    assert "'mnist:train' have the shape [28, 28, 1] and those of 'small:test' [6, 5, 3]" in error


def test_only_what_is_needed_is_imported():
    code = "import sys, glowjax as gj; gj.data.load('mnist', 'train'); " + (
        "print({'tensorflow_datasets', 'matplotlib', 'scipy.ndimage'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
