"""The command that lists, prepares and checks data sets."""

import numpy as np
import pytest

from experiments.report.experiment import on_the_command_line, parsed
from experiments.tools import datasets
from experiments.tools.datasets import check_set
from glowjax.checks import InputError
from glowjax.data import load
from glowjax.data.builders import letters
from glowjax.data.verify import OFFICIAL


@pytest.fixture(autouse=True)
def _no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("GLOWJAX_DATA_DIR", raising=False)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(letters, "installed_fonts", letters.bundled_fonts)


def lines(*arguments):
    return datasets.main(parsed(datasets, list(map(str, arguments)))).splitlines()


def test_list_names_every_split_with_its_place_and_how_to_get_the_others(tmp_path):
    np.savez(tmp_path / "leaves_train.npz", image=np.zeros((3, 4, 4, 1), np.uint8))
    found = lines("list", "--data-dir", tmp_path)
    assert "leaves:train             in .npz files" in found
    assert "mnist:train              bundled with glowjax" in found
    assert "celeba32                 not on this machine: python -m experiments datasets prepare celeba32" in found
    assert {line.split()[0].partition(":")[0] for line in found} >= set(OFFICIAL)


def test_a_prepared_set_is_listed_and_checked(tmp_path):
    assert lines("prepare", "letters", "--data-dir", tmp_path)[0] == "letters:train            in .npz files"
    found = lines("check", "letters", "--data-dir", tmp_path)
    assert found[1].endswith("no official number to compare with")
    assert found[-1].endswith("(the official images have no recorded one)")
    images = load("letters", "all", tmp_path).images / 255
    ((check, _),) = check_set("letters", tmp_path).values()
    np.testing.assert_allclose([check.mean.value, check.std.value], [[images.mean()], [images.std()]])


def test_a_subset_has_standard_errors_beside_the_published_moments():
    found = lines("check", "mnist")
    assert found[1] == "  SUBSET: 5,000 of the official 60,000 images"
    assert found[2] == "  mean 0.1313, standard error 0.0006 (published: 0.1307)"
    assert found[4].endswith(", not that of the official images")


def test_every_set_on_this_machine_is_checked_by_default():
    headings = [line.partition(",")[0] for line in lines("check") if not line.startswith(" ")]
    assert sorted(headings) == ["fashion_mnist:test", "fashion_mnist:train", "mnist:train"]


def test_a_set_that_contradicts_what_is_published_ends_in_status_1(tmp_path, capsys):
    inverted = 255 - load("fashion_mnist", "train").images
    np.savez(tmp_path / "fashion_mnist_train.npz", image=inverted)
    with pytest.raises(SystemExit) as caught:
        lines("check", "fashion_mnist", "--data-dir", tmp_path)
    assert caught.value.code == 1
    printed = capsys.readouterr().out
    assert "NOT AS PUBLISHED: mean 0.7137, published 0.2860" in printed
    assert printed.endswith("Not as published: fashion_mnist:train.\n")


def test_what_cannot_be_done_is_refused():
    with pytest.raises(InputError, match="Name the sets to prepare, one or more of"):
        lines("prepare")
    with pytest.raises(InputError, match="The data set 'svhn' is not on this machine"):
        lines("check", "svhn")


def test_errors_of_the_library_advise_commands_on_a_command_line(tmp_path):
    with pytest.raises(InputError, match=r"in data_dir or .* run glowjax\.data\.prepare\('svhn'\)") as caught:
        load("svhn", data_dir=tmp_path)
    advice = on_the_command_line(str(caught.value))
    assert "in --data-dir or GLOWJAX_DATA_DIR, or run `python -m experiments datasets prepare svhn`" in advice
