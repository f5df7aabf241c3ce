/* table.c - see table.h. */
#include "ipvs/table.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/sort.h"

static int
cmp_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

int
ipvs_key_cmp(const struct ipvs_key *a, const struct ipvs_key *b)
{
	int c = cmp_u32(a->fwmark == 0, b->fwmark == 0);

	if (c == 0)
		c = cmp_u32(a->family, b->family);
	if (c == 0)
		c = cmp_u32(a->fwmark, b->fwmark);
	if (c == 0)
		c = ip_cmp(&a->vip, &b->vip);
	if (c == 0)
		c = cmp_u32(a->proto, b->proto);
	return c != 0 ? c : cmp_u32(a->port, b->port);
}

int
ipvs_rs_cmp(const struct ipvs_rs *a, const struct ipvs_rs *b)
{
	int c = ip_cmp(&a->ip, &b->ip);

	return c != 0 ? c : cmp_u32(a->port, b->port);
}

static const char *
proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	default:
		return "proto?";
	}
}

const char *
ipvs_key_format(const struct ipvs_key *k, char buf[IPVS_KEY_STRLEN])
{
	const char *fmt = ip_is_v4(&k->vip) ? "%s %s:%u" : "%s [%s]:%u";

	if (k->fwmark != 0)
		snprintf(buf, IPVS_KEY_STRLEN, "mark 0x%x (IPv%d)", k->fwmark,
		    k->family);
	else
		snprintf(buf, IPVS_KEY_STRLEN, fmt, proto_name(k->proto),
		    IP_STR(&k->vip), k->port);
	return buf;
}

const char *
ipvs_sched_name(enum ipvs_sched s)
{
	static const char *const names[] = {
		[IPVS_SCHED_MH] = "mh",
		[IPVS_SCHED_RR] = "rr",
		[IPVS_SCHED_WRR] = "wrr",
		[IPVS_SCHED_WLC] = "wlc",
		[IPVS_SCHED_LC] = "lc",
		[IPVS_SCHED_SH] = "sh",
		[IPVS_SCHED_FO] = "fo",
	};

	return (size_t)s < nitems(names) ? names[s] : "mh";
}

struct ipvs_vs *
ipvs_table_add(struct ipvs_table *t)
{
	t->vs = mem_grow(t->vs, t->n, &t->cap, sizeof(t->vs[0]));
	t->vs[t->n] = (struct ipvs_vs){ 0 };
	return &t->vs[t->n++];
}

static int
vs_cmp(const void *a, const void *b)
{
	const struct ipvs_vs *x = a, *y = b;

	return ipvs_key_cmp(&x->key, &y->key);
}

void
ipvs_table_sort(struct ipvs_table *t)
{
	sort_items(t->vs, t->n, sizeof(t->vs[0]), vs_cmp);
}

const struct ipvs_vs *
ipvs_table_find(const struct ipvs_table *t, const struct ipvs_key *key)
{
	struct ipvs_vs want = { .key = *key };

	if (t->n == 0)
		return NULL;
	return bsearch(&want, t->vs, t->n, sizeof(t->vs[0]), vs_cmp);
}

void
ipvs_table_put(struct ipvs_table *t, const struct ipvs_vs *vs)
{
	struct ipvs_vs *there = (struct ipvs_vs *)ipvs_table_find(t, &vs->key);
	size_t at;

	if (there != NULL) {
		*there = *vs;
		return;
	}
	(void)ipvs_table_add(t);
	for (at = t->n - 1; at > 0 && vs_cmp(&t->vs[at - 1], vs) > 0; at--)
		t->vs[at] = t->vs[at - 1];
	t->vs[at] = *vs;
}

void
ipvs_table_remove(struct ipvs_table *t, const struct ipvs_key *key)
{
	const struct ipvs_vs *there = ipvs_table_find(t, key);
	size_t at;

	if (there == NULL)
		return;
	at = (size_t)(there - t->vs);
	t->n--;
	memmove(&t->vs[at], &t->vs[at + 1], (t->n - at) * sizeof(t->vs[0]));
}

void
ipvs_table_fini(struct ipvs_table *t)
{
	free(t->vs);
	arena_fini(&t->arena);
	*t = (struct ipvs_table){ 0 };
}
