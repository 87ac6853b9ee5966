# SPDX-License-Identifier: LGPL-2.1-or-later
# Data that nobody has read is no reason for a RST.
s/return tcpdiag_unread_bytes(sk) > 0;/return tcpdiag_unread_bytes(sk) > 1000000;/
