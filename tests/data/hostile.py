"""Files as strangers, accidents and other programs make them. Each table is `{what: (how to make it, the refusal)}`."""

import io
import os
import socket
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

GREY = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
NOISE = np.random.default_rng(1).integers(0, 256, (30, 30), dtype=np.uint8)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


def encoded(pixels, form="PNG", **options):
    Image.fromarray(pixels).save(file := io.BytesIO(), form, **options)
    return file.getvalue()


def pages(form):
    """Three color images in one file."""
    first, *others = (Image.fromarray(np.dstack([GREY + 60 * shift] * 3)) for shift in range(3))
    first.save(file := io.BytesIO(), form, save_all=True, append_images=others)
    return file.getvalue()


def flipped(data, place):
    """The same bytes with one other bit, at `place` from the end."""
    return data[:-place] + bytes([data[-place] ^ 1]) + data[-place + 1 :]


def png(width, height, bits=8, color=0, rows=b""):
    """A PNG with that header, whatever its rows are."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def content(data):
    return lambda file: file.write_bytes(data)


def socket_at(file):
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(".", os.O_RDONLY)  # the path of a socket may have 107 bytes only
        os.chdir(file.parent)
        server.bind(file.name)
        os.fchdir(here)
        os.close(here)


UNREADABLE, IRREGULAR = "cannot be read as an image", "expected a regular file"

IMAGES = {
    "EPS": (content(EPS), UNREADABLE),
    "SVG": (content(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), UNREADABLE),
    "empty": (content(b""), UNREADABLE),
    "cut in its header": (content(encoded(GREY)[:20]), UNREADABLE),
    "cut in its pixels": (content(encoded(NOISE)[:-100]), UNREADABLE),
    "cut behind its pixels": (content(encoded(NOISE)[:-20]), UNREADABLE),
    "flipped bit": (content(flipped(encoded(np.repeat(NOISE[:, :10], 3, axis=1)), 32)), UNREADABLE),
    "0 x 0": (content(png(0, 0)), UNREADABLE),
    "larger than Pillow warns of": (content(png(10_000, 9_000)), "above Pillow's limit"),
    "larger than Pillow allows": (content(png(100_000, 100_000)), UNREADABLE),
    "wider than memory": (content(png(2**31 - 1, 1)), UNREADABLE),
    "16 bits, grey": (content(encoded(GREY.astype(np.uint16))), "has the Pillow mode I;16; expected 8-bit grey"),
    "16 bits, grey with alpha": (content(png(4, 4, 16, 4, bytes(68))), "with 16 bits; expected 8-bit"),
    "16 bits, RGB": (content(png(4, 4, 16, 2, bytes(100))), "has the Pillow mode RGB with 16 bits; expected 8-bit"),
    "16 bits, RGBA": (content(png(4, 4, 16, 6, bytes(132))), "has the Pillow mode RGBA with 16 bits; expected"),
    "16 bits, PPM": (content(b"P6 4 4 65535\n" + bytes(96)), "has the Pillow mode RGB with 16 bits; expected 8-bit"),
    "CMYK": (lambda file: Image.new("CMYK", (4, 4)).save(file, "JPEG"), "has the Pillow mode CMYK; expected 8-bit"),
    "transparent pixel": (content(encoded(np.full((4, 4, 4), 254, np.uint8))), "is partly transparent"),
    "transparent color": (content(encoded(GREY, transparency=int(GREY[0, 0]))), "is partly transparent"),
    "stack of pages": (content(pages("TIFF")), "has 3 pages or frames"),
    "animated GIF": (content(pages("GIF")), "has 3 pages or frames"),
    "animated PNG": (content(pages("PNG")), "has 3 pages or frames"),
    "animated WebP": (content(pages("WEBP")), "has 3 pages or frames"),
    "folder": (lambda file: file.mkdir(), IRREGULAR),
    "pipe": (os.mkfifo, IRREGULAR),
    "socket": (socket_at, IRREGULAR),
    "device": (lambda file: file.symlink_to("/dev/zero"), IRREGULAR),
    "link to nothing": (lambda file: file.symlink_to("/nonexistent"), IRREGULAR),
    "link to itself": (lambda file: file.symlink_to(file.name), IRREGULAR),
}
"""Files with the name of an image file."""


def header(shape, dtype="|u1", more=b""):
    """The header of a .npy file, and `more`."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + more


def archive(image, method=zipfile.ZIP_DEFLATED, zeros=0, **others):
    """An archive with the member `image.npy` and others; `zeros` of its bytes are overwritten."""
    with zipfile.ZipFile(file := io.BytesIO(), "w", method) as target:
        for key, data in {"image": image, **others}.items():
            target.writestr(f"{key}.npy", data)
    whole = file.getvalue()
    return content(whole[:90] + bytes(zeros) + whole[90 + zeros :])


def nameless(file):
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("image", b"hello")


def bomb(num_bytes):
    """An archive whose directory and header say that its array has `num_bytes`."""
    start = header((num_bytes, 1, 1, 1))
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("image.npy", start + bytes(10**6))
        target.filelist[0].file_size = len(start) + num_bytes
    return content(whole.getvalue())


ARRAY = header((9, 4, 4, 1), more=bytes(range(144)))
NOT_ARCHIVE = "cannot be read as a NumPy archive"

ARCHIVES = {
    "raw bytes as image": (archive(b"hello"), NOT_ARCHIVE),
    "raw bytes as label": (archive(ARRAY, label=b"\x89PNG"), NOT_ARCHIVE),
    "member without .npy": (nameless, r"has the keys \[\] and no 'image'"),
    "2**40 images": (archive(header((2**40, 8, 8, 1), more=bytes(9))), "9 bytes for an array of 70,368,744,177"),
    "2**70 images": (archive(header((2**70, 1, 1, 1))), "0 bytes for an array of 1,180,591,620,717"),
    "-1 images": (archive(header((-1, 8, 8, 1), more=bytes(64))), "64 bytes for an array of -64"),
    "fewer images than bytes": (archive(header((2, 4, 4, 1), more=bytes(99))), "99 bytes for an array of 32"),
    "65 axes": (archive(header((1,) * 65, more=b"0")), NOT_ARCHIVE),
    "value of 2 GB": (archive(header((1, 1, 1, 1), "|V2000000000")), "0 bytes for an array of 2,000,000,000"),
    "Python objects": (archive(header((1,), "|O", b"cos\nsystem\n")), "Object arrays cannot be loaded"),
    "nested header": (archive(b"\x93NUMPY\1\0\x60\xea" + b"(" * 60_000), NOT_ARCHIVE),
    "header that calls": (archive(ARRAY.replace(b"(9, 4, 4, 1)", b"(exit(9),4,1")), NOT_ARCHIVE),
    "unknown version": (archive(ARRAY[:6] + b"\x09\x09" + ARRAY[8:]), NOT_ARCHIVE),
    "damaged LZMA": (archive(ARRAY, zipfile.ZIP_LZMA, zeros=20), NOT_ARCHIVE),
    "damaged bzip2": (archive(ARRAY, zipfile.ZIP_BZIP2, zeros=20), NOT_ARCHIVE),
    "bomb of 10 GB": (bomb(10 * 2**30), "would expand from .* bytes to 10,737,418"),
    "bomb of 8 EB": (bomb(2**63 - 2**20), "would expand from"),
}
"""Archives under the name of a set."""
