/*
 * check.h - what every unit test program shares: one suite, one exit status, and
 * assertions that cost nothing where they hold.
 */
#ifndef HERALD_TESTS_CHECK_H
#define HERALD_TESTS_CHECK_H

#include <check.h>
#include <stdlib.h>

#include "lib/mem.h"

/*
 * Check's own writes each one that holds to a file, for a crash to be known by the last
 * of them; a test with a million spends most of its time so. The sanitizer says better
 * where a crash was. All other assertions are made of this one.
 */
#undef ck_assert_msg
#define ck_assert_msg(holds, ...)                                               \
	((holds) ? (void)0 : _ck_assert_failed(__FILE__, __LINE__,                 \
	    "Assertion '" #holds "' failed", ##__VA_ARGS__))

/* A main() that runs suite `name` with the test cases added by `fill`. */
#define TEST_MAIN(name, fill)                                                   \
	int main(void)                                                          \
	{                                                                       \
		Suite *suite = suite_create(name);                              \
		TCase *tc = tcase_create(name);                                 \
		SRunner *runner;                                                \
		int failed;                                                     \
                                                                                \
		tcase_set_timeout(tc, 300);                                     \
		fill(tc);                                                       \
		suite_add_tcase(suite, tc);                                     \
		runner = srunner_create(suite);                                 \
		srunner_run_all(runner, CK_ENV);                                \
		failed = srunner_ntests_failed(runner);                         \
		srunner_free(runner);                                           \
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;               \
	}

#endif
