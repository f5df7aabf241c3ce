#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ledger.h"
#include "lib/hash.h"
#include "lib/mem.h"

const char *
ledger_state_name(enum ledger_state s)
{
	switch (s) {
	case LEDGER_IDLE:
		return "idle";
	case LEDGER_QUEUED:
		return "queued";
	case LEDGER_SENT:
		return "sent";
	case LEDGER_WRITTEN:
		return "written";
	case LEDGER_FAILED:
		return "failed";
	}
	return "unknown";
}

struct ledger *
ledger_new(void)
{
	struct ledger *l = mem_zalloc(sizeof(*l));

	l->tail = &l->head;
	return l;
}

static void
queue_remove(struct ledger *l, struct ledger_entry *e)
{
	struct ledger_entry **at = &l->head;

	while (*at != NULL && *at != e)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = e->next;
	if (l->tail == &e->next)
		l->tail = at;
	e->next = NULL;
}

static void
entry_free(struct ledger *l, struct ledger_entry *e)
{
	if (e->state == LEDGER_QUEUED)
		queue_remove(l, e);
	HASH_DEL(l->entries, e);
	free(e->key);
	free(e->ns);
	free(e->name);
	free(e->uid);
	free(e->resource_version);
	free(e);
}

void
ledger_free(struct ledger *l)
{
	struct ledger_entry *e, *tmp;

	if (l == NULL)
		return;
	l->head = NULL;
	l->tail = &l->head;
	HASH_ITER(hh, l->entries, e, tmp)
		entry_free(l, e);
	free(l);
}

