/*
 * sysctl_io.h - kernel parameters under /proc/sys, and why we set them.
 *
 * /proc/sys/net shows the calling thread's network namespace.
 */
#ifndef HERALD_IPVS_SYSCTL_IO_H
#define HERALD_IPVS_SYSCTL_IO_H

#include <stdbool.h>

#include "ipvs/director.h"

struct sysctl {
	const char *path;	/* below /proc/sys; %s stands for an interface */
	const char *value;
	bool	is_optional;	/* older kernels may lack it */
};

/* Lists ended by a NULL path; the reason stands beside each. */
extern const struct sysctl sysctl_director[];	/* before its links exist */
extern const struct sysctl sysctl_director_v6[];
extern const struct sysctl sysctl_director_link[];	/* per interface */
extern const struct sysctl sysctl_director_ipvs[];	/* with ip_vs loaded */
extern const struct sysctl sysctl_director_sync[];	/* connection sync */
extern const struct sysctl sysctl_director_sync_link[];	/* its links: %s */
extern const struct sysctl sysctl_host[];		/* our veth: %s */
extern const struct sysctl sysctl_host_v6[];

/*
 * Make every parameter in the list as it should be, writing only what differs.
 * Returns how many were written, or -errno with *ret_err naming the one.
 */
int sysctl_apply(const struct sysctl *list, const char *ifname,
    struct director_error *ret_err);

/* True where the parameter can be read and has that value. */
bool sysctl_is(const char *path, const char *ifname, const char *value);

/* Write one, whatever it holds now; 0 or -errno. */
int sysctl_write(const char *path, const char *value);

/* Does this kernel have IPv6 (in this namespace)? */
bool sysctl_has_ipv6(void);

#endif
