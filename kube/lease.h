/*
 * lease.h - who leads, settled over a coordination.k8s.io/v1 Lease (pure).
 *
 * Compatible with client-go's leaderelection: the same fields, the same
 * timings, the same rules, so that `kubectl get lease` reads as usual and a
 * program built on client-go could stand by for ours.
 *
 * No clock is compared with another machine's: a holder has lost the Lease
 * when this process has seen it unchanged for its whole duration. The leader
 * stops leading, by its own clock, before anybody else may begin: it counts
 * from when it sent its last good write, the others from when they may have
 * seen it at the earliest.
 *
 * Beyond client-go: who stands by looks more often, so that a clean handover
 * takes no time; who has seen a holder does not take the Lease at once when
 * somebody deletes it (who has not cannot know better); and a stop waits for
 * the write that is under way, or its release would come to nothing.
 *
 * The caller asks lease_next() what to send, sends it (kube_source_lease()),
 * and gives the answer back with lease_got() or lease_wrote().
 */
#ifndef HERALD_KUBE_LEASE_H
#define HERALD_KUBE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/decode.h"
#include "lib/mono.h"

enum {
	LEASE_ID_LEN = 256,		/* holderIdentity, NUL included */
	/* client-go's and so kube-controller-manager's default. */
	LEASE_DURATION_MS = 15000,
};

struct lease_conf {
	const char *identity;		/* of this process; outlives the engine */
	int64_t	duration_ms;		/* others may take over after this */
	int64_t	renew_deadline_ms;	/* we stop leading after this; less than it */
	int64_t	retry_ms;		/* between tries of the holder; less again */
	int64_t	poll_ms;		/* between looks of the others; less again */
};

/* client-go's proportions: 15 s give 10 s, 2 s, and (ours) 0.5 s. */
struct lease_conf lease_conf_of(const char *identity, int64_t duration_ms);

/* The Lease as the server has it, or is to have it. */
struct lease_record {
	char	holder[LEASE_ID_LEN];	/* "" nobody */
	uint32_t duration_sec;		/* 0 not given */
	uint32_t transitions;		/* changes of holder so far */
	int64_t	acquired_ns;		/* wall clock, 0 not given */
	int64_t	renewed_ns;
	char	resource_version[KUBE_RV_LEN];
};

enum lease_do {
	LEASE_NOTHING,			/* until lease_deadline() */
	LEASE_GET,
	LEASE_CREATE,			/* write *ret_record */
	LEASE_UPDATE,			/* likewise, on its resource_version */
};

struct lease {
	struct lease_conf conf;
	bool	is_waiting;		/* for the answer to what was sent */
	bool	has_looked;		/* a GET or a write was answered once */
	bool	is_absent;		/* the last GET found no Lease */
	bool	is_stale;		/* seen is not what the server has: GET */
	bool	is_unsure;		/* a claim's answer was lost */
	bool	is_held;		/* by us, as far as we know */
	bool	is_stopping;
	struct lease_record seen;	/* the last one, though absent now */
	struct mono seen_at;		/* its claim changed no later than then... */
	struct mono looked_at;		/* ...and not before: the last look began */
	struct lease_record sent;	/* the write under way */
	struct mono sent_at;		/* what is under way was sent */
	struct mono renewed_at;		/* when the last good write was sent */
	struct mono due;		/* the next try */
	uint64_t term;			/* grows whenever leading begins; see below */
	uint64_t rng;			/* for jitter */
};

/* seed: randomness, another for each process. The first GET is due at once. */
void lease_init(struct lease *l, const struct lease_conf *conf, uint64_t seed,
    struct mono now);

/*
 * What to do now; wall_ns is the wall clock, for the record. Nothing while an
 * answer is awaited.
 */
enum lease_do lease_next(struct lease *l, struct mono now, int64_t wall_ns,
    struct lease_record *ret_record);

/* The answer to a GET: 0 and the record, -ENOENT, or another error. */
void lease_got(struct lease *l, int error, const struct lease_record *record,
    struct mono now);

/*
 * The answer to a CREATE or UPDATE: 0 and the record as the server now has it,
 * -ESTALE or -EEXIST (somebody was first), or another error, after which it
 * may have been written or not.
 */
void lease_wrote(struct lease *l, int error, const struct lease_record *record,
    struct mono now);

/*
 * Do we lead at this moment? Where that was so, was not so and is again, even
 * unseen by the caller, l->term has grown: what was known of the world while
 * leading may have been changed by another leader.
 */
bool lease_is_leader(const struct lease *l, struct mono now);

/*
 * A clean stop: we lead no more. lease_next() goes on to say what must be
 * sent so that the next leader need not wait, until lease_is_over().
 */
void lease_stop(struct lease *l, struct mono now);
bool lease_is_over(const struct lease *l);

/*
 * When lease_next() or lease_is_leader() may have something new to say, or
 * MONO_NEVER.
 */
struct mono lease_deadline(const struct lease *l, struct mono now);

#endif
