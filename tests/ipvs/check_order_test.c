/* What a checker's thread is handed: a copy, and whether it is another. */
#include "ipvs/check_order.h"
#include "tests/check.h"

static struct probe_conf web = { .kind = PROBE_HTTP, .path = "/", .host = "a.example" };
static struct probe_conf tcp = { .kind = PROBE_TCP };
static struct probe_conf web_again;	/* equal to web, elsewhere */

static struct check_want
want(uint64_t id, const char *ip, uint16_t port, const struct probe_conf *conf)
{
	struct check_want w = { .id = id, .port = port, .conf = conf };

	ck_assert_int_eq(ip_parse(ip, &w.ip), 0);
	return w;
}

START_TEST(copy)
{
	struct check_want wants[] = {
		want(1, "192.0.2.1", 80, &web), want(2, "192.0.2.2", 80, &web),
		want(3, "2001:db8::3", 80, &tcp), want(4, "192.0.2.4", 80, &web),
	};
	struct check_order *o = check_order_new(wants, nitems(wants));

	wants[0].port = 0;
	ck_assert_uint_eq(o->nwants, 4);
	ck_assert_uint_eq(o->wants[0].port, 80);
	ck_assert_msg(o->nconfs == 2, "what serves many is copied once");
	ck_assert_ptr_ne(o->wants[0].conf, &web);
	ck_assert_str_eq(o->wants[0].conf->path, "/");
	ck_assert_ptr_eq(o->wants[1].conf, o->wants[0].conf);
	ck_assert_ptr_eq(o->wants[3].conf, o->wants[0].conf);
	ck_assert_int_eq(o->wants[2].conf->kind, PROBE_TCP);
	check_order_free(o);
	o = check_order_new(NULL, 0);
	ck_assert_uint_eq(o->nwants, 0);
	check_order_free(o);
	check_order_free(NULL);
}
END_TEST

static const struct {
	const char *why;
	uint64_t id;
	const char *ip;
	uint16_t port;
	const struct probe_conf *conf;
	bool	is_same;
} changes[] = {
	{ "nothing", 2, "192.0.2.2", 80, &web, true },
	{ "an equal conf", 2, "192.0.2.2", 80, &web_again, true },
	{ "another conf", 2, "192.0.2.2", 80, &tcp, false },
	{ "another id", 3, "192.0.2.2", 80, &web, false },
	{ "another address", 2, "192.0.2.3", 80, &web, false },
	{ "another family", 2, "2001:db8::2", 80, &web, false },
	{ "another port", 2, "192.0.2.2", 81, &web, false },
};

START_TEST(hash)
{
	struct check_want wants[] = {
		want(1, "192.0.2.1", 80, &web), want(2, "192.0.2.2", 80, &web),
	};
	uint64_t before = check_wants_hash(wants, 2);

	web_again = web;
	wants[1] = want(changes[_i].id, changes[_i].ip, changes[_i].port, changes[_i].conf);
	ck_assert_msg((check_wants_hash(wants, 2) == before) == changes[_i].is_same, "%s",
	    changes[_i].why);
	ck_assert_uint_ne(check_wants_hash(wants, 1), before);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, copy);
	tcase_add_loop_test(tc, hash, 0, nitems(changes));
}

TEST_MAIN("ipvs check order", fill)
