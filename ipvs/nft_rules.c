/*
 * nft_rules.c - see nft_rules.h. The path of a packet:
 *
 * Towards the VIP, on the host: raw_in notracks it, so that nobody's NAT sees
 * it; steer_in marks it, an ip rule sends what is marked over the veth. What this
 * node and its pods send is tracked all the same, for their firewalls let answers
 * in by that, and is kept from others' NAT by one of ours that changes nothing. In the
 * director IPVS takes it at LOCAL_IN. For a local endpoint it comes back over
 * the veth with the endpoint's address, is tracked here and its connection is
 * marked; for a remote one it comes back as a tunnel packet and goes out with
 * the node's address as source.
 *
 * A tunnel packet from another node, on the host: its outer destination, one
 * of our endpoints, becomes the director's address. There the tunnel device
 * unpacks it, it gets the mark of its service's second tier, and IPVS takes it
 * by that mark.
 *
 * An endpoint's reply, on the host: belongs to a marked connection, so it goes
 * over the veth. IPVS puts the VIP back in as source, and from the veth it
 * leaves untracked for the client.
 *
 * Of datagrams that are scheduled one by one IPVS remembers nothing, in neither tier:
 * what one tier remembers the other finds, too, for there is one table of connections.
 * So the VIP is put back into their replies here, by the endpoint's address and port.
 */
#include "ipvs/nft_rules.h"

#include <stdlib.h>
#include <string.h>

#include "ipvs/tier2.h"
#include "lib/hash.h"

/*
 * SYNs of half a second that are remembered. The kernel makes room for all of them
 * beforehand, and goes through it every second.
 */
enum { SYNS_MAX = 4095 };

/* Rules of one family; the words that differ between the two. */
struct family {
	int	digit;
	const char *ip;		/* nft's name of the header */
	const char *is_tunnel;	/* match of a tunnel's outer packet */
	const char *inner;	/* the tunnelled packet's destination */
	const char *self;	/* the director's address */
	const char *tunnel_if;
	unsigned headers;	/* TCP, IP and a tunnel's IP header */
	const char *inner_tcp;	/* a tunnel packet that carries TCP, without IP options */
	const char *inner_flags; /* and that segment's flags */
	const char *inner_syn;	/* ports and sequence number: one SYN's alone */
};

static const struct family families[] = {
	{ 4, "ip", "ip protocol 4", "ip hdrlength 5 @nh,288,32", DIRECTOR_SELF4,
	    DIRECTOR_TUNNEL4, 20 + 20 + 20,
	    "ip protocol 4 @th,0,8 0x45 @th,72,8 6", "@th,264,8", "@th,160,64" },
	{ 6, "ip6", "ip6 nexthdr 41", "@nh,512,128", DIRECTOR_SELF6,
	    DIRECTOR_TUNNEL6, 20 + 40 + 40,
	    "ip6 nexthdr 41 @th,48,8 6", "@th,424,8", "@th,320,64" },
};

/* A rule per family: print fmt with f's words, both times. */
#define EACH_FAMILY(f) \
	for (const struct family *f = families; f < families + 2; f++)

/*
 * The end of a base chain: on to the one of the packet's family. Every packet of the node
 * passes our chains, its own Services' or not, and each rule it meets has a price.
 */
static void
by_family(FILE *o, const char *chain)
{
	fprintf(o, "\t\tmeta nfproto ipv4 goto %s4\n\t\tgoto %s6\n\t}\n", chain,
	    chain);
}

