/*
 * sock_io.h - the packet sockets: one for ARP, one for neighbour discovery,
 * each for all links. Used by arp_io.c only.
 *
 * A filter in the kernel lets through what arrives on the links given and is
 * ARP, a solicitation or an advertisement; nothing else wakes us. A turn of
 * the loop reads a bounded batch, so that a flood starves nobody.
 */
#ifndef HERALD_ARP_SOCK_IO_H
#define HERALD_ARP_SOCK_IO_H

#include <stdbool.h>
#include <stddef.h>

#include "arp/frame.h"

struct ev_loop;
struct sock_io;

struct sock_io_handler {
	/* One valid frame that arrived on the link. */
	void	(*frame)(void *arg, int ifindex, const struct arp_events *e);
	/* A batch is over: send what is due. Also when the queue has room again. */
	void	(*turn)(void *arg);
	void	*arg;
};

/* Returns 0, or -errno (-EPERM without CAP_NET_RAW). */
int sock_io_new(struct ev_loop *loop, const struct sock_io_handler *handler,
    struct sock_io **ret);
void sock_io_free(struct sock_io *s);

/* Hear these links only; n 0: none. Until then: none. */
void sock_io_set_links(struct sock_io *s, const int *ifindexes, size_t n);

/* Frames that can be queued now without loss. */
size_t sock_io_room(const struct sock_io *s);

/*
 * Queue a frame for a link; it goes out with sock_io_flush(). False where
 * there is no room: the frame is lost and counted.
 */
bool sock_io_put(struct sock_io *s, int ifindex, const struct arp_frame *f);

/* Send what is queued, as far as the sockets take it; the rest goes by itself. */
void sock_io_flush(struct sock_io *s);

/* Have the link's hardware let a group's frames in (no MLD, see group_io.h). */
int sock_io_join(struct sock_io *s, int ifindex, const uint8_t mac[ARP_MAC_LEN]);
void sock_io_leave(struct sock_io *s, int ifindex, const uint8_t mac[ARP_MAC_LEN]);

#endif
