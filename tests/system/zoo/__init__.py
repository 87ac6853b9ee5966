# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real programs of Debian, together in a network of their own: the healthy zoo, one file an animal."""
