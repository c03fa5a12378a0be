"""Keeps the results of `experiments detection` for the pages: `python -m docs.tables.keep_detection RESULTS_JSON NAME`.

The kept file has AUROCs of five digits and one line per score.
"""

import json
import sys
from pathlib import Path
from typing import Any

NUMBERS = Path(__file__).parents[1] / "numbers"
OF_A_SCORE = ("group", "has_seen", "images_per_score", "num_images", "seconds_per_image", "missing")
OF_A_SET = ("num_images", "num_groups", "should_be_easy")


def rounded(value: Any) -> Any:
    """The same with floats of five significant digits."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def trimmed(score: dict[str, Any]) -> dict[str, Any]:
    """What the tables need of a score."""
    kept = {name: score[name] for name in OF_A_SCORE if name in score}
    if "sets" in score:
        kept["sets"] = {name: _of_set(found) for name, found in score["sets"].items()}
    return kept


def _of_set(found: dict[str, Any]) -> dict[str, Any]:
    difference = found.get("minus likelihood")
    shown = {"auroc": found["auroc"], "minus likelihood": difference and {"auroc": difference["auroc"]}}
    return {**shown, "beats_null_models": found["beats_null_models"]}


def text(results: dict[str, Any]) -> str:
    """The kept file of results: {model: what was found}, once per seed if there are several."""
    if next(iter(results)).startswith("seed "):
        return (
            "{\n" + ",\n".join(f"{json.dumps(seed)}: {text(one).rstrip()}" for seed, one in results.items()) + "\n}\n"
        )
    lines = []
    for model, found in rounded(results).items():
        sets = {name: {key: one[key] for key in OF_A_SET} for name, one in found["sets"].items()}
        scores = (f"   {json.dumps(name)}: {json.dumps(trimmed(one))}" for name, one in found["scores"].items())
        head = {"model": found["model"], "sets": sets, "tuned_with_ood_labels": found["tuned_with_ood_labels"]}
        body = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items())
        lines.append(f' {json.dumps(model)}: {{\n{body},\n  "scores": {{\n' + ",\n".join(scores) + "\n  }\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    results, name = sys.argv[1:]
    (NUMBERS / name).mkdir(exist_ok=True)
    (NUMBERS / name / "detection.json").write_text(text(json.loads(Path(results).read_text())))
