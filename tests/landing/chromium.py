"""A real Chromium without a window, driven over a pipe by the DevTools protocol (chromedevtools.github.io).

Descriptor 3 is what the browser reads, 4 what it writes; messages are JSON, each ended by a NUL.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any, Self

from support.patience import limit

PATIENCE_SECONDS = limit(60)
MISSING = (
    "there is no chromium on PATH; `apt-get install --no-install-recommends chromium` as root provides it"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)


def installed() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """The browser, with a profile of its own in `folder`; leaving ends it and all its processes."""

    def __init__(self, program: str, folder: Path) -> None:
        to_browser, self._out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        self._in, from_browser = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        log = os.open(folder / "chromium.log", os.O_WRONLY | os.O_CREAT)
        self._pid = os.posix_spawn(
            program,
            [program, *FLAGS, f"--user-data-dir={folder}/profile", "about:blank"],
            {**os.environ, "HOME": str(folder)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, to_browser, 3),
                (os.POSIX_SPAWN_DUP2, from_browser, 4),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
        for end in (to_browser, from_browser, log):
            os.close(end)
        self._ids = itertools.count(1)
        self._unread = b""
        self._events: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._in)
        os.close(self._out)

    def page(self, width: int, height: int, *, dark: bool = False, script: bool = True) -> Page:
        """Open a page in a context of its own: no cookies, no cache of another."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, width, height, dark=dark, script=script)

    def ask(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Call a method and return its result; events that come meanwhile are kept."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._next(until)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def events(self, *, wait: bool) -> list[dict[str, Any]]:
        """Return the events since the last call; with `wait` at least one."""
        until = time.monotonic() + PATIENCE_SECONDS
        while wait and not self._events:
            self._events.append(self._next(until))
        found = [event for event in self._events if "method" in event]
        self._events.clear()
        return found

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], max(until - time.monotonic(), 0))
            assert ready, "Chromium does not answer"
            part = os.read(self._in, 1 << 20)
            assert part, "Chromium has ended; see chromium.log beside its profile"
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


class Page:
    """One tab: what it was asked for, what it fetched, and whatever it complained about."""

    def __init__(
        self, browser: Chromium, session: str, width: int, height: int, *, dark: bool, script: bool
    ) -> None:
        self._browser, self._session = browser, session
        self.requested: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Emulation.setScriptExecutionDisabled", value=not script)
        self.resize(width, height)

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        return self._browser.ask(method, self._session, **parameters)

    def resize(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=2 if width < 500 else 1, mobile=width < 500,
        )  # fmt: skip

    def go(self, url: str) -> None:
        """Open an address and wait until it is loaded."""
        self._take(wait=False)
        self.ask("Page.navigate", url=url)
        self._loaded()

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript gives, as JSON."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a mouse does, and wait for the page it leads to."""
        x, y = self.value(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            " it.scrollIntoView({block: 'center'}); const box = it.getClientRects()[0];"
            " return [box.x + box.width / 2, box.y + box.height / 2] })()"
        )
        self._take(wait=False)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self._loaded()

    def press(self, key: str, code: int) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, file: Path, size: tuple[int, int]) -> None:
        """Write the top of the page, so wide and high, as a PNG."""
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(shot["data"]))

    def settled(self) -> None:
        """Take in what has happened until now."""
        self.value("1")
        self._take(wait=False)

    def _loaded(self) -> None:
        while "Page.loadEventFired" not in self._take(wait=True):
            pass

    def _take(self, *, wait: bool) -> set[str]:
        names = set()
        for event in self._browser.events(wait=wait):
            if event.get("sessionId") != self._session:
                continue
            name, told = event["method"], event["params"]
            names.add(name)
            if name == "Network.requestWillBeSent":
                self.requested.append(told["request"]["url"])
            elif name == "Network.responseReceived" and told["response"]["status"] >= 400:
                self.complaints.append(f"{told['response']['status']} {told['response']['url']}")
            elif name in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(json.dumps(told))
            elif name == "Network.loadingFailed":
                self.complaints.append(told["errorText"])
        return names
