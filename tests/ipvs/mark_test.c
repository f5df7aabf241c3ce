/* A bit of the packet mark beside other people's. */
#include <stdint.h>

#include "ipvs/mark.h"
#include "tests/check.h"

static const struct {
	const char *why;
	struct { uint32_t mark, mask; bool is_ours; } rules[4];	/* up to a mask of 0 */
	uint32_t bit;
} rows[] = {
	{ "nobody there: the first", { { 0, 0, false } }, 0x10 },
	{ "the first is tested", { { 0x10, 0x10, false } }, 0x20 },
	{ "tested for being off is tested", { { 0, 0x10, false } }, 0x20 },
	{ "a mask of many bits", { { 0x100, 0xff0, false } }, 0x1000 },
	{ "all that is not Calico's half but kube-proxy's",
	    { { 0x10000, 0xffff0000, false }, { 0, 0x3ff0, false } }, 0x10 },
	{ "Calico's half is no matter", { { 0x10000, 0xffff0000, false } }, 0x10 },
	{ "a whole mark means its own bits", { { 0x31, UINT32_MAX, false } }, 0x40 },
	{ "an earlier start's bit is kept", { { 0x80, 0x80, true } }, 0x80 },
	{ "even with others there", { { 0x10, 0x10, false }, { 0x80, 0x80, true } }, 0x80 },
	{ "but not shared", { { 0x10, 0x10, true }, { 0x10, 0x30, false } }, 0x40 },
	{ "a rule in our place that tests two bits is not ours",
	    { { 0x30, 0x30, true } }, 0x40 },
	{ "kube-proxy's bits are never taken", { { 0, 0x3ff0, false } }, 0x10000 },
	{ "all are tested: the default", { { 0, 0xfffffff0, false } }, 0x10 },
};

START_TEST(choice)
{
	struct mark_use u = { 0 };
	uint32_t bit = rows[_i].bit;

	for (size_t i = 0; i < nitems(rows[_i].rules) && rows[_i].rules[i].mask != 0; i++)
		mark_note(&u, rows[_i].rules[i].mark, rows[_i].rules[i].mask,
		    rows[_i].rules[i].is_ours);
	ck_assert_msg(mark_choose(&u) == bit, "%s: 0x%x", rows[_i].why, mark_choose(&u));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, choice, 0, nitems(rows));
}

TEST_MAIN("mark", fill)
