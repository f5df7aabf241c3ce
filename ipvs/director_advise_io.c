/* director_advise_io.c - director_advise() of director.h, and the choice of a mark. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/director_impl.h"
#include "ipvs/error.h"
#include "ipvs/mark.h"
#include "ipvs/rtnl_route_io.h"
#include "ipvs/sysctl_io.h"

struct advice {
	struct director *d;
	const struct director_want *want;
	void	(*fn)(void *arg, const struct director_advice *advice);
	void	*arg;
	struct mark_use marks;
	char	strict[16];		/* a link that checks sources by mark */
};

__attribute__((format(printf, 3, 4))) static void
advise(const struct advice *a, struct director_advice what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what.text, sizeof(what.text), fmt, ap);
	va_end(ap);
	a->fn(a->arg, &what);
}

static void
note_rule(void *arg, const struct rtnl_rule *rule)
{
	struct advice *a = arg;
	const struct director_conf *conf = &a->d->conf;

	mark_note(&a->marks, rule->mark, rule->mask,
	    rule->pref == conf->rule_pref && rule->table == conf->table);
}

int
director_choose_mark(struct director *d, struct director_error *ret_err)
{
	struct advice a = { .d = d };
	int r;

	if (d->conf.fwmark != 0)
		return 0;
	r = rtnl_rule_each(d->net.host, note_rule, &a);
	if (r < 0)
		return director_fail(ret_err, r, "cannot read the routing rules: %s; "
		    "choose a mark with --fwmark", strerror(-r));
	d->conf.fwmark = mark_choose(&a.marks);
	return 0;
}

static void
advise_on_mark(struct advice *a)
{
	uint32_t bit = a->d->conf.fwmark;

	if (rtnl_rule_each(a->d->net.host, note_rule, a) == 0 &&
	    mark_is_taken(&a->marks, bit))
		advise(a, (struct director_advice){ 0 },
		    "another program's routing rule (`ip rule`) tests mark bit "
		    "0x%x, which Herald sets on VIP traffic: start with --fwmark 0x%x",
		    bit, mark_choose(&a->marks));
}

/*
 * A local address is looked up before all rules, so none of ours can help. With IPv4
 * it is answered for on every link, too, whatever interface it is on.
 */
static void
advise_on_held_vips(struct advice *a)
{
	struct director_advice what = { 0 };
	struct rtnl_link link;
	size_t i, n = 0;

	for (i = 0; i < a->want->nvips; i++)
		if (director_is_held(a->d, &a->want->vips[i]) && n++ == 0)
			what.vip = a->want->vips[i];
	if (n == 0)
		return;
	what.is_stop = rtnl_link_find(a->d->net.host, "kube-ipvs0", &link) != 0;
	if (what.is_stop)
		advise(a, what, "vip %s%s: it is an address of this host, which takes its "
		    "traffic before Herald can: remove it from its interface "
		    "(`ip address`)", IP_STR(&what.vip), n > 1 ? " and others" : "");
	else
		advise(a, what, "vip %s%s: kube-proxy in ipvs mode has made it an address "
		    "of this host and forwards its traffic in Herald's place: pods do not "
		    "see clients' addresses, health checks do not count, connections end "
		    "when it moves; upgrade kube-proxy to 1.30, which knows ipMode, or run "
		    "it in iptables or nftables mode (and remove kube-ipvs0)%s",
		    IP_STR(&what.vip), n > 1 ? " and others" : "",
		    sysctl_is("net/ipv4/conf/all/arp_ignore", "", "0") ? "; and set its "
		    "ipvs.strictARP: every node answers ARP for it" : "");
}

static void
note_strict(void *arg, const struct rtnl_link *link)
{
	struct advice *a = arg;

	if (!link->is_up || link->is_loopback ||
	    strcmp(link->name, a->d->conf.host_if) == 0 ||
	    sysctl_is("net/ipv4/conf/%s/rp_filter", link->name, "2") ||
	    sysctl_is("net/ipv4/conf/all/rp_filter", "", "2"))
		return;
	if ((sysctl_is("net/ipv4/conf/%s/rp_filter", link->name, "1") ||
	    sysctl_is("net/ipv4/conf/all/rp_filter", "", "1")) &&
	    (sysctl_is("net/ipv4/conf/%s/src_valid_mark", link->name, "1") ||
	    sysctl_is("net/ipv4/conf/all/src_valid_mark", "", "1")))
		memcpy(a->strict, link->name, sizeof(a->strict));
}

/* Clients are then looked for where marked packets go: in the director. */
static void
advise_on_sources(struct advice *a)
{
	(void)rtnl_link_each(a->d->net.host, note_strict, a);
	if (a->strict[0] != '\0')
		advise(a, (struct director_advice){ .is_stop = true },
		    "link %s drops what clients send to VIPs: its strict check of "
		    "sources goes by packet marks; set net.ipv4.conf.%s.rp_filter=2, or "
		    "net.ipv4.conf.*.src_valid_mark=0", a->strict, a->strict);
}

/*
 * A chain that drops by default, hooked where packets are forwarded, in somebody
 * else's table: in the listing "type filter hook forward priority 0; policy drop;"
 * stands below the chain's name.
 */
static void
advise_on_forwarding(struct advice *a)
{
	char *chains = nft_io_list("list chains"), *at = chains;
	size_t len;

	for (; (at = strstr(at, "hook forward ")) != NULL; at += len) {
		len = strcspn(at, "\n");
		if (memmem(at, len, "policy drop", 11) == NULL)
			continue;
		advise(a, (struct director_advice){ 0 },
		    "the host's firewall drops what it forwards by default "
		    "(`nft list chains`: hook forward, policy drop); VIP traffic "
		    "passes only where it accepts what comes from %s and what goes "
		    "there, for example `iptables -I FORWARD -o %s -j ACCEPT` and "
		    "the same with -i", a->d->conf.host_if, a->d->conf.host_if);
		break;
	}
	free(chains);
}

void
director_advise(struct director *d, const struct director_want *want,
    void (*fn)(void *arg, const struct director_advice *advice), void *arg)
{
	struct advice a = { .d = d, .want = want, .fn = fn, .arg = arg };

	d->has_host_news = false;
	advise_on_mark(&a);
	advise_on_held_vips(&a);
	advise_on_sources(&a);
	advise_on_forwarding(&a);
}
