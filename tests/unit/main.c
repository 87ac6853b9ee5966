/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs one suite; failures are the exit status. CK_FORK=no helps under a debugger.
 */
#include <stdlib.h>

#include "harness.h"

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
