/*
 * syncd_nl.h - the kernel's IPVS sync daemons over generic netlink: the master, which
 * tells of this namespace's connections, and the backup, which takes others'.
 *
 * Both are of the calling thread's network namespace. They talk by multicast, to
 * 224.0.0.81 port 8848, over one link.
 */
#ifndef HERALD_IPVS_SYNCD_NL_H
#define HERALD_IPVS_SYNCD_NL_H

#include <stdbool.h>

#define SYNCD_GROUP "224.0.0.81"
enum { SYNCD_PORT = 8848 };

/* Is each there, and at work on link ifname? 0 or -errno. */
int syncd_nl_look(const char *ifname, bool *ret_master, bool *ret_backup);

/* Start the master or the backup; -EEXIST where there is one, on whatever link. */
int syncd_nl_start(bool is_master, const char *ifname);

/* End it; fine where there is none. */
int syncd_nl_stop(bool is_master);

#endif
