"""One image file as an array. No other module of glowjax decodes images.

Only the decoders in `FORMATS` may run. Otherwise Pillow would choose among all of its decoders by the content of the
file, and the one for EPS runs an external program, Ghostscript.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageFile

from glowjax.checks import InputError
from glowjax.data.foreign import check_regular, one_line, reading

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The Pillow decoders that may run. JPEG includes MPO, in which phones store a second picture after a JPEG."""

_READ = "apng bmp dib gif jfif jpe jpeg jpg mpo pbm pgm png pnm ppm tif tiff webp"
_NOT_READ = "avif dng eps exr fits hdr heic heif ico jp2 jxl nef pcx pfm psd raw svg tga"

ENDINGS = frozenset(f".{ending}" for ending in _READ.split())
"""The endings of the image files that glowjax reads, in lower case."""

OTHER_ENDINGS = frozenset(f".{ending}" for ending in _NOT_READ.split())
"""The endings of image files that glowjax does not read."""

_EXACT = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB"}
"""The 8-bit mode for each Pillow mode that converts to it without loss, if the image is opaque and not 16-bit."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that turns a picture upright, by the orientation in its EXIF data."""


def read_image(file: Path | io.BytesIO, name: object) -> UInt8[np.ndarray, "H W C"]:
    """The pixels of an 8-bit image in grey levels (C = 1) or RGB, upright as viewers show it.

    Args:
        file: the file, or its open content.
        name: the file's name for error messages.
    """
    with open_image(file, name) as image:
        _check_single(image, name)
        pixels = np.asarray(_upright(_opaque(image, name)))
    return pixels[..., None] if pixels.ndim == 2 else pixels


@contextmanager
def open_image(file: Path | io.BytesIO, name: object) -> Iterator[Image.Image]:
    """Opens an image with Pillow. All errors of decoding, also in the block, become InputErrors.

    Images with more pixels than Pillow's limit against decompression bombs are refused.
    """
    if isinstance(file, Path):
        check_regular(file)
    what = f"{one_line(name)} cannot be read as an image"
    with reading(what, "expected a complete image file; remove or replace it"):
        _check_sums(file)
        with Image.open(file, formats=FORMATS) as image:
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:  # Pillow only warns
                raise InputError(
                    f"{what}: {image.width:,} x {image.height:,} pixels are above Pillow's limit; resize it."
                )
            yield image


def _check_sums(file: Path | io.BytesIO) -> None:
    """Raises an error if a checksum in a PNG is wrong. Pillow does not read the one of the last pixels by itself."""
    with Image.open(file, formats=FORMATS) as image:
        if image.format == "PNG":
            image.verify()
    if isinstance(file, io.BytesIO):
        file.seek(0)


def _check_single(image: Image.Image, name: object) -> None:
    """Raises InputError if the file has several pages or frames, except for the second picture in an MPO."""
    count = getattr(image, "n_frames", 1)
    if count > 1 and image.format != "MPO":
        raise InputError(
            f"{one_line(name)} has {count:,} pages or frames; expected one image per file; save each as its own file."
        )


def _opaque(image: Image.Image, name: object) -> Image.Image:
    """The image in mode L or RGB. Raises InputError if it cannot be converted without loss."""
    mode = f"{image.mode} with 16 bits" if _is_deep(image) else image.mode
    exact = _EXACT.get(mode)
    if exact is None:
        raise InputError(
            f"{one_line(name)} has the Pillow mode {mode}; expected 8-bit grey levels (L) or RGB; convert it."
        )
    if image.has_transparency_data:
        image = image.convert(f"{exact}A")
        if np.asarray(image.getchannel("A")).min() < 255:
            raise InputError(
                f"{one_line(name)} is partly transparent; expected an opaque image; put it on a background."
            )
    return image.convert(exact)


def _is_deep(image: Image.Image) -> bool:
    """Whether an unread file has channels of more than 8 bits, which Pillow would truncate to 8.

    Only the arguments of Pillow's decoder tell: the raw mode of a PNG or TIFF, the largest value of a PPM.
    """
    args = image.tile[0][3] if isinstance(image, ImageFile.ImageFile) and image.tile else ()
    is_raw_deep = re.search(r"'(LA|RGB[AaX]?);16", repr(args)) is not None
    return is_raw_deep or (image.format == "PPM" and isinstance(args, tuple) and args[-1] > 255)


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF data do not make the pixels wrong
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
