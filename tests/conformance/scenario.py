# SPDX-License-Identifier: LGPL-2.1-or-later
"""One row: into the state, ask, do, compare."""

import copy
import traceback

import check
import net
from scene import Scene
from words import speak
from world import CannotMake

LIMIT = 85  # seconds for one row


def one_row(rows, truth, about):
    """The row of the flow, which must be the only one; None where none is due."""
    if len(rows) > 1:
        raise CannotMake(f"{len(rows)} rows of one flow")
    due = truth.visible or truth.mini or about == "listener"
    if bool(rows) != due:
        raise CannotMake(f"row: {'one' if due else 'none'} due, {rows or 'none'} seen")
    return rows[0] if rows else None


def check_operation(row, scene, found, wrong):
    """Does the operation and compares. @found: the oracle's row."""
    if row.prepare:
        speak(scene, row.prepare)
    truth = copy.copy(scene.truth)
    if row.about == "listener":
        truth.state, truth.visible, truth.peer_fin = "listening", True, False
    blind, told = found["outcomes"][row.op], found["told"][row.op]
    exact = found.get("read", found["told"])[row.op]
    if not all(isinstance(outcome, dict) for outcome in (exact, blind, told)):
        wrong.append(f"{row.op}: {exact} where an outcome was expected")
        return None
    if "read" in found:
        wrong += check.settings(found["settings"], scene)
        wrong += check.same_answer(exact, told, scene)
        if scene.count_holders() and found["attachment"] == "held":
            if found["read"]["close"]["holding"] is None:  # the oracle does not take a glimpse for a reference
                raise CannotMake("holding is not known: somebody else who read descriptors had it")
            wrong += check.holding(found["read"]["close"], scene.truth)
    after = (lambda: speak(scene, row.after)) if row.after else None
    if row.op == "listener_close":
        scene.besides = scene.waiting - 1  # a row speaks for one connection of the queue
    seen, others = scene.operate(row.op, row.patience, after)
    wrong += others
    # What an MPTCP kernel of some other age does nobody can read here.
    uncertain = row.uncertain or (row.protocol == "mptcp" and exact["unknown"] == ["kernel"])
    if exact["certain"] == uncertain:
        wrong.append(f"certain: {exact['certain']} with everything known, but {exact['unknown']}")
    for name, outcome in (("exact", exact), ("blind", blind)):
        wrong += [f"{name}: {text}" for text in check.outcome_is_sound(outcome, truth, row.protocol)]
    plain = scene.told == {"linger": "off", "linger2": 0, "repair": 0} and not scene.siblings
    rule, faults = closest(exact, seen, scene, truth, uncertain)
    wrong += faults
    # What the oracle says without linger, linger2 and repair: one of its results is the truth.
    faults = closest(blind, seen, scene, truth, not plain or uncertain, exact=False)[1]
    wrong += [f"blind: {text}" for text in faults]
    if row.rule and rule != row.rule:
        wrong.append(f"rule: {row.rule} expected, {rule} decided")
    if row.late:
        wrong += late_data(row, scene)
    note = "; ".join(map(str, seen.segments))
    if row.measure:
        scene.truth.state = exact["result"]["state"]
        note = check_fate(row, scene, exact["result"]["then"], wrong) + "; " + note
    return rule, note


def closest(outcome, seen, scene, truth, any_of, exact=True):
    """The rule of the result that is the truth, and []; else of the first, and what is wrong with it."""
    results = [outcome["result"]]
    if any_of:
        results += [other["result"] for other in outcome["otherwise"]]
    faults = []
    for result in results:
        wrong = check.result_against_kernel(result, seen, scene, truth, exact)
        if not wrong:
            return result["rule"], []
        faults.append(wrong)
    return results[0]["rule"], min(faults, key=len)


def late_data(row, scene):
    """What comes in after a direction was shut: answered with a RST, or not."""
    before, resets = net.counters(), scene.peer.resets
    speak(scene, "late 5")
    scene.settle()
    got = "rst" if scene.peer.resets > resets else "none"
    moved = net.counters()["TCPAbortOnData"] - before["TCPAbortOnData"]
    wrong = [] if got == row.late else [f"late data: {row.late} expected, {got} seen"]
    if row.rule == "shutdown-late-data" and moved != 1:
        wrong.append(f"late data: TCPAbortOnData has moved by {moved}")
    return wrong


