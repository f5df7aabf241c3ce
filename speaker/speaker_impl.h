/*
 * speaker_impl.h - shared by the files of the speaker's shell, for nobody else:
 *
 *	speaker_io.c	the turn of the loop: what is dirty is planned and applied
 *	speaker_open_io.c	open and close the parts, and what they tell of
 */
#ifndef HERALD_SPEAKER_SPEAKER_IMPL_H
#define HERALD_SPEAKER_SPEAKER_IMPL_H

#include <ev.h>

#include "arp/arp_io.h"
#include "kube/source.h"
#include "lib/httpd_io.h"
#include "speaker/apply.h"
#include "speaker/health_io.h"
#include "speaker/mesh_io.h"
#include "speaker/plan.h"
#include "speaker/relay_io.h"
#include "speaker/report_io.h"
#include "speaker/speaker_io.h"
#include "speaker/stats.h"
#include "speaker/tell_io.h"
#include "speaker/worker_io.h"

struct speaker {
	struct ev_loop *loop;
	const struct speaker_conf *conf;
	struct kube_store *store;
	struct kube_source *source;
	struct director *director;
	struct arp_io *arp;
	struct httpd *httpd;
	struct mesh mesh;
	struct health_io *health;
	struct relay_io *relay;		/* NULL without --sync-port */
	struct apply apply;
	struct tell tell;
	struct reporter reporter;
	struct worker *worker;		/* runs apply_program() */
	struct plan plan;		/* being applied, or the last one applied */
	struct mono began;		/* when the plan was begun */
	ev_prepare turn;		/* once a turn, before the loop sleeps */
	ev_timer wake;			/* the next time something is due by itself */
	ev_timer leave;
	ev_timer look;
	ev_timer tell_more;		/* of that news, in slices */
	ev_timer trim;			/* when what a plan led to has been told, too */
	enum speaker_work {		/* what the worker does, or did last */
		SPEAKER_PROGRAMS,
		SPEAKER_RECHECKS,	/* apply_recheck() */
		SPEAKER_LOOKS,		/* at all but IPVS, a few times a second */
		SPEAKER_READS,		/* a piece of IPVS; then the next, if idle */
	} work;
	bool	has_seen_meddling;	/* what that look came to */
	struct stats stats;
	ev_timer recheck;
	bool	is_recheck_due;		/* as soon as the worker is free */
	struct mono retry;		/* MONO_NEVER: nothing failed */
	int64_t	retry_ms;		/* the last back-off */
	bool	is_dirty;
	bool	has_health_news;	/* of endpoints, since the last plan */
	struct mono spared_until;	/* see meanwhile() */
	bool	is_leaving;
	bool	is_bgp_ending;		/* and BGP is not done with it */
	bool	has_l2_news;		/* what leaves by ARP or NDP, or who else does so */
	bool	has_planned;		/* a plan has been applied */
	enum alive_state self_state;	/* what the others are told of us */
	struct mono serve_from;		/* MONO_NEVER: nothing programmed yet */
	bool	has_served;		/* has been ALIVE_UP */
	bool	are_nodes_dirty;
	uint32_t self_lacks;		/* likewise; see plan_lacks() */
};

/* The worker's part and what follows it, for worker_new(). */
void speaker_work(void *arg);
void speaker_worked(void *arg);

/* Links have come, gone, or changed: tell the others at once, and plan anew. */
void speaker_links_changed(struct speaker *s);

/* Set the turn of the loop going, and stop it. Before the first, s is all zeros. */
void speaker_watch(struct speaker *s);
void speaker_unwatch(struct speaker *s);

#endif
