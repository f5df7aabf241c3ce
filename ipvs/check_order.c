/* check_order.c - see check_order.h. */
#include <stdlib.h>

#include "ipvs/check_order.h"
#include "lib/hash.h"
#include "lib/mem.h"

void
check_order_free(struct check_order *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->nconfs; i++)
		probe_conf_free(o->confs[i]);
	free(o->confs);
	free(o->wants);
	free(o);
}

/* Few confs serve many endpoints, and mostly the same one row after row. */
static const struct probe_conf *
conf_of(struct check_order *o, const struct check_want *wants, size_t i)
{
	for (size_t j = i; j-- > 0 && i - j < 64;) {
		if (wants[j].conf == wants[i].conf)
			return o->wants[j].conf;
	}
	o->confs = mem_grow(o->confs, o->nconfs, &o->confs_cap, sizeof(o->confs[0]));
	o->confs[o->nconfs] = probe_conf_copy(wants[i].conf);
	return o->confs[o->nconfs++];
}

struct check_order *
check_order_new(const struct check_want *wants, size_t n)
{
	struct check_order *o = mem_zalloc(sizeof(*o));

	o->wants = mem_zalloc((n + 1) * sizeof(o->wants[0]));
	o->nwants = n;
	for (size_t i = 0; i < n; i++) {
		o->wants[i] = wants[i];
		o->wants[i].conf = conf_of(o, wants, i);
	}
	return o;
}

uint64_t
check_wants_hash(const struct check_want *wants, size_t n)
{
	const struct probe_conf *last = NULL;
	uint64_t h = n, conf = 0;

	for (size_t i = 0; i < n; i++) {
		if (wants[i].conf != last)
			conf = probe_conf_hash(wants[i].conf);
		last = wants[i].conf;
		h = hash_bytes(&wants[i].id, sizeof(wants[i].id), h ^ conf);
		h = hash_bytes(&wants[i].ip, sizeof(wants[i].ip), h + wants[i].port);
	}
	return h;
}
