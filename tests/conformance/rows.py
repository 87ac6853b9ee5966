# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The scenarios: one row each, in the words of words.py.

What must happen does not stand here: the oracle says it and the kernel shows it. A row may name the rule
that it is meant to exercise, and NEAR names for each rule a row that is one input away from it.
"""

from row import OPS, Rows

ROWS = Rows()
add = ROWS.add


# ---- states by queues by operations ----

# What the peer has sent and the application not read, before the state is entered.
RECEIVE = {
    "": "",
    "unread": "data 5",
    "read": "data 5; read 5",
    "peeked": "data 5; peek",
    "part-read": "data 5; read 2",
    "urgent": "urgent 3",
    "urgent-alone": "urgent 1",
    "oob-read": "urgent 1; read-oob",
    "ahead": "ahead 4",
    "ahead-fin": "ahead-fin",
}
UNREAD = ("unread", "peeked", "part-read", "urgent", "urgent-alone", "oob-read")

# What the application has written: (before the handshake, after it).
SEND = {
    "": ("", ""),
    "acked": ("", "write 4; ack"),
    "unacked": ("", "write 4"),
    "unsent": ("window 0", "write 3"),
    "unacked-unsent": ("window 4", "write 4; write 3"),
    "closed-window": ("window 0", ""),
}

# (steps, its receive queue ends with the peer's FIN)
STATES = {
    "established": ("{pre}; connect; {send}; {receive}", False),
    "fin-wait-1": ("{pre}; connect; {send}; shut wr; {receive}", False),
    "fin-wait-2": ("{pre}; connect; {send}; shut wr; ack; {receive}", False),
    "closing": ("{pre}; connect; {send}; shut wr; {receive}; fin", True),
    "close-wait": ("{pre}; connect; {send}; {receive}; fin", True),
    "last-ack": ("{pre}; connect; {send}; {receive}; fin; shut wr", True),
}

CLOSE_RULE = {
    "established": "close-fin", "close-wait": "close-fin", "syn-recv": "close-fin",
    "fin-wait-1": "close-fin-already-sent", "closing": "close-fin-already-sent", "last-ack": "close-fin-already-sent",
    "fin-wait-2": "close-fin-wait-2",
}
SHUTDOWN_RULE = {
    "established": ("shutdown-read", "shutdown-write", "shutdown-write"),
    "close-wait": ("shutdown-nothing", "shutdown-write", "shutdown-write"),
    "fin-wait-1": ("shutdown-late-data", "shutdown-nothing", "shutdown-late-data"),
    "fin-wait-2": ("shutdown-late-data", "shutdown-nothing", "shutdown-late-data"),
    "closing": ("shutdown-nothing",) * 3,
    "last-ack": ("shutdown-nothing",) * 3,
}


def rule_of(state, unread, op):
    if op in ("close", "exit"):
        return "close-unread-data" if unread else CLOSE_RULE[state]
    return SHUTDOWN_RULE[state][OPS.index(op) - 2]


def join(*parts):
    return "/".join(part for part in parts if part)


for state, (template, has_fin) in STATES.items():
    for send, (before, written) in SEND.items():
        if state == "fin-wait-2" and send not in ("", "acked"):
            continue
        for receive, arrived in RECEIVE.items():
            if has_fin and receive.startswith("ahead"):
                continue
            steps = template.format(pre=before, send=written, receive=arrived)
            ends = {"": steps}
            if has_fin and receive in ("", "read"):
                ends["eof"] = steps.replace("; fin", "; fin; eof")
            for end, words in ends.items():
                for op in OPS:
                    # Every queue with close(); the other operations see each queue once.
                    if op != "close" and send and (receive or end):
                        continue
                    if op.startswith("shutdown") and receive in ("read", "peeked", "part-read"):
                        continue
                    add(join(state, send, receive, end, op), words, op,
                        rule_of(state, receive in UNREAD, op))

# ---- the same over IPv6, and IPv4 through an IPv6 socket ----

for family in ("6", "mapped"):
    for state, (template, has_fin) in STATES.items():
        for receive in ("", "unread"):
            for op in ("close", "shutdown_write"):
                add(join("ipv" + family if family == "6" else family, state, receive, op),
                    template.format(pre="", send="", receive=RECEIVE[receive]), op,
                    rule_of(state, bool(receive), op), family=family)
    add(join("ipv" + family if family == "6" else family, "listener"), "listen; arrive 2", "close",
        "close-listener", about="listener", family=family)
    add(join("ipv" + family if family == "6" else family, "syn-sent"), "connecting", "close",
        "close-syn-sent", family=family)

# ---- no connection, or not yet, or not any more ----

for op in OPS:
    shut = "shutdown-not-connected" if op.startswith("shutdown") else None
    add(join("unbound", op), "socket", op, shut or "close-nothing")
    add(join("bound-inactive", op), "bind", op, shut or "close-nothing")
    add(join("syn-sent", op), "connecting", op, "shutdown-syn-sent" if shut else "close-syn-sent")
    add(join("dead", op), "connect; rst", op, shut or "close-nothing")
    add(join("dead", "unread", op), "connect; data 5; rst", op, shut or "close-nothing")
    add(join("time-wait", op), "connect; shut wr; ack; fin", op, shut or "close-nothing")
    add(join("time-wait", "unread", op), "connect; shut wr; ack; data 5; fin", op, shut or "close-nothing")
    add(join("last-ack-done", op), "connect; fin; shut wr; ack", op, shut or "close-nothing")

    add(join("bound-last-ack-done", op), "bind; connect; fin; shut wr; ack", op, shut or "close-nothing")
    add(join("bound-dead", op), "bind; connect; data 5; rst", op, shut or "close-nothing")

# A handshake that is not over: both SYNs crossed, or a fast open's child.
SYN_RECV = {
    "crossed": ("crossed", False),
    "fast-open": ("listen; fastopen 5; accept", True),
    "fast-open/read": ("listen; fastopen 5; accept; read 5", False),
    "fast-open/written": ("listen; fastopen 5; accept; read 5; write 4", False),
}
for op in OPS:
    add(join("syn-sent/with-data", op), "connecting-with-data 4", op,
        "shutdown-syn-sent" if op.startswith("shutdown") else "close-syn-sent")
for name, (steps, unread) in SYN_RECV.items():
    for op, rule in zip(OPS, ("close-fin", "close-fin", "shutdown-read", "shutdown-deferred",
                              "shutdown-deferred")):
        if unread and op in ("close", "exit"):
            rule = "close-unread-data"
        add(join("syn-recv", name, op), steps, op, rule)
add("syn-recv/crossed/completed/close", "crossed; complete", "close", "close-fin")

# What late data meets. RCV_SHUTDOWN counts only once our FIN is out (RFC 9293, 3.10.7.4).
for state in ("fin-wait-1", "fin-wait-2"):
    template = STATES[state][0].format(pre="", send="", receive="")
    add(f"late-data/{state}/shutdown_read", template, "shutdown_read", "shutdown-late-data", late="rst")
    add(f"late-data/{state}/shutdown_both", template, "shutdown_both", "shutdown-late-data", late="rst")
    add(f"late-data/{state}/shutdown_write", template, "shutdown_write", "shutdown-nothing", late="none")
    add(f"late-data/{state}/shut-already", template + "; shut rd", "shutdown_read", "shutdown-nothing",
        late="rst")
add("late-data/established/shutdown_read", "connect", "shutdown_read", "shutdown-read", late="none")
add("late-data/established/shutdown_write", "connect", "shutdown_write", "shutdown-write", late="none")
add("late-data/established/shutdown_both", "connect", "shutdown_both", "shutdown-write", late="rst")
add("shut-already/established/shutdown_read", "connect; shut rd", "shutdown_read", "shutdown-nothing")
add("shut-already/established/close", "connect; shut rd", "close", "close-fin")
add("shut-already/established/unread/close", "connect; shut rd; data 5", "close", "close-unread-data")
add("shut-already/syn-recv/shutdown_write", "crossed; shut wr", "shutdown_write")
add("shut-already/syn-recv/close", "crossed; shut wr", "close", "close-fin")

# ---- listeners and what waits in their queues ----

for count in (0, 1, 3):
    for op, rule in zip(OPS, ("close-listener", "close-listener", "shutdown-listener",
                              "shutdown-listener-write", "shutdown-listener")):
        add(f"listening/{count}-waiting/{op}", f"listen; arrive {count}", op, rule, about="listener")
add("listening/one-finished/close", "listen; arrive; fin", "close", "close-listener", about="listener")
add("listening/one-with-data/close", "listen; arrive; data 5", "close", "close-listener", about="listener")
add("listening/one-reset-already/close", "listen; arrive 2; rst", "close", "close-listener",
    about="listener", dead=1)
add("listening/request/close", "listen; syn", "close", "close-listener", about="listener")

CHILDREN = {
    "established": "listen; arrive",
    "established/unread": "listen; arrive; data 5",
    "close-wait": "listen; arrive; fin",
    "close-wait/unread": "listen; arrive; data 5; fin",
    "second": "listen; arrive 2",
    "syn-recv": "listen; fastopen 5",
}
for name, steps in CHILDREN.items():
    add(join("unaccepted", name, "listener_close"), steps, "listener_close", "child-reset",
        uncertain=False)
    if name == "second":
        continue
    for op in OPS:
        state = name.split("/", maxsplit=1)[0]
        if state == "syn-recv":
            rule = {"close": "close-unread-data", "exit": "close-unread-data",
                    "shutdown_read": "shutdown-read"}.get(op, "shutdown-deferred")
        else:
            rule = rule_of(state, "unread" in name, op)
        add(join("unaccepted", name, op), steps, op, rule, prepare="accept")

# Accepted ones are like connected ones.
for receive in ("", "unread"):
    for op in OPS:
        add(join("accepted", receive, op), f"listen; arrive; accept; {RECEIVE[receive]}", op,
            rule_of("established", bool(receive), op))

# ---- what becomes of what no process holds ----

add("fate/request", "sysctl ipv4/tcp_synack_retries 1; listen; syn", "fate", "fate-request",
    measure=0.1, seconds=5)
add("fate/request/closed-listener", "listen; syn; close-listener", "fate", "fate-request",
    measure=0.01, seconds=5)
add("fate/time-wait", "connect; shut wr; ack; fin; close", "fate", "fate-time-wait", measure=0.95, seconds=62)
add("fate/time-wait/held", "connect; shut wr; ack; fin", "fate", "fate-time-wait")
for seconds in (1, 3):
    for name, steps in (("closed-late", "connect; shut wr; ack; close"),
                        ("closed-early", "connect; close; ack")):
        add(f"fate/fin-wait-2/{seconds}s/{name}", f"sysctl ipv4/tcp_fin_timeout {seconds}; {steps}",
            "fate", "fate-fin-wait-2", measure=0.8, seconds=seconds)
for name, seconds in (("61s", 61), ("62s", 62)):
    for way, steps in (("closed-late", "connect; shut wr; ack; close"),
                       ("closed-early", "connect; close; ack")):
        add(f"fate/fin-wait-2/{name}/{way}", f"sysctl ipv4/tcp_fin_timeout {seconds}; {steps}", "fate",
            "fate-fin-wait-2", measure=0.8, seconds=5)
add("fate/fin-wait-2/60s", "connect; shut wr; ack; close", "fate", "fate-fin-wait-2", measure=0.95,
    seconds=62)
add("fate/fin-wait-2/linger2-2s", "connect; linger2 2; shut wr; ack; close", "fate", "fate-fin-wait-2",
    measure=0.8, seconds=3)
add("fate/fin-wait-2/linger2-62s", "connect; linger2 62; shut wr; ack; close", "fate", "fate-fin-wait-2",
    measure=0.8, seconds=5)
for retries in (1, 2, 3):
    for state, steps in (("fin-wait-1", "connect; close"),
                         ("fin-wait-1/unacked", "connect; write 4; close"),
                         ("closing", "connect; close; fin"),
                         ("closing/shut", "connect; shut wr; fin; close"),
                         ("last-ack", "connect; fin; eof; close"),
                         ("last-ack/fin-unread", "connect; fin; close")):
        if retries > 1 and state not in ("fin-wait-1", "last-ack"):
            continue
        add(f"fate/{state}/{retries}-retries", f"sysctl ipv4/tcp_orphan_retries {retries}; {steps}",
            "fate", "fate-retries", measure=0.25, seconds=3 * retries)
add("fate/fin-wait-1/rto-max-1s",
    "sysctl ipv4/tcp_rto_max_ms 1000; connect; write 4; close", "fate", "fate-retries",
    measure=0.25, seconds=6)
for state, steps in (("fin-wait-1", "window 0; connect; write 3; close"),
                     ("last-ack", "window 0; connect; write 3; fin; eof; close")):
    add(f"fate/{state}/zero-window/silent", f"sysctl ipv4/tcp_orphan_retries 2; {steps}", "fate",
        "fate-zero-window", measure=0.001, seconds=5)
    add(f"fate/{state}/zero-window/answering",
        f"sysctl ipv4/tcp_rto_max_ms 1000; {steps}; auto-ack", "fate", "fate-zero-window",
        measure=0.25, seconds=8)
add("fate/fin-wait-1/6", "sysctl ipv4/tcp_orphan_retries 1; connect; close", "fate", "fate-retries",
    family="6", measure=0.25, seconds=3)

# TCP_USER_TIMEOUT takes the retries' place and nothing shows it: only where it is shorter the bound holds.
add("fate/fin-wait-1/user-timeout", "sysctl ipv4/tcp_orphan_retries 3; connect; user-timeout 700; close",
    "fate", "fate-retries", measure=0.05, seconds=4)

# What a close leaves behind lives as long as the answer before it says.
for state, (template, has_fin) in STATES.items():
    setting = "sysctl ipv4/tcp_fin_timeout 2; sysctl ipv4/tcp_orphan_retries 2"
    add(f"left/{state}/close", template.format(pre=setting, send="", receive=""), "close",
        CLOSE_RULE[state], measure=0.25, seconds=4)
add("left/fin-wait-2/62s/close", "sysctl ipv4/tcp_fin_timeout 62; connect; shut wr; ack", "close",
    "close-fin-wait-2", measure=0.8, seconds=5)
add("left/fin-wait-2/61s/exit", "sysctl ipv4/tcp_fin_timeout 61; connect; shut wr; ack", "exit",
    "close-fin-wait-2", measure=0.8, seconds=5)
add("left/fin-wait-2/linger2-1/close", "connect; linger2 1; shut wr; ack", "close", "close-fin-wait-2",
    measure=0.8, seconds=2)
add("left/fin-wait-2/linger2-62/close", "connect; linger2 62; shut wr; ack", "close", "close-fin-wait-2",
    measure=0.8, seconds=5)
# 3.5 RTO is more than what was asked for.
add("left/fin-wait-2/slow-peer/close", "connecting; age 0.6; answer; linger2 1; shut wr; ack", "close",
    "close-fin-wait-2", measure=0.8, seconds=7)
add("left/established/slow-peer/close",
    "sysctl ipv4/tcp_orphan_retries 1; connecting; age 0.4; answer", "close", "close-fin", measure=0.25,
    seconds=5)
add("left/established/retransmitting/close",
    "sysctl ipv4/tcp_orphan_retries 2; connect; write 4; age 1", "close", "close-fin", measure=0.45,
    seconds=5)
add("left/established/zero-window/close", "sysctl ipv4/tcp_rto_max_ms 1000; window 0; connect; write 3",
    "close", "close-fin", measure=0.1, seconds=8)

add("left/established/probing/close",
    "sysctl ipv4/tcp_rto_max_ms 1000; window 0; connect; write 3; age 0.5", "close", "close-fin",
    measure=0.25, seconds=5)
# Nothing is sent, nothing is in flight and the window is closed: the FIN will have to wait for it.
for state, steps in (("established", "window 0; connect"), ("close-wait", "window 0; connect; fin")):
    add(f"left/{state}/closed-window/close",
        f"sysctl ipv4/tcp_orphan_retries 1; sysctl ipv4/tcp_rto_max_ms 4000; {steps}; auto-ack",
        "close", "close-fin", measure=0.25, seconds=12)

# ---- settings that sock_diag does not show ----

LINGER_ZERO = {
    "established": "close-linger-zero", "close-wait": "close-linger-zero",
    "fin-wait-1": "close-linger-zero", "fin-wait-2": "close-linger-zero",
    "closing": "close-linger-zero-silent", "last-ack": "close-linger-zero-silent",
}
for state, (template, has_fin) in STATES.items():
    plain = template.format(pre="", send="", receive="")
    for op in ("close", "exit"):
        add(f"linger-0/{state}/{op}", plain + "; linger 0", op, LINGER_ZERO[state])
    add(f"linger-0/{state}/unread/close",
        template.format(pre="", send="", receive="data 5") + "; linger 0", "close", "close-unread-data")
    if state != "fin-wait-2":
        for send in ("unacked", "unsent", "unacked-unsent", "closed-window"):
            before, written = SEND[send]
            steps = template.format(pre=before, send=written, receive="")
            held = send != "unacked"
            rule = "close-linger-zero" if held else LINGER_ZERO[state]
            add(f"linger-0/{state}/{send}/close", steps + "; linger 0", "close", rule)
    # Blocks for as long as is said, where our FIN is not acknowledged; returns without a RST.
    blocking = state != "fin-wait-2"
    add(f"linger-1/{state}/close", plain + "; linger 1", "close", CLOSE_RULE[state], patience=1.5,
        seconds=1.5)
    add(f"linger-1/{state}/exit", plain + "; linger 1", "exit", CLOSE_RULE[state])
    add(f"linger-1/{state}/unread/close",
        template.format(pre="", send="", receive="data 5") + "; linger 1", "close", "close-unread-data")
    add(f"linger-forever/{state}/close", plain + "; linger forever", "close", CLOSE_RULE[state],
        patience=0.6 if blocking else 0, after="ack" if blocking else "", seconds=1)
    add(f"linger-off/{state}/close", plain + "; linger 5; linger off", "close", CLOSE_RULE[state])
for name, steps in (("unbound", "socket"), ("bound-inactive", "bind"), ("time-wait", "connect; shut wr; ack; fin"),
                    ("dead", "connect; rst")):
    for linger in ("0", "1"):
        add(f"linger-{linger}/{name}/close", f"{steps}; linger {linger}", "close", "close-nothing")
for linger in ("0", "1"):
    add(f"linger-{linger}/syn-sent/close", f"connecting; linger {linger}", "close",
        "close-linger-zero-silent" if linger == "0" else "close-syn-sent")
    add(f"linger-{linger}/listening/close", f"listen; arrive; linger {linger}", "close",
        "close-listener", about="listener")
    add(f"linger-{linger}/shutdown", f"connect; linger {linger}", "shutdown_both", "shutdown-write")
add("linger-0/syn-recv/close", "crossed; linger 0", "close", "close-linger-zero")
add("linger-1/syn-recv/close", "crossed; linger 1", "close", "close-fin", patience=1.5, seconds=1.5)

add("linger2-negative/fin-wait-2/close", "connect; linger2 -1; shut wr; ack", "close",
    "close-linger2-negative")
add("linger2-negative/fin-wait-2/exit", "connect; linger2 -1; shut wr; ack", "exit",
    "close-linger2-negative")
add("linger2-negative/fin-wait-2/unread/close", "connect; linger2 -1; shut wr; ack; data 5", "close",
    "close-unread-data")
add("linger2-negative/fin-wait-1/close", "connect; linger2 -1; shut wr", "close", "close-fin-already-sent")
add("linger2-negative/established/close", "connect; linger2 -1", "close", "close-fin")
add("linger2-10/fin-wait-2/close", "connect; linger2 10; shut wr; ack", "close", "close-fin-wait-2")
add("linger2-90/fin-wait-2/close", "connect; linger2 90; shut wr; ack", "close", "close-fin-wait-2")
add("fin-timeout-62/fin-wait-2/close", "sysctl ipv4/tcp_fin_timeout 62; connect; shut wr; ack", "close",
    "close-fin-wait-2")
add("no-time-wait/fin-wait-2/close", "sysctl ipv4/tcp_max_tw_buckets 0; connect; shut wr; ack", "close",
    "close-time-wait-overflow")
add("one-time-wait/fin-wait-2/close", "sysctl ipv4/tcp_max_tw_buckets 1; connect; shut wr; ack", "close",
    "close-fin-wait-2")

add("second-time-wait/fin-wait-2/close",
    "sysctl ipv4/tcp_max_tw_buckets 1; connect; shut wr; ack; time-wait-besides", "close",
    "close-time-wait-overflow")
add("second-time-wait/two-fit/fin-wait-2/close",
    "sysctl ipv4/tcp_max_tw_buckets 2; connect; shut wr; ack; time-wait-besides", "close",
    "close-fin-wait-2")
# An accepted socket has its listener's settings.
add("inherited/linger-0/close", "listen; linger 0; arrive", "close", "close-linger-zero", prepare="accept")
add("inherited/linger-0/listener_close", "listen; linger 0; arrive", "listener_close", "child-reset")
add("inherited/linger-1/listener_close", "listen; linger 1; arrive", "listener_close", "child-reset")
add("inherited/linger2-negative/close", "listen; linger2 -1; arrive; accept; shut wr; ack", "close",
    "close-linger2-negative")
add("keepalive/fin-wait-1/close", "connect; keepalive; shut wr", "close", "close-fin-already-sent")
add("keepalive/fin-wait-2/close", "connect; keepalive; shut wr; ack", "close", "close-fin-wait-2")

for state, (template, has_fin) in STATES.items():
    for receive in ("", "unread"):
        add(join("repair", state, receive, "close"),
            template.format(pre="", send="", receive=RECEIVE[receive]) + "; repair", "close",
            "close-repair", optional=True)
add("repair/linger-0/close", "connect; linger 0; repair", "close", "close-repair", optional=True)

# ---- a queue that moves to another listener, where there is one: a child does not know ----

MIGRATE = "sysctl ipv4/tcp_migrate_req 1; listen; arrive"
add("migrate/sibling/listener_close", MIGRATE + "; sibling", "listener_close", "child-migrates", uncertain=True)
add("migrate/alone/listener_close", MIGRATE, "listener_close", "child-reset", uncertain=True)
add("migrate/sibling/close", MIGRATE + "; sibling", "close", "child-migrates", about="listener")
add("migrate/alone/close", MIGRATE, "close", "close-listener", about="listener")
add("migrate/off/close", "listen; arrive; sibling", "close", "close-listener", about="listener")

# ---- two kernels ----

add("mptcp/subflow", "pair mptcp", "asked", "close-subflow", unknown="mptcp", optional=True)
add("mptcp/subflow/unread", "pair mptcp; data 5", "asked", "close-subflow", unknown="mptcp", optional=True)
# Kernels before April 2026 take linger 0 for no time to wait, and before November 2025 a fallback with unread
# data was reset: nothing tells which one this is.
for name, steps, rule, uncertain in (
        ("idle", "mptcp", "close-mptcp", False),
        ("unread", "mptcp; data 5", "close-mptcp-fastclose", False),
        ("linger-0", "mptcp; linger 0", "close-mptcp-fastclose", True),
        ("linger-0/unread", "mptcp; linger 0; data 5", "close-mptcp-fastclose", False),
        ("fallback", "fallback", "close-mptcp", False),
        ("fallback/linger-0", "fallback; linger 0", "close-linger-zero", True),
        ("fallback/unread", "fallback; data 5", "close-mptcp-fallback", True),
        ("fallback/linger-0/unread", "fallback; linger 0; data 5", "close-linger-zero", True)):
    for op in ("close", "exit"):
        add(f"mptcp/{name}/{op}", "pair " + steps, op, rule, protocol="mptcp", uncertain=uncertain,
            optional=True)

for op in OPS:
    add(f"loopback/{op}", "pair tcp", op, rule_of("established", False, op))
add("loopback/unread/close", "pair tcp; data 5", "close", "close-unread-data")

# A thread in recv() holds on until a signal, which would end a lingering close(), too.
for linger in ("", "; linger 0"):
    for op in OPS:
        add(join("in-recv", linger[2:].replace(" ", "-"), op), f"connect{linger}; hold recv", op)

# A FIN that came while data was waiting is read with the last byte, before any end of file is seen.
add("close-wait/read-to-the-fin/close", "connect; data 5; fin; read 5", "close", "close-fin")
add("close-wait/read-before-the-fin/close", "connect; data 5; fin; read 4", "close", "close-unread-data")

# ---- for each rule a row that is one input away from it and is decided by another ----

NEAR = {
    "close-nothing": "syn-sent/close",
    "close-syn-sent": "bound-inactive/close",
    "close-listener": "bound-inactive/close",
    "close-repair": "established/close",
    "close-unread-data": "established/read/close",
    "close-linger-zero": "linger-1/established/close",
    "close-linger-zero-silent": "linger-0/closing/unsent/close",
    "close-fin": "established/unread/close",
    "close-fin-already-sent": "close-wait/close",
    "close-fin-wait-2": "fin-wait-1/close",
    "close-linger2-negative": "linger2-10/fin-wait-2/close",
    "close-time-wait-overflow": "one-time-wait/fin-wait-2/close",
    "shutdown-not-connected": "established/shutdown_read",
    "shutdown-read": "close-wait/shutdown_read",
    "shutdown-late-data": "established/shutdown_read",
    "shutdown-write": "established/shutdown_read",
    "shutdown-deferred": "established/shutdown_write",
    "shutdown-syn-sent": "bound-inactive/shutdown_write",
    "shutdown-listener": "listening/1-waiting/shutdown_write",
    "shutdown-listener-write": "listening/1-waiting/shutdown_read",
    "shutdown-nothing": "close-wait/shutdown_write",
    "child-reset": "unaccepted/established/close",
    "child-migrates": "migrate/alone/listener_close",
    "close-mptcp": "mptcp/unread/close",
    "close-mptcp-fastclose": "mptcp/idle/close",
    "close-mptcp-fallback": "mptcp/fallback/close",
    "close-subflow": "loopback/close",
    "fate-retries": "fate/fin-wait-2/1s/closed-late",
    "fate-zero-window": "fate/fin-wait-1/1-retries",
    "fate-fin-wait-2": "fate/time-wait/held",
    "fate-time-wait": "fate/fin-wait-2/1s/closed-late",
    "fate-request": "fate/time-wait/held",
}
