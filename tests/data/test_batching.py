import numpy as np
import pytest
import tfds_on_disk
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import batch_indices, load, training_and_validation


@pytest.mark.parametrize(("num_images", "num_shown"), [(20, 20), (23, 20)])  # an incomplete last batch is dropped
@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_an_epoch_shows_every_image_once(epoch, num_images, num_shown):
    steps = range(epoch * 5, epoch * 5 + 5)
    shown = np.concatenate([batch_indices(0, step, num_images, batch_size=4) for step in steps])
    assert len(set(shown)) == len(shown) == num_shown
    assert set(shown) <= set(range(num_images))


def test_the_order_depends_on_seed_and_step_alone():
    forwards = [batch_indices(3, step, 50, 7) for step in range(30)]
    backwards = [batch_indices(3, step, 50, 7) for step in reversed(range(30))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert batch_indices(0, 3, num_images=10, batch_size=4).tolist() == [7, 6, 0, 4]  # on every machine


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(batch_indices(seed, step, 20, 20)) for seed in range(5) for step in range(5)}
    assert len(orders) == 25


def test_a_batch_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        batch_indices(0, 0, 10, 5)[0] = 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("seed", "step", "batch_size", "message"),
    [
        *((0, 0, size, "batch_size must be a positive whole number") for size in (0, -1, 2.5)),
        (0, 0, 11, "batch_size is 11, but the training set has only 10 images"),
        *((seed, step, 5, f"The seed is {seed} and the step {step}") for seed, step in ((-1, 0), (0, -1))),
    ],
)
def test_a_batch_that_does_not_exist_is_refused(seed, step, batch_size, message):
    with pytest.raises(InputError, match=message):
        batch_indices(seed, step, 10, batch_size)


def write_archive(folder, images):
    np.savez_compressed(folder / "mine_train.npz", image=images)


def write_files(folder, images):
    (folder / "mine/train").mkdir(parents=True)
    for i in np.random.default_rng(0).permutation(200):  # the order in which files are created is not that of reading
        Image.fromarray(images[i, ..., 0]).save(folder / f"mine/train/{i:03}.png")


def write_tfds(folder, images):
    tfds_on_disk.write(folder, "mine", {"train": (images, None)})


@pytest.mark.parametrize(
    ("write", "name"), [(write_archive, "mine"), (write_files, "mine"), (write_tfds, "mine"), (None, "mnist")]
)
def test_a_restarted_run_sees_the_images_that_an_uninterrupted_one_would_see(tmp_path, write, name):
    if write:
        write(tmp_path, np.random.default_rng(3).integers(0, 256, (200, 8, 8, 1), dtype=np.uint8))

    def batches(steps):
        images = training_and_validation(load(name, "train", tmp_path))[0].images  # loaded again, as by a new process
        return [images[batch_indices(7, step, len(images), 16)] for step in steps]

    np.testing.assert_array_equal(batches(range(5, 30)), batches(range(30))[5:])
