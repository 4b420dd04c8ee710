"""A real browser for tests: headless Chromium, driven by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
)
PATIENCE = 30.0  # seconds for any answer


class Browser:
    """One page of a browser.

    Attributes:
        errors: what the page's console says of errors, with refused loads and broken programs.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self.errors: list[str] = []
        self._commands = commands
        self._answers = answers
        self._buffer = b""
        self._count = 0
        self._session: str | None = None
        self._events: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, file: Path, *, width: int = 1400, height: int = 900, dark: bool = False) -> None:
        """Show a file in a window of that size."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._load(file.absolute().as_uri())

    def run(self, program: str) -> Any:
        """Return what a JavaScript expression comes to."""
        done = self._call("Runtime.evaluate", expression=program, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def text(self, selector: str) -> list[str]:
        """Return the texts of all elements that *selector* finds."""
        found: list[str] = self.run(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)")
        return found

    def type(self, selector: str, text: str) -> None:
        """Replace what is in a field, as if typed."""
        self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select(); }})()")
        self._call("Input.insertText", text=text)
        self.settle()

    def click(self, selector: str) -> None:
        """Click into the middle of the first element that *selector* finds."""
        x, y = self.place(selector)
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)
        self.settle()

    def place(self, selector: str) -> tuple[float, float]:
        """Return the middle of the first element that *selector* finds."""
        box = self.run(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def mouse(self, what: str, x: float, y: float) -> None:
        pressed = 0 if what == "mouseReleased" else 1
        button = "none" if what == "mouseMoved" else "left"
        self._call("Input.dispatchMouseEvent", type=what, x=x, y=y, button=button, buttons=pressed, clickCount=1)

    def screenshot(self) -> bytes:
        """Return what can be seen, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"])

    def colours(self, picture: bytes) -> dict[str, int]:
        """Return how many pixels of a PNG have which colour ("#rrggbb"); leaves the page that is shown."""
        self._load("about:blank")
        found: dict[str, int] = self.run(
            f"""(async () => {{
                const image = new Image();
                image.src = "data:image/png;base64,{base64.b64encode(picture).decode()}";
                await image.decode();
                const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
                context.drawImage(image, 0, 0);
                const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
                const counts = {{}};
                for (const pixel of pixels) counts[pixel] = (counts[pixel] ?? 0) + 1;
                return Object.fromEntries(Object.entries(counts).map(([pixel, count]) => [
                    "#" + [0, 8, 16].map((by) => (pixel >> by & 255).toString(16).padStart(2, "0")).join(""), count]));
            }})()"""
        )
        return found

    def _load(self, url: str) -> None:
        self._events.clear()
        self._call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._events:
            self._receive()
        self.settle()

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._count += 1
        message: dict[str, object] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            answer = self._receive()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        """Return the next message; of events only what matters is kept."""
        latest = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, latest - time.monotonic()))
            assert ready, f"the browser said nothing for {PATIENCE:g} s"
            piece = os.read(self._answers, 1 << 20)
            assert piece, "the browser has ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._events.append(message.get("method", ""))
        match message:
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.errors.append(str(details))
            case {"method": "Runtime.consoleAPICalled", "params": {"type": "error" | "assert", "args": args}}:
                self.errors.append(str(args))
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error" | "warning", "text": text}}}:
                self.errors.append(str(text))
        return message


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile, and end it; without one the test is skipped."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    # DevTools wants the pipes to be 3 and 4 exactly, so they must not be either before.
    (command_in, command_out), (answer_in, answer_out) = _pipe(), _pipe()
    shell = f'exec "$@" 3<&{command_in} 4>&{answer_out} {command_in}<&- {answer_out}>&-'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", program, *FLAGS.split(), f"--user-data-dir={profile}"],
        pass_fds=(command_in, answer_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        os.close(command_in)
        os.close(answer_out)
        yield Browser(command_out, answer_in)
    finally:
        os.close(command_out)  # which ends it
        os.close(answer_in)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _pipe() -> tuple[int, int]:
    low = os.pipe()
    first, second = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return first, second
