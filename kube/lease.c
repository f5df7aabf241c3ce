#include <errno.h>
#include <string.h>

#include "kube/lease.h"

/* 0..limit-1; splitmix64. */
static uint64_t
random_below(struct lease *l, uint64_t limit)
{
	uint64_t z = (l->rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % limit;
}

/* Candidates that started together must not go on asking together. */
static void
retry(struct lease *l, struct mono now)
{
	int64_t ms = l->conf.retry_ms;

	if (!l->is_held)
		ms += (int64_t)random_below(l, (uint64_t)ms / 5 + 1);
	l->due = mono_add_ms(now, ms);
}

void
lease_init(struct lease *l, const struct lease_conf *conf, uint64_t seed,
    struct mono now)
{
	*l = (struct lease){ .conf = *conf, .rng = seed, .is_stale = true, .due = now };
}

static bool
is_ours(const struct lease *l, const struct lease_record *r)
{
	return strcmp(r->holder, l->conf.identity) == 0;
}

/* When whoever holds the Lease has been silent for long enough. */
static struct mono
free_at(const struct lease *l)
{
	return mono_add_sec(l->seen_at, l->seen.duration_sec);
}

static bool
may_take(const struct lease *l, struct mono now)
{
	return l->is_absent || l->seen.holder[0] == '\0' || is_ours(l, &l->seen) ||
	    mono_reached(now, free_at(l));
}

/* What we would like the Lease to say. */
static struct lease_record
claim(const struct lease *l, int64_t wall_ns)
{
	struct lease_record r = l->is_absent ? (struct lease_record){ 0 } : l->seen;

	if (!l->is_absent && !is_ours(l, &r))
		r.transitions++;
	if (!is_ours(l, &r) || r.acquired_ns == 0)
		r.acquired_ns = wall_ns;
	strcpy(r.holder, l->conf.identity);
	r.duration_sec = (uint32_t)((l->conf.duration_ms + 999) / 1000);
	r.renewed_ns = wall_ns;
	return r;
}

enum lease_do
lease_next(struct lease *l, struct mono now, int64_t wall_ns,
    struct lease_record *ret_record)
{
	if (l->is_waiting || !mono_reached(now, l->due))
		return LEASE_NOTHING;
	l->is_waiting = true;
	if (l->is_stale)
		return LEASE_GET;
	/* lease_got() has found that we may, or we renew what we hold. */
	l->sent = claim(l, wall_ns);
	l->sent_at = now;
	*ret_record = l->sent;
	return l->is_absent ? LEASE_CREATE : LEASE_UPDATE;
}

/* Take note of what the server has; its silence is counted from a change. */
static void
observe(struct lease *l, const struct lease_record *r, struct mono now)
{
	bool is_same = !l->is_absent && l->seen.renewed_ns == r->renewed_ns &&
	    strcmp(l->seen.holder, r->holder) == 0 && l->seen_at.ns != 0;

	l->seen = *r;
	l->is_absent = false;
	if (!is_same)
		l->seen_at = now;
}

void
lease_got(struct lease *l, int error, const struct lease_record *record,
    struct mono now)
{
	l->is_waiting = false;
	if (error == -ENOENT)
		l->is_absent = true;
	else if (error == 0)
		observe(l, record, now);
	if (error != 0 && error != -ENOENT) {
		retry(l, now);
		return;
	}
	l->is_held = l->is_held && !l->is_absent && is_ours(l, &l->seen);
	if (may_take(l, now)) {
		l->is_stale = false;
		l->due = now;
	} else {
		retry(l, now);
	}
}

void
lease_wrote(struct lease *l, int error, const struct lease_record *record,
    struct mono now)
{
	l->is_waiting = false;
	if (error == 0) {
		observe(l, record, now);
		l->is_held = true;
		l->renewed_at = l->sent_at;
	} else {
		/* It may have been written all the same: look before the next. */
		l->is_stale = true;
	}
	retry(l, now);
	/* Who was outrun looks at once who leads; it may be ourselves. */
	if (error == -ESTALE || error == -EEXIST)
		l->due = now;
}

bool
lease_is_leader(const struct lease *l, struct mono now)
{
	return l->is_held &&
	    mono_before(now, mono_add_ms(l->renewed_at, l->conf.renew_deadline_ms));
}

bool
lease_release(struct lease *l, int64_t wall_ns, struct lease_record *ret_record)
{
	bool was_held = l->is_held;

	l->is_held = false;
	l->is_stale = true;
	l->due = MONO_NEVER;
	if (!was_held)
		return false;
	/* As client-go: nobody holds it, and its duration is a second. */
	*ret_record = l->seen;
	ret_record->holder[0] = '\0';
	ret_record->duration_sec = 1;
	ret_record->renewed_ns = ret_record->acquired_ns = wall_ns;
	return true;
}

struct mono
lease_deadline(const struct lease *l, struct mono now)
{
	struct mono next = l->is_waiting ? MONO_NEVER : l->due;
	struct mono end = mono_add_ms(l->renewed_at, l->conf.renew_deadline_ms);

	/* Leading may end while an answer is awaited. */
	if (l->is_held && mono_before(now, end))
		next = mono_min(next, end);
	return next;
}
