/*
 * msg.c - framing and the small messages of BGP-4.
 */
#include <errno.h>
#include <string.h>

#include "bgp/msg.h"
#include "lib/mem.h"

const char *
bgp_msg_type_name(enum bgp_msg_type t)
{
	static const char *const names[] = {
		[BGP_OPEN] = "OPEN", [BGP_UPDATE] = "UPDATE",
		[BGP_NOTIFICATION] = "NOTIFICATION", [BGP_KEEPALIVE] = "KEEPALIVE",
		[BGP_REFRESH] = "ROUTE-REFRESH",
	};

	return t < nitems(names) && names[t] != NULL ? names[t] : "?";
}

int
bgp_error_set(struct bgp_error *e, unsigned code, unsigned subcode, const void *data,
    size_t len)
{
	if (len > sizeof(e->data))
		len = sizeof(e->data);
	e->code = (uint8_t)code;
	e->subcode = (uint8_t)subcode;
	e->len = (uint16_t)len;
	if (len > 0)
		memcpy(e->data, data, len);
	return -EBADMSG;
}

static const struct error_name {
	uint8_t	code, subcode;
	const char *name;
} error_names[] = {
	{ BGP_ERR_HEADER, BGP_HEADER_NOT_SYNCHRONIZED,
	    "message header: connection not synchronized" },
	{ BGP_ERR_HEADER, BGP_HEADER_BAD_LENGTH, "message header: bad length" },
	{ BGP_ERR_HEADER, BGP_HEADER_BAD_TYPE, "message header: bad type" },
	{ BGP_ERR_OPEN, BGP_OPEN_UNSPECIFIC, "OPEN: malformed" },
	{ BGP_ERR_OPEN, BGP_OPEN_VERSION, "OPEN: unsupported version" },
	{ BGP_ERR_OPEN, BGP_OPEN_BAD_AS, "OPEN: bad peer AS" },
	{ BGP_ERR_OPEN, BGP_OPEN_BAD_ID, "OPEN: bad BGP identifier" },
	{ BGP_ERR_OPEN, BGP_OPEN_PARAMETER, "OPEN: unsupported optional parameter" },
	{ BGP_ERR_OPEN, BGP_OPEN_HOLD_TIME, "OPEN: unacceptable hold time" },
	{ BGP_ERR_OPEN, BGP_OPEN_CAPABILITY, "OPEN: unsupported capability" },
	{ BGP_ERR_OPEN, BGP_OPEN_ROLE, "OPEN: role mismatch" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_ATTR_LIST, "UPDATE: malformed attribute list" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_WELL_KNOWN,
	    "UPDATE: unrecognized well-known attribute" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_MISSING, "UPDATE: missing well-known attribute" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_FLAGS, "UPDATE: attribute flags error" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_LENGTH, "UPDATE: attribute length error" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_ORIGIN, "UPDATE: invalid ORIGIN" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_NEXT_HOP, "UPDATE: invalid NEXT_HOP" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_OPTIONAL, "UPDATE: optional attribute error" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_NETWORK, "UPDATE: invalid network field" },
	{ BGP_ERR_UPDATE, BGP_UPDATE_AS_PATH, "UPDATE: malformed AS_PATH" },
	{ BGP_ERR_HOLD, 0, "hold timer expired" },
	{ BGP_ERR_FSM, BGP_FSM_OPENSENT, "unexpected message in OpenSent" },
	{ BGP_ERR_FSM, BGP_FSM_OPENCONFIRM, "unexpected message in OpenConfirm" },
	{ BGP_ERR_FSM, BGP_FSM_ESTABLISHED, "unexpected message in Established" },
	{ BGP_ERR_CEASE, 0, "cease" },
	{ BGP_ERR_CEASE, BGP_CEASE_MAX_PREFIXES, "cease: too many prefixes" },
	{ BGP_ERR_CEASE, BGP_CEASE_SHUTDOWN, "cease: administrative shutdown" },
	{ BGP_ERR_CEASE, BGP_CEASE_DECONFIGURED, "cease: peer de-configured" },
	{ BGP_ERR_CEASE, BGP_CEASE_RESET, "cease: administrative reset" },
	{ BGP_ERR_CEASE, BGP_CEASE_REJECTED, "cease: connection rejected" },
	{ BGP_ERR_CEASE, BGP_CEASE_CONFIG, "cease: configuration change" },
	{ BGP_ERR_CEASE, BGP_CEASE_COLLISION, "cease: connection collision" },
	{ BGP_ERR_CEASE, BGP_CEASE_RESOURCES, "cease: out of resources" },
	{ BGP_ERR_CEASE, BGP_CEASE_HARD_RESET, "cease: hard reset" },
	{ BGP_ERR_CEASE, BGP_CEASE_BFD_DOWN, "cease: BFD down" },
	{ BGP_ERR_REFRESH, 1, "ROUTE-REFRESH: invalid message length" },
	{ BGP_ERR_SEND_HOLD, 0, "send hold timer expired" },
};

const char *
bgp_error_name(unsigned code, unsigned subcode)
{
	for (size_t i = 0; i < nitems(error_names); i++)
		if (error_names[i].code == code && error_names[i].subcode == subcode)
			return error_names[i].name;
	switch (code) {
	case 0:
		return "none";
	case BGP_ERR_HEADER:
		return "message header error";
	case BGP_ERR_OPEN:
		return "OPEN error";
	case BGP_ERR_UPDATE:
		return "UPDATE error";
	case BGP_ERR_HOLD:
		return "hold timer expired";
	case BGP_ERR_FSM:
		return "unexpected message";
	case BGP_ERR_CEASE:
		return "cease";
	default:
		return "unknown error";
	}
}

