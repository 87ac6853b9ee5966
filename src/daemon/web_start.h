/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fork() and exec of the web process.
 */
#pragma once

#include <sys/types.h>

/**
 * web_start() - the program again, as the web process
 * @program: descriptor of the executable
 * @channel: its end; it finds it at CHANNEL_FD
 *
 * It has no environment, no descriptor but 0 to 3, default signals, and ends with its parent.
 *
 * Return: its pid, or -errno.
 */
pid_t web_start(int program, int channel);
