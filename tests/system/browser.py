# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real browser without a screen, told what to do over its DevTools protocol through a pipe.

Chromium's headless shell reads messages of JSON, each ended by a NUL, from descriptor 3 and writes to 4.
"""
import base64
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time

PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
TIMEOUT = 30


class Browser:
    """The program, with a profile of its own that goes with it."""

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="tcpdiagd-browser-", ignore_cleanup_errors=True)
        theirs_in, self.out = os.pipe()
        self.inp, theirs_out = os.pipe()
        self.log = open(f"{self.profile.name}/log", "w+")
        # It runs as root here, where its own sandbox does not start; it sees nothing but this test's daemon.
        command = [PROGRAM, "--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--hide-scrollbars",
                   "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                   "--disable-component-update", "--disable-extensions", "--no-proxy-server",
                   f"--user-data-dir={self.profile.name}/profile", "about:blank"]
        self.process = subprocess.Popen(["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command],
                                        pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env={**os.environ, "HOME": self.profile.name},
                                        start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)
        self.next = 0
        self.lock = threading.Lock()
        self.replies = {}
        self.pages = {}
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def read(self):
        """Sorts what comes: answers to whom they belong, events to their page."""
        kept = b""
        while piece := os.read(self.inp, 1 << 20):
            *messages, kept = (kept + piece).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.replies.pop(message["id"]).put(message)
                elif message.get("sessionId") in self.pages:
                    self.pages[message["sessionId"]].event(message["method"], message["params"])

    def send(self, method, session, params):
        """Returns where the answer will be."""
        answer = queue.Queue()
        with self.lock:
            self.next += 1
            message = {"id": self.next, "method": method, "params": params}
            if session:
                message["sessionId"] = session
            self.replies[self.next] = answer
            data = json.dumps(message).encode() + b"\0"
            while data:
                data = data[os.write(self.out, data):]
        return answer

    def call(self, method, session=None, **params):
        answer = self.send(method, session, params)
        try:
            reply = answer.get(timeout=TIMEOUT)
        except queue.Empty:
            self.log.flush()
            raise AssertionError(f"{method}: no answer from the browser\n"
                                 f"{pathlib.Path(self.log.name).read_text(errors='replace')[-2000:]}") from None
        if "error" in reply:
            raise AssertionError(f"{method}: {reply['error']}")
        return reply["result"]

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            # It leads a session of its own: its helpers go with it.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.reader.join(5)
        os.close(self.out)
        os.close(self.inp)
        self.log.close()
        self.profile.cleanup()


class Page:
    """A tab: what it logged, what it asked for, and what its document says."""

    def __init__(self, browser, url, width=1280, height=900, dark=False, forge=None):
        """forge(url) returns (content type, body) in the server's place, or None."""
        self.browser = browser
        self.errors = []
        self.requests = []
        self.forge = None
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(f"{domain}.enable")
        self.look(width, height, dark)
        if forge:
            self.forge = forge
            self.call("Fetch.enable", patterns=[{"urlPattern": "*"}])
        self.call("Page.navigate", url=url)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def event(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"])[:600])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(params["args"])[:600])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            # A refusal that the page shows is logged by the browser as well.
            if params["entry"]["source"] != "network":
                self.errors.append(json.dumps(params["entry"])[:600])
        elif method == "Network.requestWillBeSent":
            self.requests.append((time.monotonic(), params["request"]["url"]))
        elif method == "Fetch.requestPaused":
            self.forged(params["requestId"], params["request"]["url"])

    def forged(self, request, url):
        """Answers in the server's place; called by the reader, who cannot wait for what becomes of it."""
        answer = self.forge(url)
        if answer is None:
            self.browser.send("Fetch.continueRequest", self.session, {"requestId": request})
            return
        self.browser.send("Fetch.fulfillRequest", self.session, {
            "requestId": request, "responseCode": 200, "body": base64.b64encode(answer[1].encode()).decode(),
            "responseHeaders": [{"name": "Content-Type", "value": answer[0]}]})

    def look(self, width, height, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme",
                                                           "value": "dark" if dark else "light"}])

    def eval(self, expression):
        """The value of an expression of JavaScript; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {json.dumps(result['exceptionDetails'])[:600]}")
        return result["result"].get("value")

    def text(self, selector):
        """What a person reads there; empty where there is no such element."""
        return self.eval(f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''")

    def press(self, key, **more):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **more)

    def picture(self, path):
        """A PNG of what is seen."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
