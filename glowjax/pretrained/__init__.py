"""Small trained Glows that come with glowjax, to try likelihoods and curvature on in seconds."""

import hashlib
from pathlib import Path

from glowjax.checks import InputError, unknown

FOLDER = Path(__file__).parent

HASHES = {
    "fashion-mnist": "3cb93f95efd27054b5b28e9a88eb0a3c0aae0c074b924fb5f19fbf02b9baf25b",
    "fashion-mnist-small": "77bc891bf295428c4149e1af28817edb71c4c5516eba6e39ae753840acc0a361",
    "fashion-mnist-small-cv": "e80ea6d4669c7d9e939c5cd17d61d312b82cb5c04ab13c144815f5cd35b9e390",
}
"""SHA-256 of the file of each pretrained model, by the name that `glowjax.load_pretrained` knows."""


def file(name: str) -> Path:
    """The file of a pretrained model. Raises InputError for an unknown name or a damaged file."""
    if name not in HASHES:
        raise unknown("pretrained model", name, HASHES)
    path = FOLDER / f"{name}.safetensors"
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"The weights of '{name}' cannot be read from {path} ({error.strerror}); install glowjax again."
        ) from error
    if found != HASHES[name]:
        raise InputError(
            f"The weights of '{name}' have the SHA-256 hash {found}, but {HASHES[name]} was expected: the file is "
            "damaged; install glowjax again."
        )
    return path
