"""A real headless Chromium, spoken to by the DevTools protocol over two pipes: no driver, no port, nothing else to install.

The protocol is https://chromedevtools.github.io/devtools-protocol/; ``--remote-debugging-pipe`` makes the browser read JSON
documents that end in a NUL byte from its file descriptor 3 and write such to 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
LAUNCH = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
"""Two pipes where the browser looks for them; its shell wrapper keeps them open."""
ABOVE = 10
"""Descriptors from here on are not in the way of 3 and 4."""
ANSWER_S = 30.0
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "Space": 32}
"""Name -> virtual key code, as Input.dispatchKeyEvent wants it."""
TEXT = {"Enter": "\r", "Space": " "}
QUIET = {"log", "debug", "info"}
"""Kinds of console messages that complain of nothing."""


class Refused(Exception):  # noqa: N818
    """The browser did not do what it was asked for; the message is its own."""


class Browser:
    """One running browser; ``close`` ends it."""

    def __init__(self, program: str, profile: Path) -> None:
        ours, theirs = _pipe(), _pipe()
        argv = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        launch = [sys.executable, "-c", LAUNCH, str(ours[0]), str(theirs[1]), *argv]
        self._process = subprocess.Popen(
            launch, pass_fds=(ours[0], theirs[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._to, self._from = ours[1], theirs[0]
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        """All that it told unasked, oldest first."""

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Ask it for one thing and wait for the answer."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": params} | ({} if session is None else {"sessionId": session})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + ANSWER_S
        while True:
            answer = self._next(until)
            if answer.get("id") != number:
                continue
            if "error" in answer:
                raise Refused(f"{method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Until an event of that kind was told."""
        until = time.monotonic() + ANSWER_S
        while not any(wanted(one) for one in self.events):
            self._next(until)

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self._from, 1 << 20) if ready else b""
            if not chunk:
                raise Refused("it has ended" if ready else f"no answer in {ANSWER_S:.0f} s")
            self._rest += chunk
        one, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True) -> Tab:
        """A file in a tab of its own, when it has loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        tab.size(width, height)
        tab.media(dark=dark)
        tab.call("Page.navigate", url=path.as_uri())
        self.wait(lambda one: one["method"] == "Page.loadEventFired" and one.get("sessionId") == session)
        return tab

    def close(self) -> None:
        """End it, and wait until it has ended."""
        try:
            self.call("Browser.close")
        except (Refused, OSError):
            self._process.kill()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        os.close(self._to)
        os.close(self._from)


class Tab:
    """One page of it."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the page for one thing."""
        return self._browser.call(method, self._session, **params)

    def told(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all events of that name so far."""
        self.call("Runtime.evaluate", expression="0")  # what it has told by then has arrived
        return [
            one["params"] for one in self._browser.events if one.get("sessionId") == self._session and one["method"] == method
        ]

    def complaints(self) -> list[str]:
        """Errors and warnings in the console, dialogs, and what the policy refused."""
        said = [f"{one['type']}: {one['args']}" for one in self.told("Runtime.consoleAPICalled") if one["type"] not in QUIET]
        said += [str(one["exceptionDetails"]) for one in self.told("Runtime.exceptionThrown")]
        said += [one["entry"]["text"] for one in self.told("Log.entryAdded") if one["entry"]["level"] not in {"verbose", "info"}]
        return said + [f"dialog: {one['message']}" for one in self.told("Page.javascriptDialogOpening")]

    def requests(self) -> list[str]:
        """Addresses of all that it asked for, itself included."""
        return [one["request"]["url"] for one in self.told("Network.requestWillBeSent")]

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in answer:
            raise Refused(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until it is true."""
        until = time.monotonic() + ANSWER_S
        while not self.run(expression):
            if time.monotonic() > until:
                raise Refused(f"still not so after {ANSWER_S:.0f} s: {expression}")
            time.sleep(0.01)

    def size(self, width: int, height: int) -> None:
        """Of the window, in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, *, dark: bool = False, kind: str = "") -> None:
        """What the system wants, and "print" for paper."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def click(self, selector: str) -> None:
        """With the mouse, in the middle of the element."""
        found = json.dumps(selector)
        self.run(f"document.querySelector({found}).scrollIntoView({{block: 'center'}})")
        x, y = self.run(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector({found}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def follow(self, selector: str) -> None:
        """Click a link to a place of the page, and wait until the browser has gone there: it does so when it has the time."""
        gone = len(self.told("Page.navigatedWithinDocument"))
        self.click(selector)
        until = time.monotonic() + ANSWER_S
        while len(self.told("Page.navigatedWithinDocument")) == gone:
            if time.monotonic() > until:
                raise Refused(f"it has not gone to {selector} in {ANSWER_S:.0f} s")

    def press(self, key: str, *, shift: bool = False, command: str = "") -> None:
        """One key down and up; ``command`` is an editing command that it stands for, such as paste."""
        values: dict[str, Any] = {"key": " " if key == "Space" else key, "code": key, "modifiers": 8 if shift else 0}
        values |= {"windowsVirtualKeyCode": KEYS[key]} if key in KEYS else {}
        down = {"text": TEXT[key]} if key in TEXT else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", commands=[command] if command else [], **values, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **values)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the page."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def paper(self, path: Path) -> None:
        """A PDF of the page, A4."""
        data = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(data["data"]))

    def close(self) -> None:
        """And forget it."""
        self._browser.call("Target.closeTarget", targetId=self._target)


def _pipe() -> tuple[int, int]:
    """Both ends, out of the way of 3 and 4."""
    ends = os.pipe()
    moved = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, ABOVE) for one in ends]
    for one in ends:
        os.close(one)
    return moved[0], moved[1]
