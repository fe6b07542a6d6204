"""A page in Chromium without a window, the system's own."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import sync_playwright

from peers.process import LIMIT


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>peers</title>")

    def log_message(self, *_):
        pass


@contextmanager
def page():
    """An empty page of an origin of its own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "there is no chromium"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as playwright:
            # A sandbox is more than containers and root have.
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            try:
                tab = browser.new_page()
                tab.set_default_timeout(LIMIT * 1_000)
                tab.goto(f"http://127.0.0.1:{server.server_port}/")
                yield tab
            finally:
                browser.close()
    finally:
        server.shutdown()
        server.server_close()
