/*
 * A whole neighbour and any bytes, in any order with time and TCP's ups and
 * downs. The input is a row of records: a command byte, a length, that many
 * bytes of the connection. Whatever happens, what it writes frames well, only
 * one session is up, and its memory is what it was.
 */
#include <stdlib.h>
#include <string.h>

#include "bgp/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int ok)
{
	if (!ok)
		abort();
}

/* All it has to say now, checked for its frames; never without end. */
static void
drain(struct bgp_peer *p)
{
	static uint8_t buf[BGP_MSG_MAX_EXT];

	for (unsigned slot = 0; slot < BGP_NSLOTS; slot++) {
		size_t n;

		for (int rounds = 0; (n = bgp_peer_write(p, slot, buf, sizeof(buf))) > 0;
		    rounds++) {
			expect(rounds < 100);
			for (size_t at = 0; at < n; ) {
				enum bgp_msg_type type;
				struct bgp_error err;
				int len = bgp_header_decode(buf + at, n - at,
				    BGP_MSG_MAX_EXT, &type, &err);

				expect(len > 0 && (size_t)len <= n - at);
				at += (size_t)len;
			}
		}
		bgp_peer_steps(p, slot);
	}
	expect(p->up < 0 || p->conn[p->up].fsm.state == BGP_ESTABLISHED);
	expect((p->conn[0].fsm.state == BGP_ESTABLISHED) +
	    (p->conn[1].fsm.state == BGP_ESTABLISHED) == (p->up >= 0));
}

static void
command(struct bgp_peer *p, unsigned op, struct mono now)
{
	struct bgp_error err = { .code = BGP_ERR_CEASE, .subcode = BGP_CEASE_RESET };

	switch (op) {
	case 0:
		bgp_peer_start(p, now);
		break;
	case 1:
		if (bgp_peer_accept(p, now))
			bgp_peer_tcp_up(p, BGP_ACCEPTED, now);
		break;
	case 2:
		bgp_peer_tcp_up(p, BGP_DIALLED, now);
		break;
	case 3:
		bgp_peer_tcp_down(p, BGP_DIALLED, now);
		break;
	case 4:
		bgp_peer_tcp_down(p, BGP_ACCEPTED, now);
		break;
	case 5:
		bgp_peer_reset(p, &err, now);
		break;
	case 6:
		bgp_peer_stop(p, &err, now);
		break;
	case 7:
		bgp_peer_sent(p, BGP_DIALLED, true, now);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bgp_peer_conf conf = {
		.local_as = 65001, .as_rule = BGP_AS_EXTERNAL, .router_id = 1,
		.hold_sec = 90, .connect_sec = 10, .restart_sec = 120,
		.role = BGP_ROLE_CUSTOMER, .families = 3, .has_extended = true,
		.random = 1,
	};
	struct bgp_attrs attrs = { .local_pref = 100 };
	struct bgp_route routes[2] = { { .attrs = &attrs }, { .attrs = &attrs } };
	struct mono now = { .ns = NSEC_PER_SEC };
	struct ip v4, v6, none = { 0 };
	struct bgp_peer p;

	ip_parse("10.0.0.1", &v4);
	ip_parse("2001:db8::1", &v6);
	routes[0].prefix = prefix_of(&v4);
	routes[1].prefix = prefix_of(&v6);
	bgp_peer_init(&p, &conf);
	bgp_peer_set_next_hops(&p, &v4, &v6, &none);
	bgp_peer_set_routes(&p, routes, 2);
	bgp_peer_start(&p, now);
	while (size >= 2) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;
		uint8_t *buf = malloc(len ? len : 1);

		memcpy(buf, data + 2, len);
		if (data[0] & 0x80)
			now = mono_add_sec(now, data[0] & 0x7f);
		else if (data[0] & 0x40)
			command(&p, data[0] & 7, now);
		bgp_peer_tick(&p, now);
		bgp_peer_read(&p, data[0] & 0x20 ? BGP_DIALLED : BGP_ACCEPTED, buf, len,
		    now);
		drain(&p);
		expect(mono_before(now, bgp_peer_deadline(&p)));
		data += 2 + len;
		size -= 2 + len;
		free(buf);
	}
	expect(p.rib.n == 2);
	bgp_peer_fini(&p);
	return 0;
}
