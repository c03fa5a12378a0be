"""Both directions of a pair of data sets."""

import numpy as np
import pytest
from tiny import evaluation

from experiments.beyond import reverse
from experiments.beyond.reverse import ReverseConfig
from experiments.report.experiment import run
from glowjax.checks import InputError


def test_a_pair_has_both_directions(trained_run, folder, tmp_path):
    references = ("noise", "contrast-1")
    run_dirs = (trained_run(), trained_run(in_dist="others"))
    config = ReverseConfig(
        run_dirs=run_dirs, references=references, num_images=40, data_dir=folder, output_dir=tmp_path
    )
    (pair,) = run(reverse.main, config).numbers.values()
    assert list(pair) == ["NVP-Glow trained on ramps", "NVP-Glow trained on others"]
    there, back = pair.values()
    assert list(there) == ["ramps:test", "others:test", *references]
    assert list(back) == ["others:test", "ramps:test", *references]
    both = there["others:test"]["gap_nats"]["value"] + back["ramps:test"]["gap_nats"]["value"]
    for sets in (there, back):
        own, other, _, same = sets.values()
        assert set(same["gap_nats"].values()) == {0}  # compared image by image
        assert "gap_nats" not in own
        gap = 64 * np.log(2) * (own["bits_per_dim"]["value"] - other["bits_per_dim"]["value"])
        assert other["gap_nats"]["value"] == pytest.approx(gap, rel=1e-3)
        assert other["gap_nats"]["sem"] > 0
        assert other["gap_minus_other_model_nats"]["value"] == pytest.approx(both, rel=1e-5)
    assert (tmp_path / "report.html").read_text().count("data:image/png;base64,") == 1


def test_two_training_sets_are_needed_and_one_model_of_each(trained_run):
    with pytest.raises(InputError, match=r"trained on ramps.*expected two or more models of one kind"):
        reverse.main(ReverseConfig(run_dirs=(trained_run(),)))
    alike = (trained_run(), trained_run(seed=1), trained_run(in_dist="others"))
    with pytest.raises(InputError, match="expected one of each"):
        reverse.main(ReverseConfig(run_dirs=alike))


@pytest.mark.parametrize(
    ("log_likelihood", "verdict"),
    [(-10.0, "are more likely than"), (-90.0, "are less likely than"), (-50.0, "are as likely, within the intervals")],
)
def test_the_summary_says_which_set_is_more_likely_under_which_model(log_likelihood, verdict):
    words = reverse.summarize([("NVP-Glow trained on mine", evaluation(log_likelihood))])
    assert words.startswith(f"Under the NVP-Glow trained on mine, theirs test images {verdict}")
