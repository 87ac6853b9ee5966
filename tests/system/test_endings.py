#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every way to end a connection (tests/conformance/endings.py), made on real sockets: one story each, by the right author.

Two daemons watch the same sockets: one takes the kernel's word for why it resets, the other derives the reason, as on
kernels before 6.10. What was made, told and derived is printed as a table.
"""
import json
import os
import sys
import threading
import time
import unittest

import lib

sys.path.insert(0, str(lib.TOP / "tests/conformance"))
sys.dont_write_bytecode = True

import endings  # noqa: E402
import net  # noqa: E402

DERIVING = ("127.0.0.1", 19294)
KINDS = ("reset-sent", "reset-received", "closed", "timed-out", "destroyed")
SLOW_AT_ONCE = 8


def in_a_namespace(rows, number):
    """
    Makes the rows one after the other in a child; returns (pid, pipe): [[name, namespace, port, why not]]. The number keeps
    ports apart where a namespace gets the inode of one that has gone.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        net.die_with_parent()
        net.unshare()
        inode = os.stat("/proc/self/ns/net").st_ino
        wire, made = net.Wire(), []
        wire.next_port += 500 * number
        for row in rows:
            port, reason = endings.make(row, wire)
            made.append([row.name, inode, port, reason])
            wire.begin()
        with os.fdopen(writing, "w") as pipe:
            json.dump(made, pipe)
        os._exit(0)
    except BaseException as error:  # a child must never come back
        print(f"{rows[0].name}: {type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)


def made(rows):
    """{name: (namespace, port, why not)}"""
    fast, slow = [row for row in rows if not row.slow], [row for row in rows if row.slow]
    result = {}
    batches = [fast[:len(fast) // 2], fast[len(fast) // 2:]] + [[row] for row in slow]
    for start in range(0, len(batches), SLOW_AT_ONCE):
        for child, pipe in [in_a_namespace(batches[number], number)
                            for number in range(start, min(start + SLOW_AT_ONCE, len(batches)))]:
            with os.fdopen(pipe) as stream:
                text = stream.read()
            os.waitpid(child, 0)
            for name, inode, port, reason in json.loads(text or "[]"):
                result[name] = (inode, port, reason)
    return result


def value(event, member):
    """A member as the rows call it, as text."""
    seconds = {"closed-ago": "closed_seconds_ago", "orphan": "orphan_seconds"}
    if member in seconds:
        given = event[seconds[member]]
        return "no" if given is None else "yes" if member == "closed-ago" else given
    names = {"unread": "unread_bytes", "unsent": "unsent_bytes", "unacked": "unacked_bytes", "received": "bytes_received",
             "sent": "bytes_sent", "payload": "payload_bytes"}
    if member == "linger":
        return "off" if not event["linger"] or not event["linger"]["on"] else str(event["linger"]["seconds"])
    if member == "socket":
        return "none" if event["socket"]["id"] is None else "some"
    given = event[names.get(member, member)]
    return "unknown" if given is None else str(given)


def fits(given, wanted):
    if ".." in wanted and not isinstance(given, str):
        low, high = wanted.split("..")
        return float(low) <= given <= float(high)
    return given in wanted.split("/")


def differences(row, events, derived):
    """What is wrong with what was told, in words."""
    wrong = []
    if len(events) != len(row.events):
        wrong.append(f"{len(row.events)} stories expected")
    for event, expected in zip(events, row.events):
        kind, _, members = expected.partition(" | ")
        wants = dict(pair.split("=") for pair in members.split() if not pair.startswith("derived:"))
        if derived:
            wants |= dict(pair[8:].split("=") for pair in members.split() if pair.startswith("derived:"))
        if event["kind"] != kind:
            wrong.append(f"{event['kind']} where {kind} was expected")
        wrong += [f"{member} {value(event, member)} where {wanted} was expected" for member, wanted in wants.items()
                  if not fits(value(event, member), wanted)]
        if kind == "reset-sent" and event["derived"] != derived:
            wrong.append(f"derived {event['derived']}")
        if event["unread_bytes"] is None and event["socket"]["id"] is not None and event["state"] not in ("time-wait", "listening"):
            wrong.append("unread bytes not known")
    return wrong


def short(event):
    words = [event["kind"], event["reason"] or "", event["actor"] or "?", event["state"] or "no socket"]
    if event["unread_bytes"]:
        words.append(f"{event['unread_bytes']} unread")
    if event["unsent_bytes"]:
        words.append(f"{event['unsent_bytes']} unsent")
    return " ".join(filter(None, words))


class Told(threading.Thread):
    """What a daemon tells of the scripted peers, fetched while it happens: others on this machine may reset much."""

    PEERS = "&".join(f"remote={address}" for address in sorted(set(net.REMOTE.values())))
    QUERY = "&".join(f"kind={kind}" for kind in KINDS)

    def __init__(self, address):
        super().__init__()
        self.address, self.ending, self.error = address, threading.Event(), None
        self.events, self.places = {}, {}
        self.fetched, self.gap = "", False

    def fetch(self):
        page = lib.get(f"/events?{self.QUERY}&{self.PEERS}&limit=0&since=-20s", address=self.address, timeout=30)
        self.events |= {event["id"]: event for event in page["events"]}
        self.gap |= bool(self.fetched) and page["oldest"] > self.fetched
        self.fetched = page["snapshot"]["time"]

    def run(self):
        try:
            while not self.ending.wait(0.5):
                self.fetch()
        except (AssertionError, OSError) as error:
            self.error = error

    def end(self):
        """{(namespace, remote port): [event]}"""
        self.ending.set()
        self.join()
        if self.error:
            raise self.error
        self.fetch()
        for _, event in sorted(self.events.items()):
            place = event["socket"]["netns"], event["socket"]["remote"]["port"]
            self.places.setdefault(place, []).append(event)
        return self.places


class Endings(unittest.TestCase):
    maxDiff = None

    def test_each_gives_one_story(self):
        options = ["--interval=500ms", "--sweep-interval=1s", "--collector.namespaces", "--limits.events=65536",
                   "--collector.events-share=100"]  # others load the machine: no brake
        with lib.Daemon(*options), \
                lib.Daemon(*options, "--no-collector.reset-reasons", "--web.listen-address=%s:%d" % DERIVING,
                           address=DERIVING):
            state = next(s for s in lib.get("/status")["sources"] if s["name"] == "events")
            if state["state"] not in ("ok", "degraded"):
                raise unittest.SkipTest(f"no events: {state['reason']}")
            for _ in range(4):
                failures, unmade, lines, gap = self.attempt()
                # What others reset meanwhile has pushed some out, and it was said: once more.
                if not gap or not failures:
                    break
        print(f"{'how it ended':26} {'what was told':75} derived")
        print("\n".join(lines))
        self.assertEqual(unmade, [])
        self.assertEqual("\n".join(failures), "")

    def attempt(self):
        watching = {False: Told(lib.ADDRESS), True: Told(DERIVING)}
        for one in watching.values():
            one.start()
        places = made(endings.ROWS)
        time.sleep(2.5)
        told = {derived: one.end() for derived, one in watching.items()}
        failures, lines, unmade = [], [], []
        for row in endings.ROWS:
            if row.name not in places or places[row.name][2]:
                unmade.append(f"{row.name}: {places.get(row.name, ('', '', 'its process has ended'))[2]}")
                continue
            key, wrong = places[row.name][:2], []
            for derived in (False, True):
                events = told[derived].get(key, [])
                wrong += [("derived: " if derived else "") + text for text in differences(row, events, derived)]
            events = told[False].get(key, [])
            reasons = [event["reason"] for event in told[True].get(key, []) if event["reason"]]
            lines.append(f"{row.name:26} {'; '.join(map(short, events)) or '-':75} {' '.join(reasons):24} "
                         f"{'' if not wrong else 'WRONG'}")
            if wrong and not (row.optional and not events):
                failures.append(f"{row.name} ({row.words}): {'; '.join(wrong)}; told: {'; '.join(map(short, events))}")
        return failures, unmade, lines, any(one.gap for one in watching.values())


if __name__ == "__main__":
    lib.main()
