/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of the events' ring become events. Pure: for the reader, tests and fuzzers.
 */
#pragma once

#include "kernel/bpf/event_rows.h"
#include "kernel/events.h"

#define EVENT_REASONS_MAX 128 /* numbers that a kernel may use */

/**
 * event_from_row()
 * @reasons: enum reset_reason by this kernel's numbers
 *
 * Return: 0; -EBADMSG where it is too short or its values are out of range.
 */
int event_from_row(const void *data, size_t size, uint32_t hz,
		   const uint8_t reasons[EVENT_REASONS_MAX], struct socket_event *ret);
