/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the encoders append, compared with what printf(), inet_ntop() and a JSON parser say.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sys/socket.h>

#include "../harness.h"
#include "web/buffer.h"

#define expect(b, text) \
	do { \
		ck_assert_int_eq((b)->error, 0); \
		ck_assert_uint_eq((b)->len, strlen(text)); \
		ck_assert_mem_eq((b)->data, (text), (b)->len); \
		buffer_done(b); \
	} while (0)

START_TEST(numbers)
{
	uint64_t value, step;
	struct buffer b = {};
	char text[64];

	/* Each power of ten and its neighbours, each power of two and its neighbours. */
	for (step = 1;; step *= 10) {
		for (value = step - 1; value <= step + 1; value++) {
			snprintf(text, sizeof(text), "%" PRIu64, value);
			buffer_u64(&b, value);
			expect(&b, text);
			snprintf(text, sizeof(text), "%" PRId64, -(int64_t)(value / 2));
			buffer_s64(&b, -(int64_t)(value / 2));
			expect(&b, text);
		}
		if (step > UINT64_MAX / 10)
			break;
	}
	for (step = 1; step; step <<= 1) {
		for (value = step - 1; value <= step + 1; value++) {
			snprintf(text, sizeof(text), "%" PRIx64, value);
			buffer_hex(&b, value);
			expect(&b, text);
		}
	}
	buffer_u64(&b, UINT64_MAX);
	expect(&b, "18446744073709551615");
	buffer_s64(&b, INT64_MIN);
	expect(&b, "-9223372036854775808");
	buffer_s64(&b, INT64_MAX);
	expect(&b, "9223372036854775807");
}
END_TEST

static const struct {
	int64_t ms;
	const char *text;
} durations[] = {
	{ 0, "0" },	  { 1, "0.001" },      { 10, "0.01" },
	{ 100, "0.1" },	  { 999, "0.999" },    { 1000, "1" },
	{ 1500, "1.5" },  { 60000, "60" },     { 86400123, "86400.123" },
	{ -1, "-0.001" }, { -2500, "-2.5" },   { INT64_MIN, "-9223372036854775.808" },
	{ 1050, "1.05" }, { 10001, "10.001" },
};

START_TEST(duration)
{
	struct buffer b = {};

	buffer_ms(&b, durations[_i].ms);
	expect(&b, durations[_i].text);
}
END_TEST

static const struct {
	double value;
	const char *text;
} doubles[] = {
	{ 0, "0" },
	{ -0.0, "0" },
	{ 1, "1" },
	{ 0.5, "0.5" },
	{ -0.25, "-0.25" },
	{ 0.1, "0.1" },
	{ 1.0 / 3, "0.333333" },
	{ 2.0 / 3, "0.666667" },
	{ 1e-7, "0" },
	{ -1e-7, "0" },
	{ 0.9999999, "1" },
	{ 123456.789, "123456.789" },
	{ 999999999.5, "999999999.5" },
	{ 1e9, "1000000000" },
	{ 1234567890.25, "1234567890.25" },
	{ -1764000000.123, "-1764000000.123" },
	{ 1e15, "1000000000000000" },
	{ 1e20, "1e+20" },
	{ (double)INFINITY, "null" },
	{ -(double)INFINITY, "null" },
	{ (double)NAN, "null" },
};

START_TEST(floating)
{
	struct buffer b = {};

	buffer_double(&b, doubles[_i].value);
	expect(&b, doubles[_i].text);
}
END_TEST

