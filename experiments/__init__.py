"""Experiments, one per file; run one as `python -m experiments NAME`."""
