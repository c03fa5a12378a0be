"""One report of many: what each stage's own report says, under what was run and what was not."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from experiments import old_report as report
from experiments.old_report import Section, Table
from experiments.stages import Outcome, Plan

HEADLINES = ("likelihoods", "reverse", "ensemble")
"""The experiments whose results open the page."""

Plans = Mapping[str, Plan]
"""The stages of each pair, by the pair's name."""


def in_words(plans: Plans, outcomes: Mapping[str, Outcome], absent: Mapping[str, str]) -> str:
    """How much was done, and the results of each pair's first model in its own reports' words."""
    done = sum(outcome.finished for outcome in outcomes.values())
    paragraphs = [
        f"Pairs of data sets: {len(plans)} compared, {len(absent)} left out. Stages: {done} finished, "
        f"{len(outcomes) - done} skipped."
    ]
    for plan in plans.values():
        reports = {name: report.read(folder) for name, folder in _folders(plan, outcomes).items()}
        for headline in HEADLINES:
            paragraphs += [page.lead for name, page in reports.items() if f": {headline}" in name][:1]
    return "\n\n".join(paragraphs)


def sections(plans: Plans, outcomes: Mapping[str, Outcome], absent: Mapping[str, str]) -> list[Section]:
    """What was run, then the trainings, then each stage's report with its sections a level lower."""
    parts = [_overview(outcomes, absent), _trainings(plans, outcomes)]
    for plan in plans.values():
        for name, folder in _folders(plan, outcomes).items():
            page = report.read(folder)
            parts.append(Section(f"{name}. {page.title}", f"{page.lead}\n\nOn its own: {page.command}"))
            parts += [dataclasses.replace(section, level=3) for section in page.sections]
    return parts


def _folders(plan: Plan, outcomes: Mapping[str, Outcome]) -> dict[str, Path]:
    """The folders of a pair's finished stages that write a report."""
    return {
        name: stage.config.output_dir
        for name, stage in plan.items()
        if outcomes[name].finished and (stage.config.output_dir / "report.json").is_file()
    }


def _overview(outcomes: Mapping[str, Outcome], absent: Mapping[str, str]) -> Section:
    reasons = [f"Left out: {pair}. {reason}" for pair, reason in absent.items()]
    reasons += [f"Skipped: {name}. {one.reason}" for name, one in outcomes.items() if not one.finished]
    rows = [[name, "skipped" if one.seconds is None else _time(one.seconds)] for name, one in outcomes.items()]
    tables = [Table("Stages in their order, with the time that each took", ["stage", "time"], rows)] if rows else []
    return Section("What was run, and what was not", "\n\n".join(reasons), tables)


def _trainings(plans: Plans, outcomes: Mapping[str, Outcome]) -> Section:
    commands = {
        name: stage.command
        for plan in plans.values()
        for name, stage in plan.items()
        if outcomes[name].finished and not (stage.config.output_dir / "report.json").is_file()
    }
    return Section("The trainings", "\n\n".join(f"{name}: {command}" for name, command in commands.items()))


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
