/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who holds which socket: a pass over the descriptors of all processes, in slices.
 *
 * With BPF the kernel lists them, with the settings of each socket and in all namespaces (kernel/bpf.h,
 * 0.6 us a descriptor); without it /proc is walked (4 us). Either way the pass runs in slices of bounded
 * time between polls, and its result is older than the sockets. A complete one replaces the result before.
 * What belongs to a process (command, cgroup, unit, container, limits) is read once, when its
 * first socket is found, and kept by pid and start time, so that a reused pid does not inherit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_reader;
struct owners;
struct socket_settings;
struct tcpdiag_socket;

struct owner {
	uint32_t inode; /* of the socket */
	uint32_t process; /* for owners_process() */
	int32_t fd;
	uint32_t settings; /* for owners_settings(); UINT32_MAX: this pass does not read them */
};

struct owner_process {
	int32_t pid;
	int32_t parent; /* pid of the process that it was first seen as a child of; 0: none, not known */
	uint64_t start_time; /* clock ticks since boot */
	uint64_t executable; /* equal for processes of one file, 0: not known */
	uint32_t netns; /* inode number, 0: not known */
	uint32_t descriptors; /* open at the walk, 0: not known (with BPF before Linux 6.2) */
	uint32_t descriptor_limit; /* soft RLIMIT_NOFILE, 0: not known */
	char comm[16];
	const char *cgroup; /* path, never NULL */
	const char *unit; /* "nginx.service", "" where none */
	const char *container; /* id, "" where none */
	const char *pod_uid; /* "" where it is in none */
	/* As people know the container: kernel/containers.h; each "" where it is not known. */
	const char *container_name;
	const char *pod;
	const char *pod_namespace;
};

/**
 * owners_new()
 * @proc: normally "/proc"
 * @max_processes: with sockets; what is above is counted in owners_cut()
 * @max_holders: descriptors that are sockets
 * @bpf: lists the descriptors; borrowed, outlives the owners. NULL, or without that way: /proc does
 *
 * Return: 0, -ENOMEM, -errno of opening @proc.
 */
int owners_new(const char *proc, uint32_t max_processes, uint32_t max_holders,
	       struct bpf_reader *bpf, struct owners **ret);

/**
 * owners_name_containers() - reads the names of containers from the disk (kernel/containers.h)
 * @root: what stands before /var; "" is the machine's own
 *
 * Without this call they have ids only.
 *
 * Return: 0; -ENOMEM.
 */
int owners_name_containers(struct owners *owners, const char *root);

/* Accepts NULL; returns NULL. */
struct owners *owners_free(struct owners *owners);

/**
 * owners_step() - goes on with the pass for a while
 * @budget_ns: wall time after which it stops at the next process or 256 descriptors
 * @now_ns: CLOCK_MONOTONIC; kept as the start of a pass that begins here
 *
 * Return: 1 when a pass has become complete and is now the result; 0 when there is more to do;
 * -ENOMEM, or -errno where /proc cannot be read at all or BPF's pass broke off: the next call begins a new
 * pass. Where BPF fails again and again, owners without it still say who holds what.
 */
int owners_step(struct owners *owners, int64_t budget_ns, int64_t now_ns);

/* When the pass began whose result is in force; 0: there is none yet. */
int64_t owners_result_ns(const struct owners *owners);

/*
 * Processes of the last complete pass whose descriptors could not be read: their sockets look unheld. One
 * where /proc does not even list all of them (hidepid).
 */
uint32_t owners_unreadable(const struct owners *owners);

/*
 * Whether this is a PID namespace below the first one: its processes may share sockets and network
 * namespaces with others that it does not show, so that nobody seen to hold a socket proves nothing.
 */
bool owners_is_partial(const struct owners *owners);

/**
 * owners_find() - the descriptors that refer to a socket
 * @ret: first of a run sorted by pid, then fd; borrowed until the next complete pass
 *
 * Return: how many, 0 where none.
 */
uint32_t owners_find(const struct owners *owners, uint32_t inode, const struct owner **ret);

/* Borrowed until the next complete pass. */
const struct owner_process *owners_process(const struct owners *owners, uint32_t process);

/* Number of the process with this pid in the last complete pass; UINT32_MAX: it has no socket. */
uint32_t owners_process_of(const struct owners *owners, int32_t pid);

/* What owner.settings refers to; NULL where it is out of range. Borrowed until the next complete pass. */
const struct socket_settings *owners_settings(const struct owners *owners, uint32_t row);

/**
 * owners_closed() - the sockets in TCP_CLOSE that the last complete pass has found, each once
 * @ret: sorted by cookie, of all namespaces; borrowed until the next complete pass
 *
 * Dead connections whose descriptor is still open, and unbound sockets: no dump shows them. A bound one is
 * among them, too, and in the dump of newer kernels: the cookie tells.
 *
 * Return: how many; 0 without BPF.
 */
uint32_t owners_closed(const struct owners *owners, const struct tcpdiag_socket **ret);

/* -errno where names of containers could not be read in the last complete pass or this one, 0. */
int owners_container_error(const struct owners *owners);

/* How many processes the result has: owner.process is below it. */
uint32_t owners_process_count(const struct owners *owners);

/*
 * Network namespaces seen in the last complete pass, besides @own: of all processes, with BPF those of all
 * TCP sockets.
 */
uint32_t owners_other_namespaces(const struct owners *owners, uint32_t own);

/* Their inode numbers, ascending; borrowed until the next complete pass. Return: how many. */
uint32_t owners_namespaces(const struct owners *owners, const uint32_t **ret);

struct owners_cut {
	uint64_t processes;
	uint64_t holders;
	uint64_t closed; /* of owners_closed() */
	uint64_t containers; /* left without a name */
};

/* What the limits cut, since the start. */
struct owners_cut owners_cut(const struct owners *owners);