static void
host_raw(FILE *o, const struct nft_rules *r)
{
	EACH_FAMILY(f) {
		fprintf(o, "\tchain raw_tunnel%d {\n", f->digit);
		fprintf(o, "\t\t%s daddr @endpoints%d %s @inner%d notrack\n", f->ip,
		    f->digit, f->inner, f->digit);
		fprintf(o, "\t\tiifname \"%s\" notrack\n\t}\n", r->host_if);
		fprintf(o, "\tchain raw_in%d {\n", f->digit);
		fprintf(o, "\t\t%s daddr @vips%d %s saddr != @clients%d notrack"
		    " return\n", f->ip, f->digit, f->ip, f->digit);
		fprintf(o, "\t\t%s saddr @vips%d %s daddr != @clients%d notrack"
		    " return\n", f->ip, f->digit, f->ip, f->digit);
		fprintf(o, "\t\t%s goto raw_tunnel%d\n\t}\n", f->is_tunnel, f->digit);
	}
	fputs("\tchain raw_in {\n"
	    "\t\ttype filter hook prerouting priority raw\n", o);
	by_family(o, "raw_in");
	fputs("\tchain raw_out {\n"
	    "\t\ttype filter hook output priority raw\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s daddr @vips%d %s saddr != @clients%d notrack\n",
		    f->ip, f->digit, f->ip, f->digit);
	fputs("\t}\n", o);
}

/*
 * The first chain that translates a connection's address settles it: ours comes
 * before kube-proxy's, which is at -100 (dstnat), and leaves the address as it is.
 */
static void
host_keep_from_nat(FILE *o)
{
	static const char *const chains[] = {
		"\tchain keep_in {\n"
		    "\t\ttype nat hook prerouting priority dstnat - 1\n",
		"\tchain keep_out {\n"
		    "\t\ttype nat hook output priority -101\n",
	};

	for (size_t i = 0; i < 2; i++) {
		fputs(chains[i], o);
		EACH_FAMILY(f)
			fprintf(o, "\t\t%s daddr @vips%d %s saddr @clients%d dnat %s to"
			    " %s daddr\n", f->ip, f->digit, f->ip, f->digit, f->ip,
			    f->ip);
		fputs("\t}\n", o);
	}
}

/*
 * Marks are or-ed in and tested bit by bit: other bits are other people's. A
 * packet that comes out of the director for a VIP would go round for ever, so
 * it is not steered.
 */
static void
host_steer(FILE *o, const struct nft_rules *r)
{
	uint32_t bit = r->fwmark;

	EACH_FAMILY(f) {
		fprintf(o, "\tchain steer_in%d {\n", f->digit);
		fprintf(o, "\t\t%s daddr @vips%d meta mark set meta mark or 0x%x"
		    " return\n", f->ip, f->digit, bit);
		fprintf(o, "\t\t%s %s saddr @nodes%d %s daddr @endpoints%d"
		    " %s @inner%d %s daddr set %s\n", f->is_tunnel, f->ip, f->digit,
		    f->ip, f->digit, f->inner, f->digit, f->ip, f->self);
		fprintf(o, "\t\tct direction reply ct mark and 0x%x == 0x%x"
		    " meta mark set meta mark or 0x%x\n\t}\n", bit, bit, bit);
	}
	fputs("\tchain from_director {\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s daddr @endpoints%d ct mark set ct mark or 0x%x\n",
		    f->ip, f->digit, bit);
	fprintf(o, "\t}\n"
	    "\tchain steer_in {\n"
	    "\t\ttype filter hook prerouting priority mangle\n"
	    "\t\tiifname \"%s\" goto from_director\n", r->host_if);
	by_family(o, "steer_in");
	fputs("\tchain steer_out {\n"
	    "\t\ttype route hook output priority mangle\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s daddr @vips%d meta mark set meta mark or 0x%x\n",
		    f->ip, f->digit, bit);
	/* An endpoint with the node's own address (hostNetwork) replies here. */
	fprintf(o, "\t\tct direction reply ct mark and 0x%x == 0x%x"
	    " meta mark set meta mark or 0x%x\n", bit, bit, bit);
	fputs("\t}\n", o);
}

/* Whatever leaves the node with the director's address gets the node's; a client of
   this node keeps its own on its way to the director, whatever the CNI's rules. */