static const struct {
	const char *text, *json;
} strings[] = {
	{ "", "\"\"" },
	{ "nginx", "\"nginx\"" },
	{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
	{ "\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\"" },
	{ "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"" },
	{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
	{ "\xe2\x82\xac\xf0\x9f\x99\x82", "\"\xe2\x82\xac\xf0\x9f\x99\x82\"" },
	/* no UTF-8: overlong, surrogate, too large, cut short, continuation alone, Latin-1 */
	{ "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xe0\x9f\xbf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ "\xc3", "\"\xef\xbf\xbd\"" },
	{ "\x80z", "\"\xef\xbf\xbdz\"" },
	{ "caf\xe9!", "\"caf\xef\xbf\xbd!\"" },
};

START_TEST(json_text)
{
	struct buffer b = {};
	json_t *json;

	buffer_json(&b, strings[_i].text);
	ck_assert(b.data);
	json = json_loadb(b.data, b.len, JSON_DECODE_ANY, NULL);
	ck_assert_ptr_nonnull(json);
	if (buffer_is_utf8(strings[_i].text))
		ck_assert_str_eq(json_string_value(json), strings[_i].text);
	else
		ck_assert_ptr_nonnull(strstr(json_string_value(json), "\xef\xbf\xbd"));
	json_decref(json);
	expect(&b, strings[_i].json);
}
END_TEST

START_TEST(json_every_pair)
{
	unsigned int i, k;

	for (i = 1; i < 256; i++) {
		for (k = 0; k < 256; k++) {
			const char text[3] = { (char)i, (char)k };
			struct buffer b = {};
			json_t *json;

			buffer_json(&b, text);
			ck_assert(b.data);
			json = json_loadb(b.data, b.len, JSON_DECODE_ANY, NULL);
			ck_assert_msg(json != NULL, "bytes %02x %02x", i, k);
			json_decref(json);
			buffer_done(&b);
		}
	}
}
END_TEST

static const char *const ipv6[] = {
	"::",
	"::1",
	"2001:db8::1",
	"2001:db8:0:1:1:1:1:1",
	"2001:0:0:1::1",
	"2001:db8::1:0:0:1",
	"fe80::1:2:3:4",
	"1:2:3:4:5:6:7:8",
	"1::",
	"1:2:3:4:5:6:7:0",
	"0:2:3:4:5:6:7:8",
	"ff02::fb",
	"::ffff:192.0.2.1",
	"64:ff9b::c000:201",
	"abcd:ef01:2345:6789:abcd:ef01:2345:6789",
};

START_TEST(address6)
{
	struct buffer b = {};
	uint8_t address[16];
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(inet_pton(AF_INET6, ipv6[_i], address), 1);
	ck_assert_ptr_nonnull(inet_ntop(AF_INET6, address, text, sizeof(text)));
	ck_assert_str_eq(text, ipv6[_i]);
	buffer_address(&b, address, AF_INET6);
	expect(&b, ipv6[_i]);
}
END_TEST

START_TEST(address6_patterns)
{
	unsigned int mask;

	/* Every pattern of zero groups; what looks like an embedded IPv4 address is told above. */
	for (mask = 4; mask < 256; mask++) {
		struct buffer b = {};
		uint8_t address[16] = {};
		char text[INET6_ADDRSTRLEN];
		unsigned int i;

		for (i = 0; i < 8; i++)
			address[15 - 2 * i] = mask >> i & 1 ? (uint8_t)(i + 1) : 0;
		ck_assert_ptr_nonnull(inet_ntop(AF_INET6, address, text, sizeof(text)));
		buffer_address(&b, address, AF_INET6);
		expect(&b, text);
	}
}
END_TEST

START_TEST(address4)
{
	static const char *const table[] = { "0.0.0.0", "127.0.0.1", "10.9.8.7", "255.255.255.255",
					     "192.0.2.100" };
	uint8_t address[16] = { [10] = 0xff, [11] = 0xff };
	struct buffer b = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		ck_assert_int_eq(inet_pton(AF_INET, table[i], address + 12), 1);
		buffer_address(&b, address, AF_INET);
		expect(&b, table[i]);
	}
}
END_TEST

START_TEST(text)
{
	struct buffer b = {};
	char *large;
	size_t i;

	buffer_text(&b, "a");
	buffer_literal(&b, "bc");
	buffer_char(&b, 'd');
	buffer_add(&b, "ef?", 2);
	buffer_printf(&b, "%d-%s", 7, "x");
	buffer_add(&b, "", 0);
	expect(&b, "abcdef7-x");

	/* An empty append to an empty buffer is no error; done twice neither. */
	buffer_text(&b, "");
	ck_assert_uint_eq(b.len, 0);
	buffer_done(&b);
	buffer_done(&b);

	for (i = 0; i < 100000; i++)
		buffer_u64(&b, i % 10);
	ck_assert_uint_eq(b.len, 100000);
	for (i = 0; i < b.len; i++)
		ck_assert_int_eq(b.data[i], (char)('0' + i % 10));
	buffer_done(&b);

	large = malloc(5000);
	ck_assert_ptr_nonnull(large);
	memset(large, 'y', 4999);
	large[4999] = '\0';
	buffer_printf(&b, "%s", large);
	expect(&b, large);
	free(large);
}
END_TEST

START_TEST(error_sticks)
{
	struct buffer b = {};

	buffer_text(&b, "kept");
	ck_assert(!buffer_reserve(&b, SIZE_MAX));
	ck_assert_int_eq(b.error, -ENOMEM);
	buffer_text(&b, "dropped");
	buffer_char(&b, 'x');
	buffer_add(&b, "", 0);
	buffer_printf(&b, "%d", 1);
	ck_assert_uint_eq(b.len, 4);
	ck_assert_mem_eq(b.data, "kept", 4);
	buffer_done(&b);
	ck_assert_int_eq(b.error, 0);
	buffer_text(&b, "again");
	expect(&b, "again");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("buffer");
	TCase *t = tcase_create("append");

	tcase_add_test(t, numbers);
	tcase_add_loop_test(t, duration, 0, ARRAY_SIZE(durations));
	tcase_add_loop_test(t, floating, 0, ARRAY_SIZE(doubles));
	tcase_add_loop_test(t, json_text, 0, ARRAY_SIZE(strings));
	tcase_add_test(t, json_every_pair);
	tcase_add_loop_test(t, address6, 0, ARRAY_SIZE(ipv6));
	tcase_add_test(t, address6_patterns);
	tcase_add_test(t, address4);
	tcase_add_test(t, text);
	tcase_add_test(t, error_sticks);
	suite_add_tcase(s, t);
	return s;
}
