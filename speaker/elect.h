/*
 * elect.h - which node owns a VIP (pure).
 *
 * Rendezvous hashing (Thaler and Ravishankar, 1998): every node computes the
 * same owner from the same candidates with no message between them, and when a
 * node comes or goes only the VIPs it wins or loses move.
 */
#ifndef HERALD_SPEAKER_ELECT_H
#define HERALD_SPEAKER_ELECT_H

#include <stddef.h>

#include "lib/ip.h"

/*
 * The owner of vip among n node names, in any order: its index, or n where n
 * is 0. Depends on vip and the names alone.
 */
size_t elect_owner(const struct ip *vip, const char *const *names, size_t n);

#endif