struct ledger_entry *
ledger_find(const struct ledger *l, const char *ns, const char *name)
{
	char key[KUBE_KEY_LEN];
	struct ledger_entry *e;

	(void)snprintf(key, sizeof(key), "%s/%s", ns != NULL ? ns : "", name);
	HASH_FIND_STR(l->entries, key, e);
	return e;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
ledger_is_of(const struct ledger_entry *e, const struct kube_object *svc)
{
	return !e->is_gone && same(e->uid, svc->meta.uid);
}

bool
ledger_is_promise(const struct ledger_entry *e)
{
	switch (e->state) {
	case LEDGER_QUEUED:
	case LEDGER_SENT:
	case LEDGER_WRITTEN:
		return true;
	case LEDGER_FAILED:
		return e->is_uncertain;
	case LEDGER_IDLE:
		return false;
	}
	return false;
}

bool
ledger_is_busy(const struct ledger_entry *e, struct mono now)
{
	switch (e->state) {
	case LEDGER_QUEUED:
	case LEDGER_SENT:
	case LEDGER_WRITTEN:
		return true;
	case LEDGER_FAILED:
		return !mono_reached(now, e->due);
	case LEDGER_IDLE:
		return false;
	}
	return false;
}

static struct ledger_entry *
entry_get(struct ledger *l, const struct kube_object *svc)
{
	const char *ns = svc->meta.ns != NULL ? svc->meta.ns : "";
	struct ledger_entry *e = ledger_find(l, ns, svc->meta.name);

	if (e != NULL)
		return e;
	e = mem_zalloc(sizeof(*e));
	e->key = mem_printf("%s/%s", ns, svc->meta.name);
	e->ns = mem_strdup(svc->meta.ns);
	e->name = mem_strdup(svc->meta.name);
	e->uid = mem_strdup(svc->meta.uid);
	e->due = MONO_NEVER;
	HASH_ADD_KEYPTR(hh, l->entries, e->key, strlen(e->key), e);
	return e;
}

struct ledger_entry *
ledger_promise(struct ledger *l, const struct kube_object *svc,
    const struct ip *addrs, unsigned n, bool is_news)
{
	struct ledger_entry *e = entry_get(l, svc);

	/* A retry of the same promise still has its news to tell. */
	if (e->state == LEDGER_FAILED && e->is_news && e->naddrs == n &&
	    (n < 1 || ip_eq(&e->addrs[0], &addrs[0])) &&
	    (n < 2 || ip_eq(&e->addrs[1], &addrs[1])))
		is_news = true;
	e->state = LEDGER_QUEUED;
	e->ip_mode = "Proxy";
	e->naddrs = (uint8_t)n;
	for (unsigned i = 0; i < n; i++)
		e->addrs[i] = addrs[i];
	e->is_news = is_news;
	e->is_uncertain = false;
	e->due = MONO_NEVER;
	free(e->resource_version);
	e->resource_version = mem_strdup(svc->meta.resource_version);
	e->next = NULL;
	*l->tail = e;
	l->tail = &e->next;
	return e;
}

struct ledger_entry *
ledger_sent(struct ledger *l)
{
	struct ledger_entry *e = l->head;

	if (e == NULL)
		return NULL;
	l->head = e->next;
	if (l->head == NULL)
		l->tail = &l->head;
	e->next = NULL;
	e->state = LEDGER_SENT;
	l->nsent++;
	return e;
}

/* Double from the least wait to the most, then up to half of it at random. */
static int64_t
retry_ms(unsigned failures, uint64_t random)
{
	int64_t ms = LEDGER_RETRY_MIN_MS;

	for (unsigned i = 1; i < failures && ms < LEDGER_RETRY_MAX_MS; i++)
		ms *= 2;
	if (ms > LEDGER_RETRY_MAX_MS)
		ms = LEDGER_RETRY_MAX_MS;
	return ms + (int64_t)(random % (uint64_t)(ms / 2));
}

void
ledger_done(struct ledger *l, struct ledger_entry *e, int error, struct mono now,
    uint64_t random)
{
	l->nsent--;
	e->state = LEDGER_IDLE;
	if (e->is_gone || error == -ENOENT) {
		entry_free(l, e);
		return;
	}
	if (error == 0) {
		e->state = LEDGER_WRITTEN;
		e->is_mode_written = true;
		e->failures = 0;
		e->due = mono_add_sec(now, LEDGER_FORGET_SEC);
		return;
	}
	e->state = LEDGER_FAILED;
	e->failures++;
	e->is_uncertain = e->resource_version != NULL;
	e->due = mono_add_ms(now, retry_ms(e->failures, random));
}

/* Does the Service's status say what was promised? */
static bool
is_shown(const struct ledger_entry *e, const struct kube_service *svc)
{
	if (svc->ningress != e->naddrs)
		return false;
	for (size_t i = 0; i < svc->ningress; i++) {
		if (!ip_eq(&svc->ingress[i].ip, &e->addrs[i]))
			return false;
	}
	return true;
}

/* Free e where it has nothing to remember. */
static void
entry_tidy(struct ledger *l, struct ledger_entry *e)
{
	if (e->state == LEDGER_IDLE && e->told == 0 && !e->is_mode_written)
		entry_free(l, e);
}

/* Nothing is promised by e any more; keep it only for what it remembers. */
static void
entry_settle(struct ledger *l, struct ledger_entry *e)
{
	e->state = LEDGER_IDLE;
	e->failures = 0;
	e->naddrs = 0;
	e->is_news = false;
	e->is_uncertain = false;
	e->due = MONO_NEVER;
	entry_tidy(l, e);
}

static bool
shows_mode(const struct ledger_entry *e, const struct kube_service *svc)
{
	for (size_t i = 0; i < svc->ningress; i++) {
		if (!same(svc->ingress[i].ip_mode, e->ip_mode))
			return false;
	}
	return true;
}

static void
entry_sync(struct ledger *l, struct ledger_entry *e, const struct kube_object *svc,
    struct mono now)
{
	bool is_moved_on;

	if (svc == NULL || !ledger_is_of(e, svc)) {
		e->is_gone = true;
		if (e->state != LEDGER_SENT)
			entry_free(l, e);
		return;
	}
	if (e->state != LEDGER_WRITTEN && e->state != LEDGER_FAILED)
		return;
	is_moved_on = !same(e->resource_version, svc->meta.resource_version);
	if (is_moved_on)
		e->is_uncertain = false;
	/* A failed write may have come through after all. */
	if (is_shown(e, &svc->service)) {
		/* Where the server keeps ipMode there is nothing to remember. */
		if (shows_mode(e, &svc->service))
			e->is_mode_written = false;
		entry_settle(l, e);
	} else if (e->state == LEDGER_WRITTEN &&
	    (is_moved_on || mono_reached(now, e->due)))
		entry_settle(l, e);
}

void
ledger_sync(struct ledger *l, const struct kube_store *s, struct mono now)
{
	struct ledger_entry *e, *tmp;

	HASH_ITER(hh, l->entries, e, tmp)
		entry_sync(l, e, kube_store_get(s, KUBE_SERVICE, e->ns, e->name), now);
}

bool
ledger_tell(struct ledger *l, const struct kube_object *svc, const char *problem)
{
	struct ledger_entry *e = ledger_find(l, svc->meta.ns, svc->meta.name);
	uint64_t told = problem != NULL ? hash_str(problem, 0) | 1 : 0;

	if (told == 0 && e == NULL)
		return false;
	if (e == NULL)
		e = entry_get(l, svc);
	if (e->told == told)
		return false;
	e->told = told;
	entry_tidy(l, e);
	return told != 0;
}

struct mono
ledger_deadline(const struct ledger *l)
{
	struct mono due = MONO_NEVER;

	for (const struct ledger_entry *e = l->entries; e != NULL; e = e->hh.next) {
		if (e->state == LEDGER_WRITTEN || e->state == LEDGER_FAILED)
			due = mono_min(due, e->due);
	}
	return due;
}
