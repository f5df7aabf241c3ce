#include <errno.h>
#include <string.h>

#include "kube/lease.h"

struct lease_conf
lease_conf_of(const char *identity, int64_t duration_ms)
{
	return (struct lease_conf){ .identity = identity, .duration_ms = duration_ms,
	    .renew_deadline_ms = duration_ms * 2 / 3, .retry_ms = duration_ms * 2 / 15,
	    .poll_ms = duration_ms / 30 };
}

/* 0..limit-1; splitmix64. */
static uint64_t
random_below(struct lease *l, uint64_t limit)
{
	uint64_t z = (l->rng += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % limit;
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

/* One that does not say how long it is good for is good for as long as ours. */
static int64_t
duration_ms(const struct lease *l, const struct lease_record *r)
{
	return r->duration_sec > 0 ? (int64_t)r->duration_sec * 1000 :
	    l->conf.duration_ms;
}

/* When whoever holds the Lease has been silent for long enough. */
static struct mono
free_at(const struct lease *l)
{
	return mono_add_ms(l->seen_at, duration_ms(l, &l->seen));
}

/* Deleted by somebody, it is still held until its holder has noticed. */
static bool
may_take(const struct lease *l, struct mono now)
{
	return l->seen.holder[0] == '\0' || is_ours(l, &l->seen) ||
	    mono_reached(now, free_at(l));
}

/*
 * Candidates that started together must not go on asking together. Who may
 * take the Lease at a known time looks at that time.
 */
static void
retry(struct lease *l, struct mono now)
{
	int64_t ms = l->conf.poll_ms;

	if (l->is_held) {
		l->due = mono_add_ms(now, l->is_stopping ? ms : l->conf.retry_ms);
		return;
	}
	l->due = mono_add_ms(now, ms + (int64_t)random_below(l, (uint64_t)ms / 5 + 1));
	if (l->has_looked && !may_take(l, now))
		l->due = mono_min(l->due, free_at(l));
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

/* As client-go's: nobody holds it, and its duration is a second. */
static struct lease_record
release(const struct lease *l, int64_t wall_ns)
{
	struct lease_record r = l->seen;

	r.holder[0] = '\0';
	r.duration_sec = 1;
	r.renewed_ns = r.acquired_ns = wall_ns;
	return r;
}

enum lease_do
lease_next(struct lease *l, struct mono now, int64_t wall_ns,
    struct lease_record *ret_record)
{
	if (l->is_waiting || lease_is_over(l) || !mono_reached(now, l->due))
		return LEASE_NOTHING;
	l->is_waiting = true;
	l->sent_at = now;
	if (l->is_stale)
		return LEASE_GET;
	/* lease_got() has found that we may, or we renew what we hold. */
	l->sent = l->is_stopping ? release(l, wall_ns) : claim(l, wall_ns);
	*ret_record = l->sent;
	return l->is_absent ? LEASE_CREATE : LEASE_UPDATE;
}

static bool
is_same_claim(const struct lease_record *a, const struct lease_record *b)
{
	return strcmp(a->holder, b->holder) == 0 && a->renewed_ns == b->renewed_ns &&
	    a->acquired_ns == b->acquired_ns && a->transitions == b->transitions &&
	    a->duration_sec == b->duration_sec;
}

/*
 * Take note of what the server has; its silence is counted from a change. That
 * lies somewhere between the last look and this one, and as long as the two
 * are near we may count from the earlier. The bound: a holder stops leading
 * at two thirds of the duration after it *sent* its write; a sixth less than
 * the duration after that write can have been seen leaves another sixth.
 */
static void
observe(struct lease *l, const struct lease_record *r, struct mono now)
{
	bool is_same = l->has_looked && !l->is_absent && is_same_claim(&l->seen, r);
	struct mono least = mono_add_ms(now, -duration_ms(l, r) / 6);

	l->seen = *r;
	l->is_absent = false;
	if (!is_same && !l->has_looked)
		l->seen_at = now;
	else if (!is_same)
		l->seen_at = mono_before(l->looked_at, least) ? least : l->looked_at;
}

static void
looked(struct lease *l)
{
	l->has_looked = true;
	l->looked_at = l->sent_at;
}

void
lease_got(struct lease *l, int error, const struct lease_record *record,
    struct mono now)
{
	l->is_waiting = false;
	if (error != 0 && error != -ENOENT) {
		retry(l, now);
		return;
	}
	if (error == 0)
		observe(l, record, now);
	else
		l->is_absent = true;
	looked(l);
	l->is_held = (l->is_held || l->is_stopping) && !l->is_absent &&
	    is_ours(l, &l->seen);
	l->is_unsure = false;
	l->is_stale = !may_take(l, now);
	if (l->is_stale)
		retry(l, now);
	else
		l->due = now;
}

void
lease_wrote(struct lease *l, int error, const struct lease_record *record,
    struct mono now)
{
	bool was_leader = lease_is_leader(l, now);

	l->is_waiting = false;
	if (error == 0) {
		observe(l, record, now);
		looked(l);
		l->is_held = is_ours(l, record);
		l->is_unsure = false;
		l->renewed_at = l->sent_at;
		l->term += !was_leader && lease_is_leader(l, now);
		retry(l, now);
		if (l->is_stopping)
			l->due = now;
		return;
	}
	/* Look before the next: it may have been written all the same. */
	l->is_stale = true;
	l->is_unsure |= error != -ESTALE && error != -EEXIST;
	retry(l, now);
	/* Who was outrun looks at once who leads; it may be ourselves. */
	if (error == -ESTALE || error == -EEXIST)
		l->due = now;
}

bool
lease_is_leader(const struct lease *l, struct mono now)
{
	return l->is_held && !l->is_stopping &&
	    mono_before(now, mono_add_ms(l->renewed_at, l->conf.renew_deadline_ms));
}

void
lease_stop(struct lease *l, struct mono now)
{
	l->is_stopping = true;
	l->due = now;
}

bool
lease_is_over(const struct lease *l)
{
	return l->is_stopping && !l->is_waiting && !l->is_held && !l->is_unsure;
}

struct mono
lease_deadline(const struct lease *l, struct mono now)
{
	struct mono next = l->is_waiting || lease_is_over(l) ? MONO_NEVER : l->due;

	/* Leading may end while an answer is awaited. */
	if (lease_is_leader(l, now))
		next = mono_min(next,
		    mono_add_ms(l->renewed_at, l->conf.renew_deadline_ms));
	return next;
}