static void
host_source(FILE *o, const struct nft_rules *r)
{
	fputs("\tchain tunnel_source {\n"
	    "\t\ttype filter hook postrouting priority mangle\n", o);
	EACH_FAMILY(f) {
		const struct ip *node = f->digit == 4 ? &r->node4 : &r->node6;

		if (ip_is_set(node))
			fprintf(o, "\t\t%s %s saddr %s %s saddr set %s\n",
			    f->is_tunnel, f->ip, f->self, f->ip, IP_STR(node));
	}
	fputs("\t}\n"
	    "\tchain masquerade_source {\n"
	    "\t\ttype nat hook postrouting priority srcnat - 1\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\toifname \"%s\" %s daddr @vips%d %s saddr @clients%d"
		    " snat %s to %s saddr\n", r->host_if, f->ip, f->digit, f->ip,
		    f->digit, f->ip, f->ip);
	EACH_FAMILY(f)
		fprintf(o, "\t\tiifname \"%s\" oifname != \"%s\" %s saddr %s"
		    " %s daddr != @endpoints%d masquerade\n", r->host_if, r->host_if,
		    f->ip, f->self, f->ip, f->digit);
	fputs("\t}\n", o);
}

/*
 * Only two kinds of connection need tracking in the director: those of local
 * clients to local endpoints, whose replies would otherwise not come back this
 * way, and those masqueraded to nodes that have no director.
 */
static void
director_raw(FILE *o)
{
	EACH_FAMILY(f) {
		fprintf(o, "\tchain raw_vip%d {\n", f->digit);
		fprintf(o, "\t\t%s saddr @clients%d accept\n", f->ip, f->digit);
		fprintf(o, "\t\t%s daddr @tracked%d accept\n", f->ip, f->digit);
		fputs("\t\tnotrack\n\t}\n", o);
		fprintf(o, "\tchain raw_self%d {\n\t\t%s notrack\n\t}\n", f->digit,
		    f->is_tunnel);
		fprintf(o, "\tchain raw_in%d {\n", f->digit);
		fprintf(o, "\t\t%s daddr @vips%d goto raw_vip%d\n", f->ip, f->digit,
		    f->digit);
		fprintf(o, "\t\t%s daddr %s goto raw_self%d\n", f->ip, f->self,
		    f->digit);
		fprintf(o, "\t\t%s saddr @tracked%d accept\n", f->ip, f->digit);
		fputs("\t\tnotrack\n\t}\n", o);
	}
	fputs("\tchain raw_in {\n"
	    "\t\ttype filter hook prerouting priority raw\n", o);
	by_family(o, "raw_in");
	fputs("\tchain raw_out {\n"
	    "\t\ttype filter hook output priority raw\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s notrack\n", f->is_tunnel);
	fputs("\t}\n", o);
}

/*
 * A tunnelled packet of a service without local endpoints is dropped: the
 * VIP's own service might tunnel it on, and so round and round. ICMP errors
 * pass, IPVS finds their connection by what they quote.
 */
static void
director_steer(FILE *o)
{
	fputs("\tchain restrict {\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s daddr . meta l4proto . th dport @restricted%d"
		    " %s daddr . meta l4proto . th dport . %s saddr != @allowed%d"
		    " drop\n", f->ip, f->digit, f->ip, f->ip, f->digit);
	fputs("\t\tmeta l4proto != 17 accept\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s saddr @clients%d meta mark set"
		    " %s daddr . meta l4proto . th dport map @flows%d\n", f->ip,
		    f->digit, f->ip, f->digit);
	fputs("\t}\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\tchain tier2_in%d {\n"
		    "\t\tmeta mark set %s daddr . meta l4proto . th dport map @marks%d\n"
		    "\t\tmeta l4proto { 6, 17, 132 } meta mark 0 drop\n\t}\n", f->digit,
		    f->ip, f->digit);
	fputs("\tchain steer_in {\n"
	    "\t\ttype filter hook prerouting priority mangle\n"
	    "\t\tiiftype ether goto restrict\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\tiifname \"%s\" goto tier2_in%d\n", f->tunnel_if,
		    f->digit);
	fputs("\t}\n", o);
}

