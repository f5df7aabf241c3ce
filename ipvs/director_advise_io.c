/* director_advise_io.c - director_advise() of director.h, and the choice of a mark. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/director_impl.h"
#include "ipvs/error.h"
#include "ipvs/mark.h"
#include "ipvs/rtnl_io.h"
#include "ipvs/sysctl_io.h"

struct advice {
	struct director *d;
	const struct director_want *want;
	void	(*fn)(void *arg, const struct director_error *advice);
	void	*arg;
	struct mark_use marks;
	struct ip held;			/* a VIP that the host has as an address */
	size_t	nheld;
	char	strict[16];		/* a link that checks sources by mark */
};

__attribute__((format(printf, 2, 3))) static void
advise(const struct advice *a, const char *fmt, ...)
{
	struct director_error e;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	a->fn(a->arg, &e);
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
	/* What somebody else marks with our old bit is not for the director. */
	if (a.marks.ours != 0 && a.marks.ours != d->conf.fwmark) {
		(void)rtnl_rule_delete(d->net.host, IP_V4, d->conf.rule_pref,
		    a.marks.ours, d->conf.table);
		(void)rtnl_rule_delete(d->net.host, IP_V6, d->conf.rule_pref,
		    a.marks.ours, d->conf.table);
	}
	return 0;
}

static void
advise_on_mark(struct advice *a)
{
	uint32_t bit = a->d->conf.fwmark;

	if (rtnl_rule_each(a->d->net.host, note_rule, a) == 0 &&
	    mark_is_taken(&a->marks, bit))
		advise(a, "another program's routing rule (`ip rule`) tests mark bit "
		    "0x%x, which Herald sets on VIP traffic: start with --fwmark 0x%x",
		    bit, mark_choose(&a->marks));
}

static int
ip_key_cmp(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static void
note_addr(void *arg, const struct ip *ip, unsigned len)
{
	struct advice *a = arg;

	(void)len;
	if (a->want->nvips > 0 && bsearch(ip, a->want->vips, a->want->nvips,
	    sizeof(*ip), ip_key_cmp) != NULL) {
		a->held = *ip;
		a->nheld++;
	}
}

/* A local address is looked up before all rules, so none of ours can help. */
static void
advise_on_held_vips(struct advice *a)
{
	struct rtnl_link link;
	bool is_kube_proxy;

	if (rtnl_addr_each(a->d->net.host, 0, note_addr, a) < 0 || a->nheld == 0)
		return;
	is_kube_proxy = rtnl_link_find(a->d->net.host, "kube-ipvs0", &link) == 0;
	advise(a, "vip %s%s: it is an address of this host, which answers for it and "
	    "keeps its traffic from Herald: %s", IP_STR(&a->held),
	    a->nheld > 1 ? " and others" : "", is_kube_proxy ?
	    "kube-proxy in ipvs mode binds the VIPs of every Service unless it knows "
	    "ipMode (Kubernetes 1.30); upgrade it, run it in iptables or nftables "
	    "mode, or use a ForwardingProfile with mode delegate" :
	    "remove it from its interface (`ip address`)");
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
		advise(a, "link %s drops what clients send to VIPs: its strict check of "
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
	const char *at = nft_io_list(a->d->side[NFT_HOST].nft, "list chains");
	size_t len;

	while ((at = strstr(at, "hook forward ")) != NULL) {
		len = strcspn(at, "\n");
		if (memmem(at, len, "policy drop", 11) != NULL) {
			advise(a, "the host's firewall drops what it forwards by default "
			    "(`nft list chains`: hook forward, policy drop); VIP traffic "
			    "passes only where it accepts what comes from %s and what goes "
			    "there, for example `iptables -I FORWARD -o %s -j ACCEPT` and "
			    "the same with -i", a->d->conf.host_if, a->d->conf.host_if);
			return;
		}
		at += len;
	}
}

void
director_advise(struct director *d, const struct director_want *want,
    void (*fn)(void *arg, const struct director_error *advice), void *arg)
{
	struct advice a = { .d = d, .want = want, .fn = fn, .arg = arg };

	advise_on_mark(&a);
	advise_on_held_vips(&a);
	advise_on_sources(&a);
	advise_on_forwarding(&a);
}
