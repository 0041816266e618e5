"""A headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--no-first-run", "--mute-audio", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*", "--window-size=1000,900"),
    *("--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream"),
)
SECONDS = 180.0


def required(name: str, programs: Iterable[str]) -> str:
    """The path of a program, or a skip; with ``QATM_REQUIRE_BROWSER=1`` a failure."""
    for program in programs:
        if found := shutil.which(program):
            return found
    reason = f"no {name} here: install one of {', '.join(programs)}"
    if os.environ.get("QATM_REQUIRE_BROWSER") == "1":
        pytest.fail(f"QATM_REQUIRE_BROWSER=1, but there is {reason}")
    pytest.skip(reason)


class Tab:
    """One page of a browser.

    Attributes:
        told: what its console said, newest last.
        asked: the addresses that it asked for.
    """

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=SECONDS)
        self._numbers = itertools.count(1)
        self.told: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Network", "DOM", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the browser and return what it answers."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, method: str | None, event: dict[str, Any]) -> None:
        """Keep what an event tells of the page."""
        if method == "Runtime.consoleAPICalled":
            texts = (str(each.get("value", each.get("description"))) for each in event["args"])
            self.told.append(f"{event['type']}: {' '.join(texts)}")
        elif method == "Runtime.exceptionThrown":
            self.told.append(f"exception: {event['exceptionDetails']}")
        elif method == "Log.entryAdded":
            self.told.append(f"{event['entry']['level']}: {event['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            self.asked.append(event["request"]["url"])

    def run(self, script: str) -> Any:
        """Run a script in the page and return its value, waited for if it is promised."""
        done = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, f"{script}: {done['exceptionDetails']}"
        return done["result"].get("value")

    def wait_for(self, script: str, seconds: float = SECONDS) -> Any:
        """Wait until a script's value is true, and return it."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if value := self.run(script):
                return value
            time.sleep(0.05)
        pytest.fail(f"{script} did not become true in {seconds:g} s; console: {self.told[-10:]}")

    def open(self, address: str) -> None:
        """Load a page."""
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState === 'complete'")

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Choose files in an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag the mouse from a point of the window to another one."""
        middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
        steps = (("mousePressed", begin), ("mouseMoved", middle), ("mouseMoved", end))
        for kind, (x, y) in (*steps, ("mouseReleased", end)):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                buttons=1,
                clickCount=1,
            )

    def screenshot(self, path: Path) -> Path:
        """Save what the page looks like as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        return path

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


@contextmanager
def browser_tab(profile: Path, options: Sequence[str] = ()) -> Iterator[Tab]:
    """A page of a new browser, whose profile goes into a folder."""
    program = required("Chromium", NAMES)
    command = [program, *OPTIONS, *options, f"--user-data-dir={profile}", "about:blank"]
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        browser = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            tab = Tab(_address(profile / "DevToolsActivePort"))
            yield tab
            tab.close()
        finally:
            browser.terminate()
            browser.wait(timeout=20)


def _address(file: Path) -> str:
    """Where the browser's first page listens, as soon as the browser says."""
    import urllib.request

    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        if file.is_file() and len(lines := file.read_text(encoding="ascii").split()) > 1:
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.05)
    pytest.fail(f"the browser did not start within {SECONDS:g} s")
