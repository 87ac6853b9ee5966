/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What headers ask for.
 */
#include "../harness.h"
#include "model/macro.h"
#include "web/negotiate.h"

static const struct {
	const char *header;
	bool gzip;
} encodings[] = {
	{ NULL, false },
	{ "", false },
	{ "gzip", true },
	{ "GZip", true },
	{ "x-gzip", true },
	{ "deflate, gzip", true },
	{ "gzip, deflate, br, zstd", true },
	{ "gzip;q=1.0, identity; q=0.5, *;q=0", true },
	{ "gzip;q=0.001", true },
	{ "gzip ; Q=0.5", true },
	{ "br;q=1.0, gzip;q=0.8, *;q=0.1", true },
	{ "*", true },
	{ "*;q=0.5", true },
	{ "identity", false },
	{ "deflate, br", false },
	{ "gzip;q=0", false },
	{ "gzip;q=0.0", false },
	{ "gzip; q=0.000", false },
	{ "*;q=0", false },
	{ "gzip;q=0, *", false },
	{ "*, gzip;q=0", false },
	{ "gzipped", false },
	{ "gzip;q=x", false },
	{ "gzip;q=", false },
	{ "gzip;q", false },
	{ "gzip;q=2", false },
	{ "gzip;q=0.0001", false },
	{ "gzip;level=1;q=0", false },
	{ "gzip;level=1", true },
	{ ",, ,gzip", true },
	{ ";q=0,gzip", true },
	{ "identity;q=0", false },
};

START_TEST(gzip)
{
	ck_assert_msg(negotiate_gzip(encodings[_i].header) == encodings[_i].gzip, "%s",
		      encodings[_i].header ? encodings[_i].header : "no header");
}
END_TEST

static const struct {
	const char *header;
	bool matches;
} validators[] = {
	{ NULL, false },
	{ "", false },
	{ "*", true },
	{ "W/\"1-a\"", true },
	{ "\"1-a\"", true },
	{ "\"x\", W/\"1-a\"", true },
	{ "W/\"x\",\"y\" , \"1-a\"", true },
	{ "W/\"1-b\"", false },
	{ "\"1-a-gz\"", false },
	{ "\"1-\"", false },
	{ "1-a", false },
	{ "\"1-a", false },
	{ "w/\"1-a\"", false },
	{ "W/", false },
	{ "\"a,b\", \"1-a\"", true },
};

START_TEST(etag)
{
	ck_assert_msg(negotiate_etag(validators[_i].header, "W/\"1-a\"") == validators[_i].matches,
		      "%s", validators[_i].header ? validators[_i].header : "no header");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("negotiate");
	TCase *t = tcase_create("negotiate");

	tcase_add_loop_test(t, gzip, 0, ARRAY_SIZE(encodings));
	tcase_add_loop_test(t, etag, 0, ARRAY_SIZE(validators));
	suite_add_tcase(s, t);
	return s;
}
