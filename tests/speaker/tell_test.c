/*
 * What tell_io.c writes, to a source that only takes it down. Time is the
 * clock's here, but for the bound on a storm, which no test outlasts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/source_impl.h"
#include "lib/clock.h"
#include "speaker/tell_io.h"
#include "tests/check.h"
#include "tests/kube/json.h"

static char last[600], last_uid[64];
static unsigned nevents;

static void
take_down(struct kube_source *src, const struct kube_event *ev)
{
	(void)src;
	nevents++;
	snprintf(last_uid, sizeof(last_uid), "%s", ev->uid != NULL ? ev->uid : "none");
	snprintf(last, sizeof(last), "%s %s/%s %s: %s", ev->is_warning ? "Warning" :
	    "Normal", ev->ns != NULL ? ev->ns : kube_kind_name(ev->kind), ev->name,
	    ev->reason, ev->message);
}

static const struct kube_source_ops ops = { .event = take_down };
static struct kube_source source = { .ops = &ops };
static struct kube_store *store;	/* with the Service d/a */

static void
open_store(void)
{
	store = kube_store_new();
	json_put(store, "{'apiVersion':'v1','kind':'Service','metadata':{'namespace':'d',"
	    "'name':'a','uid':'1'},'spec':{'ports':[{'port':80}]}}");
}

static void
close_store(void)
{
	kube_store_free(store);
}

static struct plan_service services[] = { { "d", "a" }, { "d", "b" } };
static struct plan_vip vips[] = { { .services = services, .nservices = 2,
    .is_mine = true } };
static const struct plan plan = { .vips = vips, .nvips = 1 };
static const struct alive nobody = { NULL };
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

START_TEST(stranger)
{
	struct ip vip = vips[0].ip = ip_from_v4(0x0a000901), other = ip_from_v4(1);
	struct tell t;

	tell_init(&t, &source, store, "n1", &plan, &nobody);
	tell_conflict(&t, &other, "eth0", mac);
	ck_assert(!tell_rivals(&t));
	ck_assert_msg(nevents == 0, "a VIP that is no longer in the plan");
	tell_conflict(&t, &vip, "eth0", mac);
	ck_assert_msg(nevents == 0, "telling waits");
	ck_assert(!tell_rivals(&t));
	ck_assert_msg(nevents == 2, "one for each Service at the VIP");
	ck_assert_msg(strcmp(last_uid, "none") == 0, "d/b is gone from the store");
	ck_assert_str_eq(last, "Warning d/b DuplicateAddress: 10.0.9.1 on eth0 is used "
	    "by 02:00:00:00:00:09, which is no node of this cluster, as node \"n1\" "
	    "sees it: find that machine, or take the address out of its pool");
	ck_assert(!tell_rivals(&t));
	ck_assert_msg(nevents == 2, "nothing is told twice");
	tell_conflict(&t, &vip, "eth0", (const uint8_t[]){ 2, 0, 0, 0, 0, 7 });
	ck_assert_uint_eq(HASH_COUNT(t.rivals), 2);
	tell_settled(&t, &vip, "eth1");
	tell_settled(&t, &vip, "eth0");
	ck_assert(!tell_rivals(&t));
	ck_assert_msg(nevents == 4, "the rival of now is gone; another link says nothing");
	ck_assert(HASH_COUNT(t.rivals) == 1 && ip_eq(&t.rivals->at.vip, &other));
	ck_assert_str_eq(last, "Normal d/b DuplicateAddressSettled: the other user of "
	    "10.0.9.1 on eth0 is gone, as node \"n1\" sees it");
	tell_conflict(&t, &vip, "eth0", mac);
	tell_settled(&t, &vip, "eth0");
	ck_assert_uint_eq(HASH_COUNT(t.rivals), 1);
	ck_assert(!tell_rivals(&t));
	ck_assert_msg(nevents == 4, "came and went before anybody was told");
	tell_fini(&t);
}
END_TEST

