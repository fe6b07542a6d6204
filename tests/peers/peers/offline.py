"""Headless Chromium that reaches this machine alone."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from .process import LIMIT

NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"


class Tab:
    """A page, and what it asked for and complained about."""

    def __init__(self, page: Page):
        self.page = page
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(LIMIT * 1000)
        page.on("request", lambda request: self._asked(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self._said(line.type, line.text))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "file") and parts.hostname != "127.0.0.1":
            self.elsewhere.append(url)

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


@contextmanager
def offline():
    """A tab for which there is no internet."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "there is no chromium: Debian's package of that name has it"
    with sync_playwright() as playwright:
        # Its sandbox is not to be had as root, as whom CI runs; the pages are ours.
        args = ["--no-sandbox", NO_NETWORK]
        browser = playwright.chromium.launch(executable_path=chromium, args=args)
        try:
            size = {"width": 1280, "height": 800}
            yield Tab(browser.new_page(viewport=size))
        finally:
            browser.close()