/*
 * Where IPVS has nowhere to send a packet it answers with ICMP, which an open
 * connection survives, should endpoints come back, and a TCP client that has
 * just begun may miss; so a SYN is refused with a reset. Clients of a service
 * with policy Local that come to a node without endpoints, as while its VIP
 * moves, are left to try again.
 */
static void
director_refuse(FILE *o, const struct nft_rules *r)
{
	EACH_FAMILY(f) {
		fprintf(o, "\tchain refuse%d {\n", f->digit);
		fprintf(o, "\t\ttcp flags & (syn | ack) == syn"
		    " %s daddr . meta l4proto . th dport @empty%d"
		    " reject with tcp reset\n", f->ip, f->digit);
		fprintf(o, "\t\t%s daddr . meta l4proto . th dport @elsewhere%d"
		    " drop\n\t}\n", f->ip, f->digit);
	}
	fputs("\tchain refuse {\n"
	    "\t\ttype filter hook input priority filter\n", o);
	by_family(o, "refuse");
	if (!r->drops_unknown)
		return;
	/* Behind IPVS, at 98 and 99, which keeps what it has a service for. */
	fputs("\tchain unknown {\n"
	    "\t\ttype filter hook input priority 110\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s daddr @vips%d meta l4proto { 6, 17, 132 } drop\n",
		    f->ip, f->digit);
	fputs("\t}\n", o);
}

/*
 * Of what leaves only that of the second tier is looked at: it has a mark, and else only
 * local clients' flows have, whose datagrams are none of this.
 *
 * A datagram that its client sent in fragments comes out of the tunnel whole, larger
 * than any link. What the client had to be told of the path's MTU the first tier has
 * told it (RFC 2473, 7.1), so what is too large here is cut anew: by mark it gets a
 * route with the smallest MTU of IPv6, since other than over IPv4 nobody beyond us
 * will cut it further. What is so long of TCP is segments that the kernel carries as
 * one.
 *
 * IPVS finds an open connection before it looks at marks, so one that this node
 * tunnelled while the VIP was its own still goes to the endpoint chosen then, now
 * that it comes by tunnel itself. In mid-stream that is as it should be. A SYN, though,
 * comes of a client's port used again: what it meets is left over from an earlier
 * connection, whose end went by another node. Where that endpoint serves it, well; but
 * two nodes with such leftovers would send it to and fro until its TTL ends.
 *
 * One that is back within moments is made an end of that connection, at which IPVS lets
 * the next SYN choose anew (conn_reuse_mode; the client repeats it after a second). It
 * goes round once more, for what must change is on this node: by its flags, since
 * nobody sends FIN without ACK, the other node knows to let it pass and this one to
 * drop it. Its checksum, no longer right, keeps it from endpoints.
 */
static void
director_tier2_out(FILE *o, const struct nft_rules *r)
{
	EACH_FAMILY(f)
		fprintf(o, "\tset syns%d {\n\t\ttypeof %s\n\t\tsize %d\n"
		    "\t\tflags dynamic,timeout\n\t\ttimeout 500ms\n\t}\n", f->digit,
		    f->inner_syn, SYNS_MAX);
	fprintf(o, "\tchain tier2_out {\n"
	    "\t\ttype route hook output priority mangle\n"
	    "\t\tmeta mark 0 accept\n"
	    "\t\tmeta nfproto ipv6 meta l4proto != 6 meta length > %u"
	    " meta mark set 0x%x\n", r->mtu, TIER2_MARK_CUT);
	EACH_FAMILY(f) {
		fprintf(o, "\t\t%s %s 0x29 drop\n", f->inner_tcp, f->inner_flags);
		fprintf(o, "\t\t%s %s 0x01 %s set 0x29\n", f->inner_tcp,
		    f->inner_flags, f->inner_flags);
		fprintf(o, "\t\t%s %s & 0x17 == 0x02 %s @syns%d counter %s set 0x01\n",
		    f->inner_tcp, f->inner_flags, f->inner_syn, f->digit,
		    f->inner_flags);
		fprintf(o, "\t\t%s %s & 0x17 == 0x02 add @syns%d { %s }\n",
		    f->inner_tcp, f->inner_flags, f->digit, f->inner_syn);
	}
	fputs("\t}\n", o);
}

