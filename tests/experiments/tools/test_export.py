"""Exported models."""

import jax
import numpy as np

import glowjax as gj
from experiments.report.trained import load_flow
from experiments.tools.export import ExportConfig, main


def test_what_is_exported_is_loaded(trained_run, tmp_path):
    path = tmp_path / "tiny.safetensors"
    assert str(path) in main(ExportConfig(run_dir=trained_run(), output=path))
    trained = load_flow(trained_run())
    exported = gj.load(path, trained.model)
    jax.tree.map(np.testing.assert_array_equal, exported.params, trained.params)
    assert exported.description == trained.description
