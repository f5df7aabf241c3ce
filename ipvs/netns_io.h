/*
 * netns_io.h - named network namespaces, as `ip netns` makes them.
 *
 * The director's namespace outlives us because it is mounted on
 * /run/netns/NAME. Sockets belong to the namespace they were opened in, so we
 * enter it only to open them, and for what goes through /proc/sys.
 */
#ifndef HERALD_IPVS_NETNS_IO_H
#define HERALD_IPVS_NETNS_IO_H

#include <stdbool.h>

#include "ipvs/director.h"

/* The calling thread's namespace as a file descriptor, or -errno. */
int netns_current(void);

/*
 * A descriptor of the namespace called name, or -ENOENT where there is none;
 * -EINVAL where the file is no namespace.
 */
int netns_open(const char *name);

/*
 * Make one and mount it under name; the calling thread stays where it is.
 * Returns a descriptor, or -errno with *ret_err saying what is missing.
 */
int netns_create(const char *name, struct director_error *ret_err);

/*
 * See that name still stands for fd, and mount it there again where somebody
 * has taken the name away: 1 then, 0 where nothing was to do, or -errno.
 */
int netns_keep(const char *name, int fd);

/* Unmount and remove the name; fine where there is none. */
int netns_remove(const char *name);

/*
 * Move the calling thread into fd and back out. Between the two nothing may
 * return early; a thread that cannot get back home ends the process, for it
 * would do everything else in the wrong place.
 */
struct netns_visit {
	int	home;		/* descriptor of where we came from, -1 outside */
};
int netns_enter(int fd, struct netns_visit *ret);
void netns_leave(struct netns_visit *v);

#endif
