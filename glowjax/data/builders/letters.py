"""The letters A to J from the fonts on this machine, made as notMNIST was: a similar set without a download.

Glyphs are white on black, stretched to fill their images; there is one image for each letter of each font. The images
are a function of the fonts alone. matplotlib brings two dozen, and each other installed font gives ten more images.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from glowjax.checks import InputError
from glowjax.data import npz
from glowjax.data.image_set import ImageSet

LETTERS = "ABCDEFGHIJ"

_SIZE = 28
_POINTS = 200  # large enough that the grey levels come from the reduction to 28 pixels
_MARGIN = 400  # pixels around a glyph: ornaments reach far beyond its origin


def build(data_dir: Path) -> None:
    """Write the letters of all installed fonts as `letters.npz`; each font is a group."""
    npz.write_archive(data_dir / "letters.npz", render(installed_fonts()))


def bundled_fonts() -> list[Path]:
    """The fonts that come with matplotlib, the same on every machine."""
    return sorted((Path(get_data_path()) / "fonts" / "ttf").glob("*.ttf"))


def installed_fonts() -> list[Path]:
    """The TrueType and OpenType fonts of this machine and of matplotlib, one file for each file name, sorted by it."""
    from matplotlib import font_manager  # its import lists the machine's fonts, which can take seconds

    found = [*map(Path, font_manager.findSystemFonts()), *bundled_fonts()]
    by_name = {file.name: file for file in sorted(found, reverse=True)}
    return [by_name[name] for name in sorted(by_name)]


def render(fonts: Sequence[Path]) -> ImageSet:
    """The letters of `fonts`, sorted by letter as notMNIST is; labels are 0 to 9, and each font is a group.

    Fonts without these letters, such as fonts of symbols, are skipped.
    """
    alphabets = [alphabet for font in fonts if (alphabet := _alphabet(font)) is not None]
    if not alphabets:
        raise InputError(f"None of the {len(fonts)} fonts has the letters {LETTERS}; expected fonts of Latin letters.")
    images = np.stack(alphabets, axis=1).reshape(-1, _SIZE, _SIZE, 1)
    labels = np.repeat(np.arange(len(LETTERS)), len(alphabets))
    groups = np.tile(np.arange(len(alphabets)), len(LETTERS))
    source = f"{len(images):,} images: the letters {LETTERS} of {len(alphabets)} fonts"
    return ImageSet("letters", images, labels, groups, source)


def _alphabet(file: Path) -> UInt8[np.ndarray, "10 28 28"] | None:
    """The letters of one font; None if it lacks one or draws two of them alike."""
    try:
        if not set(map(ord, LETTERS)) <= FT2Font(str(file)).get_charmap().keys():
            return None
        font = ImageFont.truetype(str(file), _POINTS)
        glyphs = [_glyph(font, letter) for letter in LETTERS]
    except (RuntimeError, OSError):  # FreeType cannot read or scale it
        return None
    if any(glyph is None for glyph in glyphs):
        return None
    images = np.stack([np.asarray(glyph) for glyph in glyphs])
    return images if len(np.unique(images, axis=0)) == len(LETTERS) else None


def _glyph(font: ImageFont.FreeTypeFont, letter: str) -> Image.Image | None:
    """A letter, cropped to its ink and stretched to the image's size; None if there is no ink."""
    side = _POINTS + 2 * _MARGIN
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text((_MARGIN, _MARGIN), letter, fill=255, font=font)
    box = canvas.getbbox()
    return canvas.crop(box).resize((_SIZE, _SIZE), Image.Resampling.BOX) if box else None
