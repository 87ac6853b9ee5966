# SPDX-License-Identifier: LGPL-2.1-or-later
# Who has gone from a listener's queue gets a RST like the others.
s/sk->children < sk->rqueue$/sk->children > sk->rqueue/
