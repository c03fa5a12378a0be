"""At which scale curvature explains the gap: parabolas along the paths to the images, and the noise of means.

    python -m experiments curvature-by-scale --run-dir runs/fashion --out-dists mnist

The curvature of log p at the mean of a set describes noise of a grey level; images are much further away. This page
measures the curvature at every scale between the two. Expect for the pretrained NVP-Glow of FashionMNIST that a
parabola measured half-way to the images predicts the gap within a quarter, but the spreads one by one wrongly. The
curvature changes its sign before the scale of one image.
"""

import dataclasses

from experiments.report.by_scale import by_scale_section, curvature_of, summary
from experiments.report.options import OneModel
from experiments.report.page import Result
from experiments.report.pairs import pair_of
from experiments.report.scoring import image_sets
from experiments.report.trained import heading, load_flow, title
from glowjax.checks import InputError

QUESTION = (
    "Over which distance is log p quadratic? The second-order explanation needs it to be so from the mean of a set to "
    "its images. This page measures the curvature at every scale, from a grey level to whole images."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CurvatureByScaleConfig(OneModel):
    """Options of the curvature by scale; the run must be that of a Glow.

    Attributes:
        num_images: maximum number of images per set, for the means and the curves.
        num_paths: number of images per set, the first ones, to which paths lead.
    """

    num_images: int | None = 10_000
    num_paths: int = 1_000


def main(config: CurvatureByScaleConfig) -> Result:
    """Measures the curvature by scale of the test set and of each OOD set."""
    trained = load_flow(config.run_dir)
    test, others = image_sets(trained, config.out_dists, config)
    if not others:
        raise InputError(f"--out-dists names no data set apart from {test.name}; name one: --out-dists mnist")
    sections, summaries, numbers = [], [], {}
    for other in others:
        pair = pair_of(trained, test, other, config.seed)
        found = curvature_of(pair, config.num_paths, config.seed)
        sections.append(by_scale_section(pair, found, config.num_paths, heading(trained)))
        summaries.append(summary(pair, found))
        numbers[other.name] = {
            "num_images": [len(pair.p), len(pair.q)],
            "num_paths": [min(config.num_paths, len(points)) for points in (pair.p, pair.q)],
            "curvature_by_scale": found,
        }
    return Result(
        f"Curvature by scale after training on {title(trained.name)}",
        f"{QUESTION}\n\nThe model: {trained.summarize()}.",
        "\n\n".join(summaries),
        sections,
        numbers,
    )
