/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon: collector, web process and systemd, around one event loop.
 */
#pragma once

#include "daemon/options.h"

/**
 * supervise_main() - until SIGTERM or SIGINT
 * @argc, @argv: applied again at each reload
 * @options: at the start
 *
 * Return: exit status.
 */
int supervise_main(int argc, char **argv, const struct options *options);
