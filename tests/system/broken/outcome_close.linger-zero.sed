# SPDX-License-Identifier: LGPL-2.1-or-later
# SO_LINGER with 0 seconds is like none.
s/if (assume->linger && !assume->lingertime_ms)/if (assume->linger \&\& assume->lingertime_ms == 1)/
