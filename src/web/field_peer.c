/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end: which socket it is, why it is not known, and a view of it.
 */
#include "web/field_parts.h"
#include "web/sockets.h"

static const char *peer_unknown_word(int number)
{
	return peer_unknown_name(number);
}

const struct vocabulary peer_unknown_words = { PEER_NOT_LOOKED_FOR, PEER_UNKNOWN_MAX,
					       peer_unknown_word };

void peer_print(struct view *view, struct buffer *b)
{
	sockets_print_row_id(b, view->snapshot, view->record->peer);
}

GETTER(peer_unknown_get)
{
	ret->text = peer_unknown_name(view->record->peer_unknown);
	return ret->text;
}

GETTER(peer_socket_get)
{
	uint32_t peer = view->record->peer;

	if (peer >= view->snapshot->record_count)
		return false;
	view_turn(view, &view->snapshot->records[peer]);
	return true;
}
