"""Files of strangers: archives, images, and the names of data sets."""

import functools
import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.faults.row import Lab, Trial, row, trial

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
NUM_DAMAGED = 500

Make = Callable[[Path], object]
"""Writes a file or a folder of images at a path."""


def npy(array: object) -> bytes:
    """An array as NumPy stores it; objects are pickled."""
    np.save(file := io.BytesIO(), np.asarray(array), allow_pickle=True)
    return file.getvalue()


def header(
    shape: str = "(60, 8, 8, 1)", kind: str = "'|u1'", whole: str = "", version: tuple[int, int] = (1, 0)
) -> bytes:
    """The header of an array, however odd."""
    text = whole or f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}"
    encoded = text.encode("latin1") + b" \n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(encoded)) + encoded


def archive(**members: bytes) -> Make:
    """An .npz archive of these members."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(f"{name}.npy", content)

    return write


def png(width: int, height: int) -> bytes:
    """A PNG that claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    about = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(min((width + 1) * height, 10**6)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", about) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _bomb(path: Path) -> None:
    """10 GB of zeros in 47 MB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("image.npy", "w", force_zip64=True) as member,
    ):
        member.write(header(f"({10 * 2**20}, 32, 32, 1)"))
        for _ in range(160):
            member.write(bytes(2**26))


def _archives(trap: object) -> dict[str, Make]:
    good, objects = npy(IMAGES), npy(np.array([trap], object))
    return {
        "a pickled object as images": archive(image=objects),
        "a pickled object as labels": archive(image=good, label=objects),
        "a pickle": lambda path: path.write_bytes(pickle.dumps(trap)),
        "an array of objects": lambda path: path.write_bytes(objects),
        "bytes for images": archive(image=b"hello"),
        "bytes for labels": archive(image=good, label=b"hello"),
        "a shape of 2**40": archive(image=header("(1099511627776, 8, 8, 1)") + bytes(100)),
        "a shape of 2**62": archive(image=header("(4611686018427387904, 4, 1, 1)") + bytes(100)),
        "a shape of 2**70": archive(image=header("(1180591620717411303424, 1, 1, 1)") + bytes(100)),
        "a negative shape": archive(image=header("(-1, 8, 8, 1)") + bytes(100)),
        "a shape of fractions": archive(image=header("(1.5, 8, 8, 1)") + bytes(100)),
        "a shape of 65 axes": archive(image=header("(" + "1," * 65 + ")") + bytes(1)),
        "fewer values than the shape says": archive(image=header() + bytes(100)),
        "a header that calls a function": archive(image=header(whole="__import__('os').system('touch x')")),
        "a header of 60,000 brackets": archive(image=header(whole="(" * 60000)),
        "a header of 100 MB": archive(image=header("(60, 8, 8, 1)" + " " * 10**8, version=(2, 0)) + bytes(3840)),
        "version 9.9 of the format": archive(image=header(version=(9, 9)) + bytes(3840)),
        "a type of 2 GB a value": archive(image=header("(1, 1, 1, 1)", "'|V2000000000'") + bytes(9)),
        "a type that is none": archive(image=header(kind="'zzz'") + bytes(3840)),
        "fields": archive(image=header(kind="[('a', '|u1')]") + bytes(3840)),
        "numbers of 16 bits": archive(image=npy(IMAGES.astype(np.uint16))),
        "complex numbers": archive(image=npy(IMAGES.astype(complex))),
        "words": archive(image=npy(np.full((2, 2, 2, 1), "x"))),
        "10 GB of zeros in 47 MB": _bomb,
        "nothing": lambda path: path.write_bytes(b""),
        "an empty archive": archive(),
        "a pipe": os.mkfifo,
        "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a folder": lambda path: path.mkdir(),
    }


@row("Crafted .npz archives: pickles, shapes of 2**70, bombs, pipes", "one sentence; nothing is run; no hang")
def archives(lab: Lab) -> Iterator[Trial]:
    """Loads each archive, and a good one with random damages, which must be refused or give the same images."""
    from benchmarks.faults.sandbox import Trap, outcome
    from glowjax.checks import InputError
    from glowjax.data import load

    trap = Trap(lab.folder)
    data = lab.path("data")
    data.mkdir()
    for n, (name, make) in enumerate(_archives(trap).items()):
        make(data / f"set{n}_test.npz")
        said = outcome(functools.partial(load, f"set{n}", "test", data))
        yield trial(name, {"refused": said.startswith("refused: "), "nothing is run": trap.is_set()}, said[:300])
    archive(image=npy(IMAGES))(data / "good_test.npz")
    whole = (data / "good_test.npz").read_bytes()
    for _ in range(NUM_DAMAGED * lab.repeats):
        content = bytearray(whole)
        for _ in range(3):
            content[lab.random.randrange(len(content))] = lab.random.randrange(256)
        (data / "good_test.npz").write_bytes(content)
        try:
            said = "the same" if np.array_equal(load("good", "test", data).images, IMAGES) else "other images"
        except InputError:
            said = "refused"
        except Exception as error:
            said = f"{type(error).__name__}: {error}"[:200]
        yield trial("three random bytes", {"the same images, or refused": said in ("the same", "refused")}, said)


FILES: dict[str, Make] = {
    "EPS": lambda path: path.write_bytes(EPS),
    "SVG": lambda path: path.write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "nothing": lambda path: path.write_bytes(b""),
    "half a header": lambda path: path.write_bytes(png(8, 8)[:20]),
    "100,000 x 100,000 pixels": lambda path: path.write_bytes(png(100_000, 100_000)),
    "13,000 x 13,000 pixels": lambda path: path.write_bytes(png(13_000, 13_000)),
    "2**31 pixels in a row": lambda path: path.write_bytes(png(2**31 - 1, 1)),
    "0 x 0 pixels": lambda path: path.write_bytes(png(0, 0)),
    "a pipe": os.mkfifo,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to nowhere": lambda path: path.symlink_to("/nonexistent"),
    "a folder": lambda path: path.mkdir(),
}
"""What lies under the name `a.png` in a folder of images."""


@row("Files named .png: EPS (which runs Ghostscript), bombs, pipes", "one sentence; nothing is run; no hang")
def images(lab: Lab) -> Iterator[Trial]:
    """Loads a folder with each of these files."""
    from benchmarks.faults.sandbox import Trap, outcome
    from glowjax.data import load

    trap = Trap(lab.folder)
    for n, (name, make) in enumerate(FILES.items()):
        folder = lab.folder / f"set{n}" / "test"
        folder.mkdir(parents=True)
        make(folder / "a.png")
        said = outcome(functools.partial(load, f"set{n}", "test", lab.folder))
        yield trial(name, {"refused": said.startswith("refused: "), "nothing is run": trap.is_set()}, said[:300])


SETS = (
    *("../../etc/passwd", "..", ".", "/etc", "/etc/passwd", "/dev/zero", "/proc/self/mem", "a\0b", "x" * 5000, "~root"),
    *("~nobody_such/x", "%s%n", "mnist; touch sprung", "$(touch sprung)", "`touch sprung`", "*", "[", "a\nb", "\ud800"),
    *("mnist/../mnist", "", ":", "a:", ":b", "mnist:../../etc", "mnist:test:test", "letters:train/../x", "${HOME}"),
    *(
        "https://example.com/x.npz",
        "file:///etc/passwd",
        "rotated-1e999",
        "rotated-nan",
        "contrast-nan",
        "contrast-0x1p-1",
    ),
)
"""Names of data sets."""


@row("Names of data sets: paths, zeros, commands, lone surrogates", "a set, or one sentence; nothing is run")
def set_names(lab: Lab) -> Iterator[Trial]:
    """Resolves each name."""
    from benchmarks.faults.sandbox import Trap, outcome
    from glowjax.data import ImageSet, resolve

    trap = Trap(lab.folder)
    os.chdir(lab.folder)
    for name in SETS:
        said = outcome(functools.partial(resolve, name, ImageSet("like", IMAGES), lab.shared / "data"))
        claims = {"a set or a sentence": said.startswith(("refused: ", "accepted")), "nothing is run": trap.is_set()}
        yield trial(ascii(name)[:60], claims, said[:300])
