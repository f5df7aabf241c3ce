/*
 * arp_io.c - see arp_io.h.
 *
 * VIPs are found by hash; each has one engine for each link it is on. One timer
 * serves all engines: `next` is never later than the earliest deadline, and
 * only a scan when the timer fires makes it exact.
 */
#include "arp/arp_io.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "arp/group_io.h"
#include "arp/link_io.h"
#include "arp/sock_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"

struct io_engine {
	int	ifindex;
	char	ifname[IF_NAMESIZE];
	struct arp_vip vip;
	bool	is_in_conflict;		/* reported, not settled */
	bool	has_news;		/* is_in_conflict is to be passed on */
	uint8_t	rival[ARP_MAC_LEN];	/* the one reported last */
};

struct io_vip {
	struct ip addr;			/* the key */
	char	**interfaces;
	size_t	ninterfaces;
	bool	is_first_claim;
	bool	was_announced;		/* by us, on any link: probe no more */
	bool	is_wanted;		/* scratch of arp_io_set() */
	enum arp_policy policy;
	struct io_engine *engines;	/* one a link; NULL while there are none */
	size_t	nengines, cap;
	UT_hash_handle hh;
};

struct arp_io {
	struct ev_loop *loop;
	struct arp_io_handler handler;
	struct link_table links;
	struct link_io *link_io;
	struct sock_io *sock;
	struct group_io *groups;
	struct io_vip *vips;		/* by address */
	struct ev_timer timer;
	struct mono next;		/* what timer is set to */
	unsigned counts[2][4];		/* see count(); IPv4, IPv6 */
	bool	has_conflict_news;	/* some engine has has_news */
	bool	has_announced_news;
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
static const struct metric in_conflict = { "herald_l2_conflict",
	"1 for each VIP and link where another station uses the address.",
	METRIC_GAUGE };

/* The VIP's labels; live until the end of the block. */
#define VIP_LABELS(v, e) metrics_labels((char[128]){ 0 }, 128, "vip", \
    IP_STR(&(v)->addr), "iface", (e)->ifname, NULL)

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

static void
set_conflict(struct arp_io *a, struct io_vip *v, struct io_engine *e, bool is_on)
{
	e->is_in_conflict = is_on;
	e->has_news = true;
	a->has_conflict_news = true;
	if (is_on)
		metrics_set(&in_conflict, VIP_LABELS(v, e), 1);
	else
		metrics_drop(&in_conflict, VIP_LABELS(v, e));
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
	if ((out->did & ARP_DID_CONFLICT) != 0) {
		memcpy(e->rival, e->vip.rival.mac, ARP_MAC_LEN);
		set_conflict(a, v, e, true);
	}
	if ((out->did & ARP_DID_SETTLE) != 0)
		set_conflict(a, v, e, false);
}

/* Have the timer fire no later than due. */
static void
need_by(struct arp_io *a, struct mono due, struct mono now)
{
	if (!mono_before(due, a->next))
		return;
	a->next = due;
	ev_timer_stop(a->loop, &a->timer);
	ev_now_update(a->loop);
	ev_timer_set(&a->timer, mono_delay_sec(now, due), 0.);
	ev_timer_start(a->loop, &a->timer);
}

/* Tick every engine that is due, as long as their frames find room. */
static void
run_due(struct arp_io *a, struct mono now)
{
	struct mono next = MONO_NEVER;
	bool is_full = false;
	struct io_vip *v;

	ev_timer_stop(a->loop, &a->timer);
	a->next = MONO_NEVER;
	for (v = a->vips; v != NULL; v = v->hh.next) {
		for (size_t i = 0; i < v->nengines; i++) {
			struct io_engine *e = &v->engines[i];
			struct arp_out out;

			if (mono_reached(now, arp_vip_deadline(&e->vip))) {
				if (sock_io_room(a->sock) < ARP_OUT_MAX)
					sock_io_flush(a->sock);
				if (sock_io_room(a->sock) < ARP_OUT_MAX) {
					is_full = true;
					continue;
				}
				arp_vip_tick(&e->vip, now, &out);
				carry_out(a, v, e, &out);
			}
			next = mono_min(next, arp_vip_deadline(&e->vip));
		}
	}
	sock_io_flush(a->sock);
	/* The rest when on_turn() says that there is room, at the latest soon. */
	if (is_full)
		next = mono_min(next, mono_add_ms(now, 10));
	need_by(a, next, now);
}

