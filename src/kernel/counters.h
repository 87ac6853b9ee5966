/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters, limits and settings from /proc: what surrounds the sockets.
 *
 * The files stay open and are read again with pread(); /proc/net/... follows the namespace of the
 * thread that opened it. A file or a line that this kernel does not have leaves its bit clear.
 */
#pragma once

#include <stdint.h>

#include <tcpdiag/outcome.h>

#include "model/snapshot.h"

struct counters_reader;

/**
 * counters_open() - for the calling thread's network namespace
 *
 * Return: 0; -ENOMEM; -errno where not even /proc/net/sockstat can be opened.
 */
int counters_open(struct counters_reader **ret);

/* Accepts NULL; returns NULL. */
struct counters_reader *counters_free(struct counters_reader *reader);

/**
 * counters_read() - all of them now
 * @ret_counters: counters since boot
 * @ret_environment: sysctls and usage
 * @ret_port_range: ip_local_port_range, {0, 0} where not known
 * @ret_reserved: how many ports of it ip_local_reserved_ports keeps back
 *
 * The members orphans, timewaits and memory_pages hold what sockstat says also where their limit is
 * not known and their bit in @known therefore clear: tcp_max_orphans and tcp_mem are the machine's,
 * and a namespace of a container does not show them.
 *
 * Return: 0; 1 where something that every kernel has was not readable; -errno where sockstat was
 * not.
 */
int counters_read(struct counters_reader *reader, struct counters *ret_counters,
		  struct tcpdiag_environment *ret_environment, uint16_t ret_port_range[2],
		  uint32_t *ret_reserved);

/**
 * counters_read_here() - all of them now, of the calling thread's network namespace, which is
 * entered
 *
 * As counters_read(), but nothing stays open that would keep the namespace alive. In a namespace
 * that is not the machine's first, tcp_max_orphans and tcp_mem are not there: their bits stay
 * clear, and the caller fills in what its own reader said.
 *
 * Return: as counters_read(); -ENOMEM; -errno where not even sockstat can be opened.
 */
int counters_read_here(struct counters *ret_counters, struct tcpdiag_environment *ret_environment,
		       uint16_t ret_port_range[2], uint32_t *ret_reserved);

/*
 * Pure parsers of the files' text, for tests and fuzzers. Unknown lines are skipped, a last line
 * without its newline has been cut and counts for nothing. counters_parse_netstat() reads snmp too;
 * the bits that counters_parse_sockstat() sets say that its half of the information was there.
 */
void counters_parse_netstat(const char *text, size_t len, struct counters *counters);
/*
 * Of netstat: by its names, what this kernel does (TCPDIAG_ENV_FASTCLOSE,
 * TCPDIAG_ENV_DEFERRED_FIN).
 */
void counters_parse_features(const char *text, size_t len, struct tcpdiag_environment *environment);
void counters_parse_sockstat(const char *text, size_t len, struct tcpdiag_environment *environment);
/*
 * How many ports of a range a list of ports names: "8080,9148-9200", ascending. A number that has been cut
 * counts for nothing, nor does what comes after something else.
 */
uint32_t counters_parse_ports(const char *text, size_t len, const uint16_t range[2]);
