"""What the page about detection says in sentences, with the numbers of `docs/numbers`."""

from docs.tables.kept import kept, value

MNIST, NOTMNIST, SVHN = "mnist:test", "notmnist_small:test", "svhn:test"
EASY = ("contrast-0.5", "constant", "noise")
PRETRAINED, SWISH = "pretrained-fashion", ("nvp-fashion-seeds", "cv-fashion-swish")
CIFAR = ("nvp-cifar10", "cv-cifar10")
CORRUPTIONS = "pretrained-fashion-corruptions"
PIXELCNN, VAE, BACKGROUND, ENSEMBLE = "pixelcnn-fashion", "vae-fashion", "nvp-fashion-1000", "nvp-fashion-250"
SECOND = ("dimension", "null-random")
TESTS = ("sitn", "sitn-density", "white-noise", "anderson-darling", "spectral-flatness")


def scores(run, seed=0):
    """The scores of a run; of several seeds, those of the one at place `seed`."""
    models = kept(run, "detection")
    if f"seed {seed}" in models:
        models = models[f"seed {seed}"]
    (model,) = models.values()
    return {name: one for name, one in model["scores"].items() if "sets" in one}


def auroc(run, score, out_dist, seed=0):
    return value(scores(run, seed)[score]["sets"][out_dist]["auroc"])


def best(run, out_dist):
    return max(auroc(run, name, out_dist) for name in of_single_images(run) if not name.startswith("null-"))


def of_single_images(run):
    return [name for name, one in scores(run).items() if one["images_per_score"] == 1]


def beats_nulls(run, score, out_dist):
    return scores(run)[score]["sets"][out_dist]["beats_null_models"]


def beats(run, out_dist):
    return any(beats_nulls(run, name, out_dist) for name in scores(run) if not name.startswith("null-"))