static void
tell_conflicts(struct arp_io *a)
{
	const struct arp_io_handler *h = &a->handler;
	struct io_vip *v;

	for (v = a->vips; v != NULL; v = v->hh.next)
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

/* Call the handler for what happened since; from the loop only. */
static void
tell(struct arp_io *a)
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

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct arp_io *a = w->data;

	(void)loop;
	(void)revents;
	run_due(a, clock_mono());
	tell(a);
}

static struct io_vip *
find_vip(const struct arp_io *a, const struct ip *addr)
{
	struct io_vip *v;

	HASH_FIND(hh, a->vips, addr, sizeof(*addr), v);
	return v;
}

static struct io_engine *
find_engine(const struct io_vip *v, int ifindex)
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

	for (int i = 0; i < frame->n; i++) {
		const struct arp_event *ev = &frame->ev[i];
		struct io_vip *v = find_vip(a, &ev->target);
		struct io_engine *e = v == NULL ? NULL : find_engine(v, ifindex);
		struct arp_out out;

		if (e == NULL)
			continue;
		/* Two links of ours on one LAN hear each other: no rivals. */
		if (ev->kind != ARP_EVENT_ASK &&
		    link_table_has_mac(&a->links, ev->mac))
			continue;
		arp_vip_rx(&e->vip, ev, now, &out);
		carry_out(a, v, e, &out);
		need_by(a, arp_vip_deadline(&e->vip), now);
	}
}

static void
on_turn(void *arg)
{
	struct arp_io *a = arg;
	struct mono now = clock_mono();

	if (mono_reached(now, a->next))
		run_due(a, now);
	else
		sock_io_flush(a->sock);
	tell(a);
}

/* Is v to be announced on l? */
static bool
belongs(const struct io_vip *v, const struct link *l)
{
	return l->why == LINK_ELIGIBLE && link_name_matches(l->name,
	    (const char *const *)v->interfaces, v->ninterfaces);
}

static void
add_engine(struct arp_io *a, struct io_vip *v, const struct link *l, struct mono now)
{
	struct io_engine *e;
	bool has_probe = v->is_first_claim && !v->was_announced;
	int rc;

	v->engines = mem_grow(v->engines, v->nengines, &v->cap, sizeof(*v->engines));
	e = &v->engines[v->nengines++];
	*e = (struct io_engine){ .ifindex = l->ifindex };
	memcpy(e->ifname, l->name, sizeof(e->ifname));
	arp_vip_init(&e->vip, &arp_vip_conf_default, &v->addr, l->mac, clock_random());
	arp_vip_set_policy(&e->vip, v->policy, now);
	if (!ip_is_v4(&v->addr)) {
		rc = group_io_join(a->groups, l->ifindex, &v->addr);
		if (rc < 0)
			log_error(LOG_OBJ("vip", IP_STR(&v->addr), "iface", l->name),
			    "cannot join the solicited-node group (%s): hosts on this "
			    "link may not find the VIP; raise net.core.optmem_max",
			    strerror(-rc));
	}
	arp_vip_start(&e->vip, has_probe ? ARP_CLAIM_PROBE : ARP_CLAIM_NOW, now);
	need_by(a, arp_vip_deadline(&e->vip), now);
}

/* Forget the engine at i. A conflict it reported is settled with it. */
static void
remove_engine(struct arp_io *a, struct io_vip *v, size_t i)
{
	struct io_engine *e = &v->engines[i];

	if (!ip_is_v4(&v->addr))
		group_io_leave(a->groups, e->ifindex, &v->addr);
	if (e->vip.is_announced)
		a->has_announced_news = true;
	if (e->is_in_conflict) {
		metrics_drop(&in_conflict, VIP_LABELS(v, e));
		if (a->handler.settled != NULL)
			a->handler.settled(a->handler.arg, &v->addr, e->ifname);
	}
	*e = v->engines[--v->nengines];
}

