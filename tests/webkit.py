"""WebKit, Safari's engine, driven by WebDriver (W3C); Playwright has it for few systems, Debian has it for all.

`MISSING` says what is not installed. Everything waits for at most WAIT_SECONDS.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.serving import free_port

WAIT_SECONDS = 20
ENTER = "\ue007"
# The key of an element in WebDriver's JSON.
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_DRIVER, _SCREEN = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
_BROWSER = next(iter(sorted(glob.glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser"))), None)
MISSING = (
    "WebKitWebDriver is not installed (apt-get install webkit2gtk-driver)"
    if _DRIVER is None or _BROWSER is None
    else "Xvfb is not installed (apt-get install xvfb)"
    if _SCREEN is None
    else None
)


class WebKit:
    """A window of the browser."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client = client
        self._session = session

    def go(self, url: str) -> None:
        """Shows an address and waits until it is loaded."""
        self._call("url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self._call("execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """The visible text of the first element, once there is one."""
        return str(self._call(f"element/{self._find(selector)}/text"))

    def click(self, selector: str) -> None:
        self._call(f"element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Types into a field, after what is in it."""
        self._call(f"element/{self._find(selector)}/value", {"text": text})

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Waits until the condition holds; the AssertionError says `what` was missing, and what the page shows."""
        until = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"{what}: {self.run('return document.body.innerText')[:2000]}")
            time.sleep(0.1)

    def wait_for(self, selector: str) -> None:
        self.wait(lambda: self.run("return document.querySelector(arguments[0])", selector), selector)

    def _find(self, selector: str) -> str:
        self.wait_for(selector)
        found: dict[str, str] = self._call("element", {"using": "css selector", "value": selector})
        return found[_ELEMENT]

    def _call(self, command: str, body: dict[str, Any] | None = None) -> Any:
        path = f"/session/{self._session}/{command}"
        answer = self._client.get(path) if body is None else self._client.post(path, json=body)
        value = answer.json()["value"]
        assert answer.status_code == 200, f"{command}: {value}"
        return value


@contextmanager
def webkit(directory: Path) -> Iterator[WebKit]:
    """A window on a screen of its own; `directory` is for its files."""
    assert _DRIVER is not None
    assert _SCREEN is not None
    port, display = free_port(), f":{free_port()}"
    screen = subprocess.Popen(
        [_SCREEN, display, "-screen", "0", "1280x900x24", "-nolisten", "tcp"], stderr=subprocess.DEVNULL
    )
    environ = os.environ | {"DISPLAY": display, "HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
    # Without a graphics card, and as root in CI, where its sandbox does not start.
    environ |= {"LIBGL_ALWAYS_SOFTWARE": "1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
    driver = subprocess.Popen([_DRIVER, f"--port={port}"], env=environ, stderr=subprocess.DEVNULL)
    options = {"binary": _BROWSER, "args": ["--automation"]}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS * 2) as client:
            _wait_for(client)
            made = client.post(
                "/session", json={"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
            )
            assert made.status_code == 200, made.text
            session = made.json()["value"]["sessionId"]
            try:
                yield WebKit(client, session)
            finally:
                client.delete(f"/session/{session}")
    finally:
        for process in (driver, screen):
            process.terminate()
            process.wait()


def _wait_for(client: httpx.Client) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            client.get("/status").raise_for_status()
            return
        except httpx.HTTPError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
