"""The command that lists, prepares and checks image sets."""

import numpy as np
import pytest
import tyro

from experiments.data import Config, main
from experiments.report.experiment import on_the_command_line
from glowjax.checks import InputError
from glowjax.data import load
from glowjax.data.builders import letters
from glowjax.data.verify import OFFICIAL


@pytest.fixture(autouse=True)
def _no_data_of_the_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(letters, "installed_fonts", letters.bundled_fonts)


def run(*arguments):
    return main(tyro.cli(Config, args=list(map(str, arguments))))


def test_list_tells_every_split_with_its_place_and_how_to_get_the_others(tmp_path, capsys):
    np.savez(tmp_path / "leaves_train.npz", image=np.zeros((3, 4, 4, 1), np.uint8))
    places = run("list", "--data-dir", tmp_path)
    told = capsys.readouterr().out.splitlines()
    assert places["leaves"] == {"train": "in .npz files"}
    assert "leaves:train             in .npz files" in told
    assert "mnist:train              bundled with glowjax" in told
    assert "celeba32                 not here: python -m experiments.data prepare celeba32" in told


def test_a_prepared_set_is_listed_and_checked(tmp_path, capsys):
    run("prepare", "letters", "--data-dir", tmp_path)
    assert "letters:train            in .npz files" in capsys.readouterr().out
    found = run("check", "letters", "--data-dir", tmp_path)["letters"]
    images = load("letters", "all", tmp_path).images / 255
    assert list(found) == ["all"]
    np.testing.assert_allclose([found["all"].mean.value, found["all"].std.value], [[images.mean()], [images.std()]])
    told = capsys.readouterr().out
    assert "no official number to compare with" in told
    assert "(none recorded of the official images)" in told


def test_a_subset_is_told_with_standard_errors_beside_the_published_moments(capsys):
    run("check", "mnist")
    told = capsys.readouterr().out
    assert "SUBSET: 5,000 of the official 60,000 images" in told
    assert "mean 0.1313, standard error 0.0006 (published: 0.1307)" in told
    assert ", not that of the official images" in told


def test_every_set_that_is_here_is_checked_by_default():
    assert {name: set(found) for name, found in run("check").items()} == {
        "fashion_mnist": {"train", "test"},
        "mnist": {"train"},
    }


def test_a_set_that_is_not_what_it_claims_ends_in_status_1(tmp_path, capsys):
    inverted = 255 - load("fashion_mnist", "train").images
    np.savez(tmp_path / "fashion_mnist_train.npz", image=inverted)
    with pytest.raises(SystemExit) as caught:
        run("check", "fashion_mnist", "--data-dir", tmp_path)
    assert caught.value.code == 1
    told = capsys.readouterr().out
    assert "NOT AS PUBLISHED: mean 0.7137, published 0.2860" in told
    assert told.endswith("Not as published: fashion_mnist:train.\n")


def test_a_set_that_is_not_here_is_refused():
    with pytest.raises(InputError, match="The data set 'svhn' is not on this machine"):
        run("check", "svhn")


def test_errors_of_the_library_advise_commands_on_a_command_line(tmp_path):
    with pytest.raises(InputError, match=r"in data_dir or .* run glowjax\.data\.prepare\('svhn'\)") as caught:
        load("svhn", data_dir=tmp_path)
    told = on_the_command_line(str(caught.value))
    assert "in --data-dir or GLOWJAX_DATA_DIR, or run `python -m experiments datasets prepare svhn`" in told


def test_the_sets_of_the_paper_are_known_by_name():
    assert set(OFFICIAL) <= set(run("list"))