/* Have engines for exactly the links that v belongs on. */
static void
place(struct arp_io *a, struct io_vip *v, struct mono now)
{
	for (size_t i = v->nengines; i > 0; i--) {
		const struct io_engine *e = &v->engines[i - 1];
		const struct link *l = link_table_find(&a->links, e->ifindex);

		if (l == NULL || strcmp(l->name, e->ifname) != 0 || !belongs(v, l))
			remove_engine(a, v, i - 1);
	}
	for (size_t i = 0; i < a->links.n; i++) {
		const struct link *l = &a->links.links[i];

		if (belongs(v, l) && find_engine(v, l->ifindex) == NULL)
			add_engine(a, v, l, now);
	}
}

static void
set_interfaces(struct io_vip *v, const char *const *names, size_t n)
{
	for (size_t i = 0; i < v->ninterfaces; i++)
		free(v->interfaces[i]);
	free(v->interfaces);
	v->interfaces = mem_zalloc((n + 1) * sizeof(*v->interfaces));
	v->ninterfaces = n;
	for (size_t i = 0; i < n; i++)
		v->interfaces[i] = mem_strdup(names[i]);
}

static bool
has_interfaces(const struct io_vip *v, const struct arp_want *want)
{
	if (v->ninterfaces != want->ninterfaces)
		return false;
	for (size_t i = 0; i < v->ninterfaces; i++)
		if (strcmp(v->interfaces[i], want->interfaces[i]) != 0)
			return false;
	return true;
}

static void
drop_vip(struct arp_io *a, struct io_vip *v)
{
	while (v->nengines > 0)
		remove_engine(a, v, v->nengines - 1);
	HASH_DEL(a->vips, v);
	set_interfaces(v, NULL, 0);
	free(v->interfaces);
	free(v->engines);
	free(v);
}

static void
want_vip(struct arp_io *a, const struct arp_want *want, struct mono now)
{
	struct io_vip *v = find_vip(a, &want->vip);

	if (v == NULL) {
		v = mem_zalloc(sizeof(*v));
		v->addr = want->vip;
		v->is_first_claim = want->is_first_claim;
		HASH_ADD(hh, a->vips, addr, sizeof(v->addr), v);
	}
	v->is_wanted = true;
	if (!has_interfaces(v, want))
		set_interfaces(v, want->interfaces, want->ninterfaces);
	if (v->policy != want->policy) {
		v->policy = want->policy;
		for (size_t i = 0; i < v->nengines; i++) {
			arp_vip_set_policy(&v->engines[i].vip, v->policy, now);
			need_by(a, arp_vip_deadline(&v->engines[i].vip), now);
		}
	}
	place(a, v, now);
}

void
arp_io_set(struct arp_io *a, const struct arp_want *wants, size_t n)
{
	struct mono now = clock_mono();
	struct io_vip *v, *tmp;

	for (v = a->vips; v != NULL; v = v->hh.next)
		v->is_wanted = false;
	for (size_t i = 0; i < n; i++)
		want_vip(a, &wants[i], now);
	HASH_ITER(hh, a->vips, v, tmp)
		if (!v->is_wanted)
			drop_vip(a, v);
	if (mono_reached(now, a->next))
		run_due(a, now);
	/* The handler is called from the loop: on_timer() will. */
	if (a->has_announced_news || a->has_conflict_news)
		need_by(a, now, now);
}

void
arp_io_announce(struct arp_io *a, const struct ip *vip)
{
	struct mono now = clock_mono();
	struct io_vip *v;

	for (v = a->vips; v != NULL; v = v->hh.next) {
		if (vip != NULL && !ip_eq(vip, &v->addr))
			continue;
		for (size_t i = 0; i < v->nengines; i++)
			arp_vip_announce(&v->engines[i].vip, now);
	}
	run_due(a, now);
}

static void
update_filter(struct arp_io *a)
{
	int *ifindexes = mem_zalloc((a->links.n + 1) * sizeof(*ifindexes));
	size_t n = 0;

	for (size_t i = 0; i < a->links.n; i++)
		if (a->links.links[i].why == LINK_ELIGIBLE)
			ifindexes[n++] = a->links.links[i].ifindex;
	sock_io_set_links(a->sock, ifindexes, n);
	free(ifindexes);
}

/* The path of these engines' frames changed: announce what is theirs again. */
static void
renew(struct arp_io *a, struct io_vip *v, int ifindex, struct mono now)
{
	for (size_t i = 0; i < v->nengines; i++) {
		struct io_engine *e = &v->engines[i];
		const struct link *l = link_table_find(&a->links, e->ifindex);

		if ((ifindex == 0 || e->ifindex == ifindex) && l != NULL)
			arp_vip_link_up(&e->vip, l->mac, now);
	}
}

