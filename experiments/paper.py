"""Everything for every pair of data sets that is here: trains, runs each experiment and writes one report.

    python -m experiments.paper --size small
    python -m experiments.paper --size paper --pairs cifar10/svhn

For each pair A/B models are trained on A and asked about B, for every figure of the paper and what this project adds;
an ensemble is trained, and the first model also on B, for the reverse direction. The same command goes on where it
stopped: a finished stage is left alone as long as its options, and those of what it reads, are the same. Size small
takes hours for each pair on 2 cores; size paper wants an accelerator. What is skipped, and why, stands in the report.
"""

import dataclasses
from typing import Any

import tyro

from experiments import old_report as report
from experiments import paper_page
from experiments.command_line import command, run
from experiments.pair_plan import stages
from experiments.pairs import Pair, PaperConfig, find, names, partners
from experiments.stages import Plan, run_plan
from glowjax.checks import InputError, writable_directory

QUESTION = (
    "Every experiment of the paper, for every pair of data sets that is here: when are other images likelier than "
    "those that a model learned, and why?"
)


def main(config: PaperConfig) -> dict[str, Any]:
    """Runs what is not finished yet and writes the report; returns what became of each stage and each pair."""
    if not config.models or not config.pairs:
        raise InputError(f"models is {config.models} and pairs {config.pairs}; name at least one of each.")
    root = writable_directory(config.root)
    pairs, absent = pairs_here(config)
    watched = partners(pairs)
    plans: dict[str, Plan] = {pair.name: stages(pair, watched, config) for pair in pairs}
    outcomes = run_plan({name: stage for plan in plans.values() for name, stage in plan.items()})
    lead = paper_page.in_words(plans, outcomes, absent)
    page = report.write(
        root,
        "Do deep generative models know what they don't know?",
        QUESTION,
        lead,
        paper_page.sections(plans, outcomes, absent),
        command("paper", config),
    )
    print(lead, f"The report is {page}.", sep="\n")
    return {"stages": {name: dataclasses.asdict(one) for name, one in outcomes.items()}, "absent": absent}


def pairs_here(config: PaperConfig) -> tuple[list[Pair], dict[str, str]]:
    """The pairs that can be run here, and {pair: why not} of the others. Raises InputError for a name without "/"."""
    pairs, absent = [], {}
    for name in config.pairs:
        in_dist, out_dist = names(name)
        try:
            pairs.append(find(in_dist, out_dist, config))
        except InputError as error:
            absent[name] = str(error)
    return pairs, absent


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(PaperConfig, args=arguments, description=__doc__))
