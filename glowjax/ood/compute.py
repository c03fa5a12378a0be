"""Computes statistics of a set of images, family by family, batch by batch."""

import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from glowjax.analysis.density import check_point
from glowjax.analysis.subject import subject_of
from glowjax.checks import InputError, as_names, check_images, native_array, unknown
from glowjax.data import ImageSet
from glowjax.data.image_set import checked
from glowjax.data.stored import AnyImages, StoredImages, digest
from glowjax.models import VAE, Flow, ImageModel, PixelCNN
from glowjax.models.base import ModelParams, check_levels, check_shape
from glowjax.ood.families import FAMILIES, Family, Options, Subject, View, noise_keys
from glowjax.ood.statistics import Statistics
from glowjax.train import in_batches
from glowjax.train.arrays import digest as digest_of_array
from glowjax.typing import Key, Keys, Params

OnProgress = Callable[[str, int, int], None]
"""Called with the name of a family, the number of images that are done, and the number of all images."""

DEFAULT = ("log_prob",)

STANDARD = Options()


def statistics(
    model: ImageModel | None,
    params: Params,
    key: Key,
    images: ImageSet | AnyImages,
    names: Sequence[str] = DEFAULT,
    *,
    options: Options = STANDARD,
    on_progress: OnProgress | None = None,
) -> Statistics:
    """The statistics of uint8 images [N, H, W, C] under a model, which scores are functions of.

    `ood.FAMILIES` lists what can be asked for. The dequantization noise of an image depends on the key and on its
    index, so all families see the same; other noise also depends on the batch. Raises InputError if the model cannot
    give a family, see `missing`.

    Args:
        model: a flow, PixelCNN, VAE, or any `ImageModel`; None for families that need images alone.
        params: its params.
        key: random key for noise.
        images: the images; an ImageSet lends its name to the result.
        names: the families.
        options: options of the families.
        on_progress: called after each batch.
    """
    return _statistics(Subject(params, model), key, images, names, options, on_progress)


def density_statistics(
    log_prob_fn: Callable[[Any], Any],
    key: Key,
    images: Any,
    names: Sequence[str] = DEFAULT,
    *,
    options: Options = STANDARD,
    on_progress: OnProgress | None = None,
) -> Statistics:
    """As `statistics`, for a density of your own: a function from one point [*shape] to its log density in nats.

    `images` are uint8 images, which are dequantized to grey levels in [0, 256), or floating-point points [N, *shape],
    which are used as they are, in float32 or, under `jax.enable_x64`, in float64. Noise levels have the unit of the
    points, so choose `Options.noise_levels` if these are no grey levels. Families that need latents of a flow or a
    model of 8-bit images are refused.
    """
    own = subject_of(log_prob_fn)  # by identity: an equal function may read another state
    return _statistics(Subject(log_prob_fn=own), key, images, names, options, on_progress)


def missing(model: Any, names: Sequence[str], log_prob_fn: Callable | None = None) -> dict[str, str]:
    """{family: why it cannot be computed} for those of `names` that a model or density cannot give."""
    subject = Subject(model=model, log_prob_fn=log_prob_fn)
    return {name: f"it needs {lack}" for name in as_names(names) if (lack := _lack(subject, _family(name)))}


def _lack(subject: Subject, one: Family) -> str:
    return subject.lacks(one.needs) or one.lack


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise unknown("family of statistics", name, FAMILIES)
    return FAMILIES[name]


def _statistics(
    subject: Subject, key: Key, images: Any, names: Sequence[str], options: Options, on_progress: OnProgress | None
) -> Statistics:
    families = {name: _family(name) for name in as_names(names)}
    _check_subject(subject, families)
    if not isinstance(options, Options):
        raise InputError(f"options must be an ood.Options, but is {options!r:.100}.")
    if not (isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0):
        raise InputError(f"key must be one key of JAX, such as jax.random.key(0), but is {key!r}.")
    own = _checked(subject, images.images if isinstance(images, ImageSet) else images, families)
    forward = tuple(one for one in families.values() if one.is_forward)
    groups = [forward] * bool(forward) + [(one,) for one in families.values() if not one.is_forward]
    values: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}
    for group in groups:
        began = time.monotonic()
        found = _of_group(group, subject, options, key, own, on_progress)
        for one in group:
            seconds[one.name] = (time.monotonic() - began) / len(own)
            values |= {f"{one.name}.{part}" if part else one.name: array for part, array in found[one.name].items()}
    about = {
        "set": getattr(images, "name", ""),
        "generated": getattr(images, "generated", False),
        "image_shape": list(own.shape[1:]),
        "digest": digest(own),
        "model": subject.title,
        "seconds": seconds,
        "options": {name: {one: options.as_dict()[one] for one in family.options} for name, family in families.items()},
        "params": _digests(subject, families),
    }
    return Statistics(values, about)


