/*
 * neigh.h - whose MAC is that? From the kernel's IPv4 neighbours, as
 * /proc/net/arp lists them (pure but for reading the stream).
 */
#ifndef HERALD_SPEAKER_NEIGH_H
#define HERALD_SPEAKER_NEIGH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/ip.h"

/*
 * The first address of that MAC that is_wanted says yes to, into *ret; false
 * where there is none. Lines that are none of the table's are passed over.
 */
bool neigh_find(FILE *f, const uint8_t mac[6],
    bool (*is_wanted)(void *arg, const struct ip *ip), void *arg, struct ip *ret);

#endif
