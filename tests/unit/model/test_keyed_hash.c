/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keyed hash is SipHash-1-3, whose numbers others have computed; another key gives other slots.
 */
#include <endian.h>

#include "../harness.h"
#include "model/keyed_hash.h"
#include "model/macro.h"

#define WORD 0x0807060504030201ULL

START_TEST(known_numbers)
{
	static const struct hash_key zero = {};
	/* Bytes 1 to 8, once and five times, as CPython's hash() gives them without a seed. */
	const uint64_t words[5] = { htole64(WORD), htole64(WORD), htole64(WORD), htole64(WORD),
				    htole64(WORD) };

	ck_assert_uint_eq(keyed_hash(&zero, words, 1), 0x884ccc87cb0e5fb0ULL);
	ck_assert_uint_eq(keyed_hash(&zero, words, 5), 0xd73a6841094e85acULL);
}
END_TEST

/* Values that meet in one slot under one key are spread under another. */
START_TEST(another_key)
{
	static const struct hash_key one = { { 1, 2 } }, other = { { 1, 3 } };
	unsigned int met = 0, meet_again = 0;

	for (uint64_t word = 0; met < 200; word++) {
		if (keyed_hash(&one, &word, 1) % 256)
			continue;
		met++;
		meet_again += keyed_hash(&other, &word, 1) % 256 == 0;
	}
	ck_assert_uint_le(meet_again, 10);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("keyed-hash");
	TCase *tests = tcase_create("hash");

	tcase_add_test(tests, known_numbers);
	tcase_add_test(tests, another_key);
	suite_add_tcase(s, tests);
	return s;
}