def _digests(subject: Subject, families: Mapping[str, Family]) -> dict[str, str]:
    """{family: a digest of the model's params} for the families that depend on them."""
    names = [name for name, one in families.items() if one.needs != "images"]
    if subject.model is None or not names:
        return {}
    found = hashlib.blake2b(digest_size=8)
    for leaf in jax.tree.leaves(subject.params):
        found.update(digest_of_array(leaf).encode())
    return dict.fromkeys(names, found.hexdigest())


def _check_subject(subject: Subject, families: Mapping[str, Family]) -> None:
    """Raises InputError unless the families are one or more, and can be computed for this subject."""
    model, params = subject.model, subject.params
    if not families:
        raise InputError("No statistics are named; choose some of ood.FAMILIES, such as ('log_prob', 'png').")
    if model is not None and not isinstance(model, ImageModel):
        raise InputError(f"model must be a flow, a PixelCNN, a VAE or None, but is a {type(model).__name__}.")
    if isinstance(model, Flow | PixelCNN | VAE) and not isinstance(params, ModelParams):
        raise InputError(f"params must be those of the model, as model.init gives, but is a {type(params).__name__}.")
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(params)):
        raise InputError("params are traced; statistics run on the host: call them outside of jax.jit.")
    for name, one in families.items():
        if lack := _lack(subject, one):
            raise InputError(f"The statistics '{name}' need {lack}.")


def _checked(subject: Subject, images: Any, families: Mapping[str, Family]) -> Any:
    """The images as an array or as stored images: uint8 [N, H, W, C], or points [N, *shape] for a density."""
    of_images = [name for name, one in families.items() if one.needs == "images"]
    if isinstance(images, jax.core.Tracer):
        raise InputError("The images are traced; statistics run on the host: call them outside of jax.jit.")
    if subject.log_prob_fn is None or isinstance(images, StoredImages):
        own = checked(images, "The images")
    else:
        own = native_array(images, "The points")
        if own.dtype == np.uint8:
            check_images(own, batch=True)
        elif of_images:
            raise InputError(f"The statistics '{of_images[0]}' are of uint8 images, but these points are {own.dtype}.")
        elif not jnp.issubdtype(own.dtype, np.floating) or own.ndim < 1 or not own.size:
            raise InputError(
                f"The points are {own.dtype} of shape {list(own.shape)}; expected uint8 images [N, H, W, C] or "
                "floating-point points [N, *shape]."
            )
        else:
            own = own.astype(np.float32 if own.dtype.itemsize < 8 else jax.dtypes.canonicalize_dtype(np.float64))
    if isinstance(subject.params, ModelParams):
        check_shape(subject.params, own.shape)
    if subject.log_prob_fn is not None:
        check_point(subject.log_prob_fn, np.asarray(own[0], np.float32), "an image")
    return own


def _of_group(
    group: tuple[Family, ...], subject: Subject, options: Options, key: Key, images: Any, on_progress: OnProgress | None
) -> dict[str, dict[str, np.ndarray]]:
    """{family: {part: [N, ...]}} of families that are computed in one pass."""
    name, batch_size, done = group[0].name, min(one.batch_size for one in group), [0]
    runs = tuple(one.run for one in group)

    def run(batch_key: Key, indices: Any) -> Any:
        batch = np.asarray(images[np.asarray(indices)])
        check_levels(subject.model, batch)
        if group[0].on_host:
            found = [one(batch) for one in runs]
        else:
            keys = noise_keys(key, jnp.asarray(indices))
            found = jax.block_until_ready(_on_device(options, runs, subject, batch_key, keys, batch))
        done[0] += batch_size
        if on_progress is not None:
            on_progress(name, min(done[0], len(images)), len(images))
        return found

    found = in_batches(run, key, np.arange(len(images)), batch_size)
    return dict(zip([one.name for one in group], found, strict=True))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _on_device(
    options: Options, runs: Sequence[Callable], subject: Subject, key: Key, keys: Keys, images: Any
) -> list[Any]:
    view = View(subject, options, key, images, keys)
    return [dict(run(view)) for run in runs]
