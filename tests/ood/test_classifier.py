"""The scores of a classifier, against scikit-learn and closed forms."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.covariance import EmpiricalCovariance

from glowjax import ood
from glowjax.checks import InputError

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), 50)
CENTERS = 3 * RNG.standard_normal((4, 6))


def features(labels, shift=0.0):
    """Features around the center of each class, with correlations, and one that is always zero."""
    noise = RNG.standard_normal((len(labels), 6)) @ np.triu(np.ones((6, 6)))
    return np.c_[CENTERS[labels] + noise + shift, np.zeros(len(labels))].astype(np.float32)


def logits(num=50):
    return (4 * RNG.standard_normal((num, 5))).astype(np.float32)


def test_the_mahalanobis_distance_is_that_of_scikit_learn_and_grows_away_from_the_classes():
    training, held_out = features(LABELS), features(LABELS)
    reference = ood.classifier_statistics(logits(200), training, LABELS, "photos:train").as_reference()
    fitted = ood.SCORES["mahalanobis"].score.fit(reference)
    scores = fitted(ood.classifier_statistics(logits(200), held_out))
    means = np.stack([training[label == LABELS].mean(axis=0, dtype=np.float64) for label in range(4)])
    covariance = EmpiricalCovariance(assume_centered=True).fit((training - means[LABELS]).astype(np.float64))
    distances = []
    for mean in means:
        covariance.location_ = mean
        distances.append(covariance.mahalanobis(held_out.astype(np.float64)))
    np.testing.assert_allclose(scores, np.min(distances, axis=0), rtol=1e-6)
    far = fitted(ood.classifier_statistics(logits(200), features(LABELS, shift=20.0)))
    assert far.min() > scores.max()


def test_energy_and_confidence_are_their_closed_forms_and_fall_as_the_classifier_becomes_surer():
    both = {name: ood.SCORES[name].score for name in ("confidence", "energy")}
    numbers = logits()
    reference = ood.classifier_statistics(numbers).as_reference()
    confidence, energy = (score.fit(reference)(reference) for score in both.values())
    np.testing.assert_allclose(confidence, 1 - softmax(numbers.astype(np.float64), axis=1).max(axis=1), atol=1e-12)
    np.testing.assert_allclose(energy, -np.log(np.exp(numbers.astype(np.float64)).sum(axis=1)), rtol=1e-12)
    warm = ood.Energy(2.0).fit(reference)(reference)
    np.testing.assert_allclose(warm, -2 * np.log(np.exp(numbers.astype(np.float64) / 2).sum(axis=1)), rtol=1e-12)
    surer = np.array([[0, 0, 0], [5, 0, 0], [60, 0, 0], [90, 0, 0]], np.float32)
    for score in both.values():
        assert (np.diff(score.fit(reference)(ood.classifier_statistics(surer))) < 0).all()  # no ties near 1


def test_statistics_of_a_classifier_join_those_of_a_model():
    own = ood.Statistics({"log_prob": np.zeros(50)})
    assert own.joined(ood.classifier_statistics(logits(), features(LABELS[:50]))).families == ("log_prob", "classifier")
    assert ood.SCORES["energy"].others == ("classifier",)
    assert ood.needed(["energy", "likelihood"]) == ("log_prob",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3),), r"The logits are float64 of shape \[3\]; expected finite numbers \[N, ...\]"),
        ((np.full((3, 2), np.nan),), "The logits are float64"),
        ((np.zeros((3, 2)), np.zeros((3, 2)), [0, 1, 2]), "The labels are not whole numbers from 0 to 1"),
        ((np.zeros((3, 2)), np.zeros((2, 2))), "one row per image"),
    ],
)
def test_bad_statistics_of_a_classifier_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ood.classifier_statistics(*arguments)


@pytest.mark.parametrize(
    ("labels", "constant", "message"),
    [(None, False, "is fitted to images with labels"), (LABELS, True, "The features of each class are constant")],
)
def test_features_without_labels_or_spread_are_refused(labels, constant, message):
    values = CENTERS[LABELS] if constant else features(LABELS)
    reference = ood.classifier_statistics(logits(200), values, labels).as_reference()
    with pytest.raises(InputError, match=message):
        ood.Mahalanobis().fit(reference)


def test_a_score_without_its_classifier_says_what_to_join():
    with pytest.raises(InputError, match=r"needs the statistics 'classifier.logits'.*ood\.classifier_statistics\("):
        ood.Energy().fit(ood.Statistics({"log_prob": np.zeros(3)}).as_reference())
