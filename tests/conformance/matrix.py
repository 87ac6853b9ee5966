# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The complete table: state x operation x linger x what is unread x what is unsent x references x family.

Every combination is a cell: a row to be run, or the reason why there is no such socket. How a state is
entered with something in its queues stands in STATES, what cannot exist in IMPOSSIBLE; the rest follows.
"""

import itertools

from row import OPS, Row

LINGER = {"off": "", "0": "linger 0", "1s": "linger 1", "forever": "linger forever"}
# What the peer has sent and nobody has read; "fin" is its FIN alone.
UNREAD = {"nothing": "", "unread": "data 5", "fin": "", "urgent": "urgent 3", "ahead": "ahead 4"}
# What the application has written: (before the handshake, after it).
UNSENT = {"nothing": ("", ""), "unsent": ("window 4", "write 4; write 3"),
          "zero-window": ("window 0", "write 3")}
REFERENCES = ("one", "several")
FAMILIES = ("4", "6", "mapped", "mptcp")

# {pre} and {write}: UNSENT; {got}: UNREAD; {fin}: the peer's FIN, read unless it is to stay unread.
STATES = {
    "established": "{pre}; connect; {write}; {got}",
    "syn-sent": "connecting",
    "syn-recv": "crossed",
    "fin-wait-1": "{pre}; connect; {write}; shut wr; {got}",
    "fin-wait-2": "connect; shut wr; {pre}; ack; {got}",
    "time-wait": "connect; shut wr; ack; {got}; {fin}",
    "closed": "connect; {got}; rst",
    "close-wait": "{pre}; connect; {write}; {got}; {fin}",
    "last-ack": "{pre}; connect; {write}; {got}; {fin}; shut wr",
    "listening": "listen; arrive 2",
    "closing": "{pre}; connect; {write}; shut wr; {got}; {fin}",
    "new-syn-recv": "listen; syn",
    "bound-inactive": "bind; connect; {got}; rst",
}
# Where the way above does not lead: (state, unread, unsent), "" for any.
OTHER_WAYS = (
    ("closed", "nothing", "", "socket"),
    ("closed", "fin", "", "connect; fin; shut wr; ack"),
    ("bound-inactive", "nothing", "", "bind"),
    ("bound-inactive", "fin", "", "bind; connect; fin; shut wr; ack"),
    # A fast open's child has received data, and may write.
    ("syn-recv", "unread", "", "{pre}; listen; fastopen 5; accept; {write}"),
    ("syn-recv", "nothing", "unsent", "{pre}; listen; fastopen 5; accept; read 5; {write}"),
    ("syn-recv", "nothing", "zero-window", "{pre}; listen; fastopen 5; accept; read 5; {write}"),
    # The SYN goes out without the data that waits for a fast open's cookie.
    ("syn-sent", "nothing", "unsent", "connecting-with-data 4"),
)
# MPTCP, between two kernels: the other one acknowledges everything at once.
MPTCP_STATES = {
    "established": "pair mptcp; {write}; {got}",
    "syn-sent": "mptcp; connecting",
    "fin-wait-2": "pair mptcp; {write}; {got}; shut-acked",
    "closed": "mptcp; socket",
    "close-wait": "pair mptcp; {write}; {got}; {fin}",
    "listening": "mptcp; listen",
    "bound-inactive": "mptcp; bind",
}
FINISHED = ("time-wait", "close-wait", "last-ack", "closing")  # the peer's FIN has come
UNCONNECTED = ("closed", "bound-inactive", "time-wait")  # for the descriptor
HANDSHAKE = ("syn-sent", "syn-recv")
ANY = None
# (states, values of a dimension, why there is no such socket)
IMPOSSIBLE = (
    (("new-syn-recv",), ANY, "no process holds a request: nobody can close it or shut it down"),
    (("listening",), ("unread", "fin", "urgent", "ahead", "unsent", "zero-window"),
     "a listener has no bytes: connections wait in its queue"),
    (("syn-sent",), ("unread", "urgent", "ahead"), "nothing is accepted before the handshake"),
    (("syn-sent",), ("zero-window",), "the peer has not told its window yet"),
    (("syn-recv",), ("urgent", "ahead"), "the segment that brings it ends the handshake"),
    (HANDSHAKE, ("fin",), "the handshake's end comes first: then it is CLOSE-WAIT"),
    (UNCONNECTED, ("unsent", "zero-window"), "the connection's end has emptied the send queue"),
    (("established", "fin-wait-1", "fin-wait-2"), ("fin",), "the FIN leads into another state"),
    (FINISHED, ("ahead",), "the FIN empties the out-of-order queue"),
    (("fin-wait-2",), ("unsent",), "the FIN is acknowledged, and all that was before it"),
)
MPTCP_IMPOSSIBLE = (
    (("syn-recv", "new-syn-recv", "fin-wait-1", "closing", "last-ack"), ANY,
     "the other kernel answers at once"),
    (("time-wait",), ANY, "its subflows are, the MPTCP socket is closed"),
    (ANY, ("urgent",), "MPTCP has no urgent data"),
    (ANY, ("ahead",), "loopback keeps the order"),
    (ANY, ("unsent",), "two kernels: what is not sent waits for the window"),
    (("closed", "bound-inactive", "listening", "syn-sent"), ("unread", "fin", "zero-window"),
     "without a connection there is no data"),
    (("established",), ("fin",), "the FIN leads into another state"),
    (("fin-wait-2",), ("fin", "zero-window"), "the FIN is acknowledged, or has come: then it is closed"),
)
# close() waits for the FIN's acknowledgement there.
BLOCKING = ("established", "syn-recv", "fin-wait-1", "closing", "close-wait", "last-ack")
# poll() does not sleep where both directions are shut.
AWAKE = ("closed", "bound-inactive", "time-wait", "closing", "last-ack")
KINDS = ("dup", "poll", "fork", "message")

DIMENSIONS = (STATES, OPS, LINGER, UNREAD, UNSENT, REFERENCES, FAMILIES)


def impossible(state, unread, unsent, family):
    """Why there is no such socket, or None."""
    table = MPTCP_IMPOSSIBLE if family == "mptcp" else IMPOSSIBLE
    return next((reason for states, values, reason in table
                 if (states is ANY or state in states) and
                 (values is ANY or unread in values or unsent in values)), None)


def way(state, unread, unsent, family):
    """The words that lead there."""
    pre, write = UNSENT[unsent]
    if family == "mptcp":
        template, write = MPTCP_STATES[state], "flood" if unsent == "zero-window" else ""
    else:
        template = next((words for *key, words in OTHER_WAYS if key[0] == state and
                         key[1] in ("", unread) and key[2] in ("", unsent)), STATES[state])
    if state == "fin-wait-2":
        write = ""
    fin = "fin" if unread == "fin" or unread != "nothing" else "fin; eof"
    words = template.format(pre=pre, write=write, got=UNREAD[unread], fin=fin).split("; ")
    return "; ".join(filter(None, words))


def kinds(state, number, full):
    """Kinds of second references: one after the other, cell by cell, or all."""
    possible = [kind for kind in KINDS if kind != "poll" or state not in AWAKE]
    return possible if full else [possible[number % len(possible)]]


def blocking(state, op, linger, unread, references):
    """How a row that blocks ends: the fields of it."""
    if op != "close" or linger in ("off", "0") or state not in BLOCKING or unread in ("unread", "urgent"):
        return {}
    if linger == "1s":
        return {"patience": 1.5, "seconds": 1.3}
    return {"patience": 0.1, "seconds": 0.4, "after": "release" if references == "several" or
            unread == "fin" else "interrupt"}


def rows_of(cell, number, full):
    state, op, linger, unread, unsent, references, family = cell
    steps = [way(state, unread, unsent, family), LINGER[linger]]
    mptcp = {"protocol": "mptcp", "optional": True} if family == "mptcp" else {}
    name = "/".join(("matrix", family, state, op, "linger-" + linger, unread, unsent))
    for kind in kinds(state, number, full) if references == "several" else [""]:
        yield Row(f"{name}/{kind or 'one'}", "; ".join(filter(None, (*steps, kind and "hold " + kind))), op,
                  family="4" if mptcp else family, about="listener" if state == "listening" else "flow",
                  **mptcp, **blocking(state, op, linger, unread, references))


def cells(full=False):
    """
    (cell, row, reason): one of the two for each combination. With @full a cell with several references
    comes once for each kind of them.
    """
    for number, cell in enumerate(itertools.product(*DIMENSIONS)):
        reason = impossible(cell[0], cell[3], cell[4], cell[6])
        if reason:
            yield cell, None, reason
            continue
        for row in rows_of(cell, number // len(FAMILIES + REFERENCES), full):
            yield cell, row, None
