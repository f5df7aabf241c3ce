/*
 * plan_profile.c - what a ForwardingProfile makes of a Service's endpoints.
 *
 * Each node checks the endpoints it hosts, and those that are on no node, which
 * nobody else can vouch for. Health only shapes the plan's input: an endpoint
 * that is down is one that takes nothing new, as if it were not ready.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "kube/profile.h"
#include "kube/tls.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/sort.h"
#include "speaker/plan_impl.h"

/* --- which Service has which ------------------------------------------------ */

static enum probe_kind
kind_of(enum kube_check_type type)
{
	switch (type) {
	case KUBE_CHECK_TCP_HALF_OPEN:
		return PROBE_TCP_HALF_OPEN;
	case KUBE_CHECK_HTTP:
	case KUBE_CHECK_HTTPS:
		return PROBE_HTTP;
	case KUBE_CHECK_GRPC:
		return PROBE_GRPC;
	case KUBE_CHECK_UDP:
		return PROBE_UDP;
	case KUBE_CHECK_DNS:
		return PROBE_DNS;
	case KUBE_CHECK_TCP:
	case KUBE_CHECK_NONE:
		break;
	}
	return PROBE_TCP;
}

static const uint8_t *
copy_bytes(struct arena *a, const struct kube_bytes *b)
{
	uint8_t *to;

	if (b->b == NULL)
		return NULL;
	to = arena_alloc(a, b->len + 1);
	memcpy(to, b->b, b->len);
	return to;
}

/* Without what it names no check is made: nothing is known of endpoints then. */
static void
set_tls(const struct plan_ctx *ctx, const struct kube_object *profile, struct plan *ret,
    struct probe_conf *p)
{
	struct kube_tls tls = { .ca = NULL };
	struct kube_error err;

	if (kube_profile_tls(ctx->in->store, profile, &tls, &err) != 0)
		p->fault = arena_strdup(ctx->arena, err.text);
	p->tls_ca = arena_strdup(ctx->arena, tls.ca);
	p->tls_cert = arena_strdup(ctx->arena, tls.cert);
	p->tls_key = arena_strdup(&ret->secrets, tls.key);
}

/* A copy: the plan outlives what the store holds. */
static struct probe_conf *
conf_of(const struct plan_ctx *ctx, const struct kube_object *profile, struct plan *ret)
{
	const struct kube_health_check *c = &profile->profile.check;
	struct arena *a = ctx->arena;
	struct probe_conf *p = arena_alloc(a, sizeof(*p));
	struct probe_status_range *statuses;

	statuses = arena_array(a, c->nstatuses, sizeof(*statuses));
	for (size_t i = 0; i < c->nstatuses; i++)
		statuses[i] = (struct probe_status_range){ c->statuses[i].first,
			c->statuses[i].last };
	*p = (struct probe_conf){
		.kind = kind_of(c->type),
		.health = { .interval_ms = c->interval_ms, .timeout_ms = c->timeout_ms,
		    .rise = c->rise, .fall = c->fall,
		    .jitter_percent = c->jitter_percent,
		    .starts_down = c->starts_down },
		.path = arena_strdup(a, c->path),
		.host = arena_strdup(a, c->host),
		.statuses = statuses, .nstatuses = c->nstatuses,
		.body_regex = arena_strdup(a, c->body_regex),
		.is_tls = c->is_tls,
		.tls_name = arena_strdup(a, c->tls_name),
		.grpc_service = arena_strdup(a, c->grpc_service),
		.send = copy_bytes(a, &c->send), .send_len = c->send.len,
		.expect = copy_bytes(a, &c->expect), .expect_len = c->expect.len,
		.dns_name = arena_strdup(a, c->dns_name), .dns_type = c->dns_type,
	};
	set_tls(ctx, profile, ret, p);
	return p;
}

/* The profile's conf, made by the first Service that has it. */
static struct probe_conf *
shared_conf(struct plan_ctx *ctx, const struct kube_object *profile, struct plan *ret,
    struct probe_conf **confs)
{
	struct kube_list all = kube_store_list(ctx->in->store, KUBE_FORWARDING_PROFILE);
	size_t i = 0;

	if (profile->profile.check.type == KUBE_CHECK_NONE)
		return NULL;
	while (all.items[i] != profile)
		i++;
	if (confs[i] == NULL)
		confs[i] = conf_of(ctx, profile, ret);
	return confs[i];
}

static void
warn_of_choice(struct plan *ret, const struct kube_object *svc,
    const struct kube_profile_choice *choice)
{
	if (choice->missing != NULL)
		plan_warn(ret, "%s/%s: the annotation " KUBE_ANNOTATION_PROFILE " names "
		    "ForwardingProfile \"%s\", which is not there or was refused, so the "
		    "defaults hold; create it or correct the name", svc->meta.ns,
		    svc->meta.name, choice->missing);
	else if (choice->profile != NULL && choice->profile->profile.nfallback > 0 &&
	    svc->service.external_policy == KUBE_POLICY_LOCAL)
		plan_warn(ret, "%s/%s: externalTrafficPolicy is Local, so the fallback of "
		    "ForwardingProfile \"%s\", which is on no node, never serves; make it "
		    "Cluster, or remove the fallback", svc->meta.ns, svc->meta.name,
		    choice->profile->meta.name);
}