START_TEST(storm)
{
	struct ip vip = vips[0].ip = ip_from_v4(0x0a000901);
	struct tell t;

	tell_init(&t, &source, store, "n1", &plan, &nobody);
	nevents = 0;
	for (int i = 0; i < 5000; i++) {
		tell_conflict(&t, &vip, "eth0", mac);
		tell_rivals(&t);
	}
	ck_assert_uint_ge(nevents, TELL_BURST);
	/* 10,000 were due; a slow machine may have earned some a second. */
	ck_assert_uint_le(nevents, TELL_BURST + 60 * TELL_PER_SEC);
	tell_fini(&t);
}
END_TEST

START_TEST(obstacles)
{
	struct director_advice both[] = { { .text = "a firewall" }, { .text = "a rule" } };
	struct tell t;

	json_put(store, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1',"
	    "'uid':'7'}}");
	tell_init(&t, &source, store, "n1", &plan, &nobody);
	nevents = 0;
	tell_obstacles(&t, both, 0);
	ck_assert_msg(nevents == 0, "a host that is well from the start");
	tell_obstacles(&t, both, 1);
	ck_assert_str_eq(last, "Warning Node/n1 HostInTheWay: a firewall");
	tell_obstacles(&t, both, 2);
	ck_assert_msg(nevents == 2, "only what is new");
	ck_assert_str_eq(last, "Warning Node/n1 HostInTheWay: a rule");
	tell_obstacles(&t, both + 1, 1);
	ck_assert_msg(nevents == 2, "there is still one");
	tell_obstacles(&t, both, 0);
	ck_assert_str_eq(last, "Normal Node/n1 HostClear: nothing of this host is in the "
	    "way of VIP traffic any more");
	tell_obstacles(&t, both, 1);
	ck_assert_msg(nevents == 4, "back again, told again");
	ck_assert(kube_store_delete(store, KUBE_NODE, NULL, "n1"));
	tell_obstacles(&t, both, 2);
	ck_assert_msg(nevents == 4, "no Node to tell it on: the log has it");
	tell_fini(&t);
}
END_TEST

static const struct quorum_row {
	const char *why;
	bool	was_known, was_there, is_there, has_fallback;
	const char *owner;		/* of the VIP; NULL: BGP alone announces it */
	const char *node;		/* whose speaker this is; "a" is alive, too */
	const char *says;		/* "" nothing */
} quorum_rows[] = {
	{ "lost", true, true, false, false, "n1", "n1", "Warning d/a EndpointsLost: "
	    "d/a:80/TCP at 10.0.9.1: 1 endpoints are up, and it takes 2: nobody serves; "
	    "`heraldctl status` says why they are down" },
	{ "lost, with a fallback", true, true, false, true, "n1", "n1", "Warning d/a "
	    "EndpointsLost: d/a:80/TCP at 10.0.9.1: 1 endpoints are up, and it takes 2: "
	    "the fallback serves; `heraldctl status` says why they are down" },
	{ "back", true, false, true, false, "n1", "n1", "Normal d/a EndpointsBack: "
	    "d/a:80/TCP at 10.0.9.1: 1 endpoints are up, 2 are enough: they serve again" },
	{ "no change", true, false, false, false, "n1", "n1", "" },
	{ "not known before, as at the start", false, false, false, false, "n1", "n1", "" },
	{ "the owner tells, not we", true, true, false, false, "n2", "n1", "" },
	{ "no owner: the first by name, not we", true, true, false, false, NULL, "n1", "" },
	{ "no owner: the first by name, we", true, true, false, false, NULL, "0", "Warning "
	    "d/a EndpointsLost: d/a:80/TCP at 10.0.9.1: 1 endpoints are up, and it takes "
	    "2: nobody serves; `heraldctl status` says why they are down" },
};

