/*
 * nft_rules.h - the rules of our two nft tables, as text for libnftables.
 *
 * Rules refer to the sets of nft_set.h and change only with the few values
 * below, so they are loaded once. Pure.
 */
#ifndef HERALD_IPVS_NFT_RULES_H
#define HERALD_IPVS_NFT_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ipvs/nft_set.h"
#include "lib/ip.h"

/* Names and addresses inside, the same on every node. */
#define DIRECTOR_IF	"du"		/* the veth's end in the director */
#define DIRECTOR_TUNNEL4 "tnl4"		/* receives IPIP there */
#define DIRECTOR_TUNNEL6 "tnl6"		/* receives IPv6 in IPv6 */

/*
 * The two ends of the veth pair. Packets are forwarded to these addresses, so
 * fe80::/10 would not do; fd48:6572:616c:64::/64 is "Herald" spelt out.
 */
#define DIRECTOR_HOST4	"169.254.77.1"
#define DIRECTOR_SELF4	"169.254.77.2"
#define DIRECTOR_HOST6	"fd48:6572:616c:64::1"
#define DIRECTOR_SELF6	"fd48:6572:616c:64::2"
enum { DIRECTOR_LEN4 = 30, DIRECTOR_LEN6 = 64 };

struct nft_rules {
	const char *table;	/* name of both tables */
	const char *host_if;	/* the veth's end on the host */
	uint32_t fwmark;	/* the one bit, in packet and connection marks */
	struct ip node4, node6;	/* outer source of our tunnels; may be IP_NONE */
	bool	drops_unknown;	/* see director_conf */
	uint16_t mtu;		/* the smallest of the node's links */
};

/*
 * Write a transaction that puts one side's table in place of whatever has its
 * name: sets (empty), rules, and the marker chain v_VERSION.
 */
void nft_rules_write(FILE *out, enum nft_side side, const struct nft_rules *r,
    uint64_t version);

/* A number that changes when the rules do; never 0. */
uint64_t nft_rules_version(enum nft_side side, const struct nft_rules *r);

#endif
