"""The preparing path of TensorFlow Datasets, run for real on tiny files that stand where its downloads would."""

import json

import numpy as np
import pytest
import scipy.io

from glowjax.checks import InputError
from glowjax.data import load, prepare

pytestmark = [pytest.mark.release, pytest.mark.filterwarnings("ignore")]  # TensorFlow's own

NUM_IMAGES = {"train": 6, "test": 4, "extra": 3}


def digits(split):
    return np.random.default_rng(NUM_IMAGES[split]).integers(0, 256, (NUM_IMAGES[split], 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def downloaded(tmp_path):
    """A data folder in which the three official files of SVHN seem to have been downloaded."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import resource

    (tmp_path / "downloads/svhn_cropped").mkdir(parents=True)
    for url, info in tfds.builder("svhn_cropped", data_dir=str(tmp_path)).url_infos.items():
        split = info.filename.partition("_")[0]
        file = tmp_path / "downloads/svhn_cropped" / resource.get_dl_fname(url, info.checksum)
        labels = np.arange(NUM_IMAGES[split])[:, None] + 1
        with file.open("wb") as stream:
            scipy.io.savemat(stream, {"X": digits(split).transpose(1, 2, 3, 0), "y": labels})
        resource.write_info_file(
            url=url, path=file, dataset_name="svhn_cropped", original_fname=info.filename, url_info=info
        )
    return tmp_path


def test_a_set_is_prepared_once_as_array_record_and_read_back(downloaded):
    for _ in range(2):
        prepare("svhn", downloaded)
    info = json.loads((downloaded / "svhn_cropped/3.1.0/dataset_info.json").read_text())
    assert info["fileFormat"] == "array_record"
    for split in NUM_IMAGES:
        found = load("svhn", split, downloaded)
        np.testing.assert_array_equal(found.images, digits(split)[found.labels - 1])
        assert sorted(found.labels) == list(range(1, NUM_IMAGES[split] + 1))


def test_files_brought_by_hand_that_are_not_the_official_ones_are_refused(tmp_path):
    manual = tmp_path / "downloads/manual"
    manual.mkdir(parents=True)
    for split in NUM_IMAGES:
        (manual / f"{split}_32x32.mat").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"(?s)cannot prepare 'svhn' \(NonMatchingChecksumError.*train_32x32\.mat"):
        prepare("svhn", tmp_path)