START_TEST(quorums)
{
	const struct quorum_row *r = &quorum_rows[_i];
	struct ip ip = ip_from_v4(0x0a000901), peer = ip_from_v4(0x0a000002);
	struct plan_vip vip = { .ip = ip, .owner = r->owner,
		.is_mine = r->owner != NULL && strcmp(r->owner, r->node) == 0 };
	struct plan_quorum was = { .id = r->was_known ? 7 : 6, .is_there = r->was_there };
	struct plan_quorum is = { .id = 7, .ns = "d", .service = "a",
		.name = "d/a:80/TCP", .vip = ip, .nup = 1, .nneeded = 2,
		.is_there = r->is_there, .has_fallback = r->has_fallback };
	struct plan before = { .quorums = &was, .nquorums = 1 };
	struct plan fresh = { .quorums = &is, .nquorums = 1, .vips = &vip, .nvips = 1 };
	struct alive alive;
	struct tell t;

	alive_init(&alive);
	alive_put_node(&alive, "a", &peer, true, clock_mono());
	alive_report(&alive, &peer, ALIVE_HEARD_UP, clock_mono());
	last[0] = '\0';
	tell_init(&t, &source, store, r->node, &before, &alive);
	tell_quorums(&t, &fresh);
	ck_assert_msg(strcmp(last, r->says) == 0, "%s: \"%s\"", r->why, last);
	ck_assert_msg(last[0] == '\0' || strcmp(last_uid, "1") == 0, "the Service's uid");
	tell_fini(&t);
	alive_fini(&alive);
}
END_TEST

static const struct omitted_row {
	const char *why;
	size_t	nomitted;		/* of d/b, at a VIP that d/a shares */
	bool	is_mine;
	const char *says;		/* "" nothing */
} omitted_rows[] = {
	{ "all fit", 0, true, "" },
	{ "some do not", 7954, true, "Warning d/b EndpointsOmitted: d/b:80/TCP at 10.0.9.1: "
	    "2046 of 10000 endpoints serve, on all nodes the same: the scheduler mh takes "
	    "no more; choose another by a ForwardingProfile, or give the Service fewer" },
	{ "the owner tells, not we", 7954, false, "" },
};

START_TEST(omitted)
{
	const struct omitted_row *r = &omitted_rows[_i];
	struct plan_vip vip = { .ip = ip_from_v4(0x0a000901), .owner = "n1",
		.is_mine = r->is_mine, .services = services, .nservices = 2 };
	struct ipvs_service both[] = { { .name = "d/a:443/TCP", .vip = vip.ip, .port = 443 },
		{ .name = "d/b:80/TCP", .vip = vip.ip, .port = 80, .nendpoints = 2046,
		  .nomitted = r->nomitted } };
	struct plan p = { .vips = &vip, .nvips = 1,
		.want = { .services = both, .nservices = 2 } };
	struct tell t;

	last[0] = '\0';
	nevents = 0;
	tell_init(&t, &source, store, "n1", &p, &nobody);
	tell_omitted(&t);
	ck_assert_msg(strcmp(last, r->says) == 0, "%s: \"%s\"", r->why, last);
	both[1].nomitted += r->nomitted > 0;
	tell_omitted(&t);
	ck_assert_msg(nevents == (r->says[0] != '\0'), "once, not at every change");
	both[1].nomitted = 0;
	tell_omitted(&t);
	both[1].nomitted = r->nomitted;
	tell_omitted(&t);
	ck_assert_msg(nevents == 2 * (r->says[0] != '\0'), "and when it is so again");
	tell_fini(&t);
}
END_TEST

/* A node that comes back has what others own by now, all at once. */
START_TEST(many_rivals)
{
	enum { NVIPS = 2 * TELL_A_CALL + 8 };
	struct ip vip = vips[0].ip = ip_from_v4(0x0a000901), other;
	struct tell t;

	tell_init(&t, &source, store, "n1", &plan, &nobody);
	for (unsigned i = 0; i < NVIPS; i++) {
		other = ip_from_v4(0x0a000901 + i);
		tell_conflict(&t, &other, "eth0", mac);
	}
	ck_assert_msg(tell_rivals(&t), "there are more");
	ck_assert_uint_eq(t.nnews, NVIPS - TELL_A_CALL);
	ck_assert_msg(nevents == 2, "the first of them is in the plan");
	tell_settled(&t, &vip, "eth0");
	tell_settled(&t, &other, "eth0");
	ck_assert_msg(t.nnews == NVIPS - TELL_A_CALL, "one more is gone, one that was not "
	    "told of is none any more");
	ck_assert(tell_rivals(&t));
	ck_assert(!tell_rivals(&t));
	ck_assert_uint_eq(t.nnews, 0);
	ck_assert_uint_eq(nevents, 4);
	ck_assert_uint_eq(HASH_COUNT(t.rivals), NVIPS - 2);
	tell_fini(&t);
}
END_TEST

