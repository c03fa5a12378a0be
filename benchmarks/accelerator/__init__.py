"""Checks and measures glowjax on an accelerator; `python -m benchmarks.accelerator` runs it.

It needs JAX, Flax, Optax and jaxtyping, and safetensors to read the pretrained models. Where PyTorch is installed, its
networks are measured as well.
"""