def check_fate(row, scene, fate, wrong):
    """Waits for the end of what is left. Returns how that was, for people."""
    if row.rule and row.op == "fate" and fate["rule"] != row.rule:
        wrong.append(f"rule: {row.rule} expected, {fate['rule']} decided")
    if not row.measure:
        return ""
    if not isinstance(fate["at_most_ms"], int):
        wrong.append(f"fate: {fate} where a time was expected")
        return ""
    before, resets = net.counters(), scene.resets_seen()
    life = scene.lifetime(min(fate["at_most_ms"] / 1000 * 9 / 8 + 1.0, LIMIT - 10))
    timeouts = net.counters()["TCPAbortOnTimeout"] - before["TCPAbortOnTimeout"]
    wrong += check.fate(fate, life, scene.resets_seen() - resets, row.measure)
    # Retries that are spent are counted; a FIN_WAIT2 timer or a minisocket is not.
    spent = int(scene.truth.state in ("fin-wait-1", "closing", "last-ack"))
    if timeouts != spent:
        wrong.append(f"counters: TCPAbortOnTimeout by {spent} expected, by {timeouts} seen")
    return f"{life and round(life, 2)} s of {fate['at_most_ms']} ms"


def scenario(row, wire, ask):
    """Returns what is reported of the row."""
    scene = Scene(wire, ask, row.family)
    scene.measured = row.measure > 0
    scene.protocol = row.protocol
    report = {"wrong": [], "rule": None, "note": "", "shrunk": ""}
    try:
        in_scene(row, scene, report)
    except CannotMake as reason:
        report["unmade"] = str(reason)
    except Exception as error:  # a defect of the scenario is a row's failure, with its place
        report["wrong"] += [f"{type(error).__name__}: {error}", traceback.format_exc()]
    if report["wrong"] and "unmade" not in report and scene.stalled():
        report.update(unmade=f"{scene.stalled()}: {'; '.join(report['wrong'])}", wrong=[])
    if report["wrong"] or "unmade" in report:
        report["wire"] = [str(segment) for segment in wire.seen]
    report["said"] = "; ".join(scene.said)
    scene.end()
    return report


def in_scene(row, scene, report):
    wrong = report["wrong"]
    speak(scene, row.steps)
    scene.pump(0.001)
    scene.aim(row.about)
    found = one_row(scene.look(True), scene.truth, row.about)
    if found and row.about != "listener":
        wrong += check.row_against_truth(found, scene.truth)
        wrong += row_of_minisocket(found, scene.truth)
    if found and row.about == "listener" and found["rqueue"] != scene.waiting + row.dead:
        wrong.append(f"truth: {scene.waiting} connections wait, the row says {found['rqueue']}")
    if row.op == "fate":
        fate = found and found.get("read_fate", found["told_fate"])
        if not fate:
            wrong.append(f"fate: none of {found and found['state']}")
        else:
            report["rule"] = fate["rule"]
            report["note"] = check_fate(row, scene, fate, wrong)
    elif row.op == "asked":
        report["rule"] = check_asked(row, found, wrong)
    else:
        if not scene.truth.visible and row.about != "listener":
            found = scene.look_at_closed()
        if scene.reader["descriptors"] and "read" not in found:
            wrong.append("settings: none were read")
        done = check_operation(row, scene, found, wrong)
        if done:
            report["rule"], report["note"] = done


def check_asked(row, found, wrong):
    """Nothing is done: what the oracle can't know it must not claim."""
    for name, outcome in (*found["told"].items(), *found.get("read", {}).items()):
        if outcome and (outcome["certain"] or row.unknown not in outcome["unknown"]):
            wrong.append(f"{name}: certain {outcome['certain']}, unknown {outcome['unknown']}")
    return found["told"]["close"]["result"]["rule"]


def row_of_minisocket(found, truth):
    """Nothing can be done to what no process holds."""
    if truth.attachment in ("held", "unaccepted") and not truth.mini:
        return [] if not found["fate"] else ["fate: of a socket that has a process"]
    said = [name for name, outcome in found["outcomes"].items() if outcome]
    return [f"outcomes: {said} of what no process holds"] if said else []