static void
expect_metric(const struct tell *t, const char *want)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	tell_write(t, f);
	fclose(f);
	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(metric)
{
	struct plan_vip two[] = {
		{ .ip = ip_from_v4(0x0a000901), .services = services, .nservices = 1,
		    .is_mine = true },
		{ .ip = ip_from_v4(0x0a000902), .services = services, .nservices = 1 } };
	const struct ip out[] = { two[0].ip, two[1].ip };
	const struct plan p = { .vips = two, .nvips = 2 };
	struct tell t;

	tell_init(&t, &source, store, "n1", &p, &nobody);
	expect_metric(&t, "");
	tell_vips(&t, out, 2);
	expect_metric(&t, "# HELP herald_vip_owner 1 for each VIP this node announces by "
	    "ARP or NDP.\n# TYPE herald_vip_owner gauge\n"
	    "herald_vip_owner{vip=\"10.0.9.1\"} 1\n");
	tell_vips(&t, NULL, 0);
	expect_metric(&t, "");
	tell_fini(&t);
}
END_TEST

/* As many at a time as the loop bears; what has gone meanwhile is never told of. */
START_TEST(many_at_once)
{
	enum { NVIPS = 2 * TELL_A_CALL + 8 };
	struct plan_vip many[NVIPS];
	struct ip out[NVIPS];
	const struct plan p = { .vips = many, .nvips = NVIPS };
	struct tell t;

	for (unsigned i = 0; i < NVIPS; i++) {
		out[i] = ip_from_v4(0x0a000900 + i);
		many[i] = (struct plan_vip){ .ip = out[i], .services = services,
		    .nservices = 1, .is_mine = true };
	}
	tell_init(&t, &source, store, "n1", &p, &nobody);
	ck_assert_msg(tell_vips(&t, out, NVIPS), "there are more");
	ck_assert_uint_eq(nevents, TELL_A_CALL);
	ck_assert_str_eq(last, "Normal d/a nodeAssigned: announcing from node \"n1\" with "
	    "protocol \"layer2\"");
	ck_assert(tell_vips(&t, out, NVIPS));
	ck_assert_msg(!tell_vips(&t, out, NVIPS - 1), "those are all");
	ck_assert_uint_eq(nevents, NVIPS - 1);
	ck_assert(!tell_vips(&t, out, NVIPS - 1));
	ck_assert_msg(nevents == NVIPS - 1, "nothing is told twice");
	many[0].is_mine = false;
	ck_assert(!tell_vips(&t, out, NVIPS));
	ck_assert_msg(nevents == NVIPS, "the last; what is another's now is no news");
	many[0].is_mine = true;
	ck_assert(!tell_vips(&t, out, NVIPS));
	ck_assert_msg(nevents == NVIPS + 1, "it has come back");
	tell_fini(&t);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_checked_fixture(tc, open_store, close_store);
	tcase_add_loop_test(tc, omitted, 0, nitems(omitted_rows));
	tcase_add_loop_test(tc, quorums, 0, nitems(quorum_rows));
	tcase_add_test(tc, stranger);
	tcase_add_test(tc, obstacles);
	tcase_add_test(tc, many_rivals);
	tcase_add_test(tc, many_at_once);
	tcase_add_test(tc, metric);
	tcase_add_test(tc, storm);
}

TEST_MAIN("tell", fill)
