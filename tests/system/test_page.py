#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in a real browser: what it shows of real sockets, what it never does with a name, and how often it asks."""
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import browser
import lib
from scenes import Actor

URL = "http://127.0.0.1:19293/"
HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
OUTSIDE = "10.99.0.2"
PAGE = lib.TOP / "src/web/page"
OPTIONS = ("--interval=500ms", "--sweep-interval=500ms", "--cpu-share=50", "--collector.events-share=100",
           "--rules.listener-queue-at-risk.critical-age=2s")
# Fifteen characters, as many as a process may have; markup in a careless page.
NAME = "<img onerror=1>"
# A full accept queue, which is a finding within seconds; readers that are behind; and a close() of unread data.
PROGRAM = """
busy = listen(4)
late = []
for _ in range(5):
    sock = socket.socket()
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        sock.connect(busy.getsockname())
    late.append(sock)
listener = listen()
pairs = [pair(listener) for _ in range(6)]
for client, server in pairs[:4]:
    client.send(b"unread")
pairs[0][0].close()
say(busy.getsockname()[1], listener.getsockname()[1])
while step():
    client, server = pairs.pop()
    client.send(b"abc")
    time.sleep(0.3)
    server.close()
    say(client.getsockname()[1])
"""


HOSTILE = "<img src=x onerror=\"window.hacked=1\"></td><script>window.hacked=1</script>"


def hostile(value):
    """The same document with that in each of its strings."""
    if isinstance(value, dict):
        return {name: hostile(one) for name, one in value.items()}
    if isinstance(value, list):
        return [hostile(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


class WithoutBrowser(unittest.TestCase):
    """Who gets the page, and in what terms."""

    def setUp(self):
        subprocess.run(["ip", "address", "add", f"{OUTSIDE}/32", "dev", "lo"], check=True)
        self.addCleanup(subprocess.run, ["ip", "address", "del", f"{OUTSIDE}/32", "dev", "lo"], check=True)

    def test_negotiation(self):
        with lib.Daemon("--web.listen-address=127.0.0.1:19293", f"--web.listen-address={OUTSIDE}:19293"):
            for accept in ("*/*", "text/plain", "application/json", "", "text/html;q=0.5,*/*"):
                reply = lib.request("/", headers={"Accept": accept})
                self.assertEqual(reply.headers["content-type"], "text/plain; charset=utf-8", accept)
                self.assertTrue(reply.text.startswith("tcpdiagd "), accept)
                self.assertIn("Accept", reply.headers["vary"].split(", "))
            for path, accept, kind in (("/", HTML, "text/html"), ("/page/page.css", "text/css,*/*;q=0.1", "text/css"),
                                       ("/page/page.js", "*/*", "text/javascript")):
                self.one(path, {"Accept": accept}, f"{kind}; charset=utf-8")
            # Each file is in the program as it is in the folder; the page itself has one address.
            for file in PAGE.iterdir():
                if file.suffix in (".js", ".css"):
                    self.assertEqual(lib.request(f"/page/{file.name}").body, file.read_bytes(), file.name)
            for name in ("none.js", "page.html", "list.h", "page", "page.js%00", "..%2Fpage%2Fpage.js"):
                self.assertIn(lib.request(f"/page/{name}").status, (400, 404), name)

    def one(self, path, headers, kind):
        reply = lib.request(path, headers=headers)
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, kind))
        policy = dict(rule.split(" ", 1) for rule in reply.headers["content-security-policy"].split("; "))
        self.assertEqual(policy["default-src"], "'none'")
        for source in ("script-src", "style-src", "connect-src"):
            self.assertEqual(policy[source], "'self'")
        self.assertEqual(policy["require-trusted-types-for"], "'script'")
        self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
        self.assertEqual(reply.headers["referrer-policy"], "no-referrer")
        head = lib.request(path, method="HEAD", headers=headers)
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(int(head.headers["content-length"]), len(reply.body))
        again = lib.request(path, headers={**headers, "If-None-Match": reply.headers["etag"]})
        self.assertEqual((again.status, again.body), (304, b""))
        packed = lib.request(path, headers={**headers, "Accept-Encoding": "gzip"})
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertLess(len(packed.body) * 2, len(reply.body))
        # On an address that others reach it is as closed as what it would ask.
        self.assertEqual(lib.request(path, headers=headers, address=(OUTSIDE, 19293)).status, 403)

    def test_before_the_first_snapshot_and_exposed(self):
        with lib.Daemon(f"--web.listen-address={OUTSIDE}:19293", "--web.expose-api", address=(OUTSIDE, 19293)):
            reply = lib.request("/", headers={"Accept": HTML}, address=(OUTSIDE, 19293))
            self.assertEqual((reply.status, reply.headers["content-type"]), (200, "text/html; charset=utf-8"))


