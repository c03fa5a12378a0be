"""Changes of geometry, resolution and file format. Images are [N, H, W, C] with levels from 0 to 1."""

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from glowjax.data.generated.noises import Generators, Levels


def elastic_transform(
    images: Levels, generators: Generators, height: float, deviation: float, corners: float
) -> Levels:
    """The images under a random affine map and random local shifts.

    The map moves three points around the center by up to `corners`. The shifts are uniform noise, smoothed with a
    normal density of standard deviation `deviation`, times `height`. All three are shares of the shorter side.
    """
    side = min(images.shape[1:3])
    scales = side * height, side * deviation, side * corners
    return np.stack([_warped(image, generator, *scales) for image, generator in zip(images, generators, strict=True)])


def _warped(
    image: Float[np.ndarray, "H W C"],
    generator: np.random.Generator,
    height: float,
    deviation: float,
    corners: float,
) -> Float[np.ndarray, "H W C"]:
    from scipy import ndimage  # its import takes a quarter of a second

    shape = image.shape[:2]
    center, reach = np.array(shape) // 2, min(shape) // 3
    points = center + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + generator.uniform(-corners, corners, points.shape)
    back = np.linalg.solve(np.c_[moved, np.ones(3)], points)  # [3, 2] from a place after the map to the one before
    shifts = generator.uniform(-1, 1, (2, *shape))
    shifts = height * ndimage.gaussian_filter(shifts, deviation, truncate=3, axes=(1, 2))
    places = (np.indices(shape) + shifts).reshape(2, -1).T @ back[:2] + back[2]
    channels = [
        ndimage.map_coordinates(channel, places.T, order=1, mode="mirror") for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, axis=-1).reshape(image.shape)


def pixelate(images: Levels, _: Generators, scale: float) -> Levels:
    """The images reduced to `scale` of their size and enlarged again, both with a box filter."""
    height, width = images.shape[1:3]
    small = max(1, int(width * scale)), max(1, int(height * scale))

    def reduced(channel: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
        image = Image.fromarray(channel).resize(small, Image.Resampling.BOX)
        return np.asarray(image.resize((width, height), Image.Resampling.BOX))

    channels = np.moveaxis(_bytes(images), -1, 1)
    found = np.array([[reduced(np.ascontiguousarray(channel)) for channel in image] for image in channels])
    return np.moveaxis(found, 1, -1) / 255


def jpeg_compression(images: Levels, _: Generators, quality: int) -> Levels:
    """The images after compression as JPEG with Pillow at this quality, from 1 to 95."""

    def compressed(image: UInt8[np.ndarray, "H W C"]) -> UInt8[np.ndarray, "H W C"]:
        file = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file)).reshape(image.shape)

    return np.stack([compressed(image) for image in _bytes(images)]) / 255


def _bytes(images: Levels) -> UInt8[np.ndarray, "N H W C"]:
    return np.rint(255 * images).astype(np.uint8)
