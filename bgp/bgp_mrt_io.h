/*
 * bgp_mrt_io.h - the file that messages and changes of state are dumped to.
 *
 * Two files at most: once the one has its size it is renamed to PATH.1, in place
 * of an older one. For the BGP shell only.
 */
#ifndef HERALD_BGP_BGP_MRT_IO_H
#define HERALD_BGP_BGP_MRT_IO_H

#include <stddef.h>
#include <stdint.h>

struct bgp_mrt;

/*
 * Append to path; it is opened by the first record. A file that cannot be written
 * is logged and tried again a minute later; what comes between is lost.
 */
struct bgp_mrt *bgp_mrt_new(const char *path, uint64_t max_bytes);

void bgp_mrt_free(struct bgp_mrt *m);

#endif
