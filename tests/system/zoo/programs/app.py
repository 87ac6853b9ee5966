# SPDX-License-Identifier: LGPL-2.1-or-later
"""An application that takes its time."""
import time


def application(_, start_response):
    time.sleep(0.05)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]


def never(*_):
    """Waits for something that does not come."""
    time.sleep(100000)


def drip(_, start_response):
    """An answer of a few minutes."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(1000):
        time.sleep(0.2)
        yield b"hello\n"
