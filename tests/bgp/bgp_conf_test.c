/*
 * bgp_conf_test.c - which changes cost a session, and how far a peer may be.
 */
#include <string.h>

#include "bgp/bgp_conf.h"
#include "tests/check.h"

static struct bgp_io_peer
base(void)
{
	struct bgp_io_peer c = {
		.name = "r1", .auth = BGP_IO_AUTH_MD5, .password = "secret",
		.session = { .local_as = 65001, .peer_as = 65002, .router_id = 1,
			.hold_sec = 90, .connect_sec = 5, .families = 3 },
	};

	ip_parse("192.0.2.1", &c.addr);
	return c;
}

#define CHANGE(name, what)                                                      \
	static void name(struct bgp_io_peer *c) { what; }

CHANGE(none, (void)c)
CHANGE(bfd, c->bfd.detect_mult = 3)
CHANGE(next_hop, c->next_hop6.family = IP_V6)
CHANGE(empty_strings, (c->ifname = "", c->vrf = "", c->fault = ""))
CHANGE(seed, c->session.random = 7)
CHANGE(restarting, c->session.is_restarting = true)
CHANGE(address, c->addr.b[3]++)
CHANGE(fault, c->fault = "no Secret")
CHANGE(iface, c->ifname = "eth0")
CHANGE(vrf, c->vrf = "red")
CHANGE(port, c->port = 1790)
CHANGE(source, ip_parse("192.0.2.9", &c->source))
CHANGE(hops, c->hops = 2)
CHANGE(gtsm, c->has_gtsm = true)
CHANGE(password, c->password = "other")
CHANGE(no_password, c->auth = BGP_IO_AUTH_NONE)
CHANGE(key_id, c->key_id = 1)
CHANGE(roll, (c->password = "other", c->key_id = 1))
CHANGE(local_as, c->session.local_as++)
CHANGE(peer_as, c->session.peer_as++)
CHANGE(as_rule, c->session.as_rule = BGP_AS_EXTERNAL)
CHANGE(router_id, c->session.router_id++)
CHANGE(hold, c->session.hold_sec++)
CHANGE(keepalive, c->session.keepalive_sec++)
CHANGE(connect_time, c->session.connect_sec++)
CHANGE(restart, c->session.restart_sec++)
CHANGE(passive, c->session.is_passive = true)
CHANGE(strict, c->session.is_strict_role = true)
CHANGE(extended, c->session.has_extended = true)
CHANGE(role, c->session.role++)
CHANGE(families, c->session.families = 1)
CHANGE(v6_next_hop, c->session.has_v6_next_hop = true)

static const struct {
	void	(*change)(struct bgp_io_peer *c);
	bool	is_same;
} changes[] = {
	{ none, true }, { bfd, true }, { next_hop, true }, { empty_strings, true },
	{ seed, true }, { restarting, true },
	{ address, false }, { fault, false }, { iface, false }, { vrf, false }, { port, false },
	{ source, false }, { hops, false }, { gtsm, false }, { password, false },
	{ no_password, false }, { key_id, false }, { roll, false }, { local_as, false },
	{ peer_as, false }, { as_rule, false }, { router_id, false }, { hold, false },
	{ keepalive, false }, { connect_time, false }, { restart, false },
	{ passive, false }, { strict, false }, { extended, false }, { role, false },
	{ families, false }, { v6_next_hop, false },
};

START_TEST(what_costs_a_session)
{
	struct bgp_io_peer ours, theirs = base();

	bgp_conf_copy(&ours, &theirs);
	changes[_i].change(&theirs);
	ck_assert(bgp_conf_is_same(&ours, &theirs) == changes[_i].is_same);
	bgp_conf_free(&ours);
}
END_TEST

/* TCP-AO knows keys by ID, so that another can come beside the one in use. */
static const struct {
	const char *why;
	enum bgp_io_auth auth;
	const char *password;
	uint8_t	key_id;
	bool	is_same;
} rolls[] = {
	{ "the same", BGP_IO_AUTH_AO, "secret", 7, true },
	{ "another key under another ID", BGP_IO_AUTH_AO, "other", 8, true },
	{ "another key under the same ID", BGP_IO_AUTH_AO, "other", 7, false },
	{ "from TCP-AO to MD5", BGP_IO_AUTH_MD5, "secret", 8, false },
	{ "to none at all", BGP_IO_AUTH_NONE, NULL, 8, false },
};

START_TEST(key_rollover)
{
	struct bgp_io_peer ours, theirs = base();

	theirs.auth = BGP_IO_AUTH_AO;
	theirs.password = "secret";
	theirs.key_id = 7;
	bgp_conf_copy(&ours, &theirs);
	theirs.auth = rolls[_i].auth;
	theirs.password = rolls[_i].password;
	theirs.key_id = rolls[_i].key_id;
	ck_assert_msg(bgp_conf_is_same(&ours, &theirs) == rolls[_i].is_same, "%s",
	    rolls[_i].why);
	bgp_conf_free(&ours);
}
END_TEST

/* An AS that does not count is no change. */
START_TEST(any_external_as)
{
	struct bgp_io_peer ours, theirs = base();

	theirs.session.as_rule = BGP_AS_EXTERNAL;
	bgp_conf_copy(&ours, &theirs);
	theirs.session.peer_as = 99;
	ck_assert(bgp_conf_is_same(&ours, &theirs));
	bgp_conf_free(&ours);
}
END_TEST

static const struct {
	const char *why;
	enum bgp_as_rule rule;
	uint32_t peer_as;
	uint8_t	hops, want;
} distances[] = {
	{ "external: on the link", BGP_AS_EXACT, 65002, 0, 1 },
	{ "any external: on the link", BGP_AS_EXTERNAL, 0, 0, 1 },
	{ "internal: anywhere", BGP_AS_INTERNAL, 0, 0, 255 },
	{ "our own AS by number: anywhere", BGP_AS_EXACT, 65001, 0, 255 },
	{ "as configured", BGP_AS_EXACT, 65002, 3, 3 },
	{ "as configured, internal too", BGP_AS_INTERNAL, 0, 1, 1 },
};

START_TEST(distance)
{
	struct bgp_io_peer c = base();

	c.session.as_rule = distances[_i].rule;
	c.session.peer_as = distances[_i].peer_as;
	c.hops = distances[_i].hops;
	ck_assert_msg(bgp_conf_hops(&c) == distances[_i].want, "%s", distances[_i].why);
}
END_TEST

START_TEST(ao_needs_the_kernel)
{
	struct bgp_io_peer c = base();

	ck_assert_ptr_null(bgp_conf_fault(&c, false));
	c.auth = BGP_IO_AUTH_AO;
	ck_assert_ptr_null(bgp_conf_fault(&c, true));
	c.fault = "no Secret";
	ck_assert_str_eq(bgp_conf_fault(&c, true), "no Secret");
	c.fault = "";
	ck_assert(strstr(bgp_conf_fault(&c, false), "TCP-AO") != NULL);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, what_costs_a_session, 0, nitems(changes));
	tcase_add_loop_test(tc, key_rollover, 0, nitems(rolls));
	tcase_add_test(tc, any_external_as);
	tcase_add_loop_test(tc, distance, 0, nitems(distances));
	tcase_add_test(tc, ao_needs_the_kernel);
}

TEST_MAIN("bgp_conf", fill)
