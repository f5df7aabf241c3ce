/*
 * probe_dns.h - one DNS query and what its answer amounts to (RFC 1035). Pure;
 * probe_udp_io.c sends and receives.
 */
#ifndef HERALD_IPVS_PROBE_DNS_H
#define HERALD_IPVS_PROBE_DNS_H

#include <stddef.h>
#include <stdint.h>

enum { PROBE_DNS_QUERY_MAX = 12 + 255 + 4 };

enum probe_dns_answer {
	PROBE_DNS_OTHER,	/* not an answer to this query: wait on */
	PROBE_DNS_RECORD,	/* NOERROR, with a record of the type asked for */
	PROBE_DNS_EMPTY,	/* NOERROR without one */
	PROBE_DNS_FAILED,	/* an RCODE, see ret_rcode */
	PROBE_DNS_BROKEN,	/* an answer to this query that cannot be read */
};

/*
 * A query with recursion desired. name: without the final dot. Returns its
 * length, or 0 where the name is none.
 */
size_t probe_dns_encode(uint16_t id, const char *name, uint16_t type,
    uint8_t buf[PROBE_DNS_QUERY_MAX]);

/*
 * Judge what came. query is what was sent. *ret_rcode is set for
 * PROBE_DNS_FAILED only. A CNAME counts as a record: what it leads to is not
 * this server's to know.
 */
enum probe_dns_answer probe_dns_judge(const uint8_t *query, size_t query_len,
    const uint8_t *buf, size_t len, uint8_t *ret_rcode);

/* "SERVFAIL", ...; "RCODE 11" and the like have no name: NULL. */
const char *probe_dns_rcode_name(uint8_t rcode);

#endif
