"""A real browser for tests: Chromium without a window, spoken to over a pipe in its own protocol. Nothing but the browser is needed.

`CHROMIUM` may name it; else the usual names are looked for. Where there is none, `found()` is None and tests say why they are skipped.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 120.0  # seconds for one answer


def found() -> str | None:
    """The browser's path, or None where there is none."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of a browser. `errors` are what its console and its scripts complained of, `requests` the addresses that it asked for."""

    def __init__(self, path: str) -> None:
        self.profile = tempfile.mkdtemp(prefix="headwork-browser-")
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.count = 0
        self.pending = b""
        theirs, self.write = os.pipe()
        self.read, answers = os.pipe()
        to_read, to_write = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs, answers))  # so that neither is 3 or 4
        os.close(theirs)
        os.close(answers)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]
        quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", f"--user-data-dir={self.profile}"]
        command = f'exec 3<&{to_read} 4>&{to_write}; exec "$0" "$@"'  # the browser reads commands from 3 and answers on 4
        self.process = subprocess.Popen(
            ["bash", "-c", command, path, *flags, *quiet, "--remote-debugging-pipe", "about:blank"],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self.session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        os.close(self.write)
        os.close(self.read)
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command and its answer; what happens meanwhile is noted."""
        self.count += 1
        number = self.count
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.read], [], [], PATIENCE)
            assert ready, f"the browser said nothing for {PATIENCE:g} seconds"
            chunk = os.read(self.read, 1 << 20)
            assert chunk, "the browser ended"
            self.pending += chunk
        text, _, self.pending = self.pending.partition(b"\0")
        event = json.loads(text)
        match event.get("method"):
            case "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled" if event["params"]["type"] in ("error", "warning", "assert"):
                self.errors.append(str([arg.get("value", arg.get("description")) for arg in event["params"]["args"]]))
            case "Log.entryAdded" if event["params"]["entry"]["level"] in ("error", "warning"):
                self.errors.append(event["params"]["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            case _:
                pass
        return event

    def run(self, script: str) -> Any:
        """The value of a script's expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"].get("exception", {}).get("description", answer["exceptionDetails"]["text"]))
        return answer["result"].get("value")

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a file at a window's size and colour scheme, and wait until the page has computed."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.readyState === 'complete' && (window.headwork !== undefined || !document.getElementById('failed').hidden)")

    def wait(self, condition: str) -> None:
        """Wait until a condition holds."""
        until = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < until, f"never came to be: {condition}; {self.errors}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, where the user would."""
        script = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center', inline: 'center'}});"
        )
        x, y = self.run(script + "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()")
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="none" if kind == "mouseMoved" else "left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key, such as Tab, Enter or ArrowDown."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=codes[key], **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=codes[key])

    def type(self, selector: str, text: str) -> None:
        """Put text into a field as if it was typed."""
        self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select(); }})()")
        self.call("Input.insertText", text=text)

    def picture(self, path: Path, whole: bool = False) -> None:
        """A screenshot, of the whole page or of the window."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser. Only where `found()` says that there is one."""
    path = found()
    assert path is not None
    with Browser(path) as one:
        yield one
