/*
 * lease.h - who leads, settled over a coordination.k8s.io/v1 Lease (pure).
 *
 * Compatible with client-go's leaderelection: the same fields, the same
 * timings, the same rules, so that `kubectl get lease` reads as usual and a
 * program built on client-go could stand by for ours.
 *
 * No clock is compared with another machine's: a holder has lost the Lease
 * when this process has seen it unchanged for its whole duration. The leader
 * stops leading, by its own clock, before anybody else may begin.
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
	/* client-go's and so kube-controller-manager's defaults. */
	LEASE_DURATION_MS = 15000,
	LEASE_RENEW_DEADLINE_MS = 10000,
	LEASE_RETRY_MS = 2000,
};

struct lease_conf {
	const char *identity;		/* of this process; outlives the engine */
	int64_t	duration_ms;		/* others may take over after this */
	int64_t	renew_deadline_ms;	/* we stop leading after this; less than it */
	int64_t	retry_ms;		/* between tries; less again */
};

/* The Lease as the server has it, or is to have it. */
struct lease_record {
	char	holder[LEASE_ID_LEN];	/* "" nobody */
	uint32_t duration_sec;
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
	bool	is_absent;		/* the last GET found no Lease */
	bool	is_stale;		/* seen is not what the server has: GET */
	bool	is_held;		/* by us, as far as we know */
	struct lease_record seen;
	struct mono seen_at;		/* when its holder or renewal last changed */
	struct lease_record sent;	/* the write under way */
	struct mono sent_at;
	struct mono renewed_at;		/* when the last good write was sent */
	struct mono due;		/* the next try */
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
 * -ESTALE or -EEXIST (somebody was first), or another error.
 */
void lease_wrote(struct lease *l, int error, const struct lease_record *record,
    struct mono now);

/* Do we lead at this moment? */
bool lease_is_leader(const struct lease *l, struct mono now);

/*
 * A clean stop: we lead no more. Returns true where *ret_record is to be
 * written with an UPDATE, so that the next one need not wait.
 */
bool lease_release(struct lease *l, int64_t wall_ns, struct lease_record *ret_record);

/*
 * When lease_next() or lease_is_leader() may have something new to say, or
 * MONO_NEVER.
 */
struct mono lease_deadline(const struct lease *l, struct mono now);

#endif
