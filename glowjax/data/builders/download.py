"""Download one file from the web. Its size must be the published one, and the time is bounded."""

import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from glowjax.checks import InputError
from glowjax.data.foreign import reading

SILENCE = 15.0
"""The download fails if the server sends nothing for this many seconds."""

DEADLINE = 600.0
"""The download fails if it takes longer than this many seconds."""

_CHUNK = 2**16


def download(url: str, file: Path, num_bytes: int) -> None:
    """Write the content of `url`, which must have `num_bytes` bytes, to `file`. A failure leaves no file behind."""
    advice = f"bring {file.name} into {file.parent} by other means and prepare again"
    with (
        reading(f"{url} cannot be downloaded", advice),
        tempfile.TemporaryDirectory(dir=file.parent) as folder,
        (Path(folder) / file.name).open("wb") as target,
    ):
        with _opened(url) as source:
            if source.url.partition(":")[0] != url.partition(":")[0]:
                raise InputError(f"{url} redirects to {source.url}, which is not encrypted; {advice}.")
            received = _copy(source, target, num_bytes)
        if received != num_bytes:
            size = f"{received:,}" if received < num_bytes else "more"
            raise InputError(f"{url} sent {size} bytes; expected {num_bytes:,}; {advice}.")
        target.close()
        Path(target.name).replace(file)


def _opened(url: str) -> Any:
    try:
        return urllib.request.urlopen(url, timeout=SILENCE)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise


def _copy(source: Any, target: Any, num_bytes: int) -> int:
    """Copies to the end, or to just after `num_bytes`. Returns the number of bytes copied."""
    received, start = 0, time.monotonic()
    while received <= num_bytes and (chunk := source.read1(_CHUNK)):
        received += target.write(chunk)
        if time.monotonic() - start > DEADLINE:
            raise TimeoutError(f"{received:,} bytes in {DEADLINE:g} seconds")
    return received
