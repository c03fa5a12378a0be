import numpy as np
import pytest

from glowjax.checks import InputError
from glowjax.data import batch_indices


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


@pytest.mark.parametrize("batch_size", [0, -1, 11])
def test_a_batch_of_no_or_more_than_all_images_is_refused(batch_size):
    with pytest.raises(InputError, match=f"batch size is {batch_size} and the training set has 10 images"):
        batch_indices(0, 0, num_images=10, batch_size=batch_size)


@pytest.mark.parametrize(("seed", "step"), [(-1, 0), (0, -1)])
def test_negative_seeds_and_steps_are_refused(seed, step):
    with pytest.raises(InputError, match=f"The seed is {seed} and the step {step}"):
        batch_indices(seed, step, 10, 5)
