/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters, limits and ephemeral ports belong to a network namespace (struct net), each with its own.
 */
#include "rules/realms.h"

static const struct tcpdiag_environment no_environment;
static const struct counters no_rates;

uint32_t realm_count(const struct round *round)
{
	return round->input->namespace_count ? round->input->namespace_count : 1;
}

void realm_at(const struct round *round, uint32_t index, struct realm *ret)
{
	const struct findings_input *input = round->input;

	if (index < input->namespace_count) {
		const struct namespace *row = &input->namespaces[index];

		*ret = (struct realm){
			.inode = row->inode,
			.environment = &row->environment,
			.rates = &row->rates,
			.name = snapshot_writer_text(round->w, row->name),
		};
	} else {
		*ret = (struct realm){
			.inode = input->netns,
			.environment = input->environment ? input->environment : &no_environment,
			.rates = input->rates ? input->rates : &no_rates,
			.name = "",
		};
	}
}

bool realm_find(const struct round *round, uint32_t inode, struct realm *ret)
{
	struct realm realm;
	uint32_t i;

	for (i = 0; i < realm_count(round); i++) {
		realm_at(round, i, &realm);
		if (realm.inode != inode)
			continue;
		*ret = realm;
		return true;
	}
	return false;
}

bool realm_rose(const struct realm *realm, enum counter which, uint64_t *ret)
{
	if (!(realm->rates->known & 1U << which))
		return false;
	*ret = realm->rates->value[which];
	return true;
}

void sentence_realm(const struct round *round, struct sentence *s, uint32_t inode)
{
	struct realm realm;

	if (inode == round->input->netns)
		sentence_add(s, "tcpdiagd's own network namespace (%u)", inode);
	else if (realm_find(round, inode, &realm) && *realm.name)
		sentence_add(s, "network namespace %s (%u)", realm.name, inode);
	else
		sentence_add(s, "network namespace %u", inode);
}
