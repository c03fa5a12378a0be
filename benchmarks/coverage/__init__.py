"""How often the 95 % intervals of the library's functions contain the truth: `python -m benchmarks.coverage`."""
