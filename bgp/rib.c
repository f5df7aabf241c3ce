/*
 * rib.c - wanted and told side by side in one sorted array; only the
 * difference is written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/rib.h"
#include "lib/mem.h"

static enum bgp_family
family_of(const struct bgp_rib_entry *e)
{
	return ip_is_v4(&e->prefix.addr) ? BGP_IPV4_UNICAST : BGP_IPV6_UNICAST;
}

static bool
is_pending(const struct bgp_rib_entry *e)
{
	return e->want != e->sent;
}

void
bgp_rib_init(struct bgp_rib *r)
{
	*r = (struct bgp_rib){ 0 };
}

void
bgp_rib_fini(struct bgp_rib *r)
{
	for (size_t i = 0; i < r->nattrs; i++)
		free(r->attrs[i]);
	free(r->attrs);
	free(r->entries);
	bgp_rib_init(r);
}

/* The number of a set of attributes, a new one where there is none; 0: too many. */
static uint16_t
intern(struct bgp_rib *r, const struct bgp_attrs *attrs)
{
	size_t hole = r->nattrs;

	for (size_t i = 0; i < r->nattrs; i++) {
		if (r->attrs[i] == NULL)
			hole = i;
		else if (memcmp(r->attrs[i], attrs, sizeof(*attrs)) == 0)
			return (uint16_t)(i + 1);
	}
	if (hole + 1 == BGP_RIB_AGAIN)
		return 0;
	if (hole == r->nattrs) {
		r->attrs = mem_grow(r->attrs, r->nattrs, &r->attrs_cap,
		    sizeof(struct bgp_attrs *));
		r->nattrs++;
	}
	r->attrs[hole] = mem_zalloc(sizeof(*attrs));
	memcpy(r->attrs[hole], attrs, sizeof(*attrs));
	return (uint16_t)(hole + 1);
}

/* Forget attributes that no entry uses. */
static void
sweep(struct bgp_rib *r)
{
	uint8_t *used = mem_zalloc(BGP_RIB_AGAIN + 1);

	for (size_t i = 0; i < r->n; i++)
		used[r->entries[i].want] = used[r->entries[i].sent] = 1;
	for (size_t i = 0; i < r->nattrs; i++) {
		if (used[i + 1])
			continue;
		free(r->attrs[i]);
		r->attrs[i] = NULL;
	}
	free(used);
}

static void
recount(struct bgp_rib *r)
{
	memset(r->npending, 0, sizeof(r->npending));
	memset(r->nsent, 0, sizeof(r->nsent));
	for (size_t i = 0; i < r->n; i++) {
		enum bgp_family f = family_of(&r->entries[i]);

		r->npending[f] += is_pending(&r->entries[i]);
		r->nsent[f] += r->entries[i].sent != 0;
	}
}

/* A wanted route on its way to its place. */
struct wanted {
	struct prefix prefix;
	uint16_t number;
	size_t	at;			/* in the caller's order */
};

static int
wanted_cmp(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	int c = prefix_cmp(&x->prefix, &y->prefix);

	return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

/* The routes sorted, each prefix once; NULL: too many sets of attributes. */
static struct wanted *
wanted_of(struct bgp_rib *r, const struct bgp_route *routes, size_t n, size_t *ret_n)
{
	struct wanted *e = mem_zalloc((n + 1) * sizeof(*e));
	const struct bgp_attrs *last = NULL;
	uint16_t number = 0;
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		if (routes[i].attrs != last)
			number = intern(r, routes[i].attrs);
		last = routes[i].attrs;
		if (number == 0) {
			free(e);
			return NULL;
		}
		e[i] = (struct wanted){ routes[i].prefix, number, i };
	}
	qsort(e, n, sizeof(*e), wanted_cmp);
	for (size_t i = 0; i < n; i++) {
		if (out > 0 && prefix_cmp(&e[out - 1].prefix, &e[i].prefix) == 0)
			out--;
		e[out++] = e[i];
	}
	*ret_n = out;
	return e;
}

int
bgp_rib_set(struct bgp_rib *r, const struct bgp_route *routes, size_t n)
{
	struct bgp_rib_entry *merged;
	struct wanted *wanted;
	size_t nwanted, i = 0, j = 0, out = 0;

	wanted = wanted_of(r, routes, n, &nwanted);
	if (wanted == NULL) {
		sweep(r);
		return -E2BIG;
	}
	merged = mem_zalloc((r->n + nwanted + 1) * sizeof(*merged));
	while (i < r->n || j < nwanted) {
		int c = i == r->n ? 1 : j == nwanted ? -1 :
		    prefix_cmp(&r->entries[i].prefix, &wanted[j].prefix);

		if (c <= 0)
			merged[out] = r->entries[i];
		else
			merged[out] = (struct bgp_rib_entry){ .prefix = wanted[j].prefix };
		merged[out].want = c < 0 ? 0 : wanted[j].number;
		i += c <= 0;
		j += c >= 0;
		if (merged[out].want != 0 || merged[out].sent != 0)
			out++;
	}
	free(wanted);
	free(r->entries);
	r->entries = merged;
	r->n = out;
	recount(r);
	sweep(r);
	return 0;
}

