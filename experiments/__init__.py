"""One file per figure or table of the paper; run each as `python -m experiments.NAME`."""
