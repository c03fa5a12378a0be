"""Chromium without a window, for tests of pages."""

import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def chromium(*options):
    """What headless Chromium prints."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def measured(page, script, width, *options):
    """The value of a JavaScript expression in the loaded page, in a window of that width.

    The page is copied beside itself for that, with a script at its end.
    """
    copy = page.with_name(f"measured-{page.name}")
    answer = f'<script>document.title = "answer:" + ({script});</script></body>'
    copy.write_text(page.read_text().replace("</body>", answer))
    dumped = chromium(*options, f"--window-size={width},900", "--dump-dom", copy.as_uri())
    copy.unlink()
    return dumped.partition("answer:")[2].partition("<")[0]
