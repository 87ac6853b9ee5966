/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every document of live data begins with: which snapshot it shows, how old that is, and what is missing.
 *
 * Ages of sockets and findings are told as of `snapshot.time`, so that the pages of one snapshot agree
 * with each other; only age_seconds and sweep_age_seconds count on to the moment of the answer.
 */
#pragma once

#include <stdint.h>

#include "model/snapshot.h"
#include "web/buffer.h"

/**
 * envelope_print() - appends "snapshot":{"id","time","age_seconds","sweep_age_seconds","namespaces","complete"[,"missing"]}
 * @now_ns: CLOCK_MONOTONIC at the answer
 *
 * No braces around it and no comma behind.
 */
void envelope_print(struct buffer *b, const struct snapshot *snapshot, int64_t now_ns);

/* A time of CLOCK_REALTIME in quotes: "2026-11-23T03:54:45.123Z". */
void buffer_time(struct buffer *b, int64_t wall_ns);

/* A duration in seconds with up to three decimals. */
void buffer_seconds(struct buffer *b, int64_t ns);

/* CLOCK_REALTIME of an instant that the snapshot tells in CLOCK_MONOTONIC. */
int64_t snapshot_wall(const struct snapshot *snapshot, int64_t monotonic_ns);

/* Nanoseconds from then until the snapshot was published, never negative. */
int64_t snapshot_age(const struct snapshot *snapshot, int64_t monotonic_ns);