def said():
    of_fashion = (PRETRAINED, *SWISH, PIXELCNN, VAE, BACKGROUND, ENSEMBLE)
    assert not any(beats(run, NOTMNIST) for run in of_fashion)
    assert not any(beats(run, SVHN) for run in CIFAR)
    null, own = auroc(PRETRAINED, "null-gaussian", NOTMNIST), best(PRETRAINED, NOTMNIST)
    yield f"notMNIST ({null:.3f} under `pretrained-fashion`; the best score of the model has {own:.3f})"
    null, own = auroc(CIFAR[0], "null-white-noise", SVHN), [best(run, SVHN) for run in CIFAR]
    yield "SVHN ({:.3f}; the best scores of the two Glows have {:.3f} and {:.3f})".format(null, *own)
    codecs = [auroc(PRETRAINED, name, MNIST) for name in ("null-png", "complexity-png", "complexity")]
    yield "an AUROC of {:.3f}. The bits of `pretrained-fashion` minus those of the PNG file have {:.3f}".format(*codecs)
    yield f"and minus those of the smallest of three codecs {codecs[-1]:.3f}"
    assert not beats_nulls(SWISH[1], "complexity", MNIST)
    yield f"Under `cv-fashion-swish` complexity has {auroc(SWISH[1], 'complexity', MNIST):.3f}, which does not beat"
    for run in (PRETRAINED, *SWISH, PIXELCNN):
        assert auroc(run, "complexity", MNIST) == best(run, MNIST)
    regret = [auroc(VAE, "regret", name) for name in (MNIST, NOTMNIST)]
    assert regret == [best(VAE, name) for name in (MNIST, NOTMNIST)]
    yield "({:.3f} on MNIST, {:.3f} on notMNIST)".format(*regret)
    yield f"so there are {scores(VAE)['regret']['num_images']} images per set, and on notMNIST its"
    yield f"interval contains the {auroc(VAE, 'null-gaussian', NOTMNIST):.3f} of `null-gaussian`"
    ends = scores(VAE)["regret"]["sets"][NOTMNIST]["auroc"]
    assert ends["low"] < auroc(VAE, "null-gaussian", NOTMNIST) < ends["high"]
    inverted = [auroc(run, "likelihood", MNIST) for run in of_fashion]
    inverted += [auroc(run, "likelihood", SVHN) for run in CIFAR]
    assert max(inverted) < 0.5
    yield f"under every model: {min(inverted):.3f} to {max(inverted):.3f}"
    latents = [auroc(PRETRAINED, "log-pz", name) for name in (MNIST, *EASY[:2])]
    yield "not inverted on MNIST ({:.3f}), but it is on images of half contrast ({:.3f})".format(*latents)
    yield f"and on constant ones ({latents[-1]:.3f})"
    pairs = [auroc(PIXELCNN, score, name) for score in ("typicality", "likelihood") for name in (MNIST, NOTMNIST)]
    yield "Under the PixelCNN it has {:.3f} and {:.3f}, and the likelihood has {:.3f} and {:.3f}".format(*pairs)
    yield f"it stays inverted on MNIST ({auroc(SWISH[1], 'typicality', MNIST):.3f})"
    for run in (PRETRAINED, *SWISH, PIXELCNN, VAE):
        assert (auroc(run, "typicality", MNIST) > 0.5) == (run != SWISH[1])
        assert auroc(run, "typicality", NOTMNIST) < auroc(run, "likelihood", NOTMNIST)
    layers = [auroc(run, "layer-gradients", name) for run in (PIXELCNN, VAE, PRETRAINED) for name in (MNIST, NOTMNIST)]
    yield "under the PixelCNN ({:.3f}, {:.3f}) and the VAE ({:.3f}, {:.3f})".format(*layers[:4])
    yield f"they recognize notMNIST ({layers[5]:.3f}) better than MNIST ({layers[4]:.3f})"
    helped = [(BACKGROUND, "likelihood-ratio"), (ENSEMBLE, "waic")]
    found = [auroc(run, name, MNIST) for run, score in helped for name in ("likelihood", score)]
    yield "raises the likelihood's {:.3f} on MNIST to {:.3f}, WAIC raises {:.3f} to {:.3f}".format(*found)
    assert all(auroc(run, score, NOTMNIST) < auroc(run, "likelihood", NOTMNIST) for run, score in helped)
    near = [auroc(run, name, MNIST) for run in (PRETRAINED, *SWISH) for name in TESTS]
    yield f"near chance for MNIST: {min(near):.3f} to {max(near):.3f} under the three Glows of FashionMNIST"
    one_sided, two_sided = (
        [auroc(PRETRAINED, name, one) for one in EASY] for name in ("gradient", "density-of-gradient")
    )
    yield f"in the wrong direction ({min(one_sided):.3f} to {max(one_sided):.3f})"
    yield f"Its two-sided form (`density-of-gradient`) has {min(two_sided):.3f} to {max(two_sided):.3f}"
    sets = (MNIST, NOTMNIST, *EASY)
    least = {name: min(auroc(PRETRAINED, name, one) for one in sets) for name in of_single_images(PRETRAINED)}
    high = {name for name, lowest in least.items() if lowest >= 0.9}
    assert all(name == "density-of-latents" or name.startswith("complexity") for name in high)
    for name in ("complexity", "density-of-latents"):
        yield f"`{name}` ({least[name]:.3f} or more)"
    seeds = {name: [auroc(SWISH[0], name, MNIST, seed) for seed in range(3)] for name in scores(SWISH[0])}
    fallen = seeds["density-of-latents"]
    yield f"`density-of-latents` has {min(fallen):.3f} to {max(fallen):.3f} on MNIST under the three seeds"
    yield f"and {auroc(SWISH[1], 'density-of-latents', MNIST):.3f} under `cv-fashion-swish`"
    spreads = {name: max(found) - min(found) for name, found in seeds.items()}
    yield f"The likelihoods of three seeds differ by {spreads['likelihood']:.3f} at most on MNIST"
    yield f"the one-class SVM by {max(spreads.values()):.2f}"
    assert max(spreads, key=spreads.__getitem__) == "one-class-svm"
    yield from of_corruptions()
    (model,) = kept(PRETRAINED, "detection").values()
    real, random = (model["tuned_with_ood_labels"][f"likelihood, {n} (tuned with OOD labels)"] for n in SECOND)
    yield f"it is {random[MNIST]:.3f} on MNIST and {random[NOTMNIST]:.3f} on notMNIST"
    yield f"with the dimension {real[MNIST]:.3f} and {real[NOTMNIST]:.3f}"


def of_corruptions():
    found = scores(CORRUPTIONS)
    kinds = [name for name in found["likelihood"]["sets"] if name.endswith("-3")]
    aurocs = [auroc(CORRUPTIONS, "likelihood", kind) for kind in kinds]
    number = {name: sum(one["sets"][kind]["beats_null_models"] for kind in kinds) for name, one in found.items()}
    yield f"the likelihood has {min(aurocs):.3f} to {max(aurocs):.3f} on the {len(kinds)} kinds of strength 3"
    yield f"beats the null models on {number['likelihood']}."
    jpeg = "complexity-jpeg2000"
    assert all(other < number[jpeg] for name, other in number.items() if name != jpeg)
    yield f"which has {auroc(PRETRAINED, jpeg, MNIST):.3f} on MNIST, beats them on {number[jpeg]}"
    yield f"inverted on Gaussian blur ({auroc(CORRUPTIONS, 'log-pz', 'gaussian_blur-3'):.3f})"
