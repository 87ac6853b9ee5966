/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Schemas of single members, and members that several objects have.
 */
#pragma once

#define INTEGER "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define BOOLEAN "{\"type\":\"boolean\"}"
#define STRING "{\"type\":\"string\"}"
#define TIME "{\"type\":\"string\",\"format\":\"date-time\"}"
#define INTEGER_OR_NULL "{\"type\":[\"integer\",\"null\"]}"
#define NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"
#define BOOLEAN_OR_NULL "{\"type\":[\"boolean\",\"null\"]}"
#define STRING_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define TIME_OR_NULL "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define REF_OR_NULL(name) "{\"anyOf\":[" REF(name) ",{\"type\":\"null\"}]}"
#define ARRAY(item) "{\"type\":\"array\",\"items\":" item "}"

#define PAGE_MEMBERS \
	{ "matched", INTEGER, "Rows before any limit.", false }, \
		{ "returned", INTEGER, "Rows of this page.", false }, \
	{ \
		"next", STRING_OR_NULL, "What `after` takes for the next page.", false \
	}

/* openapi_rule.c */
extern const struct schema_member schema_rule[];
extern const struct schema_member schema_rule_list[];

/* openapi_event.c */
extern const struct schema_member schema_event_socket[];
extern const struct schema_member schema_event_name[];
extern const struct schema_member schema_event_linger[];
extern const struct schema_member schema_event_step[];
extern const struct schema_member schema_prediction[];
extern const struct schema_member schema_event_finding[];
extern const struct schema_member schema_event[];
extern const struct schema_member schema_event_source[];
extern const struct schema_member schema_event_gap[];
extern const struct schema_member schema_event_group[];
extern const struct schema_member schema_event_list[];
extern const struct schema_member schema_reset[];
extern const struct schema_member schema_reset_sums[];
extern const struct schema_member schema_reset_list[];
extern const struct schema_member schema_recent_resets[];

/* openapi_owner.c */
extern const struct schema_member schema_container[];
extern const struct schema_member schema_exit_object[];
extern const struct schema_member schema_recent_ends[];
extern const struct schema_member schema_process_exit[];
extern const struct schema_member schema_unit_exit[];
extern const struct schema_member schema_process_detail[];
extern const struct schema_member schema_unit_detail[];
extern const struct schema_member schema_process_exit_list[];
extern const struct schema_member schema_unit_exit_list[];
extern const struct schema_member schema_container_exit_list[];
