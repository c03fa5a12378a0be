"""Scores of a VAE: the terms of its bound, and how much of the bound its encoder gives away (likelihood regret)."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float

from glowjax.likelihood import log_mean_exp
from glowjax.models import VAE
from glowjax.ood.density_of_states import DensityOfStates
from glowjax.ood.families import Parts, View, family
from glowjax.ood.one_statistic import OneSided
from glowjax.ood.scores import entry
from glowjax.typing import Array, Batch, Key, Params

Posterior = tuple[Float[Array, "N L"], Float[Array, "N L"]]
"""The mean and the log-scale of q(z | image) for each image and latent."""


@family("vae", "VAE", "num_latent_draws passes of the decoder", is_forward=True, options=("num_latent_draws",))
def vae(view: View) -> Parts:
    """The terms of the bound of each image, [N] each, in nats; the same draws of z ~ q give all of them and `log_prob`.

    `vae.reconstruction`, the mean over draws of log P(x | z); `vae.kl`, KL(q || prior) in closed form, which is
    `vae.cross_entropy`, -E_q log p(z), minus `vae.entropy`, that of q; `vae.elbo`, reconstruction - KL; `vae.bound`,
    the importance-weighted bound.
    """
    subject, terms = view.subject, view.vae_terms
    q = subject.model.encode(subject.params, view.images)
    cross, own, reconstruction = cross_entropy(q), entropy(q), jnp.mean(terms.log_likelihood, axis=0)
    return {
        "reconstruction": reconstruction,
        "kl": cross - own,
        "cross_entropy": cross,
        "entropy": own,
        "elbo": reconstruction - (cross - own),
        "bound": log_mean_exp(terms.log_weights),
    }


@family(
    "regret",
    "VAE",
    "num_regret_steps gradients of the decoder, 2 num_latent_draws passes",
    options=("num_latent_draws", "num_regret_steps", "num_regret_draws", "regret_learning_rate"),
)
def regret(view: View) -> Parts:
    """`regret` [N]: how much the ELBO rises, in nats, if Adam adapts mean and log-scale of q to each image alone.

    Both ELBOs are means over the same `num_latent_draws` draws (rounded up to pairs), which Adam did not see: an
    encoder that is already optimal has a regret of about 0, or a little less.
    """
    (model, params), options = (view.subject.model, view.subject.params), view.options
    q = model.encode(params, view.images)
    best = optimized(view, q)
    half = jax.random.normal(view.key_for("ELBO of regret"), (-(-options.num_latent_draws // 2), *q[0].shape))
    half = half / jnp.sqrt(jnp.mean(half**2, axis=0, keepdims=True))
    noise = jnp.concatenate([half, -half])  # each latent has mean 0 and variance 1, which lowers the error
    return {"": elbo(model, params, best, noise, view.images) - elbo(model, params, q, noise, view.images)}


def optimized(view: View, q: Posterior) -> Posterior:
    """`q` after `num_regret_steps` steps of Adam on each image's ELBO, with new draws of the latents in every step.

    Adam treats each number by itself, and no two images share a number, so all images are optimized at once.
    """
    (model, params), options = (view.subject.model, view.subject.params), view.options
    optimizer = optax.adam(optax.cosine_decay_schedule(options.regret_learning_rate, options.num_regret_steps))

    def loss(q: Posterior, key: Key) -> Float[Array, ""]:
        noise = jax.random.normal(key, (options.num_regret_draws, *q[0].shape))
        return -jnp.sum(elbo(model, params, q, noise, view.images))

    def step(state: tuple[Posterior, Any], key: Key) -> tuple[tuple[Posterior, Any], None]:
        q, memory = state
        gradient = jax.grad(loss)(q, key)
        with jax.numpy_dtype_promotion("standard"):  # which optax relies on
            updates, memory = optimizer.update(gradient, memory)
        return (optax.apply_updates(q, updates), memory), None

    keys = jax.random.split(view.key_for("regret"), options.num_regret_steps)
    (best, _), _ = jax.lax.scan(step, (q, optimizer.init(q)), keys)
    return best


def elbo(model: VAE, params: Params, q: Posterior, noise: Float[Array, "K N L"], images: Batch) -> Float[Array, " N"]:
    """The ELBO of each image in nats, a mean over the latents that standard normal `noise` gives under `q`."""
    mean, log_scale = q
    log_probs = jax.lax.map(lambda one: model.log_prob_given(params, mean + jnp.exp(log_scale) * one, images), noise)
    return jnp.mean(log_probs, axis=0) - (cross_entropy(q) - entropy(q))


def cross_entropy(q: Posterior) -> Float[Array, " N"]:
    """-E_q log p(z) in nats, for a standard normal prior."""
    mean, log_scale = q
    return 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_scale) + jnp.log(2 * jnp.pi), axis=1)


def entropy(q: Posterior) -> Float[Array, " N"]:
    """-E_q log q(z) in nats."""
    return jnp.sum(q[1] + 0.5 * (1 + jnp.log(2 * jnp.pi)), axis=1)


def _define() -> None:
    for name, statistic, sign, paper, formula in (
        ("elbo", "vae.elbo", -1, "Kingma and Welling 2014", "-E_q log P(x | z) + KL(q(z | x) || p(z))"),
        ("reconstruction", "vae.reconstruction", -1, "common practice", "-E_q log P(x | z)"),
        ("kl", "vae.kl", 1, "common practice", "KL(q(z | x) || p(z))"),
        (
            "importance-weighted-bound",
            "vae.bound",
            -1,
            "Burda et al. 2016",
            "-log mean_k P(x | z_k) p(z_k) / q(z_k | x), which is also the likelihood of a VAE",
        ),
        ("regret", "regret", 1, "Xiao et al. 2020", "max over r of ELBO(x; r) - ELBO(x; q), by Adam from r = q(z | x)"),
    ):
        entry(name, "VAE", OneSided(statistic, sign), paper, formula)
    parts = ("reconstruction", "kl", "cross_entropy", "entropy", "bound")
    density = DensityOfStates(tuple(f"vae.{part}" for part in parts))
    formula = "-sum of log KDE(T(x)) over T = reconstruction, KL, its cross-entropy and entropy, and the bound"
    entry("density-of-vae-states", "density of states", density, "Morningstar et al. 2021", formula)


_define()