const char *
bgp_error_text(const struct bgp_error *e, char buf[BGP_ERROR_DATA_MAX])
{
	size_t n = e->len > 0 ? e->data[0] : 0;

	buf[0] = '\0';
	if (e->code != BGP_ERR_CEASE ||
	    (e->subcode != BGP_CEASE_SHUTDOWN && e->subcode != BGP_CEASE_RESET) ||
	    n + 1 > e->len)
		return buf;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = e->data[1 + i];

		/* UTF-8 passes; control characters must not reach a terminal. */
		buf[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	buf[n] = '\0';
	return buf;
}

/* RFC 4271, 4.1 to 4.5: the shortest and longest message of each type. */
static bool
is_length_possible(unsigned type, size_t n, size_t max)
{
	switch (type) {
	case BGP_OPEN:
		return n >= 29 && n <= BGP_MSG_MAX;	/* RFC 8654, 4 */
	case BGP_UPDATE:
		return n >= 23 && n <= max;
	case BGP_NOTIFICATION:
		return n >= 21 && n <= max;
	case BGP_KEEPALIVE:
		return n == BGP_HEADER_LEN;
	case BGP_REFRESH:
		return n >= 23 && n <= max;
	default:
		return n >= BGP_HEADER_LEN && n <= max;
	}
}

int
bgp_header_decode(const uint8_t *buf, size_t len, size_t max,
    enum bgp_msg_type *ret_type, struct bgp_error *err)
{
	static const uint8_t marker[16] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};
	size_t n;

	/* A peer that speaks something else is told so by its first bytes. */
	if (memcmp(buf, marker, len < 16 ? len : 16) != 0)
		return bgp_error_set(err, BGP_ERR_HEADER, BGP_HEADER_NOT_SYNCHRONIZED,
		    NULL, 0);
	if (len < BGP_HEADER_LEN)
		return 0;
	n = (size_t)buf[16] << 8 | buf[17];
	if (!is_length_possible(buf[18], n, max))
		return bgp_error_set(err, BGP_ERR_HEADER, BGP_HEADER_BAD_LENGTH,
		    buf + 16, 2);
	if (buf[18] < BGP_OPEN || buf[18] > BGP_REFRESH)
		return bgp_error_set(err, BGP_ERR_HEADER, BGP_HEADER_BAD_TYPE,
		    buf + 18, 1);
	*ret_type = buf[18];
	return (int)n;
}

void
bgp_msg_begin(struct wire_out *w, enum bgp_msg_type type)
{
	for (int i = 0; i < 4; i++)
		wire_put_u32(w, UINT32_MAX);
	wire_put_u16(w, 0);
	wire_put_u8(w, (uint8_t)type);
}

void
bgp_msg_end(struct wire_out *w, size_t start)
{
	if (!w->is_bad)
		wire_patch_u16(w, start + 16, (uint16_t)(w->len - start));
}

void
bgp_keepalive_encode(struct wire_out *w)
{
	size_t start = w->len;

	bgp_msg_begin(w, BGP_KEEPALIVE);
	bgp_msg_end(w, start);
}

void
bgp_notification_encode(struct wire_out *w, const struct bgp_error *e)
{
	size_t start = w->len;

	bgp_msg_begin(w, BGP_NOTIFICATION);
	wire_put_u8(w, e->code);
	wire_put_u8(w, e->subcode);
	wire_put_bytes(w, e->data, e->len);
	bgp_msg_end(w, start);
}

void
bgp_notification_decode(const uint8_t *body, size_t len, struct bgp_error *ret)
{
	struct wire_in w = wire_in(body, len);
	uint8_t code = wire_get_u8(&w);
	uint8_t subcode = wire_get_u8(&w);

	bgp_error_set(ret, code, subcode, w.p, w.left);
}

int
bgp_family_of(unsigned afi, unsigned safi)
{
	if (safi != BGP_SAFI_UNICAST)
		return -1;
	return afi == BGP_AFI_IPV4 ? BGP_IPV4_UNICAST :
	    afi == BGP_AFI_IPV6 ? BGP_IPV6_UNICAST : -1;
}

uint16_t
bgp_family_afi(enum bgp_family f)
{
	return f == BGP_IPV6_UNICAST ? BGP_AFI_IPV6 : BGP_AFI_IPV4;
}

const char *
bgp_family_name(enum bgp_family f)
{
	return f == BGP_IPV6_UNICAST ? "ipv6 unicast" : "ipv4 unicast";
}

void
bgp_refresh_encode(struct wire_out *w, enum bgp_family f, enum bgp_refresh_kind kind)
{
	size_t start = w->len;

	bgp_msg_begin(w, BGP_REFRESH);
	wire_put_u16(w, bgp_family_afi(f));
	wire_put_u8(w, (uint8_t)kind);
	wire_put_u8(w, BGP_SAFI_UNICAST);
	bgp_msg_end(w, start);
}

int
bgp_refresh_decode(const uint8_t *body, size_t len, struct bgp_refresh *ret,
    struct bgp_error *err)
{
	struct wire_in w = wire_in(body, len);
	unsigned afi = wire_get_u16(&w);
	uint8_t kind = wire_get_u8(&w);
	unsigned safi = wire_get_u8(&w);

	if (w.is_bad || (w.left > 0 &&
	    (kind == BGP_REFRESH_BEGIN || kind == BGP_REFRESH_END)))
		return bgp_error_set(err, BGP_ERR_REFRESH, 1, body, len);
	*ret = (struct bgp_refresh){ .family = bgp_family_of(afi, safi), .kind = kind };
	return 0;
}
