/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the options mean to the two processes.
 */
#pragma once

#include "collector/collector.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "model/channel.h"

/* @ret borrows the path of --replay. */
void settings_collector(const struct options *options, struct collector_settings *ret);

void settings_web(const struct options *options, enum log_output output,
		  struct channel_settings *ret);
