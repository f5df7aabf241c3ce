#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "kube/report.h"
#include "lib/mem.h"
#include "speaker/report_pace.h"

enum { KEY_LEN = 16 + 254 };

struct report_write {
	uint64_t hash;			/* of what was written; 0: deleted */
	bool	is_busy;
	unsigned nfailed;		/* in a row */
	struct mono quiet_until;	/* nothing is written to it before */
	struct mono believe_until;	/* what was written is there, seen or not */
	UT_hash_handle hh;
	char	key[];
};

struct stepping {
	struct report_pace *p;
	struct mono now;
	struct report_step *ret;
	size_t	n, max;
};

void
report_pace_init(struct report_pace *p, const char *node, struct mono now)
{
	*p = (struct report_pace){ .node = node, .credit = REPORT_BURST, .credit_at = now,
	    .deadline = MONO_NEVER };
	for (size_t i = 0; i < KUBE_NKINDS; i++)
		p->denied_until[i] = now;
}

void
report_pace_fini(struct report_pace *p)
{
	struct report_write *w, *next;

	HASH_ITER(hh, p->writes, w, next) {
		HASH_DEL(p->writes, w);
		free(w);
	}
}

static struct report_write *
find(const struct report_pace *p, enum kube_kind kind, const char *name,
    char key[KEY_LEN])
{
	struct report_write *w;

	snprintf(key, KEY_LEN, "%u/%s", (unsigned)kind, name);
	HASH_FIND_STR(p->writes, key, w);
	return w;
}

static void
earn(struct report_pace *p, struct mono now)
{
	p->credit += (double)mono_sub_ns(now, p->credit_at) / 1e9 * REPORT_PER_SEC;
	p->credit_at = now;
	if (p->credit > REPORT_BURST)
		p->credit = REPORT_BURST;
}

/* Not now, but then. */
static bool
hold(struct report_pace *p, struct mono until)
{
	p->deadline = mono_min(p->deadline, until);
	return false;
}

static bool
may_write(struct report_pace *p, enum kube_kind kind, const struct report_write *w,
    uint64_t hash, struct mono now)
{
	if (w != NULL && w->is_busy)
		return false;
	if (w != NULL && w->hash == hash && mono_before(now, w->believe_until))
		return hold(p, w->believe_until);
	if (w != NULL && mono_before(now, w->quiet_until))
		return hold(p, w->quiet_until);
	if (mono_before(now, p->denied_until[kind]))
		return hold(p, p->denied_until[kind]);
	if (p->credit < 1)
		return hold(p, mono_add_ms(now,
		    (int64_t)((1 - p->credit) * 1000 / REPORT_PER_SEC) + 1));
	return true;
}

/* o differs from what is there: write it now, or later. hash 0: delete it. */
static void
write_one(struct stepping *st, const struct kube_object *o, uint64_t hash, bool is_new)
{
	struct report_pace *p = st->p;
	char key[KEY_LEN];
	struct report_write *w = find(p, o->kind, o->meta.name, key);

	if (st->n == st->max) {
		(void)hold(p, st->now);
		return;
	}
	if (!may_write(p, o->kind, w, hash, st->now))
		return;
	if (w == NULL) {
		w = mem_zalloc(sizeof(*w) + strlen(key) + 1);
		strcpy(w->key, key);
		HASH_ADD_STR(p->writes, key, w);
	}
	w->is_busy = true;
	w->hash = hash;
	p->credit -= 1;
	st->ret[st->n++] = (struct report_step){ .is_delete = hash == 0,
	    .is_new = is_new, .o = o };
}

static void
forget_old(struct report_pace *p, struct mono now)
{
	struct report_write *w, *next;

	HASH_ITER(hh, p->writes, w, next) {
		if (w->is_busy || mono_before(now, w->quiet_until) ||
		    mono_before(now, w->believe_until))
			continue;
		HASH_DEL(p->writes, w);
		free(w);
	}
}

size_t
report_pace_step(struct report_pace *p, const struct report_set *want,
    const struct kube_store *have, unsigned kinds, struct mono now,
    struct report_step *ret, size_t max)
{
	struct stepping st = { .p = p, .now = now, .ret = ret, .max = max };

	earn(p, now);
	p->deadline = MONO_NEVER;
	for (size_t i = 0; i < want->n; i++) {
		const struct kube_object *w = want->items[i];
		const struct kube_object *h = kube_store_get(have, w->kind, w->meta.ns,
		    w->meta.name);
		uint64_t hash = kube_report_hash(w);

		if ((kinds & 1u << w->kind) &&
		    (h == NULL || kube_report_hash(h) != hash))
			write_one(&st, w, hash, h == NULL);
	}
	for (unsigned k = 0; k < KUBE_NKINDS; k++) {
		struct kube_list l = kube_store_list(have, (enum kube_kind)k);

		for (size_t i = 0; (kinds & 1u << k) && i < l.n; i++) {
			if (strcmp(kube_report_node(l.items[i]), p->node) != 0)
				continue;
			if (report_set_get(want, l.items[i]->kind,
			    l.items[i]->meta.name) == NULL)
				write_one(&st, l.items[i], 0, false);
		}
	}
	forget_old(p, now);
	return st.n;
}

/* base, twice that after two failures in a row, ... */
static struct mono
after(struct mono now, int64_t base_sec, int64_t max_sec, unsigned nfailed)
{
	int64_t sec = base_sec << (nfailed < 8 ? nfailed : 8);

	return mono_add_sec(now, sec < max_sec ? sec : max_sec);
}

void
report_pace_done(struct report_pace *p, enum kube_kind kind, const char *name,
    int error, struct mono now)
{
	char key[KEY_LEN];
	struct report_write *w = find(p, kind, name, key);

	if (w == NULL)
		return;
	w->is_busy = false;
	w->quiet_until = mono_add_ms(now, REPORT_QUIET_MS);
	w->believe_until = now;
	if (error == 0) {
		w->nfailed = p->ndenied[kind] = 0;
		w->believe_until = mono_add_sec(now, REPORT_BELIEVE_SEC);
	} else if (error == -EACCES) {
		/* All that were under way come back so: it is one refusal. */
		if (!mono_before(now, p->denied_until[kind]))
			p->denied_until[kind] = after(now, REPORT_DENIED_SEC,
			    REPORT_DENIED_MAX_SEC, p->ndenied[kind]++);
	} else {
		w->quiet_until = after(now, REPORT_RETRY_SEC, REPORT_RETRY_MAX_SEC,
		    w->nfailed++);
	}
}
