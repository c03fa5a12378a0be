"""One image file as an array. No other module of glowjax decodes images.

The decoders are named: Pillow would otherwise choose among all of its own by the content of a file, and the one for EPS
runs a program, Ghostscript.
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
"""Pillow's decoders that may run. That of JPEG also reads MPO, in which phones store a second picture behind a JPEG."""

_READ = "apng bmp dib gif jfif jpe jpeg jpg mpo pbm pgm png pnm ppm tif tiff webp"
_NOT_READ = "avif dng eps exr fits hdr heic heif ico jp2 jxl nef pcx pfm psd raw svg tga"

ENDINGS = frozenset(f".{ending}" for ending in _READ.split())
"""The endings of image files, in lower case."""

OTHER_ENDINGS = frozenset(f".{ending}" for ending in _NOT_READ.split())
"""The endings of image files that glowjax does not read."""

_EXACT = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB"}
"""Pillow's modes that become 8-bit grey or color without loss, if they are opaque and have no 16 bits."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by the orientation in its EXIF data."""


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
    """The image in Pillow's form. All failures to decode it, within the block too, are InputErrors.

    Images of more pixels than Pillow's limit against decompression bombs are refused.
    """
    if isinstance(file, Path):
        check_regular(file)
    what = f"{one_line(name)} cannot be read as an image"
    with reading(what, "expected a complete image file; remove or replace it"):
        _check_sums(file)
        with Image.open(file, formats=FORMATS) as image:
            if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:  # Pillow only warns
                raise InputError(f"{what}: its {image.width:,} x {image.height:,} pixels are more than Pillow's limit.")
            yield image


def _check_sums(file: Path | io.BytesIO) -> None:
    """Fails if a checksum of a PNG is wrong: Pillow leaves that of the last pixels unread."""
    with Image.open(file, formats=FORMATS) as image:
        if image.format == "PNG":
            image.verify()
    if isinstance(file, io.BytesIO):
        file.seek(0)


def _check_single(image: Image.Image, name: object) -> None:
    """Raises InputError if there are several pages or frames, except for the second picture of a phone."""
    count = getattr(image, "n_frames", 1)
    if count > 1 and image.format != "MPO":
        raise InputError(
            f"{one_line(name)} holds {count:,} images (pages or frames); expected one image per file; save each as a "
            "file of its own."
        )


def _opaque(image: Image.Image, name: object) -> Image.Image:
    """The image in mode L or RGB, to which it must convert without loss."""
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

    Pillow says so in its decoder's arguments alone: in the raw mode of a PNG or TIFF, in the largest value of a PPM.
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
