import numpy as np
import pytest
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import load

ONE = np.full((1, 28, 28, 1), 7, np.uint8)


def add_archive(folder):
    np.savez_compressed(folder / "fashion_mnist_test.npz", image=ONE)


def add_image_file(folder):
    (folder / "fashion_mnist/test").mkdir(parents=True)
    Image.fromarray(ONE[0, ..., 0]).save(folder / "fashion_mnist/test/a.png")


def test_archives_win_over_image_files_and_both_over_the_bundle(tmp_path):
    assert "bundled with glowjax" in load("fashion_mnist", data_dir=tmp_path).source
    add_image_file(tmp_path)
    assert "image files in" in load("fashion_mnist", data_dir=tmp_path).source
    add_archive(tmp_path)
    assert "fashion_mnist_test.npz" in load("fashion_mnist", data_dir=tmp_path).source


def test_a_split_the_folder_lacks_comes_from_the_next_source(tmp_path):
    add_archive(tmp_path)
    assert load("fashion_mnist", "test", tmp_path).num_images == 1
    assert load("fashion_mnist", "train", tmp_path).num_images == 10_000


def test_the_environment_names_the_folder_and_the_argument_wins(tmp_path, monkeypatch):
    add_archive(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path))
    assert load("fashion_mnist").num_images == 1
    assert load("fashion_mnist", data_dir=tmp_path / "empty").num_images == 2_000


def test_a_data_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="absent from data_dir does not exist"):
        load("mnist", data_dir=tmp_path / "absent")
    monkeypatch.setenv("GLOWJAX_DATA_DIR", str(tmp_path / "absent"))
    with pytest.raises(InputError, match="absent from the environment variable GLOWJAX_DATA_DIR does not exist"):
        load("mnist")


def test_a_name_is_no_path_even_where_a_folder_is_called_so(tmp_path, monkeypatch):
    add_image_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load("fashion_mnist").num_images == 2_000
    assert load("./fashion_mnist").num_images == 1
    monkeypatch.chdir(tmp_path / "fashion_mnist")
    assert load(".").num_images == 1


@pytest.mark.parametrize(
    ("name", "nearest"), [("fashion-mnist", "fashion_mnist"), ("notmnist-small", "notmnist_small")]
)
def test_an_unknown_name_suggests_the_nearest_and_the_ways_to_add_one(name, nearest):
    with pytest.raises(InputError, match=f"Unknown data set '{name}'; did you mean '{nearest}'") as caught:
        load(name)
    assert f"{name}_test.npz" in str(caught.value)
    assert "prepare" not in str(caught.value)


def test_names_in_the_users_folder_are_known(tmp_path):
    np.savez_compressed(tmp_path / "leaves_train.npz", image=ONE)
    with pytest.raises(InputError, match="Unknown data set 'leafes'; did you mean 'leaves'"):
        load("leafes", data_dir=tmp_path)


def test_a_known_set_that_is_absent_tells_where_it_was_sought_and_how_to_get_it(tmp_path):
    with pytest.raises(InputError, match="The data set 'cifar10' is not on this machine") as caught:
        load("cifar10", data_dir=tmp_path)
    for told in (
        str(tmp_path),
        "TensorFlow Datasets",
        "cifar10_test.npz",
        "prepare('cifar10')",
        "GLOWJAX_DATA_DIR",
    ):
        assert told in str(caught.value)


def test_a_generated_set_is_not_loaded():
    with pytest.raises(InputError, match=r"'noise' is generated .* use glowjax.data.resolve"):
        load("noise")
