"""The letters A to J from the fonts on this machine, made as notMNIST was: a set of that kind without a download.

White on black, each glyph stretched to fill its image; one image for each letter of each font. The images are a
function of the fonts alone: matplotlib brings two dozen, and every further font installed gives ten more images.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from glowjax.checks import InputError
from glowjax.data import npz
from glowjax.data.image_set import ImageSet

NAME = "letters"
LETTERS = "ABCDEFGHIJ"

_SIZE = 28
_POINTS = 200  # large enough that the reduction to 28 pixels is what sets the grey levels
_MARGIN = 400  # pixels around a glyph: ornaments reach far beyond its origin


def prepare(data_dir: Path) -> Path:
    """Write the letters of all installed fonts as `letters.npz`; each font is a group."""
    return npz.write_archive(data_dir / f"{NAME}.npz", render(installed_fonts()))


def bundled_fonts() -> list[Path]:
    """The fonts that come with matplotlib, the same on every machine."""
    return sorted((Path(get_data_path()) / "fonts" / "ttf").glob("*.ttf"))


def installed_fonts() -> list[Path]:
    """Every TrueType and OpenType font of this machine, matplotlib's included, one file of each name, sorted by it."""
    from matplotlib import font_manager  # its import lists the machine's fonts, which can take seconds

    found = [*map(Path, font_manager.findSystemFonts()), *bundled_fonts()]
    by_name = {file.name: file for file in sorted(found, reverse=True)}
    return [by_name[name] for name in sorted(by_name)]


def render(fonts: Sequence[Path]) -> ImageSet:
    """The letters of `fonts`, sorted by letter as notMNIST is; labels 0 to 9, one group a font.

    A font without letters of its own, such as one of symbols, is passed over.

    Raises:
        InputError: none of the fonts has the letters.
    """
    alphabets = [alphabet for font in fonts if (alphabet := _alphabet(font)) is not None]
    if not alphabets:
        raise InputError(f"None of the {len(fonts)} fonts has the letters {LETTERS}; expected fonts of Latin letters.")
    images = np.stack(alphabets, axis=1).reshape(-1, _SIZE, _SIZE, 1)
    labels = np.repeat(np.arange(len(LETTERS)), len(alphabets))
    groups = np.tile(np.arange(len(alphabets)), len(LETTERS))
    source = f"{len(images):,} images: the letters {LETTERS} of {len(alphabets)} fonts"
    return ImageSet(NAME, images, labels, groups, source)


def _alphabet(file: Path) -> np.ndarray | None:
    """[10, 28, 28] uint8, the letters of one font; None where it lacks one or draws two alike."""
    try:
        if not set(map(ord, LETTERS)) <= FT2Font(str(file)).get_charmap().keys():
            return None
        font = ImageFont.truetype(str(file), _POINTS)
        glyphs = [_glyph(font, letter) for letter in LETTERS]
    except (RuntimeError, OSError):  # not a font that FreeType reads or can scale
        return None
    if any(glyph is None for glyph in glyphs):
        return None
    images = np.stack([np.asarray(glyph) for glyph in glyphs])
    return images if len(np.unique(images, axis=0)) == len(LETTERS) else None


def _glyph(font: ImageFont.FreeTypeFont, letter: str) -> Image.Image | None:
    """A letter cut out along its ink and stretched to the image's size; None where there is no ink."""
    side = _POINTS + 2 * _MARGIN
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text((_MARGIN, _MARGIN), letter, fill=255, font=font)
    box = canvas.getbbox()
    return canvas.crop(box).resize((_SIZE, _SIZE), Image.Resampling.BOX) if box else None