static void
on_link(void *arg, int ifindex, unsigned changes)
{
	struct mono now = clock_mono();
	struct arp_io *a = arg;
	struct io_vip *v;

	if ((changes & (LINK_CHANGE_SET | LINK_CHANGE_PATH)) == 0)
		return;
	if ((changes & LINK_CHANGE_SET) != 0)
		update_filter(a);
	for (v = a->vips; v != NULL; v = v->hh.next) {
		if ((changes & LINK_CHANGE_SET) != 0)
			place(a, v, now);
		if ((changes & LINK_CHANGE_PATH) != 0)
			renew(a, v, ifindex, now);
	}
	run_due(a, now);
	tell(a);
	if ((changes & LINK_CHANGE_SET) != 0 && a->handler.links_changed != NULL)
		a->handler.links_changed(a->handler.arg);
}

static struct arp_io *
fail(struct arp_io *a, const char *doing, int error, const char *remedy, char err[256])
{
	snprintf(err, 256, "%s: %s%s%s", doing, strerror(error),
	    remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
	arp_io_free(a);
	return NULL;
}

struct arp_io *
arp_io_new(struct ev_loop *loop, const char *const *exclude, size_t nexclude,
    const struct arp_io_handler *handler, char err[256])
{
	struct arp_io *a = mem_zalloc(sizeof(*a));
	const struct sock_io_handler sock = { .frame = on_frame, .turn = on_turn,
		.arg = a };
	int rc;

	a->loop = loop;
	a->handler = *handler;
	a->next = MONO_NEVER;
	ev_timer_init(&a->timer, on_timer, 0., 0.);
	a->timer.data = a;
	link_table_init(&a->links, exclude, nexclude);
	rc = sock_io_new(loop, &sock, &a->sock);
	if (rc == -EPERM)
		return fail(a, "cannot open a packet socket for ARP", -rc, "run as root "
		    "or give the container the capability NET_RAW", err);
	if (rc < 0)
		return fail(a, "cannot open a packet socket for ARP", -rc,
		    rc == -EAFNOSUPPORT ? "the kernel needs CONFIG_PACKET (modprobe "
		    "af_packet)" : NULL, err);
	a->groups = group_io_new(a->sock);
	rc = link_io_new(loop, &a->links, on_link, a, &a->link_io);
	if (rc < 0)
		return fail(a, "cannot list the links by rtnetlink", -rc, NULL, err);
	update_filter(a);
	return a;
}

void
arp_io_free(struct arp_io *a)
{
	struct io_vip *v, *tmp;

	if (a == NULL)
		return;
	a->handler = (struct arp_io_handler){ .arg = NULL };
	HASH_ITER(hh, a->vips, v, tmp)
		drop_vip(a, v);
	ev_timer_stop(a->loop, &a->timer);
	link_io_free(a->link_io);
	group_io_free(a->groups);
	sock_io_free(a->sock);
	link_table_fini(&a->links);
	free(a);
}

bool
arp_io_can_announce(const struct arp_io *a, const struct arp_want *want)
{
	for (size_t i = 0; i < a->links.n; i++) {
		const struct link *l = &a->links.links[i];

		if (l->why == LINK_ELIGIBLE && link_name_matches(l->name,
		    want->interfaces, want->ninterfaces))
			return true;
	}
	return false;
}

void
arp_io_each_link(const struct arp_io *a,
    void (*fn)(void *arg, const char *ifname, bool is_eligible, const char *why),
    void *arg)
{
	for (size_t i = 0; i < a->links.n; i++) {
		const struct link *l = &a->links.links[i];

		fn(arg, l->name, l->why == LINK_ELIGIBLE, link_why_text(l->why));
	}
}

void
arp_io_each(const struct arp_io *a,
    void (*fn)(void *arg, const struct ip *vip, const char *ifname), void *arg)
{
	for (const struct io_vip *v = a->vips; v != NULL; v = v->hh.next)
		for (size_t i = 0; i < v->nengines; i++)
			if (v->engines[i].vip.is_announced)
				fn(arg, &v->addr, v->engines[i].ifname);
}