/* Drop what is neither wanted nor told. */
static void
compact(struct bgp_rib *r)
{
	size_t out = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->entries[i].want != 0 || r->entries[i].sent != 0)
			r->entries[out++] = r->entries[i];
	r->n = out;
	recount(r);
}

void
bgp_rib_restart(struct bgp_rib *r, uint8_t eor)
{
	for (size_t i = 0; i < r->n; i++)
		r->entries[i].sent = 0;
	r->begin_due = r->end_due = r->again = 0;
	r->eor_due = eor;
	compact(r);
}

void
bgp_rib_refresh(struct bgp_rib *r, enum bgp_family f, bool is_enhanced)
{
	uint8_t bit = (uint8_t)(1u << f);

	if (is_enhanced) {
		r->begin_due |= bit;
		r->end_due |= bit;
	}
	if (r->again & bit)
		return;
	r->again |= bit;
	for (size_t i = 0; i < r->n; i++)
		if (family_of(&r->entries[i]) == f && r->entries[i].sent != 0)
			r->entries[i].sent = BGP_RIB_AGAIN;
	recount(r);
}

/* Agreed on, and with a next hop we can give. */
static bool
can_tell(const struct bgp_session *s, unsigned f)
{
	return s->families & 1u << f && ip_is_set(&s->next_hop[f]);
}

bool
bgp_rib_is_pending(const struct bgp_rib *r, const struct bgp_session *s)
{
	if ((r->begin_due | r->end_due | r->eor_due) & s->families)
		return true;
	for (unsigned f = 0; f < BGP_NFAMILIES; f++)
		if (r->npending[f] > 0 && can_tell(s, f))
			return true;
	return false;
}

/* The next thing to tell of family f: a withdrawal if any, else a route. */
static struct bgp_rib_entry *
next_pending(struct bgp_rib *r, enum bgp_family f)
{
	struct bgp_rib_entry *route = NULL;

	for (size_t i = 0; i < r->n; i++) {
		struct bgp_rib_entry *e = &r->entries[i];

		if (!is_pending(e) || family_of(e) != f)
			continue;
		if (e->want == 0)
			return e;
		if (route == NULL)
			route = e;
	}
	return route;
}

/* One UPDATE with `first` and all pending that share its attributes and fit. */
static void
write_update(struct bgp_rib *r, const struct bgp_session *s, struct wire_out *w,
    struct bgp_rib_entry *first, enum bgp_family f)
{
	uint16_t want = first->want;
	struct bgp_update_out u;

	r->again &= (uint8_t)~(1u << f);
	bgp_update_begin(&u, w, s, f, want != 0 ? r->attrs[want - 1] : NULL);
	for (struct bgp_rib_entry *e = first; e < r->entries + r->n; e++) {
		if (!is_pending(e) || e->want != want || family_of(e) != f)
			continue;
		if (!bgp_update_put(&u, &e->prefix))
			break;
		r->nsent[f] += (want != 0) - (size_t)(e->sent != 0);
		r->npending[f]--;
		e->sent = want;
	}
	bgp_update_end(&u);
}

/* One message of family f; false where there is none. */
static bool
write_one(struct bgp_rib *r, const struct bgp_session *s, struct wire_out *w,
    enum bgp_family f)
{
	uint8_t bit = (uint8_t)(1u << f);

	if (r->begin_due & bit) {
		r->begin_due &= (uint8_t)~bit;
		bgp_refresh_encode(w, f, BGP_REFRESH_BEGIN);
	} else if (r->npending[f] > 0 && can_tell(s, f)) {
		write_update(r, s, w, next_pending(r, f), f);
	} else if (r->end_due & bit) {
		r->end_due &= (uint8_t)~bit;
		bgp_refresh_encode(w, f, BGP_REFRESH_END);
	} else if (r->eor_due & bit) {
		r->eor_due &= (uint8_t)~bit;
		bgp_update_eor(w, f);
	} else {
		return false;
	}
	return true;
}

unsigned
bgp_rib_write(struct bgp_rib *r, const struct bgp_session *s, struct wire_out *w)
{
	unsigned n = 0;

	for (unsigned f = 0; f < BGP_NFAMILIES; f++) {
		if (!(s->families & 1u << f))
			continue;
		while (w->cap - w->len >= s->msg_max && write_one(r, s, w, f))
			n++;
	}
	if (n > 0 && !bgp_rib_is_pending(r, s)) {
		compact(r);
		sweep(r);
	}
	return n;
}
