/*
 * cases.h - the table of allocation: what Services get, and why. For
 * reconcile_test.c.
 */
#ifndef HERALD_TESTS_CONTROLLER_CASES_H
#define HERALD_TESTS_CONTROLLER_CASES_H

/*
 * Each row is a world and what comes of it. `want` lists Services: NS/NAME and
 * its addresses ("-" none); then, after " ~", a part of the problem it is told
 * of, or " !" part of what it is told to have lost. Who is not told of anything
 * must have no problem.
 */
static const struct {
	const char *why, *world, *want;
} cases[] = {
	/* --- plain allocation --- */
	{ "the lowest address first", "pool p 10.0.0.0/30; svc d/a", "d/a 10.0.0.0" },
	{ "the oldest Service first",
	    "pool p 10.0.0.1-10.0.0.9; svc d/a age=5; svc d/b age=3",
	    "d/a 10.0.0.2; d/b 10.0.0.1" },
	{ "equal age: by namespace, then name",
	    "pool p 10.0.0.1-10.0.0.9; svc b/a; svc a/z; svc a/b",
	    "a/b 10.0.0.1; a/z 10.0.0.2; b/a 10.0.0.3" },
	{ "a range of one", "pool p 10.0.0.7/32; svc d/a; svc d/b",
	    "d/a 10.0.0.7; d/b - ~no available IPs" },
	{ "several entries are used in address order",
	    "pool p 10.9.0.1/32,10.0.0.1/32; svc d/a; svc d/b",
	    "d/a 10.0.0.1; d/b 10.9.0.1" },
	{ "overlapping entries of one pool count once",
	    "pool p 10.0.0.1-10.0.0.2,10.0.0.2-10.0.0.2; svc d/a; svc d/b; svc d/c",
	    "d/a 10.0.0.1; d/b 10.0.0.2; d/c - ~all IPv4 addresses" },
	{ "no pool at all", "svc d/a", "d/a - ~create one" },
	{ "a full pool overflows into the next by name",
	    "pool b 10.1.0.1/32; pool a 10.0.0.1/32; svc d/a; svc d/b; svc d/c",
	    "d/a 10.0.0.1; d/b 10.1.0.1; d/c - ~no available IPs" },
	{ "autoAssign false is left out",
	    "pool a 10.0.0.1/32 auto=no; pool b 10.1.0.1/32; svc d/a; svc d/b",
	    "d/a 10.1.0.1; d/b - ~no available IPs" },
	{ "only autoAssign false pools: named with the remedy",
	    "pool a 10.0.0.1/32 auto=no; svc d/a", "d/a - ~address-pool" },
	{ "avoidBuggyIPs skips .0 and .255",
	    "pool a 10.0.0.254-10.0.1.1 buggy=no; svc d/a; svc d/b; svc d/c",
	    "d/a 10.0.0.254; d/b 10.0.1.1; d/c - ~no available IPs" },
	{ "without avoidBuggyIPs they are as good as any",
	    "pool a 10.0.0.255-10.0.1.0; svc d/a; svc d/b",
	    "d/a 10.0.0.255; d/b 10.0.1.0" },
	{ "avoidBuggyIPs is nothing to IPv6",
	    "pool a fd00::/127 buggy=no; svc d/a fam=6", "d/a fd00::" },
	{ "a huge IPv6 pool", "pool a fd00::/48; svc d/a fam=6; svc d/b fam=6",
	    "d/a fd00::1; d/b fd00::2" },
	{ "a node's own address is never given",
	    "pool a 10.0.0.1-10.0.0.2; node n 10.0.0.1; svc d/a", "d/a 10.0.0.2" },
	{ "a Service that already has a node's address keeps it",
	    "pool a 10.0.0.1-10.0.0.2; node n 10.0.0.1; svc d/a has=10.0.0.1",
	    "d/a 10.0.0.1" },
	{ "a Service without ports gets an address, too",
	    "pool a 10.0.0.1/32; svc d/a ports=", "d/a 10.0.0.1" },

	/* --- claims before gifts --- */
	{ "what the status says is claimed before anything is given",
	    "pool p 10.0.0.1-10.0.0.2; svc d/old age=1; svc d/new age=9 has=10.0.0.1",
	    "d/old 10.0.0.2; d/new 10.0.0.1" },
	{ "two have one address: the older keeps it, the younger moves",
	    "pool p 10.0.0.1-10.0.0.2; svc d/a age=2 has=10.0.0.1; "
	    "svc d/b age=1 has=10.0.0.1",
	    "d/a 10.0.0.2 !d/b has it too; d/b 10.0.0.1" },
	{ "hand-edited to an address outside every pool: it is given a proper one",
	    "pool p 10.0.0.1/32; svc d/a has=1.2.3.4",
	    "d/a 10.0.0.1 !1.2.3.4: no IPAddressPool" },
	{ "the foreign address is not lost when nothing replaces it? it is: no pool "
	    "covers it", "svc d/a has=1.2.3.4", "d/a - ~create one !1.2.3.4" },
	{ "hand-edited to three: the surplus goes",
	    "pool p 10.0.0.1-10.0.0.9; svc d/a has=10.0.0.3,10.0.0.2,10.0.0.1",
	    "d/a 10.0.0.3 !10.0.0.2: the Service has another" },
	{ "a surplus address is not given away while the status shows it",
	    "pool p 10.0.0.1-10.0.0.3; svc d/a has=10.0.0.3,10.0.0.2,10.0.0.1; svc d/b",
	    "d/a 10.0.0.3 !surplus; d/b - ~no available IPs" },
	{ "a hostname beside is replaced", "pool p 10.0.0.1/32; svc d/a has=hostname",
	    "d/a 10.0.0.1" },
	{ "the address of another class' Service is in use",
	    "pool p 10.0.0.1-10.0.0.2; svc d/x class=other has=10.0.0.1; svc d/a",
	    "d/a 10.0.0.2" },
	{ "our Service's claim goes before a foreigner's",
	    "pool p 10.0.0.1-10.0.0.2; svc d/x age=1 class=other has=10.0.0.1; "
	    "svc d/a has=10.0.0.1", "d/a 10.0.0.1" },
	{ "autoAssign turned off: who has one keeps it",
	    "pool p 10.0.0.1/32 auto=no; svc d/a has=10.0.0.1", "d/a 10.0.0.1" },
	{ "avoidBuggyIPs turned on: a buggy one moves",
	    "pool p 10.0.0.0/31 buggy=no; svc d/a has=10.0.0.0",
	    "d/a 10.0.0.1 !avoidBuggyIPs" },
	{ "pool renamed: the address stays",
	    "pool newname 10.0.0.0/24; svc d/a has=10.0.0.9", "d/a 10.0.0.9" },
	{ "pool split: the address stays",
	    "pool a 10.0.0.0-10.0.0.4; pool b 10.0.0.5-10.0.0.9; svc d/a has=10.0.0.7",
	    "d/a 10.0.0.7" },
	{ "pool shrunk under an address: another is given",
	    "pool p 10.0.0.1-10.0.0.2; svc d/a has=10.0.0.9",
	    "d/a 10.0.0.1 !10.0.0.9" },

	/* --- whose Services --- */
	{ "our class by default", "pool p 10.0.0.1/32; svc d/a class=heraldlb.io/herald",
	    "d/a 10.0.0.1" },
	{ "another class is not ours", "pool p 10.0.0.1/32; svc d/a class=x", "" },
	{ "a ClusterIP Service is left alone", "pool p 10.0.0.1/32; svc d/a type=ClusterIP",
	    "" },
	{ "no load balancer any more: cleared",
	    "pool p 10.0.0.1/32; svc d/a type=ClusterIP has=10.0.0.1", "d/a -" },
	{ "cleared, but until the store shows it nobody gets the address",
	    "pool p 10.0.0.1/32; svc d/a type=ClusterIP has=10.0.0.1; svc d/b",
	    "d/a -; d/b - ~no available IPs" },
	{ "the status of a ClusterIP Service that is none of our pools' stays",
	    "pool p 10.0.0.1/32; svc d/a type=ClusterIP has=192.0.2.1", "" },
	{ "a Service on its way out keeps its address to the end",
	    "pool p 10.0.0.1/32; svc d/a deleting has=10.0.0.1; svc d/b",
	    "d/b - ~no available IPs" },
	{ "a Service on its way out gets none", "pool p 10.0.0.1/32; svc d/a deleting; "
	    "svc d/b", "d/b 10.0.0.1" },

	/* --- addresses asked for --- */
	{ "by annotation", "pool p 10.0.0.0/24; svc d/a ask=10.0.0.9", "d/a 10.0.0.9" },
	{ "by spec.loadBalancerIP", "pool p 10.0.0.0/24; svc d/a lbip=10.0.0.9",
	    "d/a 10.0.0.9" },
	{ "by MetalLB's annotation", "pool p 10.0.0.0/24; svc d/a metallb.ask=10.0.0.9",
	    "d/a 10.0.0.9" },
	{ "by MetalLB's older annotation",
	    "pool p 10.0.0.0/24; svc d/a universe.ask=10.0.0.9", "d/a 10.0.0.9" },
	{ "ours goes before MetalLB's",
	    "pool p 10.0.0.0/24; svc d/a universe.ask=10.0.0.7 metallb.ask=10.0.0.8 "
	    "ask=10.0.0.9", "d/a 10.0.0.9" },
	{ "MetalLB's newer one goes before its older",
	    "pool p 10.0.0.0/24; svc d/a universe.ask=10.0.0.7 metallb.ask=10.0.0.8",
	    "d/a 10.0.0.8" },
	{ "both places, and they agree",
	    "pool p 10.0.0.0/24; svc d/a lbip=10.0.0.9 ask=10.0.0.9", "d/a 10.0.0.9" },
	{ "both places, and they do not",
	    "pool p 10.0.0.0/24; svc d/a lbip=10.0.0.9 ask=10.0.0.8",
	    "d/a - ~remove one" },
	{ "outside every pool", "pool p 10.0.0.0/24; svc d/a ask=10.9.9.9",
	    "d/a - ~10.9.9.9 is not allowed in config" },
	{ "outside every pool: what it has stays",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.4 ask=10.9.9.9",
	    "d/a 10.0.0.4 ~it has 10.0.0.4 meanwhile" },
	{ "a buggy one", "pool p 10.0.0.0/24 buggy=no; svc d/a ask=10.0.0.255",
	    "d/a - ~avoidBuggyIPs" },
	{ "in use by another",
	    "pool p 10.0.0.0/24; svc d/x has=10.0.0.9; svc d/a ask=10.0.0.9",
	    "d/x 10.0.0.9; d/a - ~10.0.0.9 is already in use by d/x" },
	{ "in use by another: what it has stays",
	    "pool p 10.0.0.0/24; svc d/x has=10.0.0.9; svc d/a has=10.0.0.1 ask=10.0.0.9",
	    "d/x 10.0.0.9; d/a 10.0.0.1 ~in use by d/x" },
	{ "an older one asks for what a younger has: no theft",
	    "pool p 10.0.0.0/24; svc d/x age=9 has=10.0.0.9; svc d/a age=1 ask=10.0.0.9",
	    "d/x 10.0.0.9; d/a - ~in use by d/x" },
	{ "two ask for one: the older gets it",
	    "pool p 10.0.0.0/24; svc d/a age=2 ask=10.0.0.9; svc d/b age=1 ask=10.0.0.9",
	    "d/b 10.0.0.9; d/a - ~in use by d/b" },
	{ "changed its mind: moves at once",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.1 ask=10.0.0.9", "d/a 10.0.0.9" },
	{ "the address left behind is not given in the same pass",
	    "pool p 10.0.0.1-10.0.0.2; svc d/a has=10.0.0.1 ask=10.0.0.2; svc d/b",
	    "d/a 10.0.0.2; d/b - ~no available IPs" },
	{ "two who want to swap stay where they are",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.1 ask=10.0.0.2; "
	    "svc d/b has=10.0.0.2 ask=10.0.0.1",
	    "d/a 10.0.0.1 ~in use by d/b; d/b 10.0.0.2 ~in use by d/a" },
	{ "a pool without autoAssign serves those who ask",
	    "pool p 10.0.0.0/24 auto=no; svc d/a ask=10.0.0.9", "d/a 10.0.0.9" },
	{ "a node's address", "pool p 10.0.0.0/24; node n 10.0.0.9; svc d/a ask=10.0.0.9",
	    "d/a - ~in use by a node" },
	{ "no address at all", "pool p 10.0.0.0/24; svc d/a ask=web",
	    "d/a - ~\"web\" is not an IP address" },
	{ "no address at all: what it has stays",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.4 ask=web",
	    "d/a 10.0.0.4 ~is not an IP address" },
	{ "an empty word between commas", "pool p 10.0.0.0/24; svc d/a ask=10.0.0.1,",
	    "d/a - ~is not an IP address" },
	{ "two of one family", "pool p 10.0.0.0/24; svc d/a ask=10.0.0.1,10.0.0.2",
	    "d/a - ~are of one family" },
	{ "three", "pool p 10.0.0.0/24; svc d/a ask=10.0.0.1,fd00::1,10.0.0.3",
	    "d/a - ~more than two" },
	{ "loopback", "pool p 10.0.0.0/24; svc d/a ask=127.0.0.1",
	    "d/a - ~no Service can have 127.0.0.1" },
	{ "the wrong family", "pool p 10.0.0.0/24; svc d/a fam=4 ask=fd00::1",
	    "d/a - ~does not match the ipFamily" },
	{ "families open: the address tells", "pool p fd00::/64; svc d/a ask=fd00::9",
	    "d/a fd00::9" },
	{ "families open, one of each asked for",
	    "pool p fd00::/64,10.0.0.0/24; svc d/a ask=fd00::9,10.0.0.9",
	    "d/a fd00::9,10.0.0.9" },
	{ "deep in a huge range", "pool p fd00::/16; svc d/a ask=fd00:1:2:3:4:5:6:7; "
	    "svc d/b ask=fd00:1:2:3:4:5:6:7",
	    "d/a fd00:1:2:3:4:5:6:7; d/b - ~in use by d/a" },

	/* --- a pool asked for --- */
	{ "by annotation", "pool a 10.0.0.0/24; pool b 10.1.0.0/24; svc d/a pool=b",
	    "d/a 10.1.0.0" },
	{ "by MetalLB's annotation",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24; svc d/a metallb.pool=b",
	    "d/a 10.1.0.0" },
	{ "by MetalLB's older annotation",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24; svc d/a universe.pool=b",
	    "d/a 10.1.0.0" },
	{ "one without autoAssign", "pool b 10.1.0.0/24 auto=no; svc d/a pool=b",
	    "d/a 10.1.0.0" },
	{ "an unknown one", "pool a 10.0.0.0/24; svc d/a pool=zz",
	    "d/a - ~unknown pool \"zz\"" },
	{ "an unknown one: what it has stays",
	    "pool a 10.0.0.0/24; svc d/a has=10.0.0.4 pool=zz",
	    "d/a 10.0.0.4 ~unknown pool" },
	{ "a full one: no other will do",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/32; svc d/x has=10.1.0.0; svc d/a pool=b",
	    "d/x 10.1.0.0; d/a - ~no available IPs in pool \"b\" for IPv4" },
	{ "without that family", "pool a 10.0.0.0/24; svc d/a fam=6 pool=a",
	    "d/a - ~it has no such addresses" },
	{ "changed: moves", "pool a 10.0.0.0/24; pool b 10.1.0.0/24; "
	    "svc d/a has=10.0.0.5 pool=b", "d/a 10.1.0.0" },
	{ "changed to a full one: what it has stays",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/32; svc d/x has=10.1.0.0; "
	    "svc d/a has=10.0.0.5 pool=b", "d/x 10.1.0.0; d/a 10.0.0.5 ~no available" },
	{ "already there: stays",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24; svc d/a has=10.1.0.5 pool=b",
	    "d/a 10.1.0.5" },
	{ "pool and address agree", "pool a 10.0.0.0/24; svc d/a pool=a ask=10.0.0.9",
	    "d/a 10.0.0.9" },
	{ "pool and address disagree",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24; svc d/a pool=b ask=10.0.0.9",
	    "d/a - ~not compatible with requested address pool" },
	{ "pool and held address disagree: it stays and is told",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24; "
	    "svc d/a has=10.0.0.9 pool=b ask=10.0.0.9",
	    "d/a 10.0.0.9 ~not compatible with requested" },

	/* --- serviceAllocation --- */
	{ "pinned pools go first", "pool a 10.0.0.0/24; pool z 10.9.0.0/24 ns=d; svc d/a",
	    "d/a 10.9.0.0" },
	{ "and are only for whom they select",
	    "pool z 10.9.0.0/24 ns=x; pool a 10.0.0.0/24; svc d/a; svc x/a",
	    "d/a 10.0.0.0; x/a 10.9.0.0" },
	{ "nobody selected", "pool z 10.9.0.0/24 ns=x; svc d/a",
	    "d/a - ~no serviceAllocation" },
	{ "several namespaces", "pool z 10.9.0.0/24 ns=x,d; svc d/a", "d/a 10.9.0.0" },
	{ "by namespace label", "ns d team:red; pool z 10.9.0.0/24 nssel=team:red; svc d/a",
	    "d/a 10.9.0.0" },
	{ "by namespace label, another",
	    "ns d team:blue; pool z 10.9.0.0/24 nssel=team:red; svc d/a",
	    "d/a - ~no serviceAllocation" },
	{ "by namespace name, without a Namespace object",
	    "pool z 10.9.0.0/24 nssel=kubernetes.io/metadata.name:d; svc d/a; svc x/b",
	    "d/a 10.9.0.0; x/b - ~no serviceAllocation" },
	{ "namespace list or label: either will do",
	    "ns d team:blue; pool z 10.9.0.0/24 ns=d nssel=team:red; svc d/a",
	    "d/a 10.9.0.0" },
	{ "by Service label", "pool z 10.9.0.0/24 svcsel=app:web; svc d/a labels=app:web; "
	    "svc d/b labels=app:db; svc d/c",
	    "d/a 10.9.0.0; d/b - ~no serviceAllocation; d/c - ~no serviceAllocation" },
	{ "namespace and Service label: both must hold",
	    "pool z 10.9.0.0/24 ns=d svcsel=app:web; svc d/a labels=app:web; svc d/b; "
	    "svc x/c labels=app:web",
	    "d/a 10.9.0.0; d/b - ~no serviceAllocation; x/c - ~no serviceAllocation" },
	{ "priority: lowest number first",
	    "pool a 10.0.0.0/24 ns=d prio=20; pool b 10.1.0.0/24 ns=d prio=10; svc d/a",
	    "d/a 10.1.0.0" },
	{ "priority: none or 0 is last",
	    "pool a 10.0.0.0/24 ns=d prio=0; pool b 10.1.0.0/24 ns=d prio=99; svc d/a",
	    "d/a 10.1.0.0" },
	{ "equal priority: by name",
	    "pool b 10.1.0.0/24 ns=d prio=9; pool a 10.0.0.0/24 ns=d prio=9; svc d/a",
	    "d/a 10.0.0.0" },
	{ "a pinned pool without autoAssign is left out",
	    "pool a 10.0.0.0/24 ns=d auto=no; pool b 10.1.0.0/24; svc d/a",
	    "d/a 10.1.0.0" },
	{ "a full pinned pool overflows into the common one",
	    "pool a 10.0.0.0/32 ns=d; pool b 10.1.0.0/24; svc d/a; svc d/b",
	    "d/a 10.0.0.0; d/b 10.1.0.0" },
	{ "only a priority: for everybody, before the others",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24 prio=5; svc d/a", "d/a 10.1.0.0" },
	{ "selected no more: moves",
	    "pool a 10.0.0.0/24 ns=x; pool b 10.1.0.0/24; svc d/a has=10.0.0.1",
	    "d/a 10.1.0.0 !does not select" },
	{ "selected no more and nowhere to go",
	    "pool a 10.0.0.0/24 ns=x; svc d/a has=10.0.0.1",
	    "d/a - ~no serviceAllocation !does not select" },
	{ "a better pool appears: nobody is moved for that",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24 ns=d; svc d/a has=10.0.0.1",
	    "d/a 10.0.0.1" },
	{ "an address asked for in a pool that is for others",
	    "pool a 10.0.0.0/24 ns=x; svc d/a ask=10.0.0.1",
	    "d/a - ~not compatible for IP assignment" },
	{ "a pool asked for that is for others",
	    "pool a 10.0.0.0/24 ns=x; svc d/a pool=a",
	    "d/a - ~not compatible for IP assignment" },

	/* --- sharing --- */
	{ "same key, other port: shared", "pool p 10.0.0.0/24; svc d/a share=k; "
	    "svc d/b share=k ports=TCP/81", "d/a 10.0.0.0; d/b 10.0.0.0" },
	{ "same key, same port: apart",
	    "pool p 10.0.0.0/24; svc d/a share=k; svc d/b share=k",
	    "d/a 10.0.0.0; d/b 10.0.0.1" },
	{ "same port, other protocol: shared", "pool p 10.0.0.0/24; svc d/a share=k "
	    "ports=TCP/53; svc d/b share=k ports=UDP/53", "d/a 10.0.0.0; d/b 10.0.0.0" },
	{ "one of several ports in common: apart",
	    "pool p 10.0.0.0/24; svc d/a share=k ports=TCP/1,TCP/2; "
	    "svc d/b share=k ports=TCP/3,TCP/2", "d/a 10.0.0.0; d/b 10.0.0.1" },
	{ "other key: apart", "pool p 10.0.0.0/24; svc d/a share=k; "
	    "svc d/b share=l ports=TCP/81", "d/a 10.0.0.0; d/b 10.0.0.1" },
	{ "only one has a key: apart", "pool p 10.0.0.0/24; svc d/a share=k; "
	    "svc d/b ports=TCP/81", "d/a 10.0.0.0; d/b 10.0.0.1" },
	{ "by MetalLB's annotations", "pool p 10.0.0.0/24; svc d/a metallb.share=k; "
	    "svc d/b universe.share=k ports=TCP/81", "d/a 10.0.0.0; d/b 10.0.0.0" },
	{ "Local and Cluster: apart", "pool p 10.0.0.0/24; svc d/a share=k; "
	    "svc d/b share=k ports=TCP/81 local", "d/a 10.0.0.0; d/b 10.0.0.1" },
	{ "both Local with one selector: shared",
	    "pool p 10.0.0.0/24; svc d/a share=k local sel=a:1,b:2; "
	    "svc d/b share=k ports=TCP/81 local sel=b:2,a:1",
	    "d/a 10.0.0.0; d/b 10.0.0.0" },
	{ "both Local with two selectors: apart",
	    "pool p 10.0.0.0/24; svc d/a share=k local sel=a:1; "
	    "svc d/b share=k ports=TCP/81 local sel=a:2",
	    "d/a 10.0.0.0; d/b 10.0.0.1" },
	{ "both Cluster with two selectors: shared",
	    "pool p 10.0.0.0/24; svc d/a share=k sel=a:1; "
	    "svc d/b share=k ports=TCP/81 sel=a:2", "d/a 10.0.0.0; d/b 10.0.0.0" },
	{ "three share", "pool p 10.0.0.0/24; svc d/a share=k; svc d/b share=k "
	    "ports=TCP/81; svc d/c share=k ports=TCP/82",
	    "d/a 10.0.0.0; d/b 10.0.0.0; d/c 10.0.0.0" },
	{ "the third collides with the second: apart",
	    "pool p 10.0.0.0/24; svc d/a share=k; svc d/b share=k ports=TCP/81; "
	    "svc d/c share=k ports=TCP/81", "d/a 10.0.0.0; d/b 10.0.0.0; d/c 10.0.0.1" },
	{ "across namespaces, as MetalLB does", "pool p 10.0.0.0/24 share=any; svc d/a share=k; "
	    "svc x/b share=k ports=TCP/81", "d/a 10.0.0.0; x/b 10.0.0.0" },
	{ "a full pool still takes who can share",
	    "pool p 10.0.0.1/32; svc d/a share=k; svc d/b share=k ports=TCP/81",
	    "d/a 10.0.0.1; d/b 10.0.0.1" },
	{ "joining goes before a free lower address",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.7 share=k; "
	    "svc d/b share=k ports=TCP/81", "d/a 10.0.0.7; d/b 10.0.0.7" },
	{ "asked for by address and key", "pool p 10.0.0.0/24; "
	    "svc d/a ask=10.0.0.7 share=k; svc d/b ask=10.0.0.7 share=k ports=TCP/81",
	    "d/a 10.0.0.7; d/b 10.0.0.7" },
	{ "asked for, but the port is taken", "pool p 10.0.0.0/24; "
	    "svc d/a ask=10.0.0.7 share=k; svc d/b ask=10.0.0.7 share=k",
	    "d/a 10.0.0.7; d/b - ~port TCP/80 is already in use on 10.0.0.7 by d/a" },
	{ "asked for, but the key differs", "pool p 10.0.0.0/24; "
	    "svc d/a ask=10.0.0.7 share=k; svc d/b ask=10.0.0.7 share=l ports=TCP/81",
	    "d/a 10.0.0.7; d/b - ~another sharing key" },
	{ "asked for, but the backends differ", "pool p 10.0.0.0/24; "
	    "svc d/a ask=10.0.0.7 share=k; svc d/b ask=10.0.0.7 share=k ports=TCP/81 local",
	    "d/a 10.0.0.7; d/b - ~externalTrafficPolicy" },
	{ "they share and one's key changes: the younger goes",
	    "pool p 10.0.0.0/24; svc d/a age=1 has=10.0.0.7 share=k; "
	    "svc d/b age=2 has=10.0.0.7 share=l ports=TCP/81",
	    "d/a 10.0.0.7; d/b 10.0.0.0 !sharing keys differ" },
	{ "they share and a port is added that collides: the younger goes",
	    "pool p 10.0.0.0/24; svc d/a age=1 has=10.0.0.7 share=k ports=TCP/80,TCP/81; "
	    "svc d/b age=2 has=10.0.0.7 share=k ports=TCP/81",
	    "d/a 10.0.0.7; d/b 10.0.0.0 !port taken" },
	{ "the only holder may change its key",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.7 share=new", "d/a 10.0.0.7" },

	/* --- families --- */
	{ "single IPv6", "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=6", "d/a fd00::1" },
	{ "families open: IPv4 first", "pool p 10.0.0.0/24,fd00::/64; svc d/a",
	    "d/a 10.0.0.0" },
	{ "families open, only IPv6 there", "pool p fd00::/64; svc d/a", "d/a fd00::1" },
	{ "families open, IPv4 full", "pool p 10.0.0.0/32,fd00::/64; svc d/a; svc d/b",
	    "d/a 10.0.0.0; d/b fd00::1" },
	{ "families open, has IPv6: stays", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a has=fd00::5", "d/a fd00::5" },
	{ "families open, has both: keeps the first",
	    "pool p 10.0.0.0/24,fd00::/64; svc d/a has=fd00::5,10.0.0.1",
	    "d/a fd00::5 !10.0.0.1" },
	{ "prefer dual: both", "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=46 policy=prefer",
	    "d/a 10.0.0.0,fd00::1" },
	{ "the primary family first", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=64 policy=prefer", "d/a fd00::1,10.0.0.0" },
	{ "prefer dual, one family there: that one",
	    "pool p 10.0.0.0/24; svc d/a fam=46 policy=prefer", "d/a 10.0.0.0" },
	{ "prefer dual, the other one there",
	    "pool p fd00::/64; svc d/a fam=46 policy=prefer", "d/a fd00::1" },
	{ "prefer dual in a cluster of one family",
	    "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=4 policy=prefer", "d/a 10.0.0.0" },
	{ "prefer dual, none there", "svc d/a fam=46 policy=prefer", "d/a - ~create one" },
	{ "prefer dual: a family is added later",
	    "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=46 policy=prefer has=10.0.0.3",
	    "d/a 10.0.0.3,fd00::1" },
	{ "prefer dual: the primary family is added later",
	    "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=46 policy=prefer has=fd00::3",
	    "d/a 10.0.0.0,fd00::3" },
	{ "prefer dual: a family is lost",
	    "pool p 10.0.0.0/24; svc d/a fam=46 policy=prefer has=10.0.0.3,fd00::3",
	    "d/a 10.0.0.3 !fd00::3" },
	{ "require dual: both", "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=46 "
	    "policy=require", "d/a 10.0.0.0,fd00::1" },
	{ "require dual, one family there: none",
	    "pool p 10.0.0.0/24; svc d/a fam=46 policy=require",
	    "d/a - ~no IPAddressPool has IPv6" },
	{ "what a failed pair tried is free for the next",
	    "pool p 10.0.0.0/32; svc d/a age=1 fam=46 policy=require; svc d/b fam=4",
	    "d/a - ~IPv6; d/b 10.0.0.0" },
	{ "require dual: a family is lost, the other stays",
	    "pool p 10.0.0.0/24; svc d/a fam=46 policy=require has=10.0.0.3,fd00::3",
	    "d/a 10.0.0.3 ~it has 10.0.0.3 meanwhile !fd00::3" },
	{ "require dual: changed from single", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=46 policy=require has=10.0.0.3", "d/a 10.0.0.3,fd00::1" },
	{ "changed to single: the second goes", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=4 policy=single has=10.0.0.3,fd00::3",
	    "d/a 10.0.0.3 !fd00::3: the Service does not have" },
	{ "two families without a policy: required, as the API reads it",
	    "pool p 10.0.0.0/24; svc d/a fam=46", "d/a - ~IPv6" },
	{ "both from one pool rather than the first of each",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24,fd00::/64; "
	    "svc d/a fam=46 policy=require", "d/a 10.1.0.0,fd00::1" },
	{ "from two pools where none has both",
	    "pool a 10.0.0.0/24; pool b fd00::/64; svc d/a fam=46 policy=require",
	    "d/a 10.0.0.0,fd00::1" },
	{ "the second from the pool of the first",
	    "pool a fd00:a::/64; pool b 10.1.0.0/24,fd00:b::/64; "
	    "svc d/a fam=46 policy=prefer has=10.1.0.5", "d/a 10.1.0.5,fd00:b::1" },
	{ "two asked for", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=46 policy=require ask=10.0.0.9,fd00::9", "d/a 10.0.0.9,fd00::9" },
	{ "two asked for, the other way round", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=46 policy=require ask=fd00::9,10.0.0.9", "d/a 10.0.0.9,fd00::9" },
	{ "one asked for, the other given", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=46 policy=require ask=fd00::9", "d/a 10.0.0.0,fd00::9" },
	{ "require dual, one of two asked for is taken: none",
	    "pool p 10.0.0.0/24,fd00::/64; svc d/x fam=6 has=fd00::9; "
	    "svc d/a fam=46 policy=require ask=10.0.0.9,fd00::9",
	    "d/x fd00::9; d/a - ~in use by d/x" },
	{ "prefer dual, one of two asked for is taken: the other, and told",
	    "pool p 10.0.0.0/24,fd00::/64; svc d/x fam=6 has=fd00::9; "
	    "svc d/a fam=46 policy=prefer ask=10.0.0.9,fd00::9",
	    "d/x fd00::9; d/a 10.0.0.9 ~in use by d/x" },
	{ "a pool asked for, for both", "pool a 10.0.0.0/24,fd00::/64; "
	    "pool b 10.1.0.0/24,fd01::/64; svc d/a fam=46 policy=require pool=b",
	    "d/a 10.1.0.0,fd01::1" },
	{ "a pool of one family asked for by who prefers two",
	    "pool a fd00::/64; pool b 10.1.0.0/24; svc d/a fam=46 policy=prefer pool=b",
	    "d/a 10.1.0.0" },
	{ "a dual pair joins a dual pair", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=46 policy=require share=k; "
	    "svc d/b fam=46 policy=require share=k ports=TCP/81",
	    "d/a 10.0.0.0,fd00::1; d/b 10.0.0.0,fd00::1" },

	/* --- reserved ranges --- */
	{ "what is reserved is not handed out",
	    "pool p 10.0.0.0/29 res=10.0.0.0-10.0.0.2; svc d/a", "d/a 10.0.0.3" },
	{ "nor from the middle", "pool p 10.0.0.1-10.0.0.5 res=10.0.0.2-10.0.0.4; svc d/a; "
	    "svc d/b; svc d/c", "d/a 10.0.0.1; d/b 10.0.0.5; d/c - ~no available IPs" },
	{ "reserved as a block", "pool p fd00::/64 res=fd00::/124; svc d/a fam=6",
	    "d/a fd00::10" },
	{ "asked for by name: refused, with the reason",
	    "pool p 10.0.0.0/24 res=10.0.0.9/32; svc d/a ask=10.0.0.9",
	    "d/a - ~10.0.0.9 is not allowed in config: IPAddressPool p reserves it" },
	{ "asked for by name: what it has stays",
	    "pool p 10.0.0.0/24 res=10.0.0.9/32; svc d/a has=10.0.0.4 ask=10.0.0.9",
	    "d/a 10.0.0.4 ~it has 10.0.0.4 meanwhile" },
	{ "reserved under an address: another is given",
	    "pool p 10.0.0.0/24 res=10.0.0.9/32; svc d/a has=10.0.0.9",
	    "d/a 10.0.0.0 !10.0.0.9: IPAddressPool p now reserves it" },
	{ "reserved beside an address: it stays",
	    "pool p 10.0.0.0/24 res=10.0.0.8/32,10.0.0.10/32; svc d/a has=10.0.0.9",
	    "d/a 10.0.0.9" },
	{ "reserved, asked for and held: it goes",
	    "pool p 10.0.0.0/24 res=10.0.0.9/32; svc d/a has=10.0.0.9 ask=10.0.0.9",
	    "d/a - ~reserves it !now reserves it" },
	{ "all of it reserved: nothing to give",
	    "pool p 10.0.0.0/24 res=10.0.0.0/24; svc d/a", "d/a - ~no IPAddressPool has IPv4" },
	{ "all of it reserved, and asked for",
	    "pool p 10.0.0.0/24 res=10.0.0.0/24; svc d/a pool=p",
	    "d/a - ~it has no such addresses" },
	{ "a full pool with a reserve overflows into the next",
	    "pool a 10.0.0.0/31 res=10.0.0.1/32; pool b 10.1.0.0/32; svc d/a; svc d/b",
	    "d/a 10.0.0.0; d/b 10.1.0.0" },
	{ "what one pool reserves another may have",
	    "pool a 10.0.0.0/24 res=10.0.0.128/25; pool b 10.0.0.128/25 auto=no; "
	    "svc d/a pool=b; svc d/b ask=10.0.0.200; svc d/c",
	    "d/a 10.0.0.128; d/b 10.0.0.200; d/c 10.0.0.0" },
	{ "the reserve of one family leaves the other",
	    "pool p 10.0.0.0/24,fd00::/64 res=fd00::/64; svc d/a fam=46 policy=prefer",
	    "d/a 10.0.0.0" },
	{ "a node's address in the reserve", "pool p 10.0.0.0/30 res=10.0.0.0/32; "
	    "node n 10.0.0.0; svc d/a", "d/a 10.0.0.1" },
	{ "reserve and avoidBuggyIPs", "pool p 10.0.0.0/24 buggy=no res=10.0.0.1/32; "
	    "svc d/a", "d/a 10.0.0.2" },
	{ "a reserve in a pool that asks for names", "pool p 10.0.0.0/24 auto=no "
	    "res=10.0.0.0/28; svc d/a pool=p", "d/a 10.0.0.16" },
	{ "another class' Service on a reserved address is left alone",
	    "pool p 10.0.0.0/24 res=10.0.0.9/32; svc d/a class=x has=10.0.0.9", "" },
	{ "no load balancer any more, on a reserved address: not ours to clear",
	    "pool p 10.0.0.0/24 res=10.0.0.9/32; svc d/a type=ClusterIP has=10.0.0.9", "" },

	/* --- the routers' address of IPv6 blocks --- */
	{ "the first address of an IPv6 block is not handed out",
	    "pool p fd00::/126; svc d/a fam=6; svc d/b fam=6; svc d/c fam=6; svc d/d fam=6",
	    "d/a fd00::1; d/b fd00::2; d/c fd00::3; d/d - ~no available IPs" },
	{ "but is given by name", "pool p fd00::/126; svc d/a fam=6 ask=fd00::",
	    "d/a fd00::" },
	{ "and who has it keeps it", "pool p fd00::/126; svc d/a fam=6 has=fd00::",
	    "d/a fd00::" },
	{ "a range is no block", "pool p fd00::-fd00::3; svc d/a fam=6", "d/a fd00::" },
	{ "a /127 has none (RFC 6164)", "pool p fd00::/127; svc d/a fam=6", "d/a fd00::" },
	{ "a /128 is itself", "pool p fd00::/128; svc d/a fam=6", "d/a fd00::" },
	{ "each block has its own", "pool p fd00::/126,fd00::4/126; svc d/a fam=6; "
	    "svc d/b fam=6; svc d/c fam=6; svc d/d fam=6",
	    "d/a fd00::1; d/b fd00::2; d/c fd00::3; d/d fd00::5" },
	{ "a sharing key joins it", "pool p fd00::/126; svc d/a fam=6 ask=fd00:: share=k; "
	    "svc d/b fam=6 share=k ports=TCP/81", "d/a fd00::; d/b fd00::" },
	{ "a block with it reserved", "pool p fd00::/126 res=fd00::/128; svc d/a fam=6; "
	    "svc d/b fam=6 ask=fd00::", "d/a fd00::1; d/b - ~reserves it" },
	{ "a spread pool does not give it either",
	    "pool p fd00::/126 strat=spread; svc d/a fam=6; svc d/b fam=6; svc d/c fam=6; "
	    "svc d/d fam=6 has=fd00::", "d/a fd00::3; d/b fd00::1; d/c fd00::2; d/d fd00::" },

	/* --- strategies --- */
	{ "sticky: an address by the name", "pool p 10.0.0.0/24 strat=sticky; svc d/a; "
	    "svc d/b", "d/a 10.0.0.171; d/b 10.0.0.87" },
	{ "sticky: what it has stays", "pool p 10.0.0.0/24 strat=sticky; svc d/a "
	    "has=10.0.0.77", "d/a 10.0.0.77" },
	{ "sticky: taken, so the next free one",
	    "pool p 10.0.0.0/30 strat=sticky; svc d/x has=10.0.0.0; svc d/y has=10.0.0.1; "
	    "svc d/z has=10.0.0.3; svc d/a",
	    "d/x 10.0.0.0; d/y 10.0.0.1; d/z 10.0.0.3; d/a 10.0.0.2" },
	{ "sticky: the strategy of a pool asked for",
	    "pool p 10.0.0.0/24 strat=sticky auto=no; svc d/a pool=p", "d/a 10.0.0.171" },
	{ "spread: an address by the UID", "pool p 10.0.0.0/24 strat=spread; svc d/a uid=1; "
	    "svc d/b uid=2", "d/a 10.0.0.216; d/b 10.0.0.85" },
	{ "spread: full is full", "pool p 10.0.0.0/31 strat=spread; svc d/a; svc d/b; svc d/c",
	    "d/a 10.0.0.1; d/b 10.0.0.0; d/c - ~no available IPs" },
	{ "spread: an address asked for", "pool p 10.0.0.0/24 strat=spread; "
	    "svc d/a ask=10.0.0.5", "d/a 10.0.0.5" },
	{ "spread: a sharing key joins first", "pool p 10.0.0.0/24 strat=spread; "
	    "svc d/a has=10.0.0.9 share=k; svc d/b share=k ports=TCP/81",
	    "d/a 10.0.0.9; d/b 10.0.0.9" },
	{ "spread: not onto what is reserved",
	    "pool p 10.0.0.0/24 strat=spread res=10.0.0.0-10.0.0.254; svc d/a",
	    "d/a 10.0.0.255" },

	/* --- how far a sharing key reaches --- */
	{ "not across namespaces, unless the pool says so",
	    "pool p 10.0.0.0/24; svc d/a share=k; svc x/b share=k ports=TCP/81",
	    "d/a 10.0.0.0; x/b 10.0.0.1" },
	{ "within a namespace", "pool p 10.0.0.0/24; svc x/a share=k; "
	    "svc x/b share=k ports=TCP/81", "x/a 10.0.0.0; x/b 10.0.0.0" },
	{ "across namespaces, asked for by address: refused with the reason",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.5 share=k; "
	    "svc x/b share=k ports=TCP/81 ask=10.0.0.5",
	    "d/a 10.0.0.5; x/b - ~lets no address be shared across namespaces" },
	{ "three namespaces where it may",
	    "pool p 10.0.0.0/24 share=any; svc d/a share=k; svc x/b share=k ports=TCP/81; "
	    "svc y/c share=k ports=TCP/82", "d/a 10.0.0.0; x/b 10.0.0.0; y/c 10.0.0.0" },
	{ "the scope is narrowed: the younger goes",
	    "pool p 10.0.0.0/24; svc d/a age=1 has=10.0.0.5 share=k; "
	    "svc x/b age=2 has=10.0.0.5 share=k ports=TCP/81",
	    "d/a 10.0.0.5; x/b 10.0.0.0 !namespaces differ" },
	{ "each pool has its scope", "pool a 10.0.0.0/24 auto=no; pool b 10.1.0.0/24 "
	    "auto=no share=any; svc d/a share=k pool=a; svc x/b share=k ports=TCP/81 pool=a; "
	    "svc d/c share=l pool=b; svc x/d share=l ports=TCP/81 pool=b",
	    "d/a 10.0.0.0; x/b 10.0.0.1; d/c 10.1.0.0; x/d 10.1.0.0" },
	{ "a full pool takes no other namespace", "pool p 10.0.0.1/32; svc d/a share=k; "
	    "svc x/b share=k ports=TCP/81", "d/a 10.0.0.1; x/b - ~no available IPs" },

	/* --- the Service changes --- */
	{ "its ports: the address stays", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5 "
	    "ports=TCP/1,UDP/2,SCTP/3", "d/a 10.0.0.5" },
	{ "its policy: the address stays", "pool p 10.0.0.0/24; svc d/a has=10.0.0.5 local",
	    "d/a 10.0.0.5" },
	{ "its class, to another's: left alone, and not given away",
	    "pool p 10.0.0.0/31; svc d/a class=x has=10.0.0.0; svc d/b", "d/b 10.0.0.1" },
	{ "its class, to ours: the address stays",
	    "pool p 10.0.0.0/24; svc d/a class=heraldlb.io/herald has=10.0.0.5",
	    "d/a 10.0.0.5" },
	{ "its labels: selected no more",
	    "pool a 10.0.0.0/24 svcsel=app:web; pool b 10.1.0.0/24; "
	    "svc d/a labels=app:db has=10.0.0.5", "d/a 10.1.0.0 !does not select" },
	{ "its namespace's labels: selected no more",
	    "ns d team:blue; pool a 10.0.0.0/24 nssel=team:red; pool b 10.1.0.0/24; "
	    "svc d/a has=10.0.0.5", "d/a 10.1.0.0 !does not select" },
	{ "the wish for a pool is gone: the address stays",
	    "pool a 10.0.0.0/24; pool b 10.1.0.0/24; svc d/a has=10.1.0.5", "d/a 10.1.0.5" },
	{ "the wish for an address is gone: it stays",
	    "pool p 10.0.0.0/24; svc d/a has=10.0.0.77", "d/a 10.0.0.77" },
	{ "the younger sharer loses its key: it goes",
	    "pool p 10.0.0.0/24; svc d/a age=1 has=10.0.0.5 share=k; "
	    "svc d/b age=2 has=10.0.0.5 ports=TCP/81",
	    "d/a 10.0.0.5; d/b 10.0.0.0 !asker does not share" },
	{ "the older sharer loses its key: the younger goes",
	    "pool p 10.0.0.0/24; svc d/a age=1 has=10.0.0.5; "
	    "svc d/b age=2 has=10.0.0.5 share=k ports=TCP/81",
	    "d/a 10.0.0.5; d/b 10.0.0.0 !holder does not share" },
	{ "a sharer turns Local: the younger goes",
	    "pool p 10.0.0.0/24; svc d/a age=1 has=10.0.0.5 share=k local; "
	    "svc d/b age=2 has=10.0.0.5 share=k ports=TCP/81",
	    "d/a 10.0.0.5; d/b 10.0.0.0 !backends differ" },
	{ "Local sharers' selectors part: the younger goes",
	    "pool p 10.0.0.0/24; svc d/a age=1 has=10.0.0.5 share=k local sel=a:1; "
	    "svc d/b age=2 has=10.0.0.5 share=k ports=TCP/81 local sel=a:2",
	    "d/a 10.0.0.5; d/b 10.0.0.0 !backends differ" },
	{ "from one family to the other", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=6 policy=single has=10.0.0.5",
	    "d/a fd00::1 !does not have that family any more" },
	{ "the order of its families: both stay", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=64 policy=require has=10.0.0.5,fd00::5", "d/a fd00::5,10.0.0.5" },
	{ "from Require to Prefer: nothing happens", "pool p 10.0.0.0/24,fd00::/64; "
	    "svc d/a fam=46 policy=prefer has=10.0.0.5,fd00::5", "d/a 10.0.0.5,fd00::5" },

	/* --- pools change --- */
	{ "a pool gains a family: a single-stack Service stays as it is",
	    "pool p 10.0.0.0/24,fd00::/64; svc d/a fam=4 policy=single has=10.0.0.5",
	    "d/a 10.0.0.5" },
	{ "a pool is split by family: both stay",
	    "pool a 10.0.0.0/24; pool b fd00::/64; svc d/a fam=46 policy=require "
	    "has=10.0.0.5,fd00::5", "d/a 10.0.0.5,fd00::5" },
	{ "priorities change: nobody moves",
	    "pool a 10.0.0.0/24 prio=9; pool b 10.1.0.0/24 prio=1; svc d/a has=10.0.0.5",
	    "d/a 10.0.0.5" },
	{ "a strategy changes: nobody moves",
	    "pool p 10.0.0.0/24 strat=spread; svc d/a has=10.0.0.5", "d/a 10.0.0.5" },
	{ "another pool is wished, for both families",
	    "pool a 10.0.0.0/24,fd00::/64; pool b 10.1.0.0/24,fd01::/64; svc d/a fam=46 "
	    "policy=require has=10.0.0.5,fd00::5 pool=b", "d/a 10.1.0.0,fd01::1" },
	{ "another pool is wished that has one: that one moves, the other stays",
	    "pool a 10.0.0.0/24,fd00::/64; pool b 10.1.0.0/24; svc d/a fam=46 "
	    "policy=require has=10.0.0.5,fd00::5 pool=b",
	    "d/a 10.1.0.0,fd00::5 ~no available IPs in pool \"b\" for IPv6" },
	{ "two pools merge: addresses of both stay",
	    "pool p 10.0.0.0/23; svc d/a has=10.0.0.5; svc d/b has=10.0.1.5",
	    "d/a 10.0.0.5; d/b 10.0.1.5" },
	{ "shrunk to nothing free: it is released, and told",
	    "pool p 10.0.0.0/32; svc d/x has=10.0.0.0; svc d/a has=10.0.0.9",
	    "d/x 10.0.0.0; d/a - ~no available IPs !10.0.0.9" },
	{ "the younger pool is wrong: the older goes on giving",
	    "pool a 10.0.0.0/24 age=1; pool b 10.0.0.128/25,10.5.0.0/24 age=2; svc d/a",
	    "d/a 10.0.0.0" },

	/* --- pools that overlap --- */
	{ "the younger of two is frozen: gives nothing",
	    "pool a 10.0.0.0/32 age=1; pool b 10.0.0.0/24 age=2; svc d/a; svc d/b",
	    "d/a 10.0.0.0; d/b - ~no available IPs" },
	{ "but who has an address of it keeps it",
	    "pool a 10.0.0.0/32 age=1; pool b 10.0.0.0/24 age=2; svc d/a has=10.0.0.77",
	    "d/a 10.0.0.77" },
	{ "and asking for one of it says why not",
	    "pool a 10.0.0.0/32 age=1; pool b 10.0.0.0/24 age=2; svc d/a ask=10.0.0.77",
	    "d/a - ~is refused" },
};

#endif
