/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --once: look, print, exit.
 */
#pragma once

#include "daemon/options.h"

/*
 * Return: exit status: 0, 1 where it failed, 3 where --fail-on found something. With --unit and --pid 0 where
 * their end is clean, 4 harmless, 5 neither, 6 not known.
 */
int once_main(const struct options *options);
