/*
 * msg.h - BGP-4 messages: header, NOTIFICATION, KEEPALIVE, ROUTE-REFRESH.
 *
 * Pure. open.h and update.h hold the two messages with a body worth the name;
 * peer.c is the caller of all three. RFC 4271, 2918, 7313, 8203, 8654, 9003.
 */
#ifndef HERALD_BGP_MSG_H
#define HERALD_BGP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/wire.h"

enum {
	BGP_PORT	= 179,
	BGP_HEADER_LEN	= 19,
	BGP_MSG_MAX	= 4096,
	BGP_MSG_MAX_EXT	= 65535,	/* RFC 8654, where both sides say so */
};

enum bgp_msg_type {
	BGP_OPEN	= 1,
	BGP_UPDATE	= 2,
	BGP_NOTIFICATION = 3,
	BGP_KEEPALIVE	= 4,
	BGP_REFRESH	= 5,
};
const char *bgp_msg_type_name(enum bgp_msg_type t);

/* Error codes and subcodes, as the IANA registries have them. */
enum bgp_error_code {
	BGP_ERR_HEADER	= 1,
	BGP_ERR_OPEN	= 2,
	BGP_ERR_UPDATE	= 3,
	BGP_ERR_HOLD	= 4,
	BGP_ERR_FSM	= 5,
	BGP_ERR_CEASE	= 6,
	BGP_ERR_REFRESH	= 7,
	BGP_ERR_SEND_HOLD = 8,
};

enum bgp_header_error {
	BGP_HEADER_NOT_SYNCHRONIZED = 1,
	BGP_HEADER_BAD_LENGTH	= 2,
	BGP_HEADER_BAD_TYPE	= 3,
};

enum bgp_open_error {
	BGP_OPEN_UNSPECIFIC	= 0,
	BGP_OPEN_VERSION	= 1,
	BGP_OPEN_BAD_AS		= 2,
	BGP_OPEN_BAD_ID		= 3,
	BGP_OPEN_PARAMETER	= 4,
	BGP_OPEN_HOLD_TIME	= 6,
	BGP_OPEN_CAPABILITY	= 7,
	BGP_OPEN_ROLE		= 11,
};

enum bgp_update_error {
	BGP_UPDATE_ATTR_LIST	= 1,
	BGP_UPDATE_WELL_KNOWN	= 2,	/* unrecognized */
	BGP_UPDATE_MISSING	= 3,
	BGP_UPDATE_FLAGS	= 4,
	BGP_UPDATE_LENGTH	= 5,
	BGP_UPDATE_ORIGIN	= 6,
	BGP_UPDATE_NEXT_HOP	= 8,
	BGP_UPDATE_OPTIONAL	= 9,
	BGP_UPDATE_NETWORK	= 10,
	BGP_UPDATE_AS_PATH	= 11,
};

enum bgp_fsm_error {			/* RFC 6608 */
	BGP_FSM_OPENSENT	= 1,
	BGP_FSM_OPENCONFIRM	= 2,
	BGP_FSM_ESTABLISHED	= 3,
};

enum bgp_cease {			/* RFC 4486, 8538, 9384 */
	BGP_CEASE_MAX_PREFIXES	= 1,
	BGP_CEASE_SHUTDOWN	= 2,
	BGP_CEASE_DECONFIGURED	= 3,
	BGP_CEASE_RESET		= 4,
	BGP_CEASE_REJECTED	= 5,
	BGP_CEASE_CONFIG	= 6,
	BGP_CEASE_COLLISION	= 7,
	BGP_CEASE_RESOURCES	= 8,
	BGP_CEASE_HARD_RESET	= 9,
	BGP_CEASE_BFD_DOWN	= 10,
};

enum { BGP_ERROR_DATA_MAX = 256 };	/* RFC 9003: a length and 255 bytes */

/* What a NOTIFICATION says; code 0 is "no error". */
struct bgp_error {
	uint8_t	code;			/* enum bgp_error_code */
	uint8_t	subcode;
	uint16_t len;			/* bytes of data, cut at the maximum */
	uint8_t	data[BGP_ERROR_DATA_MAX];
};

/* Fill *e; data may be NULL where len is 0. Always returns -EBADMSG. */
int bgp_error_set(struct bgp_error *e, unsigned code, unsigned subcode,
    const void *data, size_t len);

/* "hold timer expired", "cease: administrative shutdown", ... */
const char *bgp_error_name(unsigned code, unsigned subcode);

/*
 * The shutdown text (RFC 9003) of a Cease into buf, made printable; "" where
 * there is none or it is malformed. Returns buf.
 */
const char *bgp_error_text(const struct bgp_error *e, char buf[BGP_ERROR_DATA_MAX]);

/*
 * Look at the head of a stream. Returns 0 while too little is there to tell,
 * else the message's length with its type in *ret_type (the whole message need
 * not be there yet), or -EBADMSG with *err filled. max is BGP_MSG_MAX, or
 * BGP_MSG_MAX_EXT where that was negotiated.
 */
int bgp_header_decode(const uint8_t *buf, size_t len, size_t max,
    enum bgp_msg_type *ret_type, struct bgp_error *err);

/* A message up to its body; bgp_msg_end() sets its length. */
void bgp_msg_begin(struct wire_out *w, enum bgp_msg_type type);
void bgp_msg_end(struct wire_out *w, size_t start);

void bgp_keepalive_encode(struct wire_out *w);
void bgp_notification_encode(struct wire_out *w, const struct bgp_error *e);

/* body: the message past its header; lengths were checked by the header. */
void bgp_notification_decode(const uint8_t *body, size_t len, struct bgp_error *ret);

enum bgp_family {
	BGP_IPV4_UNICAST,
	BGP_IPV6_UNICAST,
	BGP_NFAMILIES,
};
enum { BGP_AFI_IPV4 = 1, BGP_AFI_IPV6 = 2, BGP_SAFI_UNICAST = 1 };

/* -1 for a pair we do not know. */
int bgp_family_of(unsigned afi, unsigned safi);
uint16_t bgp_family_afi(enum bgp_family f);
const char *bgp_family_name(enum bgp_family f);

enum bgp_refresh_kind {			/* RFC 7313 */
	BGP_REFRESH_REQUEST	= 0,
	BGP_REFRESH_BEGIN	= 1,
	BGP_REFRESH_END		= 2,
};

struct bgp_refresh {
	int	family;			/* enum bgp_family, -1 unknown */
	uint8_t	kind;			/* enum bgp_refresh_kind, or unknown */
};

void bgp_refresh_encode(struct wire_out *w, enum bgp_family f,
    enum bgp_refresh_kind kind);

/*
 * body as above. An ORF section after a plain request is ignored; returns
 * -EBADMSG with *err where BoRR or EoRR has a wrong length (RFC 7313, 5).
 */
int bgp_refresh_decode(const uint8_t *body, size_t len, struct bgp_refresh *ret,
    struct bgp_error *err);

#endif
