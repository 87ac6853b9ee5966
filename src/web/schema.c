/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The schemas of the documents about sockets, for OpenAPI: from the table of fields, so that they cannot
 * say anything else than what is printed.
 */
#include "web/field.h"
#include "web/sockets.h"

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"

static const char snapshot_schema[] =
	"\"Snapshot\":{\"type\":\"object\",\"description\":\"What the answer shows, and how old "
	"that "
	"is. Ages of sockets and findings are as of time.\",\"required\":[\"id\",\"time\","
	"\"age_seconds\",\"sweep_age_seconds\",\"complete\"],\"properties\":{"
	"\"id\":{\"type\":\"integer\",\"description\":\"Counts publications.\"},"
	"\"time\":{\"type\":\"string\",\"format\":\"date-time\",\"description\":\"Of its "
	"publication.\"},"
	"\"age_seconds\":{\"type\":\"number\",\"description\":\"Since then, at the answer.\"},"
	"\"sweep_age_seconds\":{\"type\":[\"number\",\"null\"],\"description\":\"Since every "
	"socket "
	"was last asked for; null before the first time.\"},"
	"\"namespaces\":{\"type\":\"object\",\"description\":\"Network namespaces whose "
	"sockets are shown, others that there are (null: not known), and how old the oldest part "
	"is that is not known to be as it was.\",\"required\":[\"read\",\"not_read\","
	"\"oldest_seconds\"],\"properties\":{\"read\":{\"type\":\"integer\"},"
	"\"not_read\":{\"type\":[\"integer\",\"null\"]},"
	"\"oldest_seconds\":{\"type\":[\"number\",\"null\"]}}},"
	"\"complete\":{\"type\":\"boolean\",\"description\":\"No source failed, no limit cut.\"},"
	"\"missing\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"What is "
	"not complete, and why; left out when nothing is missing.\"}}}";

static const char list_schema[] =
	",\"SocketList\":{\"type\":\"object\",\"required\":[\"snapshot\",\"matched\",\"returned\"],"
	"\"properties\":{\"snapshot\":" REF(
		"Snapshot") ","
			    "\"matched\":{\"type\":\"integer\",\"description\":\"Sockets that the "
			    "filters match.\"},"
			    "\"returned\":{\"type\":\"integer\",\"description\":\"Sockets, or "
			    "groups, in this answer.\"},"
			    "\"sockets\":{\"type\":\"array\",\"items\":" REF(
				    "Socket") "},"
					      "\"groups\":{\"type\":\"array\",\"items\":" REF(
						      "SocketGroup") ",\"description\":\"Instead "
								     "of "
								     "sockets, with `group`: most "
								     "first.\"},"
								     "\"groups_total\":{\"type\":"
								     "\"integer\",\"description\":"
								     "\"Groups before the "
								     "limit.\"},"
								     "\"ungrouped\":{\"type\":"
								     "\"integer\",\"description\":"
								     "\"Sockets in no group, "
								     "because there "
								     "would be too many groups.\"},"
								     "\"next\":{\"type\":["
								     "\"string\",\"null\"],"
								     "\"description\":\"`after` of "
								     "the next page; null at "
								     "the end.\"}}}";

static const char group_schema[] =
	",\"SocketGroup\":{\"type\":\"object\",\"required\":[\"key\",\"count\",\"unread_bytes\","
	"\"oldest_seconds\",\"example\"],\"properties\":{"
	"\"key\":{\"type\":\"object\",\"description\":\"The value of each field grouped by.\"},"
	"\"count\":{\"type\":\"integer\",\"description\":\"Sockets.\"},"
	"\"unread_bytes\":{\"type\":\"integer\",\"description\":\"Added up.\"},"
	"\"oldest_seconds\":{\"type\":[\"number\",\"null\"],\"description\":\"The longest time one "
	"of "
	"them has been in its state.\"},"
	"\"example\":{\"type\":\"string\",\"description\":\"Id of that one.\"}}}";

void sockets_schemas(struct buffer *b)
{
	buffer_text(b, snapshot_schema);
	buffer_literal(
		b, ",\"Outcome\":{\"type\":\"object\",\"description\":\"What the kernel does on "
		   "an operation, as the socket is now.\",\"properties\":{");
	field_schema_print(outcome_fields, b);
	buffer_literal(b, "}},\"Socket\":{\"type\":\"object\",\"description\":\"A TCP or MPTCP "
			  "socket. Lists carry the first outcomes only, and not all fields; "
			  "null means not known or not applicable.\",\"properties\":{");
	field_schema_print(socket_fields, b);
	buffer_literal(b, "}},\"SocketDetail\":{\"allOf\":[{\"type\":\"object\",\"required\":"
			  "[\"snapshot\"],\"properties\":{\"snapshot\":" REF("Snapshot") "}}," REF(
				  "Socket") "]}");
	buffer_text(b, list_schema);
	buffer_text(b, group_schema);
}
