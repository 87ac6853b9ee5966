/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --once: look, print, exit.
 */
#pragma once

#include "daemon/options.h"

/* Return: exit status: 0, 1 where it failed, 3 where --fail-on found something. */
int once_main(const struct options *options);
