/* health.c - see health.h. */
#include "ipvs/health.h"

/* From this probe's beginning to that of the next. */
static int64_t
period_ns(const struct health *h, const struct health_conf *c, uint64_t random)
{
	int64_t interval = c->interval_ms * NSEC_PER_MSEC;
	int64_t timeout = c->timeout_ms * NSEC_PER_MSEC;
	int64_t jitter = interval / 100 * c->jitter_percent;

	if (h->is_up && h->run > 0 && c->fall > 1)
		interval -= timeout / (c->fall - 1);
	if (jitter > 0)
		interval -= (int64_t)(random % (uint64_t)jitter);
	return interval > timeout ? interval : timeout;
}

void
health_init(struct health *h, const struct health_conf *c, struct mono now,
    uint64_t random)
{
	*h = (struct health){
		.is_up = !c->starts_down,
		.due = mono_add_ns(now, (int64_t)(random %
		    ((uint64_t)c->interval_ms * (uint64_t)NSEC_PER_MSEC))),
	};
}

static unsigned
take(struct health *h, const struct health_conf *c, enum health_answer answer,
    uint64_t random)
{
	bool is_news = false;

	h->is_probing = false;
	if (answer == (h->is_up ? HEALTH_GOOD : HEALTH_BAD))
		h->run = 0;
	else if (answer != HEALTH_NO_ANSWER)
		is_news = ++h->run >= (h->is_up ? c->fall : c->rise);
	if (is_news) {
		h->is_up = !h->is_up;
		h->run = 0;
	}
	h->is_sure |= answer != HEALTH_NO_ANSWER && h->run == 0;
	h->due = mono_add_ns(h->began, period_ns(h, c, random));
	return is_news ? HEALTH_DO_TELL : 0;
}

unsigned
health_result(struct health *h, const struct health_conf *c,
    enum health_answer answer, uint64_t random)
{
	/* One that was too late has been counted by health_tick(). */
	return h->is_probing ? take(h, c, answer, random) : 0;
}

unsigned
health_tick(struct health *h, const struct health_conf *c, struct mono now,
    uint64_t random)
{
	unsigned todo = 0;

	if (h->is_probing && mono_reached(now, h->due))
		todo |= HEALTH_DO_CANCEL | take(h, c, HEALTH_BAD, random);
	if (h->is_probing || !mono_reached(now, h->due))
		return todo;
	h->is_probing = true;
	/* As planned, lest the delays of a busy loop add up; unless it slept. */
	h->began = mono_before(now, mono_add_ms(h->due, c->interval_ms)) ? h->due : now;
	h->due = mono_add_ms(now, c->timeout_ms);
	return todo | HEALTH_DO_PROBE;
}
