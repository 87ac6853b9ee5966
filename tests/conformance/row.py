# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a row is, and the list of those that are to be run."""

import ast
from dataclasses import dataclass

OPS = ("close", "exit", "shutdown_read", "shutdown_write", "shutdown_both")


@dataclass
class Row:
    name: str
    steps: str  # into the state
    op: str  # one of OPS, "listener_close", "fate": wait and see, or "asked": nothing
    rule: str = None
    prepare: str = ""  # between the question and the operation
    family: str = "4"
    about: str = "flow"  # what the question is about: the flow with the peer, or the listener
    patience: float = 0.0  # seconds that a blocking call is left alone, before...
    after: str = ""  # ...this is said
    measure: float = 0.0  # for fates: it lasts at least this share of at_most
    seconds: float = 0.0  # about how long the row takes; long ones are started first
    dead: int = 0  # connections in the listener's queue that their peer has reset
    uncertain: bool = False  # even with all inputs the oracle may not claim to know
    unknown: str = ""  # for "asked": the input that it must name
    late: str = ""  # data that comes after the operation is answered with "rst" or "none"
    optional: bool = False  # not every kernel can make it
    protocol: str = "tcp"

    @property
    def fresh(self):
        """Needs a namespace in which nothing has been."""
        return "tw_buckets" in self.steps


class Rows(list):
    """Each name once."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def add(self, name, steps, op, rule=None, **more):
        if name in self.names:
            raise ValueError(f"two rows {name}")
        self.names.add(name)
        self.append(Row(name, steps, op, rule, **more))


def pasted(line):
    """The row of a line as it stands in rows.py: add("name", "steps", "op", key=value...)."""
    call = ast.parse(line.strip(), mode="eval").body
    return Row(*map(ast.literal_eval, call.args), **{more.arg: ast.literal_eval(more.value) for more in call.keywords})
