/*
 * report_io.h - keeps this node's reports in the API true: report.h says what they
 * are to be, report_pace.h which of them to write now.
 */
#ifndef HERALD_SPEAKER_REPORT_IO_H
#define HERALD_SPEAKER_REPORT_IO_H

#include <ev.h>

#include "arp/arp_io.h"
#include "kube/source.h"
#include "speaker/alive.h"
#include "speaker/apply.h"
#include "speaker/report_pace.h"
#include "speaker/tell_io.h"

/* The kinds it writes, and so has to read. */
#define REPORT_KINDS (1u << KUBE_SERVICE_L2_STATUS | 1u << KUBE_SERVICE_BGP_STATUS | \
	1u << KUBE_BGP_SESSION_STATE)

enum {
	/* A speaker that starts has neither its VIPs nor its sessions back yet;
	   what the one before it wrote is left alone for so long. */
	REPORT_SETTLE_SEC = 10,
};

struct reporter_conf {
	struct ev_loop *loop;
	struct kube_source *source;
	const struct kube_store *store;
	const char *node;		/* this node's name */
	const char *ns;			/* where reports are kept */
	/* All of these are looked at whenever there may be something to write. */
	const struct plan *plan;	/* the one in force */
	const struct apply *apply;
	const struct alive *alive;
	const struct arp_io *arp;
	const struct tell *tell;
	bool	has_conditions;		/* see struct report_input */
};

struct reporter_job;

struct reporter {
	struct reporter_conf conf;
	struct report_pace pace;
	struct reporter_job *jobs;	/* writes under way */
	ev_timer timer;
	struct mono settled;		/* MONO_NEVER: not in step yet */
	struct mono next;		/* not to look again before */
	struct kube_error complaint;	/* said last */
	struct mono complained;
};

/* What conf points at stays the caller's, and must outlive r. */
void reporter_init(struct reporter *r, const struct reporter_conf *conf);
void reporter_fini(struct reporter *r);

/* The first plan has been applied: begin, REPORT_SETTLE_SEC from now. */
void reporter_start(struct reporter *r);

/* There may be something to write. */
void reporter_mark(struct reporter *r);

#endif