static void
warn_of_fault(struct plan *ret, const struct plan_choice *c,
    const struct kube_profile_choice *choice)
{
	if (c->conf != NULL && c->conf->fault != NULL)
		plan_warn(ret, "%s/%s: its endpoints are not checked and stay as they are: "
		    "ForwardingProfile \"%s\": %s", c->svc->meta.ns, c->svc->meta.name,
		    choice->profile->meta.name, c->conf->fault);
}

void
plan_choose_profiles(struct plan_ctx *ctx, struct plan *ret)
{
	struct kube_list svcs = kube_store_list(ctx->in->store, KUBE_SERVICE);
	size_t nprofiles = kube_store_list(ctx->in->store, KUBE_FORWARDING_PROFILE).n;
	struct probe_conf **confs;

	confs = arena_array(&ctx->scratch, nprofiles, sizeof(*confs));
	ctx->choices = arena_array(&ctx->scratch, nprofiles > 0 ? svcs.n : 0,
	    sizeof(*ctx->choices));
	for (size_t i = 0; i < svcs.n; i++) {
		const struct kube_object *svc = svcs.items[i];
		struct kube_profile_choice choice;

		if (!svc->service.is_load_balancer || svc->service.ningress == 0)
			continue;
		choice = kube_profile_of(ctx->in->store, svc);
		warn_of_choice(ret, svc, &choice);
		if (choice.profile == NULL)
			continue;
		ctx->choices[ctx->nchoices++] = (struct plan_choice){
			.svc = svc,
			.profile = &choice.profile->profile,
			.conf = shared_conf(ctx, choice.profile, ret, confs),
			.id = vouch_service(svc->meta.ns, svc->meta.name),
		};
		warn_of_fault(ret, &ctx->choices[ctx->nchoices - 1], &choice);
	}
}

static int
choice_cmp(const void *va, const void *vb)
{
	const struct plan_choice *a = va, *b = vb;
	int c = strcmp(a->svc->meta.ns, b->svc->meta.ns);

	return c != 0 ? c : strcmp(a->svc->meta.name, b->svc->meta.name);
}

struct plan_choice *
plan_choice_of(const struct plan_ctx *ctx, const struct kube_object *svc)
{
	const struct plan_choice key = { .svc = svc };

	return ctx->nchoices == 0 ? NULL : bsearch(&key, ctx->choices, ctx->nchoices,
	    sizeof(key), choice_cmp);
}

/* --- checks and verdicts ------------------------------------------------------ */

static uint16_t
port_to_check(const struct plan_choice *c, uint16_t number)
{
	return c->profile->check.port != 0 ? c->profile->check.port : number;
}

/* NULL: this node. */
static const char *
voucher(const struct plan_ctx *ctx, const struct kube_endpoint *ep)
{
	return ep->node_name != NULL && strcmp(ep->node_name, ctx->in->self) == 0 ?
	    NULL : ep->node_name;
}

void
plan_check_endpoint(struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_endpoint *ep, uint16_t number)
{
	uint16_t port = port_to_check(c, number);

	if (c->conf == NULL || voucher(ctx, ep) != NULL)
		return;
	ctx->checks = mem_grow(ctx->checks, ctx->nchecks, &ctx->checks_cap,
	    sizeof(*ctx->checks));
	ctx->checks[ctx->nchecks++] = (struct plan_check){
		.want = { .id = vouch_id(c->id, &ep->ip, port), .ip = ep->ip,
		    .port = port, .conf = c->conf },
		.ns = c->svc->meta.ns,
		.service = c->svc->meta.name,
	};
}

bool
plan_is_down(const struct plan_ctx *ctx, const struct plan_choice *c,
    const struct kube_endpoint *ep, uint16_t number)
{
	return c != NULL && c->conf != NULL && ctx->in->vouch != NULL &&
	    vouch_is_down(ctx->in->vouch, voucher(ctx, ep),
	    vouch_id(c->id, &ep->ip, port_to_check(c, number)));
}

static int
check_cmp(const void *va, const void *vb)
{
	const struct plan_check *a = va, *b = vb;

	return a->want.id < b->want.id ? -1 : a->want.id > b->want.id;
}

void
plan_finish_profiles(struct plan_ctx *ctx, struct plan *ret)
{
	sort_items(ret->quorums, ret->nquorums, sizeof(*ret->quorums), plan_quorum_cmp);
	sort_items(ctx->checks, ctx->nchecks, sizeof(*ctx->checks), check_cmp);
	ret->checks = arena_array(ctx->arena, ctx->nchecks, sizeof(*ret->checks));
	for (size_t i = 0; i < ctx->nchecks; i++) {
		struct plan_check *k = &ret->checks[ret->nchecks];

		/* Two VIPs, or two ports and one to check. */
		if (i > 0 && ctx->checks[i].want.id == ctx->checks[i - 1].want.id)
			continue;
		*k = ctx->checks[i];
		k->ns = arena_strdup(ctx->arena, k->ns);
		k->service = arena_strdup(ctx->arena, k->service);
		ret->nchecks++;
	}
	free(ctx->checks);
}
