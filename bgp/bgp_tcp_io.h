/*
 * bgp_tcp_io.h - TCP sockets as BGP wants them.
 *
 * For the BGP shell only. Knows addresses, devices, TTLs and keys, but neither
 * peers nor messages. RFC 2385, 5082, 5925.
 */
#ifndef HERALD_BGP_BGP_TCP_IO_H
#define HERALD_BGP_BGP_TCP_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bgp/bgp_io.h"

struct bgp_tcp_key {
	enum bgp_io_auth auth;
	uint8_t	id;			/* of TCP-AO */
	uint8_t	len;			/* 1..BGP_IO_KEY_MAX */
	char	key[BGP_IO_KEY_MAX];
};

struct bgp_tcp_conf {
	struct ip addr;			/* the peer's */
	unsigned scope;			/* interface of a link-local address, else 0 */
	uint16_t port;
	struct ip source;		/* IP_NONE: the kernel's choice */
	const char *device;		/* to bind to; "" none */
	uint8_t	ttl;			/* of what we send */
	uint8_t	min_ttl;		/* of what is accepted; 0 any */
	struct bgp_tcp_key key;
};

/* The two ends of a connection. */
struct bgp_tcp_ends {
	struct ip local, remote;
	unsigned scope;			/* interface where remote is link-local, else 0 */
};

/*
 * Begin to connect. Returns the descriptor, non-blocking, whose becoming
 * writable is the outcome (bgp_tcp_result()), or -errno with err filled.
 */
int bgp_tcp_dial(const struct bgp_tcp_conf *c, char err[256]);

/* 0 where connected, or -errno. */
int bgp_tcp_result(int fd);

/* Listen on every address of family, on device if any; as bgp_tcp_dial(). */
int bgp_tcp_listen(int family, const char *device, uint16_t port, char err[256]);

/* The next caller, or -errno (-EAGAIN: none). */
int bgp_tcp_accept(int listener, struct bgp_tcp_ends *ret);

/*
 * What bgp_tcp_dial() sets before connecting, for an accepted connection. The
 * key too: one that was accepted before the listener had it is mute from now.
 */
int bgp_tcp_adopt(int fd, const struct bgp_tcp_conf *c);

int bgp_tcp_ends(int fd, struct bgp_tcp_ends *ret);

/*
 * On a listener: demand this key of callers from addr; forget it (the bytes of a key
 * of TCP-AO do not count, its ID does). 0 or -errno; -EBUSY on a connection where it
 * is in use.
 */
int bgp_tcp_set_key(int fd, const struct ip *addr, const struct bgp_tcp_key *key);
int bgp_tcp_drop_key(int fd, const struct ip *addr, const struct bgp_tcp_key *key);

/*
 * On a connection with TCP-AO: take this key, of another ID than the one in use, and
 * ask the peer to use it, as we do once the peer asks for it (RFC 5925, 7.5.2). The
 * one in use stays, for whatever time the peer takes. 0 or -errno.
 */
int bgp_tcp_roll_key(int fd, const struct ip *addr, const struct bgp_tcp_key *key);

/* Does this kernel know TCP-AO? */
bool bgp_tcp_has_ao(void);

/*
 * Is output waiting for the peer to take it? *acked is the caller's memory of
 * the last call (0 at first); *ret_moved says whether the peer took any since.
 */
bool bgp_tcp_is_waiting(int fd, uint64_t *acked, bool *ret_moved);

/* Close at once: the peer sees a reset, the kernel keeps nothing. */
void bgp_tcp_abort(int fd);

#endif
