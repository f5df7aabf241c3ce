/* link.c - see link.h. */
#include "arp/link.h"

#include <fnmatch.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

enum {				/* RFC 2863, linux/if.h (which clashes with net/if.h) */
	OPER_UNKNOWN	= 0,
	OPER_UP		= 6,
};

#define HEX4 "[0-9a-f][0-9a-f][0-9a-f][0-9a-f]"

/* Devices that container runtimes, CNIs, kube-proxy and we ourselves make. */
static const char *const builtin_exclude[] = {
	"antrea*", "azv" HEX4 "*", "br-" HEX4 HEX4 HEX4, "cali*", "cbr*", "cilium*",
	"cni*", "docker*", "dummy*", "eni" HEX4 HEX4 "*", "flannel*", "genev_sys*",
	"gke" HEX4 HEX4 "*", "herald*", "kube-*", "lxc*", "lxd*", "nerdctl*",
	"nodelocaldns*", "ovn*", "ovs-*", "podman*", "tunl*", "veth*", "virbr*", "vnet*",
	"vxlan*.calico", "vxlan_sys*", "weave*",
};

const char *
link_why_text(enum link_why why)
{
	switch (why) {
	case LINK_ELIGIBLE:
		return "eligible";
	case LINK_LOOPBACK:
		return "loopback";
	case LINK_NOT_ETHERNET:
		return "not an Ethernet link";
	case LINK_NO_ARP:
		return "NOARP is set";
	case LINK_EXCLUDED:
		return "excluded by its name";
	case LINK_ENSLAVED:
		return "enslaved: its master speaks for it";
	case LINK_DOWN:
		return "down";
	case LINK_NO_CARRIER:
		return "no carrier";
	}
	return "?";
}

bool
link_name_matches(const char *name, const char *const *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return n == 0;
}

static bool
is_excluded(const struct link_table *t, const char *name)
{
	if (link_name_matches(name, builtin_exclude, nitems(builtin_exclude)))
		return true;
	return t->nexclude > 0 &&
	    link_name_matches(name, (const char *const *)t->exclude, t->nexclude);
}

static enum link_why
judge(const struct link_table *t, const struct link *l)
{
	if ((l->flags & IFF_LOOPBACK) != 0)
		return LINK_LOOPBACK;
	if (l->type != ARPHRD_ETHER || !arp_mac_is_station(l->mac))
		return LINK_NOT_ETHERNET;
	if ((l->flags & IFF_NOARP) != 0)
		return LINK_NO_ARP;
	if (is_excluded(t, l->name))
		return LINK_EXCLUDED;
	/* A VRF groups links for routing; each still speaks for itself. */
	if (l->master != 0 && strcmp(l->slave_kind, "vrf") != 0)
		return LINK_ENSLAVED;
	if ((l->flags & IFF_UP) == 0)
		return LINK_DOWN;
	if (!l->has_carrier || (l->operstate != OPER_UP && l->operstate != OPER_UNKNOWN))
		return LINK_NO_CARRIER;
	return LINK_ELIGIBLE;
}

void
link_table_init(struct link_table *t, const char *const *exclude, size_t nexclude)
{
	*t = (struct link_table){ .nexclude = nexclude };
	t->exclude = mem_zalloc((nexclude + 1) * sizeof(*t->exclude));
	for (size_t i = 0; i < nexclude; i++)
		t->exclude[i] = mem_strdup(exclude[i]);
}

void
link_table_fini(struct link_table *t)
{
	for (size_t i = 0; i < t->nexclude; i++)
		free(t->exclude[i]);
	free(t->exclude);
	free(t->links);
	*t = (struct link_table){ .n = 0 };
}

/* Where ifindex is, or where it would be put. */
static size_t
position(const struct link_table *t, int ifindex)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->links[mid].ifindex < ifindex)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct link *
find(const struct link_table *t, int ifindex)
{
	size_t at = position(t, ifindex);

	return at < t->n && t->links[at].ifindex == ifindex ? &t->links[at] : NULL;
}

const struct link *
link_table_find(const struct link_table *t, int ifindex)
{
	return find(t, ifindex);
}

static void
insert(struct link_table *t, const struct link *l)
{
	size_t at = position(t, l->ifindex);

	t->links = mem_grow(t->links, t->n, &t->cap, sizeof(*t->links));
	memmove(&t->links[at + 1], &t->links[at], (t->n - at) * sizeof(*t->links));
	t->links[at] = *l;
	t->n++;
}

unsigned
link_table_put(struct link_table *t, const struct link *l)
{
	struct link *old = find(t, l->ifindex);
	struct link new = *l;
	unsigned changes = 0;

	new.why = judge(t, l);
	new.is_stale = false;
	if (old == NULL) {
		insert(t, &new);
		return LINK_CHANGE_INFO |
		    (new.why == LINK_ELIGIBLE ? LINK_CHANGE_SET : 0u);
	}
	if (old->why != new.why) {
		changes |= LINK_CHANGE_INFO;
		if (old->why == LINK_ELIGIBLE || new.why == LINK_ELIGIBLE)
			changes |= LINK_CHANGE_SET;
	} else if (new.why == LINK_ELIGIBLE) {
		if (strcmp(old->name, new.name) != 0)
			changes |= LINK_CHANGE_SET;
		if (!arp_mac_eq(old->mac, new.mac) ||
		    old->active_slave != new.active_slave)
			changes |= LINK_CHANGE_PATH;
	}
	*old = new;
	return changes;
}

unsigned
link_table_del(struct link_table *t, int ifindex)
{
	struct link *l = find(t, ifindex);
	unsigned changes = LINK_CHANGE_INFO;
	size_t after;

	if (l == NULL)
		return 0;
	if (l->why == LINK_ELIGIBLE)
		changes |= LINK_CHANGE_SET;
	after = t->n - (size_t)(l - t->links) - 1;
	memmove(l, l + 1, after * sizeof(*l));
	t->n--;
	return changes;
}

void
link_table_mark(struct link_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->links[i].is_stale = true;
}

unsigned
link_table_sweep(struct link_table *t)
{
	unsigned changes = 0;

	for (size_t i = t->n; i > 0; i--)
		if (t->links[i - 1].is_stale)
			changes |= link_table_del(t, t->links[i - 1].ifindex);
	return changes;
}

bool
link_table_has_mac(const struct link_table *t, const uint8_t mac[ARP_MAC_LEN])
{
	for (size_t i = 0; i < t->n; i++)
		if (arp_mac_eq(t->links[i].mac, mac))
			return true;
	return false;
}
