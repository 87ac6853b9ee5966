#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams of events, of a real daemon over a storm of resets: a client that reads a byte a second is cut, one that comes
back after a gap is told of it, a hundred that come and go leave nothing behind; nothing is lost without a word."""
import contextlib
import json
import pathlib
import select
import socket
import struct
import threading
import time
import unittest

import lib

PORT = 47311
LINGER_ZERO = struct.pack("ii", 1, 0)


def resets(count, pause=0.0):
    """So many connections that their client resets: a RST sent and one received each."""
    with contextlib.closing(socket.create_server(("127.0.0.1", PORT), backlog=128)) as server:
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", PORT))
            accepted, _address = server.accept()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            client.close()
            accepted.close()
            time.sleep(pause)


class Stream:
    """A stream of events over a raw socket; what comes is read when it is asked for."""

    def __init__(self, target="/events", headers="Accept: text/event-stream\r\n", receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect(lib.ADDRESS)
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.socket.recv(1)
            if not piece:
                break
            head += piece
        self.status = int(head.split()[1])
        self.raw = b""
        self.text = b""

    def _unchunk(self):
        while b"\r\n" in self.raw:
            size, rest = self.raw.split(b"\r\n", 1)
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            self.text += rest[:length]
            self.raw = rest[length + 2:]

    def events(self, seconds):
        """What comes within that time, and at once where something is there already: the objects behind data:."""
        found = []
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.socket], [], [], max(left, 0))
            if not ready:
                return found
            piece = self.socket.recv(65536)
            if not piece:
                return found
            self.raw += piece
            self._unchunk()
            while b"\n\n" in self.text:
                block, self.text = self.text.split(b"\n\n", 1)
                found += [json.loads(line[6:]) for line in block.split(b"\n") if line.startswith(b"data: ")]

    def close(self):
        self.socket.close()


def metric(name):
    for line in lib.request("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no {name}")


def source():
    return lib.get("/events?limit=1")["source"]


def newest():
    return lib.get("/events?last=1")["newest"]


def all_resets(after):
    """Ids of the list, when all of the storm is in it."""
    return [event["id"] for event in lib.get(f"/events?kind=reset-sent,reset-received&limit=0&after={after}"
                                             f"&port={PORT}&fields=id")["events"]]


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


class Streams(unittest.TestCase):
    def need_events(self):
        lib.wait_for(lambda: source()["state"] != "starting", "events have started")
        if source()["state"] not in ("ok", "degraded"):
            self.skipTest(f"no events of the kernel: {source()['reason']}")

    def test_one_byte_a_second(self):
        with lib.Daemon("--log.level", "info") as daemon:
            self.need_events()
            after = newest()
            slow = Stream(f"/events?port={PORT}", receive_buffer=2048)
            resets(1500)
            end = time.monotonic() + 60
            while time.monotonic() < end and not metric("tcpdiag_web_streams_cut_total"):
                with contextlib.suppress(ConnectionResetError):
                    slow.socket.recv(1)
                time.sleep(1)
            self.assertEqual(metric("tcpdiag_web_streams_cut_total"), 1)
            lib.wait_for(lambda: metric("tcpdiag_web_streams") == 0, "its place is free")
            self.assertIn("a stream of events was cut", daemon.output())
            with self.assertRaises(ConnectionResetError):
                while slow.socket.recv(65536):
                    pass
            slow.close()
            # Back again, and read as others do: everything from where it was.
            again = Stream(f"/events?port={PORT}", f"Accept: text/event-stream\r\nLast-Event-ID: {after}\r\n")
            seen = []
            lib.wait_for(lambda: seen.extend(again.events(1)) or len(seen) >= 3000, "all of them", 60)
            self.assertNotIn("gap", {event["kind"] for event in seen})
            self.assertEqual([event["id"] for event in seen], all_resets(after))
            again.close()

    def test_gap(self):
        with lib.Daemon("--limits.events", "256"):
            self.need_events()
            first = Stream(f"/events?port={PORT}")
            resets(3)
            seen = []
            lib.wait_for(lambda: seen.extend(first.events(0.5)) or len(seen) == 6, "six events")
            first.close()
            last = seen[-1]["id"]
            resets(600)
            lib.wait_for(lambda: newest() >= last + 1200, "the storm is in the journal", 60)
            listed = lib.get(f"/events?after={last}&kind=reset-sent,reset-received&limit=0")
            self.assertEqual(listed["gap"], {"after": last, "lost": None})
            back = Stream(f"/events?port={PORT}", f"Accept: text/event-stream\r\nLast-Event-ID: {last}\r\n")
            seen = []
            lib.wait_for(lambda: seen.extend(back.events(0.5)) or (seen and seen[-1]["id"] >= last + 1200),
                         "what is left", 60)
            self.assertEqual(seen[0]["kind"], "gap")
            self.assertEqual(seen[0]["id"], last)
            ids = [event["id"] for event in seen[1:]]
            self.assertEqual(ids, sorted(set(ids)))
            self.assertGreater(ids[0], last + 1)
            self.assertLessEqual(len(ids), 1200)
            back.close()

    def test_nothing_left_of_before(self):
        """Stopped and started: an id of before is a gap, whatever number of events each has had."""
        with lib.Daemon():
            self.need_events()
            first = Stream(f"/events?port={PORT}")
            resets(20)
            seen = []
            lib.wait_for(lambda: seen.extend(first.events(0.5)) or len(seen) == 40, "forty events")
            first.close()
        with lib.Daemon():
            self.need_events()
            resets(2)
            listed = f"/events?kind=reset-sent,reset-received&port={PORT}&after="
            lib.wait_for(lambda: lib.get(listed + "0")["matched"] == 4, "the new ones", 20)
            self.assertIsNone(lib.get(listed + "0")["gap"])
            # The first, the middle, the newest; and one that nobody has given.
            for last in (seen[0]["id"], seen[20]["id"], seen[-1]["id"], 2**52):
                reply = lib.get(f"{listed}{last}")
                self.assertEqual(reply["gap"], {"after": last if last < 2**52 else 0, "lost": None})
                self.assertEqual(reply["returned"], 4)
                back = Stream(f"/events?port={PORT}", f"Accept: text/event-stream\r\nLast-Event-ID: {last}\r\n")
                again = []
                lib.wait_for(lambda: again.extend(back.events(0.5)) or len(again) >= 5, "a gap and four events", 20)
                back.close()
                self.assertEqual([event["kind"] == "gap" for event in again], [True] + [False] * 4)
                self.assertGreater(again[1]["id"], seen[-1]["id"])
            self.assertIsNone(lib.get(f"{listed}{again[1]['id']}")["gap"])

    def visit(self, target, failures):
        """A client that takes a few events, or none, and leaves without a word."""
        try:
            stream = Stream(target)
            if stream.status == 200:
                stream.events(0.3)
            elif stream.status != 503:
                failures.append(stream.status)
            stream.close()
        except OSError as error:
            failures.append(error)

    def test_a_hundred_come_and_go(self):
        with lib.Daemon("--web.max-streams", "24") as daemon:
            self.need_events()
            web = daemon.web_pid()
            witness = Stream(f"/events?port={PORT}")
            after = newest()
            storm = threading.Thread(target=resets, args=(3000, 0.002))
            storm.start()
            seen, failures, memory, files = [], [], [], []
            for _round in range(5):
                for _wave in range(5):
                    visitors = [threading.Thread(target=self.visit, args=(f"/events?port={PORT}", failures))
                                for _ in range(20)]
                    for visitor in visitors:
                        visitor.start()
                    seen += witness.events(0.3)
                    for visitor in visitors:
                        visitor.join()
                lib.wait_for(lambda: metric("tcpdiag_web_streams") == 1, "only the witness is left", 20)
                # The library closes them a moment later.
                lib.wait_for(lambda: not files or descriptors(web) <= files[0] + 4, "their descriptors are closed", 20)
                memory.append((resident(web), resident(daemon.process.pid)))
                files.append(descriptors(web))
            storm.join()
            lib.wait_for(lambda: seen.extend(witness.events(0.5)) or len(seen) >= 6000, "all of the storm", 60)
            self.assertEqual(failures, [])
            self.assertNotIn("gap", {event["kind"] for event in seen})
            self.assertEqual([event["id"] for event in seen], all_resets(after))
            self.assertEqual(metric("tcpdiag_web_streams_cut_total"), 0)
            witness.close()
            # The first round fills what is kept anyway.
            for process in range(2):
                growth = memory[-1][process] - memory[0][process]
                self.assertLess(growth, 3 << 20, f"process {process} grew by {growth} bytes: {memory}")
            self.assertLessEqual(max(files[1:]), files[0] + 4)

    def test_quiet_and_reload(self):
        with lib.Daemon() as daemon:
            stream = Stream("/events?severity=critical")
            self.assertEqual(stream.status, 200)
            began = time.monotonic()
            beat = b""
            while b"\r\n:\n\n" not in beat and time.monotonic() - began < 30:
                beat += stream.socket.recv(4096)
            self.assertIn(b"\r\n:\n\n", beat)
            self.assertGreater(time.monotonic() - began, 13)
            daemon.reload()
            end = b""
            while not end.endswith(b"0\r\n\r\n"):
                piece = stream.socket.recv(4096)
                self.assertTrue(piece, "the stream broke off instead of ending")
                end += piece
            stream.close()
            with contextlib.closing(Stream("/events")) as stream:
                daemon.stop()
                end = b""
                while not end.endswith(b"0\r\n\r\n"):
                    piece = stream.socket.recv(4096)
                    self.assertTrue(piece, "the stream broke off instead of ending")
                    end += piece


if __name__ == "__main__":
    lib.main()
