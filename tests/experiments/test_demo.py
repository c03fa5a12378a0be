"""The demonstration, with two tiny models."""

import dataclasses

from experiments import demo, train
from experiments.demo import DemoConfig
from experiments.presets import PRESETS
from experiments.report.experiment import run
from glowjax.models import GlowConfig


def test_the_demo_reports_on_both_models_in_one_page(tmp_path, monkeypatch):
    for kind in ("nvp", "cv"):
        small = dataclasses.replace(PRESETS[kind]["demo"], model=GlowConfig(kind, num_steps=1, width=4))
        monkeypatch.setitem(PRESETS[kind], "demo", small)
    monkeypatch.setattr(train, "NUM_EVALUATED", 20)
    numbers = run(demo.main, DemoConfig(output_dir=tmp_path, training_steps=3, num_images=20)).numbers
    assert list(numbers) == ["nvp", "cv"]
    assert numbers["cv"]["noise"]["log_det_nats"]["sem"] < 1e-3
    assert numbers["nvp"]["second_order"]["mnist:train"]["location_spread"]["gap"]["sem"] > 0
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 12  # four per model, and four of the explanation
    assert (tmp_path / "cv" / "likelihoods" / "training.png").is_file()
    assert "10,000" in page  # the bundled images, whatever folder the environment names
