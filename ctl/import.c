#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/import.h"
#include "lib/mem.h"

/* Words that YAML would read as something else than a string. */
static bool
is_keyword(const char *s)
{
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "true",
	    "false", "null" };

	for (size_t i = 0; i < nitems(words); i++) {
		if (strcasecmp(s, words[i]) == 0)
			return true;
	}
	return false;
}

/* A string that needs no quotes: a letter, then what cannot mean anything. */
static bool
is_plain(const char *s)
{
	if (!isalpha((unsigned char)*s) || is_keyword(s))
		return false;
	for (; *s != '\0'; s++) {
		if (!isalnum((unsigned char)*s) && strchr("._-/", *s) == NULL)
			return false;
	}
	return true;
}

/* s as a YAML scalar: plain, or in double quotes with JSON's escapes. */
static void
put_scalar(FILE *f, const char *s)
{
	if (is_plain(s)) {
		fputs(s, f);
		return;
	}
	fputc('"', f);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void
put_string(FILE *f, const char *key, const char *value)
{
	if (value == NULL)
		return;
	fprintf(f, "  %s: ", key);
	put_scalar(f, value);
	fputc('\n', f);
}

static void
put_flag(FILE *f, const char *key, bool value)
{
	if (value)
		fprintf(f, "  %s: true\n", key);
}

static void
put_number(FILE *f, const char *key, uint32_t value, uint32_t dflt)
{
	if (value != dflt)
		fprintf(f, "  %s: %u\n", key, value);
}

static void
put_ip(FILE *f, const char *key, const struct ip *ip)
{
	if (ip_is_set(ip))
		put_string(f, key, IP_STR(ip));
}

static void
put_time(FILE *f, const char *key, uint32_t ms)
{
	if (ms % 1000 == 0)
		fprintf(f, "  %s: %us\n", key, ms / 1000);
	else
		fprintf(f, "  %s: %ums\n", key, ms);
}

/* lead is "", or "- " where the map begins the item of a list. */
static void
put_map(FILE *f, int indent, const char *lead, const char *key,
    const struct kube_map *m)
{
	if (m->n == 0)
		return;
	fprintf(f, "%*s%s%s:\n", indent, "", lead, key);
	indent += (int)strlen(lead);
	for (size_t i = 0; i < m->n; i++) {
		fprintf(f, "%*s", indent + 2, "");
		put_scalar(f, m->kv[i].key);
		fputs(": ", f);
		put_scalar(f, m->kv[i].value);
		fputc('\n', f);
	}
}

static void
put_strings(FILE *f, int indent, const char *key, const char *const *v, size_t n)
{
	if (n == 0)
		return;
	fprintf(f, "%*s%s:\n", indent, "", key);
	for (size_t i = 0; i < n; i++) {
		fprintf(f, "%*s- ", indent + 2, "");
		put_scalar(f, v[i]);
		fputc('\n', f);
	}
}

static void
put_requirement(FILE *f, int indent, const struct kube_requirement *r)
{
	static const char *const ops[] = { [KUBE_OP_IN] = "In", [KUBE_OP_NOT_IN] =
	    "NotIn", [KUBE_OP_EXISTS] = "Exists", [KUBE_OP_NOT_EXISTS] = "DoesNotExist" };

	fprintf(f, "%*s- key: ", indent, "");
	put_scalar(f, r->key);
	fprintf(f, "\n%*soperator: %s\n", indent + 2, "", ops[r->op]);
	put_strings(f, indent + 2, "values", r->values, r->nvalues);
}

static void
put_selectors(FILE *f, int indent, const char *key, const struct kube_selector *v,
    size_t n)
{
	if (n == 0)
		return;
	fprintf(f, "%*s%s:\n", indent, "", key);
	for (size_t i = 0; i < n; i++) {
		const struct kube_selector *s = &v[i];

		if (s->match_labels.n == 0 && s->nexprs == 0)
			fprintf(f, "%*s- {}\n", indent + 2, "");
		put_map(f, indent + 2, "- ", "matchLabels", &s->match_labels);
		if (s->nexprs > 0)
			fprintf(f, "%*s%s matchExpressions:\n", indent + 2, "",
			    s->match_labels.n == 0 ? "-" : " ");
		for (size_t j = 0; j < s->nexprs; j++)
			put_requirement(f, indent + 6, &s->exprs[j]);
	}
}

static void
put_entries(FILE *f, const char *key, const struct kube_pool_entry *e, size_t n)
{
	if (n == 0)
		return;
	fprintf(f, "  %s:\n", key);
	for (size_t i = 0; i < n; i++) {
		fputs("    - ", f);
		put_scalar(f, e[i].text);
		fputc('\n', f);
	}
}

static void
put_pool(FILE *f, const struct kube_ip_address_pool *p)
{
	put_entries(f, "addresses", p->addresses, p->naddresses);
	put_entries(f, "reserved", p->reserved, p->nreserved);
	if (!p->auto_assign)
		fputs("  autoAssign: false\n", f);
	put_flag(f, "avoidBuggyIPs", p->avoid_buggy_ips);
	if (p->strategy != KUBE_STRATEGY_LOWEST)
		put_string(f, "strategy", kube_strategy_name(p->strategy));
	if (p->sharing != KUBE_SHARING_SAME_NAMESPACE)
		put_string(f, "sharing", kube_sharing_name(p->sharing));
	if (!p->has_allocation)
		return;
	fprintf(f, "  serviceAllocation:\n    priority: %lld\n", (long long)p->priority);
	put_strings(f, 4, "namespaces", p->namespaces, p->nnamespaces);
	put_selectors(f, 4, "namespaceSelectors", p->namespace_selectors,
	    p->nnamespace_selectors);
	put_selectors(f, 4, "serviceSelectors", p->service_selectors,
	    p->nservice_selectors);
}

static void
put_scope(FILE *f, const struct kube_scope *s)
{
	put_strings(f, 2, "ipAddressPools", s->pools, s->npools);
	put_selectors(f, 2, "ipAddressPoolSelectors", s->pool_selectors,
	    s->npool_selectors);
	put_selectors(f, 2, "nodeSelectors", s->node_selectors, s->nnode_selectors);
	put_selectors(f, 2, "serviceSelectors", s->service_selectors,
	    s->nservice_selectors);
}

static void
put_l2adv(FILE *f, const struct kube_l2_advertisement *a)
{
	put_scope(f, &a->scope);
	put_strings(f, 2, "interfaces", a->interfaces, a->ninterfaces);
}

/* Large enough for large:4294967295:4294967295:4294967295. */
enum { COMMUNITY_LEN = 64 };

static const char *
community_text(const struct kube_bgp_community *c, char buf[COMMUNITY_LEN])
{
	if (c->is_large)
		(void)snprintf(buf, COMMUNITY_LEN, "large:%u:%u:%u", c->part[0],
		    c->part[1], c->part[2]);
	else
		(void)snprintf(buf, COMMUNITY_LEN, "%u:%u", c->part[0], c->part[1]);
	return buf;
}

static void
put_bgpadv(FILE *f, const struct kube_bgp_advertisement *a)
{
	char buf[COMMUNITY_LEN];

	put_scope(f, &a->scope);
	put_strings(f, 2, "peers", a->peers, a->npeers);
	put_number(f, "aggregationLength", a->aggregation_len, 32);
	put_number(f, "aggregationLengthV6", a->aggregation_len_v6, 128);
	if (a->has_local_pref)
		fprintf(f, "  localPref: %u\n", a->local_pref);
	if (a->ncommunities > 0)
		fputs("  communities:\n", f);
	for (size_t i = 0; i < a->ncommunities; i++) {
		const struct kube_community_ref *c = &a->communities[i];

		fputs("    - ", f);
		put_scalar(f, c->name != NULL ? c->name : community_text(&c->value, buf));
		fputc('\n', f);
	}
}

static void
put_peer_auth(const struct import_conf *conf, const struct kube_object *o)
{
	const struct kube_bgp_peer *p = &o->bgp_peer;
	const char *from = p->password_secret_ns != NULL ? p->password_secret_ns :
	    o->meta.ns;
	FILE *f = conf->out;

	put_string(f, "password", p->password);
	if (p->password_secret == NULL)
		return;
	fprintf(f, "  # Copy Secret %s/%s to namespace %s.\n  passwordSecret:\n    name: ",
	    from, p->password_secret, conf->ns);
	put_scalar(f, p->password_secret);
	fputs("\n    namespace: ", f);
	put_scalar(f, conf->ns);
	fputc('\n', f);
}

static void
put_peer(const struct import_conf *conf, const struct kube_object *o)
{
	const struct kube_bgp_peer *p = &o->bgp_peer;
	FILE *f = conf->out;

	put_number(f, "myASN", p->my_asn, 0);
	put_number(f, "localASN", p->local_asn, 0);
	put_number(f, "peerASN", p->peer_asn, 0);
	if (p->dynamic_asn != KUBE_ASN_FIXED)
		put_string(f, "dynamicASN", p->dynamic_asn == KUBE_ASN_INTERNAL ?
		    "internal" : "external");
	put_ip(f, "peerAddress", &p->address);
	put_string(f, "interface", p->interface);
	put_ip(f, "sourceAddress", &p->source);
	put_number(f, "peerPort", p->port, 179);
	if (p->has_hold_time)
		put_time(f, "holdTime", p->hold_ms);
	if (p->has_keepalive_time)
		put_time(f, "keepaliveTime", p->keepalive_ms);
	if (p->connect_sec > 0)
		put_time(f, "connectTime", p->connect_sec * 1000);
	put_ip(f, "routerID", &p->router_id);
	put_selectors(f, 2, "nodeSelectors", p->node_selectors, p->nnode_selectors);
	put_peer_auth(conf, o);
	put_string(f, "bfdProfile", p->bfd_profile);
	put_flag(f, "enableGracefulRestart", p->graceful_restart);
	put_flag(f, "ebgpMultiHop", p->ebgp_multi_hop);
	put_string(f, "vrf", p->vrf);
	if (p->disable_mp)
		fputs("  # disableMP is left out: it is deprecated and without effect.\n",
		    f);
	put_flag(f, "dualStackAddressFamily", p->is_dual_stack);
}

static void
put_community(FILE *f, const struct kube_community *c)
{
	char buf[COMMUNITY_LEN];

	if (c->naliases > 0)
		fputs("  communities:\n", f);
	for (size_t i = 0; i < c->naliases; i++) {
		fputs("    - name: ", f);
		put_scalar(f, c->aliases[i].name);
		fputs("\n      value: ", f);
		put_scalar(f, community_text(&c->aliases[i].value, buf));
		fputc('\n', f);
	}
}

static void
put_bfd(FILE *f, const struct kube_bfd_profile *p)
{
	put_number(f, "receiveInterval", p->receive_ms, 300);
	put_number(f, "transmitInterval", p->transmit_ms, 300);
	put_number(f, "detectMultiplier", p->detect_multiplier, 3);
	put_number(f, "echoInterval", p->echo_ms, 50);
	put_flag(f, "echoMode", p->echo_mode);
	put_flag(f, "passiveMode", p->passive_mode);
	put_number(f, "minimumTtl", p->minimum_ttl, 254);
}

bool
import_takes(enum kube_kind kind)
{
	/* MetalLB has no ForwardingProfile: it is Herald's already. */
	return kube_kind_is_custom(kind) && kind != KUBE_FORWARDING_PROFILE;
}

static void
put_spec(const struct import_conf *conf, const struct kube_object *o)
{
	FILE *f = conf->out;

	switch (o->kind) {
	case KUBE_IP_ADDRESS_POOL:
		put_pool(f, &o->pool);
		break;
	case KUBE_L2_ADVERTISEMENT:
		put_l2adv(f, &o->l2adv);
		break;
	case KUBE_BGP_ADVERTISEMENT:
		put_bgpadv(f, &o->bgpadv);
		break;
	case KUBE_BGP_PEER:
		put_peer(conf, o);
		break;
	case KUBE_COMMUNITY:
		put_community(f, &o->community);
		break;
	case KUBE_BFD_PROFILE:
		put_bfd(f, &o->bfd_profile);
		break;
	default:
		break;
	}
}

void
import_object(const struct import_conf *conf, const struct kube_object *o)
{
	struct import_conf inner = *conf;
	FILE *f = conf->out;
	char *spec = NULL;
	size_t len = 0;

	inner.out = open_memstream(&spec, &len);
	if (inner.out == NULL)
		abort();	/* out of memory, as in lib/mem.c */
	put_spec(&inner, o);
	(void)fclose(inner.out);
	fprintf(f, "---\napiVersion: heraldlb.io/%s\nkind: %s\nmetadata:\n  name: ",
	    o->kind == KUBE_BGP_PEER ? "v1beta2" : "v1beta1", kube_kind_name(o->kind));
	put_scalar(f, o->meta.name);
	fputs("\n  namespace: ", f);
	put_scalar(f, conf->ns);
	fputc('\n', f);
	put_map(f, 2, "", "labels", &o->meta.labels);
	put_map(f, 2, "", "annotations", &o->meta.annotations);
	/* An empty spec is one, too: it selects everything. */
	fprintf(f, "spec:%s\n%s", len == 0 ? " {}" : "", spec);
	free(spec);
}

void
import_comment(const struct import_conf *conf, const char *text)
{
	fputs("# ", conf->out);
	for (; *text != '\0'; text++) {
		fputc(*text, conf->out);
		if (*text == '\n')
			fputs("# ", conf->out);
	}
	fputc('\n', conf->out);
}
