/*
 * run_io.c - see run_io.h.
 *
 * One timer serves all engines: `next` is never later than the earliest
 * deadline, and only the scan when the timer fires makes it exact.
 */
#include "arp/run_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

enum {
	HUNG_MSEC	= 300,	/* where nothing is said */
	BEATS_PER_HANG	= 3,	/* how exactly a hang is measured */
	/*
	 * So many frames at once, for 300 VIPs, then so many a millisecond: each is
	 * a broadcast, and switches and hosts have little patience for storms.
	 */
	BURST_FRAMES	= 600,
	FRAMES_PER_MSEC	= 20,
};

static const struct metric what_counted[] = {
	{ "herald_l2_answers_total", "Requests and probes for VIPs answered.",
	    METRIC_COUNTER },
	{ "herald_l2_announcements_total", "Gratuitous ARP pairs and unsolicited "
	    "neighbour advertisements sent.", METRIC_COUNTER },
	{ "herald_l2_defences_total", "Announcements sent because another station "
	    "claimed a VIP of ours.", METRIC_COUNTER },
	{ "herald_l2_probes_total", "Probes for other users of a VIP sent.",
	    METRIC_COUNTER },
};
static const struct metric hangs = { "herald_l2_hangs_total",
	"Times this process was stopped or starved so long that another node may have "
	"taken over; it then is silent for a second.", METRIC_COUNTER };
static const struct metric in_conflict = { "herald_l2_conflict",
	"1 for each VIP and link where another station uses the address, and its MAC.",
	METRIC_GAUGE };

enum { LABELS_LEN = 128 };

static void
count(struct arp_io *a, const struct io_vip *v, unsigned did)
{
	unsigned *c = a->counts[ip_is_v4(&v->addr) ? 0 : 1];

	for (unsigned i = 0; i < nitems(what_counted); i++)
		c[i] += did >> i & 1;
}

static void
publish_counts(struct arp_io *a)
{
	static const char *const family[2] = { "family=\"ipv4\"", "family=\"ipv6\"" };

	for (size_t f = 0; f < 2; f++)
		for (size_t i = 0; i < nitems(what_counted); i++) {
			if (a->counts[f][i] == 0)
				continue;
			metrics_add(&what_counted[i], family[f], a->counts[f][i]);
			a->counts[f][i] = 0;
		}
}

static const char *
conflict_labels(const struct io_vip *v, const struct io_engine *e, char buf[LABELS_LEN])
{
	const uint8_t *m = e->rival;
	char mac[18];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
	    m[3], m[4], m[5]);
	return metrics_labels(buf, LABELS_LEN, "vip", IP_STR(&v->addr), "iface",
	    e->ifname, "mac", mac, NULL);
}

/* mac: the rival's; NULL for none any more. */
static void
set_conflict(struct arp_io *a, struct io_vip *v, struct io_engine *e,
    const uint8_t *mac)
{
	char labels[LABELS_LEN];

	if (e->is_in_conflict)
		metrics_drop(&in_conflict, conflict_labels(v, e, labels));
	e->is_in_conflict = mac != NULL;
	e->has_news = true;
	a->has_conflict_news = true;
	if (mac == NULL)
		return;
	memcpy(e->rival, mac, ARP_MAC_LEN);
	metrics_set(&in_conflict, conflict_labels(v, e, labels), 1);
}

/* Send the frames of a step and take note of what it did. */
static void
carry_out(struct arp_io *a, struct io_vip *v, struct io_engine *e,
    const struct arp_out *out)
{
	for (int i = 0; i < out->nframes; i++)
		sock_io_put(a->sock, e->ifindex, &out->frame[i]);
	count(a, v, out->did);
	if ((out->did & ARP_DID_CHANGE) != 0) {
		a->has_announced_news = true;
		v->was_announced |= e->vip.is_announced;
	}
	if ((out->did & ARP_DID_CONFLICT) != 0)
		set_conflict(a, v, e, e->vip.rival.mac);
	if ((out->did & ARP_DID_SETTLE) != 0)
		set_conflict(a, v, e, NULL);
}

void
run_io_need_by(struct arp_io *a, struct mono due, struct mono now)
{
	if (!mono_before(due, a->next))
		return;
	a->next = due;
	ev_timer_stop(a->loop, &a->timer);
	ev_now_update(a->loop);
	ev_timer_set(&a->timer, mono_delay_sec(now, due), 0.);
	ev_timer_start(a->loop, &a->timer);
}

/* Frames that may be sent now, besides answers. */
static int64_t
credit(struct arp_io *a, struct mono now)
{
	int64_t ms = mono_sub_ns(now, a->credit_at) / NSEC_PER_MSEC;

	if (ms > BURST_FRAMES / FRAMES_PER_MSEC)
		ms = BURST_FRAMES / FRAMES_PER_MSEC;
	if (ms > 0) {
		a->credit += ms * FRAMES_PER_MSEC;
		a->credit_at = now;
	}
	if (a->credit > BURST_FRAMES)
		a->credit = BURST_FRAMES;
	return a->credit;
}

void
run_io_run(struct arp_io *a, struct mono now)
{
	struct mono next = MONO_NEVER;
	bool is_full = false;
	struct io_vip *v;

	ev_timer_stop(a->loop, &a->timer);
	a->next = MONO_NEVER;
	for (v = a->vips; v < a->vips + a->nvips; v++) {
		for (size_t i = 0; i < v->nengines; i++) {
			struct io_engine *e = &v->engines[i];
			struct arp_out out;

			if (mono_reached(now, arp_vip_deadline(&e->vip))) {
				if (sock_io_room(a->sock) < ARP_OUT_MAX)
					sock_io_flush(a->sock);
				if (sock_io_room(a->sock) < ARP_OUT_MAX ||
				    credit(a, now) < ARP_OUT_MAX) {
					is_full = true;
					continue;
				}
				arp_vip_tick(&e->vip, now, &out);
				carry_out(a, v, e, &out);
				a->credit -= out.nframes;
			}
			next = mono_min(next, arp_vip_deadline(&e->vip));
		}
	}
	sock_io_flush(a->sock);
	/* The rest when on_turn() says that there is room, at the latest soon. */
	if (is_full)
		next = mono_min(next, mono_add_ms(now, 5));
	run_io_need_by(a, next, now);
}

