"""Data sets to prepare or prepared by others: archives, lists, and folders of TensorFlow Datasets."""

import functools
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.hostile import EPS, Make, png
from benchmarks.faults.row import Lab, Trial, row, trial

Member = tuple[str, bytes, bytes | str]
"""A name, a type of `tarfile`, and a content or the target of a link."""


def tar(*members: Member, compression: str = "gz") -> bytes:
    """An archive of these members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as opened:  # type: ignore[call-overload]
        for name, kind, content in members:
            about = tarfile.TarInfo(name)
            about.type = kind
            if isinstance(content, bytes):
                about.size = len(content)
                opened.addfile(about, io.BytesIO(content))
            else:
                about.linkname = content
                opened.addfile(about)
    return file.getvalue()


def _member(content: bytes, name: str = "notMNIST_small/A/a.png") -> Member:
    return name, tarfile.REGTYPE, content


GOOD = _member(png(28, 28))
TARS = {
    "other images": tar(GOOD),
    "names that lead outside": tar(_member(png(8, 8), "../../A/evil.png"), _member(png(8, 8), "/etc/A/evil.png")),
    "a link to nowhere": tar(GOOD, ("n/A/b.png", tarfile.SYMTYPE, "nowhere.png")),
    "a link to /etc/passwd": tar(GOOD, ("n/A/b.png", tarfile.SYMTYPE, "/etc/passwd")),
    "a hard link to nowhere": tar(GOOD, ("n/A/b.png", tarfile.LNKTYPE, "nowhere.png")),
    "a link to itself": tar(GOOD, ("n/A/b.png", tarfile.SYMTYPE, "b.png")),
    "two links in a circle": tar(("A/b.png", tarfile.SYMTYPE, "c.png"), ("A/c.png", tarfile.SYMTYPE, "b.png")),
    "a pipe and a device": tar(("A/b.png", tarfile.FIFOTYPE, ""), ("A/c.png", tarfile.CHRTYPE, "")),
    "100,000 x 100,000 pixels": tar(_member(png(100_000, 100_000))),
    "EPS named .png": tar(_member(EPS)),
    "no archive": b"hello",
    "an archive that is cut": tar(GOOD)[:-30],
    "nothing": b"",
    "an empty archive": tar(),
    "another compression": tar(GOOD, compression="xz"),
}
"""Contents of notMNIST's archive."""

LISTS = {
    "one word in a line": "a.jpg\n",
    "three words in a line": "a.jpg 0 1\n",
    "a number that is none": "a.jpg x\n",
    "a split 7": "a.jpg 7\n",
    "a name that leads outside": "../../../a.jpg 0\n",
    "/etc/passwd": "/etc/passwd 0\n",
    "a photograph that is missing": "b.jpg 0\n",
    "bytes that are not UTF-8": "\udcff\udcfe\n",
    "EPS named .jpg": "eps.jpg 0\neps.jpg 1\neps.jpg 2\n",
    "100,000 x 100,000 pixels": "large.jpg 0\nlarge.jpg 1\nlarge.jpg 2\n",
}
"""Contents of CelebA's list of photographs."""


@row("Archives to prepare data sets from: links, devices, EPS, bombs", "one sentence; nothing run or written outside")
def prepared_archives(lab: Lab) -> Iterator[Trial]:
    """Prepares notMNIST and CelebA from each archive, as if it had replaced the official one."""
    from benchmarks.faults.sandbox import Trap, outcome
    from glowjax.data import prepare

    trap = Trap(lab.folder)

    def tried(name: str, kind: str, write: Make) -> Trial:
        folder = lab.path("prepared") / "data"
        folder.mkdir(parents=True)
        write(folder)
        around = sorted(path.name for path in lab.folder.iterdir())
        said = outcome(lambda: prepare(kind, folder))
        claims = {
            "refused": said.startswith("refused: "),
            "nothing is run": trap.is_set(),
            "nothing is written outside": around == sorted(path.name for path in lab.folder.iterdir()),
        }
        return trial(name, claims, said[:300])

    for name, content in TARS.items():

        def put(folder: Path, content: bytes = content) -> None:
            (folder / "notMNIST_small.tar.gz").write_bytes(content)

        yield tried(f"notMNIST: {name}", "notmnist_small", put)
    for name, lines in LISTS.items():
        yield tried(f"CelebA: {name}", "celeba32", functools.partial(_celeba, lines=lines))


def _celeba(folder: Path, lines: str) -> None:
    (folder / "list_eval_partition.txt").write_bytes(lines.encode(errors="surrogateescape"))
    (folder / "img_align_celeba").mkdir()
    for name, content in {"a.jpg": png(178, 218), "eps.jpg": EPS, "large.jpg": png(100_000, 100_000)}.items():
        (folder / "img_align_celeba" / name).write_bytes(content)


FEATURES = {"pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict"}
IMAGE = {
    "pythonClassName": "tensorflow_datasets.core.features.image_feature.Image",
    "image": {"shape": {"dimensions": ["8", "8", "1"]}, "dtype": "uint8", "encodingFormat": "png"},
}
SPLIT = {
    "name": "test",
    "shardLengths": ["1"],
    "numBytes": "1",
    "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
}
INFO = {"name": "evil", "version": "1.0.0", "fileFormat": "array_record", "splits": [SPLIT]}
WITH_IMAGE = {**FEATURES, "featuresDict": {"features": {"image": IMAGE}}}
PREPARED: dict[str, tuple[object, object]] = {
    "a class of a module beside": ({"pythonClassName": "trap_module.Evil"}, INFO),
    "a class that is none": ({"pythonClassName": "os.path.Nope"}, INFO),
    "no JSON": ("{", INFO),
    "a list": ([1], INFO),
    "null": (None, INFO),
    "no features": ({**FEATURES, "featuresDict": {"features": {}}}, INFO),
    "no facts": (WITH_IMAGE, {}),
    "facts that are no JSON": (WITH_IMAGE, "{"),
    "no files": (WITH_IMAGE, INFO),
    "files that lead outside": (WITH_IMAGE, {**INFO, "splits": [{**SPLIT, "filepathTemplate": "../../etc/passwd"}]}),
    "10**12 images": (WITH_IMAGE, {**INFO, "splits": [{**SPLIT, "shardLengths": ["999999999999"]}]}),
}
"""The two JSON files of a prepared data set."""


@row("Folders that claim to be of TensorFlow Datasets", "one sentence; no module that they name is imported")
def prepared_sets(lab: Lab) -> Iterator[Trial]:
    """Loads each data set."""
    from benchmarks.faults.sandbox import Trap, outcome
    from glowjax.data import load

    trap = Trap(lab.folder)
    for name, contents in PREPARED.items():
        data = lab.path("data")
        version = data / "evil" / "1.0.0"
        version.mkdir(parents=True)
        for file, content in zip(("features.json", "dataset_info.json"), contents, strict=True):
            (version / file).write_text(content if isinstance(content, str) else json.dumps(content))
        said = outcome(functools.partial(load, "evil", "test", data))
        yield trial(name, {"refused": said.startswith("refused: "), "nothing is run": trap.is_set()}, said[:300])
