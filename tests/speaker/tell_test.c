/*
 * What tell_io.c writes, to a source that only takes it down. Time is the
 * clock's here, but for the bound on a storm, which no test outlasts.
 */
#include <stdio.h>
#include <string.h>

#include "kube/source_impl.h"
#include "speaker/tell_io.h"
#include "tests/check.h"

static char last[600];
static unsigned nevents;

static void
take_down(struct kube_source *src, const struct kube_event *ev)
{
	(void)src;
	nevents++;
	snprintf(last, sizeof(last), "%s %s/%s %s: %s", ev->is_warning ? "Warning" :
	    "Normal", ev->ns, ev->name, ev->reason, ev->message);
}

static const struct kube_source_ops ops = { .event = take_down };
static struct kube_source source = { .ops = &ops };
static struct plan_service services[] = { { "d", "a", "1" }, { "d", "b", "2" } };
static struct plan_vip vips[] = { { .services = services, .nservices = 2,
    .is_mine = true } };
static const struct plan plan = { .vips = vips, .nvips = 1 };
static const struct alive nobody = { NULL };
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

START_TEST(stranger)
{
	struct ip vip = vips[0].ip = ip_from_v4(0x0a000901), other = ip_from_v4(1);
	struct tell t;

	tell_init(&t, &source, "n1", &plan, &nobody);
	tell_conflict(&t, &other, "eth0", mac);
	ck_assert_msg(nevents == 0, "a VIP that is no longer in the plan");
	tell_conflict(&t, &vip, "eth0", mac);
	ck_assert_msg(nevents == 2, "one for each Service at the VIP");
	ck_assert_str_eq(last, "Warning d/b DuplicateAddress: 10.0.9.1 on eth0 is used "
	    "by 02:00:00:00:00:09, which is no node of this cluster, as node \"n1\" "
	    "sees it: find that machine, or take the address out of its pool");
	ck_assert(t.nrivals == 2 && ip_eq(&t.rivals[1].vip, &vip));
	tell_conflict(&t, &vip, "eth0", (const uint8_t[]){ 2, 0, 0, 0, 0, 7 });
	ck_assert_msg(t.nrivals == 2 && t.rivals[1].mac[5] == 7, "the rival of now");
	tell_settled(&t, &vip, "eth1");
	ck_assert_msg(t.nrivals == 2, "another link");
	tell_settled(&t, &vip, "eth0");
	ck_assert(t.nrivals == 1 && ip_eq(&t.rivals[0].vip, &other));
	ck_assert_str_eq(last, "Normal d/b DuplicateAddressSettled: the other user of "
	    "10.0.9.1 on eth0 is gone, as node \"n1\" sees it");
	tell_fini(&t);
}
END_TEST

START_TEST(storm)
{
	struct ip vip = vips[0].ip = ip_from_v4(0x0a000901);
	struct tell t;

	tell_init(&t, &source, "n1", &plan, &nobody);
	nevents = 0;
	for (int i = 0; i < 5000; i++)
		tell_settled(&t, &vip, "eth0");
	ck_assert_uint_ge(nevents, TELL_BURST);
	/* 10,000 were due; a slow machine may have earned some a second. */
	ck_assert_uint_le(nevents, TELL_BURST + 60 * TELL_PER_SEC);
	tell_fini(&t);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, stranger);
	tcase_add_test(tc, storm);
}

TEST_MAIN("tell", fill)