static void
tell_conflicts(struct arp_io *a)
{
	const struct arp_io_handler *h = &a->handler;
	struct io_vip *v;

	for (v = a->vips; v < a->vips + a->nvips; v++)
		for (size_t i = 0; i < v->nengines; i++) {
			struct io_engine *e = &v->engines[i];

			if (!e->has_news)
				continue;
			e->has_news = false;
			if (e->is_in_conflict && h->conflict != NULL)
				h->conflict(h->arg, &v->addr, e->ifname, e->rival);
			if (!e->is_in_conflict && h->settled != NULL)
				h->settled(h->arg, &v->addr, e->ifname);
		}
}

void
run_io_tell(struct arp_io *a)
{
	publish_counts(a);
	if (a->has_conflict_news) {
		a->has_conflict_news = false;
		tell_conflicts(a);
	}
	if (a->has_announced_news) {
		a->has_announced_news = false;
		if (a->handler.announced_changed != NULL)
			a->handler.announced_changed(a->handler.arg);
	}
}

void
run_io_beat(struct arp_io *a, struct mono now)
{
	int64_t gap_ns = mono_sub_ns(now, a->beat);
	struct io_vip *v;

	a->beat = now;
	if (gap_ns < a->hung_ms * NSEC_PER_MSEC)
		return;
	metrics_add(&hangs, NULL, 1);
	log_warn(LOG_NONE, "this process stood still for %.1f s (stopped, or no CPU?): "
	    "not answering for a second, another node may have taken over",
	    (double)gap_ns / 1e9);
	for (v = a->vips; v < a->vips + a->nvips; v++)
		for (size_t i = 0; i < v->nengines; i++)
			arp_vip_doubt(&v->engines[i].vip, now);
}

static void
on_heartbeat(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	run_io_beat(w->data, clock_mono());
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct mono now = clock_mono();
	struct arp_io *a = w->data;

	(void)loop;
	(void)revents;
	run_io_beat(a, now);
	run_io_run(a, now);
	run_io_tell(a);
}

int
run_io_vip_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

struct io_vip *
run_io_find_vip(const struct arp_io *a, const struct ip *addr)
{
	return a->nvips == 0 ? NULL :
	    bsearch(addr, a->vips, a->nvips, sizeof(*a->vips), run_io_vip_cmp);
}

struct io_engine *
run_io_find_engine(const struct io_vip *v, int ifindex)
{
	for (size_t i = 0; i < v->nengines; i++)
		if (v->engines[i].ifindex == ifindex)
			return &v->engines[i];
	return NULL;
}

static void
on_frame(void *arg, int ifindex, const struct arp_events *frame)
{
	struct mono now = clock_mono();
	struct arp_io *a = arg;

	run_io_beat(a, now);
	for (int i = 0; i < frame->n; i++) {
		const struct arp_event *ev = &frame->ev[i];
		struct io_vip *v = run_io_find_vip(a, &ev->target);
		struct io_engine *e = v == NULL ? NULL : run_io_find_engine(v, ifindex);
		struct arp_out out;

		if (e == NULL)
			continue;
		/* Two links of ours on one LAN hear each other: no rivals. */
		if (ev->kind != ARP_EVENT_ASK &&
		    link_table_has_mac(&a->links, ev->mac))
			continue;
		arp_vip_rx(&e->vip, ev, now, &out);
		carry_out(a, v, e, &out);
		run_io_need_by(a, arp_vip_deadline(&e->vip), now);
	}
}

static void
on_turn(void *arg)
{
	struct arp_io *a = arg;
	struct mono now = clock_mono();

	run_io_beat(a, now);
	if (mono_reached(now, a->next))
		run_io_run(a, now);
	else
		sock_io_flush(a->sock);
	run_io_tell(a);
}

const struct sock_io_handler run_io_handler = { .frame = on_frame, .turn = on_turn };

void
run_io_init(struct arp_io *a, uint32_t hung_ms)
{
	double every_sec;

	a->hung_ms = hung_ms != 0 ? hung_ms : HUNG_MSEC;
	every_sec = a->hung_ms / 1e3 / BEATS_PER_HANG;
	a->next = MONO_NEVER;
	a->credit = BURST_FRAMES;
	a->credit_at = clock_mono();
	ev_timer_init(&a->timer, on_timer, 0., 0.);
	a->timer.data = a;
	a->beat = clock_mono();
	ev_timer_init(&a->heartbeat, on_heartbeat, every_sec, every_sec);
	a->heartbeat.data = a;
	ev_timer_start(a->loop, &a->heartbeat);
}

void
run_io_fini(struct arp_io *a)
{
	ev_timer_stop(a->loop, &a->timer);
	ev_timer_stop(a->loop, &a->heartbeat);
}

void
run_io_forget_conflict(struct arp_io *a, struct io_vip *v, struct io_engine *e)
{
	char labels[LABELS_LEN];

	if (!e->is_in_conflict)
		return;
	metrics_drop(&in_conflict, conflict_labels(v, e, labels));
	if (a->handler.settled != NULL)
		a->handler.settled(a->handler.arg, &v->addr, e->ifname);
}
