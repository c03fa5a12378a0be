"""Sets written as TensorFlow Datasets writes them, as array_record, from arrays and without TensorFlow."""

import io

import numpy as np
from PIL import Image


def write(folder, name, splits, version="1.2.0", config=None):
    """A prepared set `name` below `folder`.

    Args:
        folder: the data folder of TFDS.
        name: the name that TFDS gives the set.
        splits: by split, the images [N, H, W, C] and None or the labels [N].
        version: the set's version.
        config: the set's configuration, as "32x32" in "downsampled_imagenet/32x32".
    """
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Image(shape=next(iter(splits.values()))[0].shape[1:])}
    if all(labels is not None for _, labels in splits.values()):
        features["label"] = tfds.features.Scalar(np.int64)

    class Prepared(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=config)] if config else []

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(*arrays) for split, arrays in splits.items()}

        def _generate_examples(self, images, labels):
            for i, image in enumerate(images):
                yield i, {"image": png(image), **({} if labels is None else {"label": labels[i]})}

    Prepared.name = name
    Prepared(data_dir=folder, file_format="array_record").download_and_prepare()


def png(image):
    """An encoded image: TFDS needs TensorFlow to encode an array, and nothing to store a file."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    file.seek(0)
    return file
