"""Several models on the same images."""

import pytest

from experiments.figures.model_classes import ModelClassesConfig, load_alike, main
from experiments.report.trained import load, name_each
from glowjax.checks import InputError


def config(run_dirs, folder, **options):
    options = {"out_dists": ("others",), "references": ("noise",), "num_images": 30, "num_latent_draws": 2, **options}
    return ModelClassesConfig(run_dirs=run_dirs, data_dir=folder, **options)


def test_every_model_evaluates_the_same_images(trained_run, folder):
    runs = tuple(map(trained_run, ("nvp", "pixelcnn", "vae")))
    result = main(config(runs, folder))
    assert list(result.numbers) == ["NVP-Glow", "PixelCNN", "VAE"]
    assert all(list(sets) == ["ramps:test", "others:test", "noise"] for sets in result.numbers.values())
    assert result.numbers["NVP-Glow"]["noise"]["bits_per_dim"]["value"] > 8
    nvp, vae = (result.numbers[name]["others:test"] for name in ("NVP-Glow", "VAE"))
    change = vae["minus NVP-Glow"]
    for measure in ("bits_per_dim", "auroc"):
        assert change[measure]["value"] == pytest.approx(vae[measure]["value"] - nvp[measure]["value"])
    assert "minus NVP-Glow" not in nvp
    assert result.sections[1].tables[1].rows[0][0] == "PixelCNN, ramps test"
    (figure,) = [figure for section in result.sections for figure in section.figures]
    assert list(figure.data) == list(result.numbers)
    assert all(list(sets) == ["ramps test", "others test", "uniform noise"] for sets in figure.data.values())


def test_more_draws_of_the_latents_bring_a_vae_nearer_to_the_likelihood(trained_run, folder):
    few, many = (
        main(config((trained_run("vae"),), folder, num_latent_draws=num)).numbers["VAE"]["others:test"]["bits_per_dim"]
        for num in (1, 200)
    )
    assert many["value"] < few["value"]


def test_models_of_one_kind_have_different_names(trained_run):
    first, second = name_each([load(trained_run())] * 2)
    assert first == "NVP-Glow (1 scales x 1 steps, conv conditioners of width 4 (relu))"
    assert second == f"{first}, no. 2"


def test_runs_on_different_images_and_no_ood_set_are_refused(trained_run, folder):
    with pytest.raises(InputError, match=r"images of ramps, .* images of others; expected one or more runs, all on"):
        load_alike((trained_run(), trained_run(in_dist="others")))
    with pytest.raises(InputError, match="--out-dists names no data set"):
        main(config((trained_run(),), folder, out_dists=()))
