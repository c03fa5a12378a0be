"""Read sets that TensorFlow Datasets (TFDS) has prepared as array_record, image by image and without TensorFlow."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Int64, UInt8

from glowjax.checks import InputError, check_images
from glowjax.data.foreign import one_line, reading
from glowjax.data.image_file import read_image
from glowjax.data.image_set import ImageSet
from glowjax.data.stored import StoredImages

_OWN_FEATURES = "tensorflow_datasets.core.features."

_CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
"""The keys under which the description of a set names classes. TFDS imports the modules of these classes."""

_NUM_LABELS = 1_000
"""The number of labels that are read at a time."""

_DAMAGED = "it seems damaged; move that folder away and prepare the set again"


@dataclass(frozen=True, eq=False)
class Records:
    """A storage: the images of a prepared split.

    Attributes:
        name: the name of the set and its split.
        examples: the examples of TFDS, with encoded images.
        shape: [N, H, W, C].
    """

    name: str
    examples: Any
    shape: tuple[int, ...]

    def read(self, indices: Int[np.ndarray, " M"]) -> UInt8[np.ndarray, "M H W C"]:
        """The images at `indices`, decoded."""
        images = np.empty((len(indices), *self.shape[1:]), np.uint8)
        with reading(f"The images of '{self.name}' cannot be read", _DAMAGED):
            examples = self.examples.__getitems__(indices.tolist())
        for image, index, example in zip(images, indices.tolist(), examples, strict=True):
            pixels = _decoded(example["image"], f"Image {index:,} of '{self.name}'")
            if pixels.shape != image.shape:
                raise InputError(
                    f"The TensorFlow data set '{self.name}' has images of several shapes, such as {image.shape} and "
                    f"{pixels.shape}; expected one shape; glowjax never resizes images, so choose another set."
                )
            image[:] = pixels
        return images


def open_prepared(directory: Path) -> Any:
    """TFDS's reader of the set in a folder. The folder may come from a stranger, so its classes are checked first."""
    tensorflow_datasets = library()
    with reading(f"The TensorFlow data set in {directory} cannot be read", _DAMAGED):
        for name in _class_names(json.loads((directory / "features.json").read_text())):
            if not name.startswith(_OWN_FEATURES):
                raise InputError(
                    f"The TensorFlow data set in {directory} has a feature of the class {one_line(name)}; expected "
                    "TFDS's own features, because reading would run the code of that class; choose another set."
                )
        return tensorflow_datasets.builder_from_directory(directory)


def read_split(builder: Any, split: str, name: str) -> ImageSet:
    """A prepared split as a set with this name."""
    images = StoredImages(records(builder, split, name))
    source = f"{len(images):,} images: TensorFlow Datasets, {builder.data_dir}"
    return ImageSet(name, images, _labels(builder, split), source=source)


def records(builder: Any, split: str, name: str) -> Records:
    """The images of a prepared split. `name` names the split in messages."""
    features = builder.info.features
    if "image" not in features:
        raise InputError(
            f"The TensorFlow data set in {builder.data_dir} has the features {sorted(features)} and no 'image'; "
            "expected a set of images; choose another set."
        )
    with reading(f"The TensorFlow data set in {builder.data_dir} cannot be read", _DAMAGED):
        examples = _examples(builder, split)
        num_bytes = sum(Path(file).stat().st_size for file in builder.info.splits[split].filepaths)
        if len(examples) > num_bytes:  # before memory is allocated for their indices
            raise ValueError(f"{len(examples):,} images in {num_bytes:,} bytes")
        return Records(name, examples, (len(examples), *_decoded(examples[0]["image"], f"Image 0 of '{name}'").shape))


def _examples(builder: Any, split: str) -> Any:
    """The examples of a split as a sequence, with encoded images."""
    tensorflow_datasets = library()
    is_encoded = isinstance(builder.info.features["image"], tensorflow_datasets.features.Image)
    decoders = {"image": tensorflow_datasets.decode.SkipDecoding()} if is_encoded else None
    return builder.as_data_source(split, decoders=decoders)


def _decoded(image: Any, name: str) -> UInt8[np.ndarray, "H W C"]:
    """The pixels of an image that is encoded or stored as an array."""
    if isinstance(image, bytes):
        return read_image(io.BytesIO(image), name)
    check_images(pixels := np.asarray(image), name)
    return pixels


def _labels(builder: Any, split: str) -> Int64[np.ndarray, " N"] | None:
    """The label of each image; None unless they are single integers."""
    label: Any = dict(builder.info.features).get("label")
    if getattr(label, "shape", None) != () or not np.issubdtype(label.np_dtype, np.integer):
        return None
    examples = _examples(builder, split)
    starts = range(0, len(examples), _NUM_LABELS)
    with reading(f"The labels in {builder.data_dir} cannot be read", _DAMAGED):
        parts = (examples.__getitems__(range(len(examples))[start : start + _NUM_LABELS]) for start in starts)
        return np.array([example["label"] for part in parts for example in part], np.int64)


def _class_names(value: Any) -> Iterator[str]:
    """The names of classes in a description of features, at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _CLASS_KEYS and isinstance(item, str):
                yield item
            yield from _class_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _class_names(item)


def library() -> Any:
    """TFDS. Raises InputError if it is not installed."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise InputError(
            "TensorFlow Datasets is needed to read prepared data, but it is not installed; run "
            '`pip install ".[data]"` in a checkout of glowjax.'
        ) from error
    return tensorflow_datasets