/*
 * Behind IPVS, at 100, which has put the VIP into the replies of connections that it
 * remembers. Statelessly: tracking knows one endpoint of a client's port. A datagram
 * without checksum keeps none; that of the VIP's address nft leaves out by itself.
 */
static void
director_reply(FILE *o)
{
	EACH_FAMILY(f) {
		fprintf(o, "\tchain reply%d {\n", f->digit);
		fprintf(o, "\t\t%s saddr set meta mark map @reply_vips%d\n", f->ip,
		    f->digit);
		fprintf(o, "\t\tudp checksum 0 udp sport set meta mark map"
		    " @reply_ports%d udp checksum set 0 accept\n", f->digit);
		fprintf(o, "\t\tudp sport set meta mark map @reply_ports%d\n\t}\n",
		    f->digit);
	}
	fputs("\tchain reply {\n"
	    "\t\ttype filter hook forward priority 110\n"
	    "\t\tmeta l4proto != 17 accept\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\tmeta mark set %s saddr . meta l4proto . th sport"
		    " map @replies%d goto reply%d\n", f->ip, f->digit, f->digit);
	fputs("\t}\n", o);
}

/*
 * What clients send travels through a tunnel, so they are told, by the
 * SYN-ACK, to leave room for its header. nft only ever lowers the value.
 */
static void
director_out(FILE *o, const struct nft_rules *r)
{
	fputs("\tchain clamp_syn_ack {\n", o);
	EACH_FAMILY(f)
		fprintf(o, "\t\t%s saddr @vips%d tcp option maxseg size set %u\n",
		    f->ip, f->digit, r->mtu - f->headers);
	fputs("\t}\n"
	    "\tchain clamp {\n"
	    "\t\ttype filter hook postrouting priority mangle\n"
	    "\t\ttcp flags & (syn | ack) == (syn | ack) goto clamp_syn_ack\n"
	    "\t}\n"
	    "\tchain source {\n"
	    "\t\ttype nat hook postrouting priority srcnat\n", o);
	EACH_FAMILY(f) {
		fprintf(o, "\t\t%s saddr @clients%d %s daddr @endpoints%d"
		    " masquerade\n", f->ip, f->digit, f->ip, f->digit);
		fprintf(o, "\t\t%s daddr @masqueraded%d masquerade\n", f->ip,
		    f->digit);
	}
	fputs("\t}\n", o);
}

static void
write_body(FILE *o, enum nft_side side, const struct nft_rules *r)
{
	fprintf(o, "table inet %s {\n", r->table);
	nft_state_write_defs(o, side);
	if (side == NFT_HOST) {
		host_raw(o, r);
		host_keep_from_nat(o);
		host_steer(o, r);
		host_source(o, r);
	} else {
		director_raw(o);
		director_steer(o);
		director_refuse(o, r);
		director_tier2_out(o, r);
		director_reply(o);
		director_out(o, r);
	}
	fputs("}\n", o);
}

void
nft_rules_write(FILE *out, enum nft_side side, const struct nft_rules *r,
    uint64_t version)
{
	/* Added first, so that the deletion cannot fail. */
	fprintf(out, "add table inet %s\ndelete table inet %s\n", r->table, r->table);
	write_body(out, side, r);
	fprintf(out, "add chain inet %s v_%llx\n", r->table,
	    (unsigned long long)version);
}

uint64_t
nft_rules_version(enum nft_side side, const struct nft_rules *r)
{
	char *text = NULL;
	size_t len = 0;
	FILE *o = open_memstream(&text, &len);
	uint64_t h;

	if (o == NULL)
		abort();
	write_body(o, side, r);
	fclose(o);
	h = hash_str(text, 0);
	free(text);
	return h != 0 ? h : 1;
}