@unittest.skipUnless(browser.PROGRAM, "no chromium-headless-shell (sudo make deps-test)")
class InBrowser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.daemon = cls.stack.enter_context(lib.Daemon(*OPTIONS))
        cls.actor = cls.stack.enter_context(Actor(NAME, PROGRAM))
        cls.busy, cls.port = map(int, cls.actor.read())
        cls.browser = cls.stack.enter_context(browser.Browser())
        lib.wait_for(lambda: lib.request("/processes").status == 200, "holders", 20)
        lib.wait_for(lambda: lib.get(f"/findings?pid={cls.actor.pid}")["findings"], "the finding", 20)
        # One tab for all: they leave it as they find it.
        cls.page = browser.Page(cls.browser, URL)

    def setUp(self):
        self.page.errors.clear()

    def tearDown(self):
        self.page.eval("location.hash = ''")
        self.assertEqual(self.page.errors, [])

    def shows(self, selector, *words, page=None, seconds=30):
        """Waits until all the words stand there; returns the text."""
        page = page or self.page
        wanted = [str(word) for word in words]

        def text():
            there = page.text(selector)
            return there if all(word in there for word in wanted) else None

        try:
            return lib.wait_for(text, f"{selector} shows {wanted}", seconds, 0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows {page.text(selector)[:2000]!r}") from None

    def go(self, **place):
        self.page.eval(f"location.hash = {json.dumps('#' + urllib.parse.urlencode(place, quote_via=urllib.parse.quote))}")

    def test_findings_and_names(self):
        self.shows("#findings-body", "critical", "listener-queue-at-risk", f"{NAME} (pid {self.actor.pid})", "Do: ")
        self.shows("#unseen", "switched off by --no-collector.namespaces")
        self.shows("#line", "sockets", " old", "not complete")
        self.shows("#stop-body", f"{NAME} ({self.actor.pid})", "hurts ", "refuses 5 that wait to be accepted")
        self.shows("#listeners-body", f"127.0.0.1:{self.busy}", "5 / 4", "FULL")
        self.shows("#states-body", "close-wait", "established", "accept queue")
        self.assertEqual(self.page.eval("document.querySelectorAll('img').length"), 0)
        self.assertEqual(self.page.eval("document.querySelector('#host').textContent.split(' ')[0]"), os.uname().nodename)

    def test_search_and_socket(self):
        self.go(search=f"state=close-wait port={self.port}")
        want = lib.sockets(f"state=close-wait&port={self.port}")
        self.assertEqual(len(want), 1)
        self.shows("#matched", "1 socket found")
        self.shows("#search-body", want[0]["flow"], NAME, "RST", "peer has finished", "6 B")
        # A word alone; the form; what is wrong with a filter, in the words of the route.
        self.page.eval(f"document.querySelector('#query').value = 'established {self.port}';"
                       "document.querySelector('#form').requestSubmit()")
        self.shows("#matched", f"{len(lib.sockets(f'state=established&port={self.port}'))} sockets found")
        self.go(search="port=99999")
        self.shows("#search-body", "65535")
        self.go(search="port=1")
        self.shows("#search-body", "No socket matches")

        self.go(socket=want[0]["id"])
        full = lib.get(f"/sockets/{want[0]['id']}")
        for name, outcome in full["outcomes"].items():
            self.shows(f"[data-operation={name}]", outcome["because"], outcome["rule"])
        text = self.shows("#drawer", full["flow"], "close()", "6 B that nobody has read are lost", "fin-wait-2",
                          f"{NAME} ({self.actor.pid})", "descriptor")
        self.assertNotIn("not known to hold", text)
        # Its other end leads on; the key that closes dialogs closes it, and the search is back.
        self.page.eval("document.querySelector('#drawer-body a.flow').click()")
        self.shows("#drawer", "No process can do anything to it any more", "It ends with")
        self.page.press("Escape", windowsVirtualKeyCode=27)
        lib.wait_for(lambda: not self.page.eval("document.querySelector('#drawer').open"), "Escape closes it")
        lib.wait_for(lambda: self.page.eval("location.hash") == "#search=port%3D1", "the search is back")

    def test_a_reset_appears(self):
        self.shows("#stream", "live")
        self.actor.go()
        port = self.actor.read()[0]
        text = self.shows("#events-list", f"127.0.0.1:{self.port} > 127.0.0.1:{port}", "reset-sent", "tcp-abort-on-close",
                          "3 bytes unread")
        self.assertIn(NAME, text)
        # While it is paused nothing moves; nothing is lost either.
        self.page.eval("document.querySelector('#pause').click()")
        self.actor.go()
        port = self.actor.read()[0]
        self.shows("#stream", "paused, ", "new event")
        lib.wait_for(lambda: lib.get(f"/events?port={port}&kind=reset-sent")["events"], "the second reset")
        self.assertNotIn(f":{port}", self.page.text("#events-list"))
        self.page.eval("document.querySelector('#pause').click()")
        self.shows("#events-list", f"127.0.0.1:{self.port} > 127.0.0.1:{port}")
        self.page.eval("document.querySelector('[data-since=\"1h\"]').click()")
        self.shows("#resets-body", "tcp-abort-on-close", "closed with unread data")

    def test_sizes_and_colours(self):
        colours = set()
        self.addCleanup(self.page.look, 1280, 900)
        for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
            self.page.look(width, 844, dark)
            # On a phone nothing is wider than the screen.
            self.assertLessEqual(self.page.eval("document.documentElement.scrollWidth"), width)
            colours.add((dark, self.page.eval("getComputedStyle(document.body).backgroundColor")))
            with tempfile.NamedTemporaryFile(suffix=".png") as picture:
                self.page.picture(picture.name)
                self.assertGreater(os.path.getsize(picture.name), 10000)
        self.assertEqual(len(colours), 2)

    def test_keyboard(self):
        self.page.eval("document.activeElement.blur(); scrollTo(0, 0)")
        self.page.press("Tab", windowsVirtualKeyCode=9)
        self.assertEqual(self.page.eval("document.activeElement.textContent"), "Skip to findings")
        self.page.press("Enter", windowsVirtualKeyCode=13, text="\r")
        lib.wait_for(lambda: self.page.eval("document.activeElement.id") == "findings", "the focus goes there")
        # Everything that can be pressed says what it is.
        self.assertEqual(self.page.eval("[...document.querySelectorAll('button, a, input')].filter(e => !(e.innerText || "
                                        "e.textContent || e.ariaLabel || e.labels && e.labels.length)).length"), 0)

    def test_how_often_it_asks(self):
        self.go(search=f"port={self.port}")
        self.shows("#matched", "found")  # the first round is over: this comes last
        # What is refreshed meanwhile keeps the focus.
        self.page.eval("document.querySelector('#states-body a').focus(); focused = document.activeElement")
        begun, seconds = len(self.page.requests), 4
        time.sleep(seconds)
        asked = self.page.requests[begun:]
        self.assertTrue(self.page.eval("document.activeElement === focused && focused.isConnected"))
        self.assertTrue(asked)
        self.assertLessEqual(len(asked), 3 * seconds, asked)
        # What needs no more is asked every ten seconds, whether its answer has an ETag or not.
        for path in ("/status", "/resets"):
            self.assertLessEqual(sum(path in url for _, url in asked), 1, path)
        # Of a tab that nobody sees nothing is asked, the stream included; then it goes on where it was.
        self.page.eval("Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });"
                       "document.dispatchEvent(new Event('visibilitychange'))")
        self.shows("#stream", "stopped while hidden")
        lib.wait_for(lambda: lib.get("/status")["web"]["streams"] == 0, "the stream is closed", 20)
        begun = len(self.page.requests)
        time.sleep(3.5)
        self.assertEqual(self.page.requests[begun:], [])
        self.page.eval("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        self.shows("#stream", "live")
        lib.wait_for(lambda: len(self.page.requests) > begun + 2, "it goes on", 30)

    def test_one_answer_does_not_come(self):
        # A slow one is asked again within a minute, one that failed soon, if it does not hold up the others.
        self.assertEqual(self.page.eval("import('/page/ask.js').then(ask => [[3, 5, true], [3, 400, true], [3, 25000, true],"
                                        "[10, 5, false], [3, 25000, false]].map(one => ask.rest(...one)))"),
                         [3000, 8000, 60000, 2000, 25000])
        self.page.eval("""import('/page/ask.js').then(ask => {
            real = window.fetch;
            window.fetch = (url, options) => url.startsWith('/listeners') ? Promise.reject(Error('lost')) : real(url, options);
            ask.tasks.listeners.at -= 100000;
        })""")
        self.shows("#listeners", "What stands here is", " s old")
        self.page.eval("window.fetch = real")
        lib.wait_for(lambda: "What stands here" not in self.page.text("#listeners"), "it is fresh again", 20)
        # What came last counts, even from a daemon that began to count anew.
        self.assertIn("2020-01-01", self.page.eval("""import('/page/top.js').then(top => {
            top.seen({ id: 1, time: '2020-01-01T00:00:00Z', age_seconds: 0, sweep_age_seconds: 0, complete: true });
            return document.querySelector('#line').textContent;
        })"""))

    def test_hostile_strings(self):
        self.actor.go()
        self.actor.read()
        event = lib.wait_for(lambda: lib.get("/events?kind=reset-sent")["events"], "the reset")[0]
        sock = lib.sockets(f"port={self.port}&state=close-wait")[0]["id"]

        def forge(url):
            path = url.removeprefix(URL.rstrip("/"))
            if "last_event_id" in path:
                gap = {"id": 1, "time": HOSTILE, "kind": "gap", "lost": 7}
                return "text/event-stream", (f"event: reset-sent\ndata: {json.dumps(hostile(event))}\n\n"
                                             f"event: gap\ndata: {json.dumps(gap)}\n\n")
            if path == "/" or path.startswith("/page/"):
                return None
            return "application/json", json.dumps(hostile(lib.get(path)))

        page = browser.Page(self.browser, f"{URL}#search=port%3D{self.port}", forge=forge)
        self.addCleanup(page.close)
        for section in ("#findings-body", "#stop-body", "#states-body", "#listeners-body", "#resets-body", "#events-list",
                        "#search-body", "#unseen"):
            self.shows(section, HOSTILE, page=page)
        self.assertIn("Gap: 7 events were lost", page.text("#events-list .gap"))
        page.eval(f"location.hash = '#socket={sock}'")
        lib.wait_for(lambda: page.text("#drawer").count(HOSTILE) > 10, "the socket shows it as text", 20)
        self.assertEqual(page.eval("[document.querySelectorAll('img').length, document.scripts.length, "
                                   "String(window.hacked)]"), [0, 1, "undefined"])
        self.assertEqual(page.errors, [])
        # What a careless change would do is stopped by the policy as well.
        self.assertEqual(page.eval("try { document.body.innerHTML = '<p>'; 'done' } catch (e) { e.name }"), "TypeError")

    def test_what_is_not_known(self):
        self.actor.go()
        self.actor.read()
        lib.wait_for(lambda: lib.get("/events?kind=reset-sent")["events"], "the reset")

        finding = lib.get(f"/findings?pid={self.actor.pid}")["findings"][0]
        self.assertEqual(lib.get(f"/findings?id={finding['id']}")["findings"][0]["summary"], finding["summary"])

        def forge(url):
            path = url.removeprefix(URL.rstrip("/"))
            if path == "/" or path.startswith("/page/") or "last_event_id" in path:
                return None
            answer = lib.get(path)
            if path.startswith("/resets"):
                answer.update(unseen_seconds=90, lost_events=7)
            elif path.startswith("/events"):
                for event in answer["events"]:
                    event.update(socket={**(event["socket"] or {}), "id": None, "flow": "10.0.0.1:1 > 10.0.0.2:2"})
            elif path.startswith("/listeners"):
                answer.update(listeners=[], matched=0, returned=0, next=None)
            elif path.startswith("/findings"):
                asked = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
                every = [{**finding, "id": f"f-{number:x}"} for number in range(300)]
                found = [one for one in every if one["id"] in asked.get("id", [one["id"]])]
                shown = found[:int(asked.get("limit", [1000])[0])]
                answer.update(findings=shown, matched=len(found), returned=len(shown))
            elif path.startswith("/sockets?group"):
                answer.update(groups=[])
            elif path.startswith("/status"):
                next(one for one in answer["sources"] if one["name"] == "events")["state"] = "failed"
            return "application/json", json.dumps(answer)

        page = browser.Page(self.browser, URL, forge=forge)
        self.addCleanup(page.close)
        self.shows("#resets-body", "At least: ", "nobody watched for 90 s, 7 events were lost", page=page)
        self.shows("#listeners-body", "No listener seen. Not all could be seen.", page=page)
        self.shows("#states-body", "No TCP socket seen. Not all could be seen.", page=page)
        self.shows("#stream", "events failed, findings only", page=page)
        # A refused SYN has no socket to lead to.
        self.shows("#events-list", "10.0.0.1:1 > 10.0.0.2:2", page=page)
        self.assertEqual(page.eval("document.querySelectorAll('#events-list a').length"), 0)
        # Nothing is beyond reach: neither by the button, nor by a link.
        for _ in range(4):
            page.eval("document.querySelector('[data-more=findings]').click()")
        self.shows("#findings-body", "90 more", page=page)
        self.assertEqual(page.eval("document.querySelectorAll('#findings-body article').length"), 210)
        page.eval("location.hash = '#finding=f-12b'")
        self.shows("#linked-body", finding["summary"], page=page)
        self.assertTrue(page.eval("document.querySelector('#linked-body #finding-f-12b.marked') !== null"))
        page.eval("location.hash = '#finding=f-dead'")
        self.shows("#linked-body", "f-dead is not there any more", page=page)
        page.eval("location.hash = '#finding=f-1'")
        lib.wait_for(lambda: not page.text("#linked-body"), "it is in the list")
        # Limits that were hit lately, also by a daemon that counts anew; not those of long ago.
        page.eval("import('/page/top.js').then(top => [[5, 5], [5, 7], [5, 1]].forEach(([old, rising]) =>"
                  "top.watchLimits({ of_old: old, rising }, 1e6)))")
        self.shows("#unseen", "limit of rising: reached 3 times in the last 10 min", page=page)
        self.assertNotIn("limit of of old", page.text("#unseen"))
        # An address is no filter.
        self.assertEqual(page.eval("import('/page/search.js').then(search => [...search.parseQuery("
                                   "'fd::1 dead:beef::7 [::1]:443 2001:db8::/32 pid:5 comm=a:b 10.0.0.1:80')].map(String))"),
                         ["remote,fd::1", "remote,dead:beef::7", "remote,[::1]:443", "remote,2001:db8::/32", "pid,5",
                          "comm,a:b", "remote,10.0.0.1:80"])
        self.assertEqual(page.errors, [])

    def test_many_sockets(self):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
            port = listener.getsockname()[1]
            for _ in range(800):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
                stack.enter_context(listener.accept()[0])
            lib.wait_for(lambda: lib.get(f"/sockets?port={port}&limit=1")["matched"] == 1601, "all sockets", 20)
            self.go(search=f"port={port}")
            rows = "document.querySelectorAll('#search-body tbody tr').length"
            self.shows("#matched", "1,601 sockets found, 100 shown")
            self.assertEqual(self.page.eval(rows), 100)
            self.page.eval("document.querySelector('#search-body [data-more]').click()")
            self.shows("#matched", "1,000 shown")
            self.assertEqual(self.page.eval(rows), 1000)
            self.shows("#search-body", "narrow the search")
            self.page.eval("document.querySelector('[data-sort=state_seconds]').click()")
            lib.wait_for(lambda: any("sort=-state_seconds" in url for _, url in self.page.requests), "sorted")
            self.assertLess(self.page.eval("document.querySelectorAll('*').length"), 40000)


@unittest.skipUnless(browser.PROGRAM, "no chromium-headless-shell (sudo make deps-test)")
class Restart(unittest.TestCase):
    def test_the_daemon_goes_and_comes(self):
        with browser.Browser() as chromium:
            with lib.Daemon(*OPTIONS):
                page = browser.Page(chromium, URL)
                lib.wait_for(lambda: "sockets" in page.text("#line"), "it shows something")
            lib.wait_for(lambda: "does not answer" in page.text("#down"), "it says that nothing comes", 20)
            self.assertIn("sockets", page.text("#line"))
            # The next one knows less, and says so; none of it is a 0.
            with lib.Daemon(*OPTIONS, "--no-collector.bpf", "--no-collector.processes", "--no-collector.events"):
                lib.wait_for(lambda: not page.text("#down"), "it goes on by itself", 20)
                lib.wait_for(lambda: "events off, findings only" in page.text("#stream"), "so does the stream", 30)
                for selector, words in (("#unseen", "events (off): switched off by --no-collector.events"),
                                        ("#stop-body", "Not known: it is not known which process"),
                                        ("#resets-body", "Resets are not known.")):
                    lib.wait_for(lambda: words in page.text(selector), words, 20)
                self.assertNotIn("0 sent", page.text("#resets-body"))
        self.assertEqual(page.errors, [])


if __name__ == "__main__":
    lib.main()
