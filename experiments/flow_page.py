"""What only a flow tells of an image set: the two terms of its log density, and how well it inverts the images."""

from pathlib import Path
from typing import Any

from experiments import histograms
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.scoring import FlowDetails, Scored, Sets, mean_as_dict, references
from glowjax import plots

Details = dict[str, tuple[Scored, FlowDetails]]


def details_of(sets: Sets) -> Details:
    """The sets with the details that a flow gave; none for another model."""
    return {name: (scored, scored.flow) for name, scored in sets.items() if scored.flow is not None}


def numbers(scored: Scored) -> dict[str, Any]:
    """The numbers of the table for one set; none for another model."""
    if scored.flow is None:
        return {}
    return {
        "log_pz_nats": mean_as_dict(scored.mean(scored.flow.terms.log_pz)),
        "log_det_nats": mean_as_dict(scored.mean(scored.flow.terms.log_det)),
        "largest_inversion_error_grey_levels": float(scored.flow.inversion_error.max()),
    }


def sections(kind_and_data: str, kind: str, sets: Sets, folder: Path) -> list[Section]:
    """The decomposition (figure 4 of the paper), saved below `folder`; nothing for another model."""
    details = details_of(sets)
    if not details:
        return []
    log_pz = {title(name): flow.terms.log_pz for name, (_, flow) in details.items()}
    log_det = {title(name): flow.terms.log_det for name, (_, flow) in details.items()}
    figure = plots.decomposition(
        log_pz,
        log_det,
        next(iter(log_pz)),
        kind_and_data,
        reach=histograms.reach(sets),
        references=[title(name) for name in references(sets)],
    )
    picture = Picture(
        plots.save(figure, folder / "decomposition", {"log_pz": log_pz, "log_det": log_det}),
        f"Histograms of the two terms of the log density. {histograms.BENEATH}",
        "Histograms of log p(z) and of the log-determinant",
    )
    rows = [
        [
            title(name),
            f"{scored.mean(flow.terms.log_pz):,.0f[]}",
            f"{scored.mean(flow.terms.log_det):,.0f[]}",
            f"{flow.inversion_error.max():.4f}",
        ]
        for name, (scored, flow) in details.items()
    ]
    table = Table(
        "The two terms of the log density, means with 95 % intervals over images, and how well the flow inverts each "
        "set in float32",
        ["set", "log p(z) [nats]", "log |det dz/dx| [nats]", "largest |decode(encode(x)) - x| [grey levels]"],
        rows,
    )
    text = (
        "log p(z) + log |det dz/dx| is the log density in nats: the first term says how typical the latents are, the "
        "second how much the flow stretches space around the image. Foreign images need not have typical latents to be "
        "likely: the volume term can pay for it. In a constant-volume flow the right panel is a line, and the whole "
        "difference lies in the latents."
    )
    return [Section(f"{kind}: where the difference comes from", text, [table], [picture])]
