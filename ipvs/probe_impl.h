/*
 * probe_impl.h - what the files of probe_io.h share, for nobody else.
 */
#ifndef HERALD_IPVS_PROBE_IMPL_H
#define HERALD_IPVS_PROBE_IMPL_H

#include <ev.h>

#include "ipvs/probe_io.h"
#include "lib/curl_io.h"

enum {
	PROBE_NIDLE_MAX = 16,		/* easy handles kept for the next probes */
	PROBE_NSOCK_MAX = 64,		/* TCP sockets, of each family, likewise */
};

struct prober {
	struct ev_loop *loop;
	struct curl_io curl;
	CURL	*idle[PROBE_NIDLE_MAX];
	size_t	nidle;
	int	socks[2][PROBE_NSOCK_MAX];	/* IPv4 first */
	size_t	nsocks[2];
	struct probe_syns *syns;	/* probe_syn_io.c's; NULL: none was asked for */
};

/* The first member of each kind's own struct. */
struct probe {
	struct prober *prober;
	const struct probe_kind_ops *ops;
	struct probe_target *target;
	probe_done_fn *done;
	void	*arg;
};

struct probe_kind_ops {
	size_t	size;			/* of the kind's own struct */
	/* Begin; false where probe_end() has been called already. */
	bool	(*start)(struct probe *pr);
	/* Let go of what start() took; also before its end. */
	void	(*stop)(struct probe *pr);
};

extern const struct probe_kind_ops probe_tcp, probe_half_open, probe_udp,
    probe_http;

/* probe_http_io.c's share of a prober; -1 where libcurl fails. */
int probe_http_init(struct prober *p);
void probe_http_fini(struct prober *p);
void probe_tcp_fini(struct prober *p);
void probe_syn_fini(struct prober *p);

/* Tell how it went, and free it: nothing may follow in the callers. */
void probe_good(struct probe *pr);
void probe_bad(struct probe *pr, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* It could not be made: speaks against nobody. */
void probe_unknown(struct probe *pr, const char *why);

/* The same for an errno of socket(), connect(), send() or recv(), as it deserves. */
void probe_failed(struct probe *pr, int e);

/* A non-blocking socket of the target's family; -errno. */
int probe_socket(const struct probe_target *t, int type);

#endif
