"""Families of statistics: what can be computed about each image of a batch, and which models can give it."""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from glowjax.checks import InputError, check_count, real_array
from glowjax.likelihood import dequantize, log_mean_exp
from glowjax.models import VAE, Flow, FlowTerms, PixelCNN, VAETerms
from glowjax.noise import image_keys
from glowjax.typing import Array, Key, Keys, Latents, Params

Parts: TypeAlias = Mapping[str, Any]
"""{part: array [N, ...]}; the part "" is the family itself."""

Need: TypeAlias = Literal["images", "likelihood", "density", "model", "flow", "VAE", "PixelCNN"]
"""What a family needs: 8-bit images alone, any likelihood, a density log p(x), a model with params, or of one kind."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the families, the same for the reference and for the images that are compared with it.

    Attributes:
        num_draws: dequantization draws per image for `log_prob` under a flow.
        num_latent_draws: importance samples per image for `log_prob` under a VAE.
        num_regret_steps: steps of Adam for `regret`.
        num_regret_draws: draws of the latents per step of Adam.
        regret_learning_rate: the first learning rate of Adam, which decays to 0 by a cosine.
        noise_levels: one or more standard deviations, in grey levels, of the normal noise that is added to an image
            before derivatives are taken; these statistics are [N, len(noise_levels)].
    """

    num_draws: int = 1
    num_latent_draws: int = 50
    num_regret_steps: int = 100
    num_regret_draws: int = 1
    regret_learning_rate: float = 0.05
    noise_levels: Any = (8.0,)

    def __post_init__(self) -> None:
        for name in ("num_draws", "num_latent_draws", "num_regret_steps", "num_regret_draws"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        levels = real_array(self.noise_levels, "noise_levels")
        if levels.ndim > 1 or not levels.size or not np.all((levels >= 0) & (levels < np.inf)):
            raise InputError(
                f"noise_levels is {self.noise_levels!r}; expected one or more standard deviations, 0 or more."
            )
        object.__setattr__(self, "noise_levels", tuple(map(float, levels.ravel())))
        rate = real_array(self.regret_learning_rate, "regret_learning_rate")
        if rate.ndim or not 0 < rate < np.inf:
            raise InputError(f"regret_learning_rate is {self.regret_learning_rate!r}; expected a positive number.")
        object.__setattr__(self, "regret_learning_rate", float(rate))

    def as_dict(self) -> dict[str, Any]:
        """The options as JSON has them."""
        return dataclasses.asdict(self) | {"noise_levels": list(self.noise_levels)}


class Subject(flax.struct.PyTreeNode):
    """What statistics are about: a model with its params, or a density.

    Attributes:
        model: an `ImageModel`; None for a density, or for statistics of images alone.
        params: its params.
        log_prob_fn: one point -> its log density, in nats; None for a model.
    """

    params: Params = None
    model: Any = flax.struct.field(pytree_node=False, default=None)
    log_prob_fn: Callable[[Any], Any] | None = flax.struct.field(pytree_node=False, default=None)

    @property
    def title(self) -> str:
        """The kind of the model, in a sentence."""
        if self.model is not None:
            return f"a {type(self.model).__name__}"
        return "a density" if self.log_prob_fn is not None else "a set of images without a model"

    def lacks(self, need: Need) -> str:
        """Why this subject cannot give a family with this need, in words that follow "needs"; "" if it can."""
        has_model = self.model is not None
        found = {
            "images": ("", True),
            "likelihood": ("a model or a density", has_model or self.log_prob_fn is not None),
            "density": (
                "a density between the grey levels, as a flow has it",
                isinstance(self.model, Flow) or self.log_prob_fn is not None,
            ),
            "model": ("a model with params", has_model),
            "flow": ("the latents of a flow", isinstance(self.model, Flow)),
            "VAE": ("a VAE", isinstance(self.model, VAE)),
            "PixelCNN": ("a PixelCNN", isinstance(self.model, PixelCNN)),
        }
        what, is_there = found[need]
        return "" if is_there else f"{what}, and this is {self.title}"

    def log_prob(self, x: Float[Array, "N ..."]) -> Float[Array, " N"]:
        """Log densities of continuous points, in nats; for subjects with a density."""
        if self.log_prob_fn is not None:
            return jax.vmap(self.log_prob_fn)(x)
        return self.model.log_prob(self.params, x)


def noise_keys(key: Key, indices: Any) -> Keys:
    """The keys of the dequantization noise of the images at `indices` [N]."""
    return image_keys(jax.random.fold_in(key, zlib.crc32(b"dequantization")), indices)


class View:
    """A batch of images under a subject. What several families need is computed once.

    Attributes:
        subject: the model or density.
        options: the options of the families.
        key: the key of the batch.
        images: uint8 images [N, H, W, C]; for a density possibly points [N, *shape], which get no noise.
        keys: the keys of their dequantization noise, one per image, or one for the batch.
    """

    def __init__(self, subject: Subject, options: Options, key: Key, images: Any, keys: Keys) -> None:
        self.subject, self.options, self.key, self.images, self.keys = subject, options, key, images, keys

    def key_for(self, purpose: str) -> Key:
        """A key for this purpose alone."""
        return jax.random.fold_in(self.key, zlib.crc32(purpose.encode()))

    @functools.cached_property
    def x(self) -> Float[Array, "N ..."]:
        """The continuous images, in grey levels: dequantized with one draw of noise, the same for all families."""
        if jnp.issubdtype(self.images.dtype, jnp.floating):
            return self.images
        return dequantize(self.keys, self.images)

    @functools.cached_property
    def encoded(self) -> tuple[Latents, FlowTerms]:
        """The latents of `x` under a flow, and the terms of log p(x)."""
        return self.subject.model.encode_with_terms(self.subject.params, self.x)

    @functools.cached_property
    def vae_terms(self) -> VAETerms:
        """The terms of a VAE's importance weights, of `num_latent_draws` draws of the latents."""
        subject, key = self.subject, self.key_for("likelihood")
        return subject.model.terms(subject.params, key, self.images, self.options.num_latent_draws)

    @functools.cached_property
    def log_prob(self) -> Float[Array, " N"]:
        """Log p in nats: of `x` for a density, of the images for a model."""
        model, options = self.subject.model, self.options
        if isinstance(model, Flow) and options.num_draws == 1:
            return jnp.asarray(self.encoded[1].log_prob)
        if model is None:
            return self.subject.log_prob(self.x)
        if isinstance(model, VAE):
            return log_mean_exp(self.vae_terms.log_weights)
        return model.log_likelihood(self.subject.params, self.key_for("likelihood"), self.images, options.num_draws)


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of statistics.

    Attributes:
        name: its name.
        needs: what it needs.
        cost: its cost per image, in words, such as "1 forward pass".
        run: computes it: from a view of a batch on the device, or from uint8 images [N, H, W, C] on the host.
        is_forward: whether the forward pass of the likelihood gives it, so that such families are computed together.
        on_host: whether `run` takes NumPy images and is not compiled.
        batch_size: images per batch.
        lack: the library that this installation lacks for it, in words that follow "needs"; "" if it is complete.
        options: the names of the `Options` that it depends on.
    """

    name: str
    needs: Need
    cost: str
    run: Callable[[Any], Parts]
    is_forward: bool = False
    on_host: bool = False
    batch_size: int = 100
    lack: str = ""
    options: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The parts of the family, with shapes and units."""
        return self.run.__doc__ or ""


FAMILIES: dict[str, Family] = {}
"""All families by name."""


def family(name: str, needs: Need, cost: str, **options: Any) -> Callable[[Callable[[Any], Parts]], Callable]:
    """Registers a function as a family; its docstring describes the parts."""

    def define(run: Callable[[Any], Parts]) -> Callable[[Any], Parts]:
        FAMILIES[name] = Family(name, needs, cost, run, **options)
        return run

    return define
