/* reflect.c - see reflect.h. */
#include <stdio.h>
#include <string.h>

#include "kube/reflect.h"

void
reflect_init(struct reflect *r, uint8_t nversions, struct mono now)
{
	*r = (struct reflect){
		.state = REFLECT_WAIT_LIST,
		.nversions = nversions,
		.deadline = now,
		.backoff = { .base_ms = REFLECT_BASE_MS, .cap_ms = REFLECT_CAP_MS },
	};
}

bool
reflect_is_paged(const struct reflect *r)
{
	return r->nexpired < REFLECT_EXPIRED_MAX;
}

const char *
reflect_state_name(enum reflect_state state)
{
	switch (state) {
	case REFLECT_LISTING:
		return "listing";
	case REFLECT_WATCHING:
		return "watching";
	case REFLECT_WAIT_LIST:
		return "waiting to list";
	case REFLECT_WAIT_WATCH:
		return "waiting to watch";
	}
	return "?";
}

static void
set_rv(struct reflect *r, const char *rv)
{
	if (rv != NULL && rv[0] != '\0')
		snprintf(r->rv, sizeof(r->rv), "%s", rv);
}

static unsigned
list(struct reflect *r)
{
	r->state = REFLECT_LISTING;
	r->deadline = MONO_NEVER;
	r->rv[0] = '\0';
	return REFLECT_DO_LIST;
}

static unsigned
watch(struct reflect *r, struct mono now)
{
	r->state = REFLECT_WATCHING;
	r->deadline = MONO_NEVER;
	r->since = now;
	return REFLECT_DO_WATCH;
}

static unsigned
wait_for(struct reflect *r, enum reflect_state next, const struct reflect_event *ev,
    struct mono now)
{
	r->state = next;
	r->deadline = mono_add_ms(now,
	    backoff_next_ms(&r->backoff, ev->random, ev->asked_ms));
	return 0;
}

/* Begin anew; a version that was missing may have come meanwhile. */
static unsigned
relist(struct reflect *r, const struct reflect_event *ev, struct mono now)
{
	r->version = 0;
	return wait_for(r, REFLECT_WAIT_LIST, ev, now);
}

static unsigned
step_listing(struct reflect *r, const struct reflect_event *ev, struct mono now)
{
	switch (ev->type) {
	case REFLECT_EV_PAGE:
		return REFLECT_DO_PAGE;
	case REFLECT_EV_LAST_PAGE:
		/* The back-off stays until a watch proves good: a server that
		   lists but forgets at once must not be asked in a hot loop. */
		set_rv(r, ev->rv);
		r->is_listed = true;
		r->nrefused = r->nexpired = 0;
		return REFLECT_DO_SWEEP | watch(r, now);
	case REFLECT_EV_ABSENT:
		if (r->version + 1 < r->nversions) {
			r->version++;
			return list(r);
		}
		return relist(r, ev, now);
	case REFLECT_EV_GONE:
		if (r->nexpired < REFLECT_EXPIRED_MAX)
			r->nexpired++;
		return relist(r, ev, now);
	case REFLECT_EV_END:
	case REFLECT_EV_FAIL:
	case REFLECT_EV_AWAY:
		return relist(r, ev, now);
	case REFLECT_EV_ANEW:
		return list(r);
	case REFLECT_EV_TICK:
	case REFLECT_EV_OBJECT:
		break;
	}
	return 0;
}

static unsigned
step_watching(struct reflect *r, const struct reflect_event *ev, struct mono now)
{
	if (ev->type != REFLECT_EV_OBJECT &&
	    mono_reached(now, mono_add_sec(r->since, REFLECT_GOOD_SEC))) {
		backoff_reset(&r->backoff);
		r->nrefused = 0;
	}
	switch (ev->type) {
	case REFLECT_EV_OBJECT:
		set_rv(r, ev->rv);
		backoff_reset(&r->backoff);
		r->nrefused = 0;
		return 0;
	case REFLECT_EV_END:
		if (r->backoff.nfailed == 0 &&
		    mono_reached(now, mono_add_sec(r->since, REFLECT_GOOD_SEC)))
			return watch(r, now);
		return wait_for(r, REFLECT_WAIT_WATCH, ev, now);
	case REFLECT_EV_GONE:
	case REFLECT_EV_ABSENT:
		return relist(r, ev, now);
	case REFLECT_EV_FAIL:
		if (++r->nrefused >= REFLECT_REFUSED_MAX)
			return relist(r, ev, now);
		return wait_for(r, REFLECT_WAIT_WATCH, ev, now);
	case REFLECT_EV_AWAY:
		return wait_for(r, REFLECT_WAIT_WATCH, ev, now);
	case REFLECT_EV_ANEW:
		return list(r);
	case REFLECT_EV_TICK:
	case REFLECT_EV_PAGE:
	case REFLECT_EV_LAST_PAGE:
		break;
	}
	return 0;
}

unsigned
reflect_step(struct reflect *r, const struct reflect_event *ev, struct mono now)
{
	switch (r->state) {
	case REFLECT_LISTING:
		return step_listing(r, ev, now);
	case REFLECT_WATCHING:
		return step_watching(r, ev, now);
	case REFLECT_WAIT_LIST:
		return mono_reached(now, r->deadline) ? list(r) : 0;
	case REFLECT_WAIT_WATCH:
		/* A list, then; but no sooner: the server may be unwell. */
		if (ev->type == REFLECT_EV_ANEW) {
			r->state = REFLECT_WAIT_LIST;
			return 0;
		}
		return mono_reached(now, r->deadline) ? watch(r, now) : 0;
	}
	return 0;
}
