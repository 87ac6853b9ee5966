/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names that people know a container by, from what its engine leaves on the disk:
 *
 *   /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log   the kubelet, whatever runs the containers
 *   /var/log/pods/NAMESPACE_POD_UID/                     the kubelet; the container itself is not told apart
 *   /var/lib/docker/containers/ID/config.v2.json         Docker
 *
 * Of the former two only the names of files are read, once for all containers that have appeared since the
 * last pass over the processes. Podman keeps names in a database of its own, which is not read. LXC and
 * systemd-nspawn have no ids, so that a container's is its name.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct containers;

/* Each is "" where it is not known. */
struct container_names {
	const char *name; /* of the container in its pod; without a pod: on this machine */
	const char *pod;
	const char *namespace; /* of Kubernetes */
};

/* The same, owned by whoever has it; each is terminated. Kubernetes allows 253 and twice 63 characters. */
struct container_label {
	char key[80]; /* id of the container, maybe cut; of a pod its uid */
	char name[256];
	char pod[256];
	char namespace[64];
};

/**
 * containers_new()
 * @root: what stands before /var; "" is the machine's own
 *
 * Return: 0; -ENOMEM.
 */
int containers_new(const char *root, struct containers **ret);

/* Accepts NULL; returns NULL. */
struct containers *containers_free(struct containers *containers);

/*
 * A pass over the processes begins: who was not asked for in the one before is forgotten, and for names that
 * were not there yet, the disk is asked once more, a few times in all.
 */
void containers_begin(struct containers *containers);

/**
 * containers_find() - the names of a container
 * @id: as cgroup_identify() gives it, not empty
 * @pod_uid: "" where there is none
 * @ret: borrowed until the next call for another one
 */
void containers_find(struct containers *containers, const char *id, const char *pod_uid,
		     struct container_names *ret);

/* Containers and files above the limits, since the start. */
uint64_t containers_cut(const struct containers *containers);

/* -errno of what could not be read in this pass or the one before, 0: nothing; what does not exist is no error. */
int containers_error(const struct containers *containers);

/* Passes over a folder, and files read, since the start. */
uint64_t containers_reads(const struct containers *containers);

/* ---- containers_parse.c: pure ---- */

/* "POD_NAMESPACE_CONTAINER-ID.log"; a name of 255 bytes may end within the id. Return: 0; -EBADMSG. */
int container_parse_log(const char *name, struct container_label *ret);

/* "NAMESPACE_POD_UID". Return: 0, without a name; -EBADMSG. */
int container_parse_pod(const char *name, struct container_label *ret);

/* The text of config.v2.json. Return: 0 with the name alone; -EBADMSG. */
int container_parse_config(const char *text, size_t len, struct container_label *ret);
