/*
 * arp_io.c - see arp_io.h.
 *
 * VIPs are an array, made anew when others are wanted; each has one engine for each link
 * it belongs on.
 */
#include "arp/arp_io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arp/run_io.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sort.h"

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
	bool has_probe = v->is_first_claim && !v->was_announced && !a->is_unprobed;

	/* Most nodes announce on one link, and may have thousands of VIPs. */
	v->engines = mem_resize(v->engines, v->nengines + 1, sizeof(*v->engines));
	e = &v->engines[v->nengines++];
	*e = (struct io_engine){ .ifindex = l->ifindex };
	memcpy(e->ifname, l->name, sizeof(e->ifname));
	arp_vip_init(&e->vip, &a->conf, &v->addr, l->mac, clock_random());
	arp_vip_set_policy(&e->vip, v->policy, now);
	arp_vip_start(&e->vip, has_probe ? ARP_CLAIM_PROBE : ARP_CLAIM_NOW, now);
	run_io_need_by(a, arp_vip_deadline(&e->vip), now);
	a->has_unjoined |= !ip_is_v4(&v->addr);
}

static void
join(struct arp_io *a, const struct io_vip *v, struct io_engine *e)
{
	int rc = group_io_join(a->groups, e->ifindex, &v->addr);

	e->is_joined = true;
	if (rc < 0)
		log_error(LOG_OBJ("vip", IP_STR(&v->addr), "iface", e->ifname),
		    "cannot join the solicited-node group (%s): hosts on this "
		    "link may not find the VIP; raise net.core.optmem_max",
		    strerror(-rc));
}

/*
 * Once they are announced: to join, the kernel waits for its lock on all links, which
 * whoever sets links up or takes them down may hold for milliseconds.
 */
static void
join_groups(struct arp_io *a)
{
	if (!a->has_unjoined)
		return;
	a->has_unjoined = false;
	for (struct io_vip *v = a->vips; v < a->vips + a->nvips; v++)
		for (size_t i = 0; !ip_is_v4(&v->addr) && i < v->nengines; i++)
			if (!v->engines[i].is_joined)
				join(a, v, &v->engines[i]);
}

/* Forget the engine at i. A conflict it reported is settled with it. */
static void
remove_engine(struct arp_io *a, struct io_vip *v, size_t i)
{
	struct io_engine *e = &v->engines[i];

	if (e->is_joined)
		group_io_leave(a->groups, e->ifindex, &v->addr);
	if (e->vip.is_announced)
		a->has_announced_news = true;
	run_io_forget_conflict(a, v, e);
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

		if (belongs(v, l) && run_io_find_engine(v, l->ifindex) == NULL)
			add_engine(a, v, l, now);
	}
}

static void
set_interfaces(struct io_vip *v, const char *const *names, size_t n)
{
	for (size_t i = 0; i < v->ninterfaces; i++)
		free(v->interfaces[i]);
	free(v->interfaces);
	v->interfaces = n > 0 ? mem_zalloc(n * sizeof(*v->interfaces)) : NULL;
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
	set_interfaces(v, NULL, 0);
	free(v->engines);
}

/* The VIP, with what we have of it already. */
static struct io_vip
take_vip(struct arp_io *a, const struct arp_want *want)
{
	struct io_vip *had = run_io_find_vip(a, &want->vip);

	if (had == NULL)
		return (struct io_vip){ .addr = want->vip,
			.is_first_claim = want->is_first_claim };
	had->is_kept = true;
	return *had;
}

static void
update_vip(struct arp_io *a, struct io_vip *v, const struct arp_want *want,
    struct mono now)
{
	v->is_kept = false;
	if (!has_interfaces(v, want))
		set_interfaces(v, want->interfaces, want->ninterfaces);
	if (v->policy != want->policy) {
		v->policy = want->policy;
		for (size_t i = 0; i < v->nengines; i++) {
			arp_vip_set_policy(&v->engines[i].vip, v->policy, now);
			run_io_need_by(a, arp_vip_deadline(&v->engines[i].vip), now);
		}
	}
	place(a, v, now);
}

