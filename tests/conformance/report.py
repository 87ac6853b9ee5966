# SPDX-License-Identifier: LGPL-2.1-or-later
"""The matrix as a table: rows are states, columns operations, close() by linger."""

import collections

import matrix

COLUMNS = (("close()", ("close", "off")), ("linger 0", ("close", "0")), ("1 s", ("close", "1s")),
           ("forever", ("close", "forever")), ("exit", ("exit", None)), ("SHUT_RD", ("shutdown_read", None)),
           ("SHUT_WR", ("shutdown_write", None)), ("SHUT_RDWR", ("shutdown_both", None)))
WORDS = ("agreed", "disagreed", "could not be made", "cannot exist")
BEGIN, END = "<!-- conformance -->", "<!-- /conformance -->"


def word_of(report):
    return "disagreed" if report["wrong"] else "could not be made" if "unmade" in report else "agreed"


def counted(reports):
    """Counter by (state, column, word); rows that were not to be run are left out."""
    counts = collections.Counter()
    for cell, row, _ in matrix.cells(full=True):
        state, op, linger = cell[:3]
        if row and row.name not in reports:
            continue
        word = word_of(reports[row.name]) if row else "cannot exist"
        counts[state, (op, linger if op == "close" else None), word] += 1
    return counts


def cell_text(counts, state, column):
    agreed, disagreed, unmade, _ = (counts[state, column, word] for word in WORDS)
    text = str(agreed) if agreed else "-"
    if disagreed:
        text += f", **{disagreed} disagreed**"
    if unmade:
        text += f", {unmade} not made"
    return text


def table(reports):
    """Lines of Markdown."""
    counts = counted(reports)
    heads = ["state", *(name for name, _ in COLUMNS), *WORDS]
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    sums = collections.Counter()
    for state in matrix.STATES:
        of_state = {word: sum(counts[state, column, word] for _, column in COLUMNS) for word in WORDS}
        sums.update(of_state)
        lines.append("| " + " | ".join(
            [state, *(cell_text(counts, state, column) for _, column in COLUMNS),
             *(str(of_state[word]) for word in WORDS)]) + " |")
    lines.append("| all |" + " |" * len(COLUMNS) + " " + " | ".join(str(sums[word]) for word in WORDS) + " |")
    return lines


def aligned(lines):
    """The same for a terminal."""
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines if "---" not in line]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(part.ljust(width) if number == 0 else part.rjust(width)
                      for number, (part, width) in enumerate(zip(row, widths))).rstrip() for row in rows]


def write_between_markers(path, lines):
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN + "\n")
    after = rest.split(END + "\n")[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([before + BEGIN, *lines, END, ""]) + after)
