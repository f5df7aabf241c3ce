/*
 * ledger.h - what has been decided and is not yet seen in the store.
 *
 * Between a decision and the moment the watch shows it lie a queue, a request
 * and the cache's lag; the API server may refuse, or the answer may be lost.
 * Meanwhile the store shows the past. The ledger remembers, so that an address
 * just given is not given again, no Service is written twice at once, and a
 * failing write is retried with back-off. It also knows what each Service's
 * owner was last told, so that nothing is told twice.
 *
 * Life of an entry:
 *	ledger_promise	-> QUEUED	the addresses are taken from now on
 *	ledger_sent	-> SENT		the write is under way
 *	ledger_done	-> WRITTEN	the server has it, the store not yet
 *			-> FAILED	next try at `due`
 *	ledger_sync	-> IDLE		the store shows it, or what came after
 *
 * A write is conditional on the resourceVersion it was decided from, and the
 * store sees an object's versions in their order: as soon as it shows another
 * version, the write is in it, or was overwritten since, or never happened.
 * Until then a write that failed may have happened all the same (the answer
 * was lost; a second try met the first one's work as a conflict), and its
 * promise must not change (is_uncertain).
 * Pure: `now` and randomness are passed in.
 */
#ifndef HERALD_CONTROLLER_LEDGER_H
#define HERALD_CONTROLLER_LEDGER_H

#include <uthash.h>

#include "kube/store.h"
#include "lib/mono.h"

enum ledger_state {
	LEDGER_IDLE,
	LEDGER_QUEUED,
	LEDGER_SENT,
	LEDGER_WRITTEN,
	LEDGER_FAILED,
};
const char *ledger_state_name(enum ledger_state s);

enum {
	/* For objects without resourceVersion: the store shows it long before. */
	LEDGER_FORGET_SEC = 30,
	LEDGER_RETRY_MIN_MS = 50,
	LEDGER_RETRY_MAX_MS = 30000,
};

struct ledger_entry {
	char	*key;			/* "ns/name" */
	char	*ns, *name;
	char	*uid;			/* NULL from a dir source */
	char	*resource_version;	/* the decision was made from this one */
	enum ledger_state state;
	struct ip addrs[2];		/* see ledger_is_promise() */
	uint8_t	naddrs;			/* 0: promised to be cleared */
	bool	is_news;		/* other addresses than it had: tell it */
	bool	is_uncertain;		/* FAILED, but may have been written */
	bool	is_gone;		/* free it as soon as it is not SENT */
	const char *ip_mode;		/* to be written; a literal */
	bool	is_mode_written;	/* it was, whether kept or not */
	uint64_t told;			/* hash of the last problem, 0 none */
	unsigned failures;		/* in a row */
	struct mono due;		/* FAILED: retry; WRITTEN: forget */
	struct ledger_entry *next;	/* in the queue */
	UT_hash_handle hh;
};

struct ledger {
	struct ledger_entry *entries;	/* by key */
	struct ledger_entry *head, **tail;	/* QUEUED, first come first */
	unsigned nsent;
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);

/* What is noted about the Service, or NULL. */
struct ledger_entry *ledger_find(const struct ledger *l, const char *ns,
    const char *name);

/* True where e speaks of this very object, not of a namesake before it. */
bool ledger_is_of(const struct ledger_entry *e, const struct kube_object *svc);

/*
 * True while e's addresses must be taken for given, whatever the store shows:
 * they are about to be written, or may have been.
 */
bool ledger_is_promise(const struct ledger_entry *e);

/* True while no further write may be decided for e's Service. */
bool ledger_is_busy(const struct ledger_entry *e, struct mono now);

/*
 * Promise addrs to svc and queue the write, with ipMode Proxy unless the caller
 * sets another in what is returned. Not while it is busy. is_news where they
 * differ from what it had.
 */
struct ledger_entry *ledger_promise(struct ledger *l, const struct kube_object *svc,
    const struct ip *addrs, unsigned n, bool is_news);

/* Take the next write off the queue; it is then SENT. NULL: the queue is empty. */
struct ledger_entry *ledger_sent(struct ledger *l);

/*
 * The outcome of a write: an error of kube_done_fn. random spreads retries.
 * Frees e where its Service is gone.
 */
void ledger_done(struct ledger *l, struct ledger_entry *e, int error,
    struct mono now, uint64_t random);

/* Compare with the store: settle what it shows, forget what is gone. */
void ledger_sync(struct ledger *l, const struct kube_store *s, struct mono now);

/*
 * Note that svc's owner is to be told this problem (NULL: there is none).
 * True where that is news.
 */
bool ledger_tell(struct ledger *l, const struct kube_object *svc,
    const char *problem);

/* When ledger_sync() and a new decision are due, or MONO_NEVER. */
struct mono ledger_deadline(const struct ledger *l);

#endif