void
arp_io_set(struct arp_io *a, const struct arp_want *wants, size_t n)
{
	struct io_vip *vips = mem_zalloc((n + 1) * sizeof(*vips));
	struct mono now = clock_mono();

	run_io_beat(a, now);
	for (size_t i = 0; i < n; i++) {
		vips[i] = take_vip(a, &wants[i]);
		update_vip(a, &vips[i], &wants[i], now);
	}
	for (struct io_vip *v = a->vips; v < a->vips + a->nvips; v++)
		if (!v->is_kept)
			drop_vip(a, v);
	free(a->vips);
	sort_items(vips, n, sizeof(*vips), run_io_vip_cmp);
	a->vips = vips;
	a->nvips = n;
	if (mono_reached(now, a->next))
		run_io_run(a, now);
	join_groups(a);
	/* The handler is called from the loop: on_timer() will. */
	if (a->has_announced_news || a->has_conflict_news)
		run_io_need_by(a, now, now);
	/* However long this took (first use pages code in): it is no hang. */
	a->beat = clock_mono();
}

void
arp_io_announce(struct arp_io *a, const struct ip *vip)
{
	struct mono now = clock_mono();
	struct io_vip *v;

	run_io_beat(a, now);
	for (v = a->vips; v < a->vips + a->nvips; v++) {
		if (vip != NULL && !ip_eq(vip, &v->addr))
			continue;
		for (size_t i = 0; i < v->nengines; i++)
			arp_vip_announce(&v->engines[i].vip, now);
	}
	run_io_run(a, now);
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
	run_io_beat(a, now);
	if ((changes & LINK_CHANGE_SET) != 0)
		update_filter(a);
	for (v = a->vips; v < a->vips + a->nvips; v++) {
		if ((changes & LINK_CHANGE_SET) != 0)
			place(a, v, now);
		if ((changes & LINK_CHANGE_PATH) != 0)
			renew(a, v, ifindex, now);
	}
	run_io_run(a, now);
	run_io_tell(a);
	if ((changes & LINK_CHANGE_SET) != 0 && a->handler.links_changed != NULL)
		a->handler.links_changed(a->handler.arg);
	join_groups(a);
}

static struct arp_io *
fail(struct arp_io *a, const char *doing, int error, const char *remedy, char err[256])
{
	snprintf(err, 256, "%s: %s%s%s", doing, strerror(error),
	    remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
	arp_io_free(a);
	return NULL;
}

static struct arp_vip_conf
engine_conf(const struct arp_io_conf *c)
{
	struct arp_vip_conf conf = arp_vip_conf_default;

	if (c->repeat_sec > 0)
		conf.repeat_sec = c->repeat_sec;
	if (c->nannounce > 0)
		conf.nburst = c->nannounce;
	if (c->nprobes > 0)
		conf.nprobes = c->nprobes;
	return conf;
}

struct arp_io *
arp_io_new(struct ev_loop *loop, const struct arp_io_conf *conf,
    const struct arp_io_handler *handler, char err[256])
{
	struct arp_io *a = mem_zalloc(sizeof(*a));
	struct sock_io_handler sock = run_io_handler;
	int rc;

	a->loop = loop;
	a->handler = *handler;
	a->conf = engine_conf(conf);
	a->is_unprobed = conf->is_unprobed;
	run_io_init(a, conf->hung_ms);
	link_table_init(&a->links, conf->exclude, conf->nexclude);
	sock.arg = a;
	rc = sock_io_new(loop, &sock, &a->sock);
	if (rc == -EPERM)
		return fail(a, "cannot open a packet socket for ARP", -rc,
		    "run as root or give the container the capability NET_RAW", err);
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
	if (a == NULL)
		return;
	a->handler = (struct arp_io_handler){ .arg = NULL };
	for (struct io_vip *v = a->vips; v < a->vips + a->nvips; v++)
		drop_vip(a, v);
	free(a->vips);
	run_io_fini(a);
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

bool
arp_io_is_announced(const struct arp_io *a, const struct ip *vip)
{
	const struct io_vip *v = run_io_find_vip(a, vip);

	for (size_t i = 0; v != NULL && i < v->nengines; i++)
		if (v->engines[i].vip.is_announced)
			return true;
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
	for (const struct io_vip *v = a->vips; v < a->vips + a->nvips; v++)
		for (size_t i = 0; i < v->nengines; i++)
			if (v->engines[i].vip.is_announced)
				fn(arg, &v->addr, v->engines[i].ifname);
}
