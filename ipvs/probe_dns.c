/* probe_dns.c - see probe_dns.h. Sections are RFC 1035's. */
#include "ipvs/probe_dns.h"

#include <ctype.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/wire.h"

enum {
	LABEL_MAX = 63,			/* 2.3.4 */
	NAME_MAX_LEN = 255,		/* 2.3.4, on the wire */
	HEADER_LEN = 12,		/* 4.1.1 */
	FLAG_QR = 0x8000,
	FLAG_TC = 0x0200,
	FLAG_RD = 0x0100,
	RCODE_MASK = 0x000f,
	OPCODE_MASK = 0x7800,
	TYPE_CNAME = 5,
	CLASS_IN = 1,
};

size_t
probe_dns_encode(uint16_t id, const char *name, uint16_t type,
    uint8_t buf[PROBE_DNS_QUERY_MAX])
{
	struct wire_out w = wire_out(buf, PROBE_DNS_QUERY_MAX);

	wire_put_u16(&w, id);
	wire_put_u16(&w, FLAG_RD);
	wire_put_u16(&w, 1);		/* one question, nothing else */
	wire_put_zeros(&w, 6);
	for (const char *label = name;;) {
		size_t n = strcspn(label, ".");

		if (n == 0 || n > LABEL_MAX)
			return 0;
		wire_put_u8(&w, (uint8_t)n);
		wire_put_bytes(&w, label, n);
		if (label[n] == '\0')
			break;
		label += n + 1;
	}
	wire_put_u8(&w, 0);
	if (w.len > HEADER_LEN + NAME_MAX_LEN)
		return 0;
	wire_put_u16(&w, type);
	wire_put_u16(&w, CLASS_IN);
	return w.is_bad ? 0 : w.len;
}

/* 4.1.4: a pointer ends a name; where it leads does not matter here. */
static void
skip_name(struct wire_in *w)
{
	for (;;) {
		uint8_t n = wire_get_u8(w);

		if ((n & 0xc0) == 0xc0) {
			(void)wire_get_u8(w);
			return;
		}
		if ((n & 0xc0) != 0)
			w->is_bad = true;
		if (n == 0 || w->is_bad)
			return;
		(void)wire_get(w, n);
	}
}

/* 2.3.3: the server may give the question back in another case. */
static bool
same_question(const uint8_t *query, const uint8_t *buf, size_t len)
{
	for (size_t i = HEADER_LEN; i < len; i++) {
		if (tolower(query[i]) != tolower(buf[i]))
			return false;
	}
	return true;
}

/* 4.1.3: is one of the n records of that type, or a CNAME? */
static enum probe_dns_answer
find_record(struct wire_in *w, unsigned n, uint16_t type)
{
	while (n-- > 0) {
		uint16_t its;

		skip_name(w);
		its = wire_get_u16(w);
		(void)wire_get(w, 2 + 4);	/* class, TTL */
		(void)wire_get(w, wire_get_u16(w));
		if (w->is_bad)
			return PROBE_DNS_BROKEN;
		if (its == type || its == TYPE_CNAME)
			return PROBE_DNS_RECORD;
	}
	return PROBE_DNS_EMPTY;
}

enum probe_dns_answer
probe_dns_judge(const uint8_t *query, size_t query_len, const uint8_t *buf, size_t len,
    uint8_t *ret_rcode)
{
	struct wire_in q = wire_in(query, query_len), w = wire_in(buf, len);
	uint16_t id = wire_get_u16(&q), flags, nquestions, nanswers, type;
	enum probe_dns_answer a;

	if (wire_get_u16(&w) != id)
		return PROBE_DNS_OTHER;
	flags = wire_get_u16(&w);
	nquestions = wire_get_u16(&w);
	nanswers = wire_get_u16(&w);
	(void)wire_get(&w, 4);
	if (w.is_bad || (flags & FLAG_QR) == 0 || (flags & OPCODE_MASK) != 0)
		return PROBE_DNS_OTHER;
	/* One that cannot even read the question may leave it out. */
	if ((flags & RCODE_MASK) != 0) {
		*ret_rcode = flags & RCODE_MASK;
		return PROBE_DNS_FAILED;
	}
	if (nquestions != 1 || len < query_len || !same_question(query, buf, query_len))
		return PROBE_DNS_OTHER;
	(void)wire_get(&w, query_len - HEADER_LEN);
	type = (uint16_t)(query[query_len - 4] << 8 | query[query_len - 3]);
	a = find_record(&w, nanswers, type);
	/* 4.1.1: too long for UDP, so there is something. */
	return a != PROBE_DNS_RECORD && (flags & FLAG_TC) != 0 ? PROBE_DNS_RECORD : a;
}

const char *
probe_dns_rcode_name(uint8_t rcode)
{
	static const char *const names[] = {
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
	};

	return rcode < nitems(names) ? names[rcode] : NULL;
}
