import dataclasses
import threading
import time

import numpy as np
import pytest
import tfds_on_disk
from PIL import Image

from glowjax.checks import InputError
from glowjax.data import batch_indices, load, read_ahead, training_and_validation

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 3, 2, 1), dtype=np.uint8)


@dataclasses.dataclass(eq=False)
class OnDisk:
    """Images that are no array, as those on disk; it counts the images that were read."""

    images: np.ndarray
    num_read: int = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, indices):
        found = self.images[indices]
        self.num_read += len(np.atleast_1d(indices))
        return found


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


def test_mutated_values_are_uniform_and_depend_on_the_seed_and_the_step_alone():
    images = np.full((40, 20, 20, 3), 200, np.uint8)
    mutation = {"mutation_rate": 0.3, "num_levels": 4}
    batches = list(read_ahead(images, 5, 20, 0, 4, **mutation))
    again = list(read_ahead(images, 5, 20, 2, 4, **mutation))
    parts = [list(read_ahead(images, 5, 20, 0, 4, rows, **mutation)) for rows in (slice(0, 10), slice(10, 20))]
    np.testing.assert_array_equal(batches[2:], again)
    np.testing.assert_array_equal(batches, np.concatenate(parts, axis=1))
    counts = np.bincount(np.ravel(batches), minlength=201)
    np.testing.assert_allclose(counts[[0, 1, 2, 3, 200]] / counts.sum(), [0.075] * 4 + [0.7], atol=0.006)
    where = [batch != 200 for batch in (*batches, next(read_ahead(images, 6, 20, 0, 4, **mutation)))]
    assert len({one.tobytes() for one in where}) == 5


def test_a_batch_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        batch_indices(0, 0, 10, 5)[0] = 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("seed", "step", "batch_size", "message"),
    [
        *((0, 0, size, "batch_size must be a positive whole number") for size in (0, -1, 2.5)),
        (0, 0, 11, "batch_size is 11, but the training set has only 10 images"),
        *((seed, step, 5, f"The seed is {seed} and the step is {step}") for seed, step in ((-1, 0), (0, -1))),
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


@pytest.mark.parametrize("kind", [np.asarray, OnDisk])
@pytest.mark.parametrize("first", [0, 3, 11])  # five steps are an epoch
def test_batches_read_ahead_are_those_of_their_steps(kind, first):
    expected = [IMAGES[batch_indices(5, step, 23, 4)] for step in range(first, 12)]
    np.testing.assert_array_equal(list(read_ahead(kind(IMAGES), 5, 4, first, 12)), expected)


@pytest.mark.parametrize("kind", [np.asarray, OnDisk])
def test_processes_that_read_their_rows_share_a_batch(kind):
    parts = [read_ahead(kind(IMAGES), 5, 4, 0, 7, rows) for rows in (slice(0, 1), slice(1, 4))]
    together = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
    np.testing.assert_array_equal(together, list(read_ahead(IMAGES, 5, 4, 0, 7)))


def test_a_process_reads_no_images_of_the_others():
    images = OnDisk(IMAGES)
    assert len(list(read_ahead(images, 5, 4, 0, 5, slice(1, 2)))) == 5
    assert images.num_read <= 5 + 1  # and one to know their size


def test_no_more_batches_are_read_than_fit_into_the_memory_for_them(monkeypatch):
    monkeypatch.setattr("glowjax.data.batching.BYTES_AHEAD", 3 * 4 * IMAGES[0].nbytes)
    images = OnDisk(IMAGES)
    with_three_ahead = read_ahead(images, 0, 4, 0, 1000)
    next(with_three_ahead)
    time.sleep(0.05)
    assert images.num_read <= 1 + (1 + 3) * 4


def num_readers():
    return sum(thread.name.startswith("grain") for thread in threading.enumerate())


@pytest.mark.parametrize("end", ["close", "forget"])
def test_threads_end_with_their_iterator(end):
    for _ in range(50):
        batches = read_ahead(OnDisk(IMAGES), 0, 4, 0, 1000)
        next(batches)
        assert num_readers() > 0
        if end == "close":
            batches.close()
        else:
            del batches
    deadline = time.monotonic() + 30
    while num_readers() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert num_readers() == 0


def test_an_error_of_a_reader_reaches_the_caller_at_its_step():
    class Gone(OnDisk):
        def __getitem__(self, indices):
            if np.array_equal(indices, batch_indices(0, 3, 23, 4)):
                raise InputError("The file is gone.")
            return super().__getitem__(indices)

    batches = read_ahead(Gone(IMAGES), 0, 4, 0, 10)
    assert len([next(batches) for _ in range(3)]) == 3
    with pytest.raises(InputError, match=r"^The file is gone\.$"):
        next(batches)
