/*
 * replay_test.c - a fuzz target's seeds through it once, one test each: linked with
 * each of them to ROOM_WHAT_replay, so that targets and seeds stay good between the
 * times that somebody fuzzes.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "tests/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static glob_t seeds;

/* In a heap block of its exact size, so that the sanitizer sees what reads beyond. */
START_TEST(seed)
{
	FILE *f = fopen(seeds.gl_pathv[_i], "rb");
	uint8_t *data;
	long len;

	ck_assert_msg(f != NULL, "%s: %s", seeds.gl_pathv[_i], strerror(errno));
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	len = ftell(f);
	ck_assert_int_ge(len, 0);
	rewind(f);
	data = mem_zalloc((size_t)len);
	ck_assert_uint_eq(fread(data, 1, (size_t)len, f), (size_t)len);
	fclose(f);
	(void)LLVMFuzzerTestOneInput(data, (size_t)len);
	free(data);
}
END_TEST

static void
fill(TCase *tc)
{
	/* The program is called ROOM_WHAT_replay. */
	const char *name = program_invocation_short_name;
	size_t len = strlen(name) - strlen("_replay");
	char *pattern = mem_printf("tests/fuzz/seeds/%.*s/*", (int)len, name);

	(void)glob(pattern, 0, NULL, &seeds);
	free(pattern);
	tcase_add_loop_test(tc, seed, 0, (int)seeds.gl_pathc);
}

TEST_MAIN("seeds", fill)
