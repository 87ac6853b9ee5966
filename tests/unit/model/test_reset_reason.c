/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's reasons and our words for them.
 */
#include <ctype.h>

#include "../harness.h"
#include "model/reset_reason.h"

/* Each word but the split one and the rest is a name of the kernel's, written otherwise. */
START_TEST(there_and_back)
{
	enum reset_reason reason;

	for (reason = RESET_REASON_NONE + 1; reason < RESET_REASON_OTHER; reason++) {
		const char *name = reset_reason_name(reason);
		char kernel[64] = "SK_RST_REASON_";
		size_t used = strlen(kernel);

		ck_assert_ptr_nonnull(name);
		for (; *name; name++)
			kernel[used++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
		kernel[used] = '\0';
		ck_assert_int_eq(reset_reason_of_kernel(kernel),
				 reason == RESET_REASON_NO_SOCKET_SYN ? RESET_REASON_OTHER
								      : reason);
	}
	ck_assert_ptr_null(reset_reason_name(RESET_REASON_NONE));
	ck_assert_ptr_null(reset_reason_name(RESET_REASON_MAX));
}
END_TEST

START_TEST(others)
{
	static const struct {
		const char *kernel;
		enum reset_reason reason;
	} rows[] = {
		{ "SK_RST_REASON_TCP_ABORT_ON_CLOSE", RESET_REASON_ABORT_ON_CLOSE },
		{ "SK_RST_REASON_TCP_ABORT_ON_CLOSE_TOO", RESET_REASON_OTHER },
		{ "SK_RST_REASON_TCP_ABORT_ON", RESET_REASON_OTHER },
		{ "SK_RST_REASON_", RESET_REASON_OTHER },
		{ "SK_RST_REASON_MAX", RESET_REASON_NONE },
		{ "SKB_DROP_REASON_NO_SOCKET", RESET_REASON_NONE },
		{ "", RESET_REASON_NONE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(reset_reason_of_kernel(rows[i].kernel), rows[i].reason);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("reset_reason");
	TCase *t = tcase_create("words");

	tcase_add_test(t, there_and_back);
	tcase_add_test(t, others);
	suite_add_tcase(s, t);
	return s;
}
