/*
 * check.h - what every unit test program shares: one suite, one exit status.
 */
#ifndef HERALD_TESTS_CHECK_H
#define HERALD_TESTS_CHECK_H

#include <check.h>
#include <stdlib.h>

#include "lib/mem.h"

/* A main() that runs suite `name` with the test cases added by `fill`. */
#define TEST_MAIN(name, fill)                                                   \
	int main(void)                                                          \
	{                                                                       \
		Suite *suite = suite_create(name);                              \
		TCase *tc = tcase_create(name);                                 \
		SRunner *runner;                                                \
		int failed;                                                     \
                                                                                \
		tcase_set_timeout(tc, 120);                                     \
		fill(tc);                                                       \
		suite_add_tcase(suite, tc);                                     \
		runner = srunner_create(suite);                                 \
		srunner_run_all(runner, CK_ENV);                                \
		failed = srunner_ntests_failed(runner);                         \
		srunner_free(runner);                                           \
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;               \
	}

#endif
