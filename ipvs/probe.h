/*
 * probe.h - what one probe asks of an endpoint, as plain values.
 *
 * speaker/plan_profile.c fills them from a ForwardingProfile, probe_io.h
 * carries them out. Strings are the owner's; NULL where they are not given.
 */
#ifndef HERALD_IPVS_PROBE_H
#define HERALD_IPVS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipvs/health.h"

enum probe_kind {
	PROBE_TCP,			/* a connection comes about */
	PROBE_TCP_HALF_OPEN,		/* a SYN is answered with a SYN-ACK */
	PROBE_HTTP,			/* GET: the status, and perhaps the body */
	PROBE_GRPC,			/* grpc.health.v1.Health/Check says SERVING */
	PROBE_UDP,			/* a datagram is answered */
	PROBE_DNS,			/* a query is answered with a record */
};

struct probe_status_range {
	uint16_t first, last;		/* HTTP statuses, both inclusive */
};

struct probe_conf {
	const char *fault;		/* why none can be made, which speaks against
					   nobody; NULL: it can */
	enum probe_kind kind;
	struct health_conf health;
	const char *path;		/* HTTP: from "/" */
	const char *host;		/* HTTP: NULL for the address */
	const struct probe_status_range *statuses;	/* HTTP: those that are good */
	size_t	nstatuses;
	const char *body_regex;		/* HTTP: POSIX extended; NULL: any body */
	bool	is_tls;			/* HTTP, gRPC */
	const char *tls_name;		/* SNI, and whom the certificate is to name; NULL:
					   host, else the address */
	const char *tls_ca;		/* PEM; NULL: any certificate will do */
	const char *tls_cert, *tls_key;	/* PEM, what we show; NULL nothing */
	const char *grpc_service;	/* "": the server as a whole */
	const uint8_t *send, *expect;	/* UDP; expect NULL: any answer */
	size_t	send_len, expect_len;
	const char *dns_name;		/* without the final dot */
	uint16_t dns_type;		/* QTYPE */
};

/* Equal for equal contents; for telling a conf that has changed. */
uint64_t probe_conf_hash(const struct probe_conf *c);

/* A heap copy that owns all it points at; probe_conf_free(NULL) is fine. */
struct probe_conf *probe_conf_copy(const struct probe_conf *c);
void probe_conf_free(struct probe_conf *c);

#endif
