/* probe_io.c - see probe_io.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipvs/probe_impl.h"
#include "lib/mem.h"

static const struct probe_kind_ops *
ops_of(enum probe_kind kind)
{
	switch (kind) {
	case PROBE_TCP:
		return &probe_tcp;
	case PROBE_TCP_HALF_OPEN:
		return &probe_half_open;
	case PROBE_UDP:
	case PROBE_DNS:
		return &probe_udp;
	case PROBE_HTTP:
	case PROBE_GRPC:
		break;
	}
	return &probe_http;
}

struct probe *
probe_start(struct prober *p, struct probe_target *t, probe_done_fn *done, void *arg)
{
	const struct probe_kind_ops *ops = ops_of(t->conf->kind);
	struct probe *pr;

	if (t->conf->fault != NULL) {
		done(arg, HEALTH_NO_ANSWER, t->conf->fault);
		return NULL;
	}
	pr = mem_zalloc(ops->size);
	*pr = (struct probe){ .prober = p, .ops = ops, .target = t, .done = done,
		.arg = arg };
	return ops->start(pr) ? pr : NULL;
}

static void
release(struct probe *pr)
{
	pr->ops->stop(pr);
	free(pr);
}

static void
end(struct probe *pr, enum health_answer answer, const char *why)
{
	probe_done_fn *done = pr->done;
	void *arg = pr->arg;

	release(pr);
	done(arg, answer, why);
}

void
probe_good(struct probe *pr)
{
	end(pr, HEALTH_GOOD, "");
}

void
probe_bad(struct probe *pr, const char *fmt, ...)
{
	char why[PROBE_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	end(pr, HEALTH_BAD, why);
}

void
probe_unknown(struct probe *pr, const char *why)
{
	end(pr, HEALTH_NO_ANSWER, why);
}

void
probe_failed(struct probe *pr, int e)
{
	switch (e) {
	/* This node's own troubles. */
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
	case EAGAIN:
	case EPERM:
		probe_unknown(pr, strerror(e));
		break;
	case ECONNREFUSED:
		end(pr, HEALTH_BAD, "connection refused: nothing listens there");
		break;
	case EHOSTUNREACH:
	case ENETUNREACH:
		end(pr, HEALTH_BAD, "there is no way to it");
		break;
	case ECONNRESET:
		end(pr, HEALTH_BAD, "connection reset");
		break;
	default:
		end(pr, HEALTH_BAD, strerror(e));
	}
}

void
probe_cancel(struct probe *pr)
{
	release(pr);
}

int
probe_socket(const struct probe_target *t, int type)
{
	int fd = socket(ip_af(&t->ip), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

struct prober *
prober_new(struct ev_loop *loop)
{
	struct prober *p = mem_zalloc(sizeof(*p));

	p->loop = loop;
	if (probe_http_init(p) == 0)
		return p;
	free(p);
	return NULL;
}

void
prober_free(struct prober *p)
{
	if (p == NULL)
		return;
	probe_http_fini(p);
	probe_tcp_fini(p);
	probe_syn_fini(p);
	free(p);
}
