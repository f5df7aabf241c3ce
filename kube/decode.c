/*
 * decode.c - see decode.h: text to tree, which kind it is, its metadata. The
 * kinds themselves are in decode_core.c, decode_secret.c, decode_discovery.c,
 * decode_crd.c, decode_bgp.c, decode_profile.c, decode_check.c and decode_report.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kube/decode_impl.h"
#include "kube/source_impl.h"
#include "lib/mem.h"

/* kubectl's copy of the whole manifest: as large as all the rest, never read. */
#define ANNOTATION_LAST "kubectl.kubernetes.io/last-applied-configuration"

static const struct {
	enum kube_kind kind;
	const char *group;		/* "" core; NULL: ours, or MetalLB's */
	const char *version;
	dec_kind_fn *decode;		/* NULL: metadata is all there is to it */
} kinds[] = {
	{ KUBE_SERVICE, "", "v1", dec_service },
	{ KUBE_NODE, "", "v1", dec_node },
	{ KUBE_NAMESPACE, "", "v1", NULL },
	{ KUBE_POD, "", "v1", dec_pod },
	{ KUBE_SECRET, "", "v1", dec_secret },
	{ KUBE_CONFIG_MAP, "", "v1", dec_config_map },
	{ KUBE_ENDPOINT_SLICE, "discovery.k8s.io", "v1", dec_slice },
	{ KUBE_ENDPOINT_SLICE, "discovery.k8s.io", "v1beta1", dec_slice },
	{ KUBE_IP_ADDRESS_POOL, NULL, "v1beta1", dec_pool },
	{ KUBE_L2_ADVERTISEMENT, NULL, "v1beta1", dec_l2adv },
	{ KUBE_BGP_ADVERTISEMENT, NULL, "v1beta1", dec_bgpadv },
	{ KUBE_BGP_PEER, NULL, "v1beta2", dec_bgp_peer },
	{ KUBE_COMMUNITY, NULL, "v1beta1", dec_community },
	{ KUBE_BFD_PROFILE, NULL, "v1beta1", dec_bfd_profile },
	{ KUBE_FORWARDING_PROFILE, KUBE_API_GROUP_DEFAULT, "v1beta1", dec_profile },
	{ KUBE_SERVICE_L2_STATUS, NULL, "v1beta1", dec_service_status },
	{ KUBE_SERVICE_BGP_STATUS, NULL, "v1beta1", dec_service_status },
	{ KUBE_BGP_SESSION_STATE, KUBE_API_GROUP_DEFAULT, "v1beta1", dec_session_state },
};

/* Groups whose resources have the form we read. */
static bool
is_pool_group(const char *group, size_t len)
{
	return (len == strlen(KUBE_API_GROUP_DEFAULT) &&
	    memcmp(group, KUBE_API_GROUP_DEFAULT, len) == 0) ||
	    (len == strlen(KUBE_API_GROUP_METALLB) &&
	    memcmp(group, KUBE_API_GROUP_METALLB, len) == 0);
}

/*
 * What an object says it is: the row of kinds[], or -ENOTSUP for something
 * that is none of our business, or -EPROTONOSUPPORT where it looks as if it
 * was meant for us.
 */
static int
kind_find(struct dec *d, const struct dec_at *api_version,
    const struct dec_at *kind, const char *own_group)
{
	const char *v = dec_peek(d, api_version), *k = dec_peek(d, kind);
	const char *slash, *version, *near = NULL;
	size_t len;

	if (v == NULL || k == NULL) {
		dec_fail(d, v == NULL ? api_version : kind, "is missing; every "
		    "object needs apiVersion and kind");
		return -EINVAL;
	}
	slash = strchr(v, '/');
	len = slash != NULL ? (size_t)(slash - v) : 0;
	version = slash != NULL ? slash + 1 : v;
	for (size_t i = 0; i < nitems(kinds); i++) {
		const char *group = kinds[i].group == NULL ? own_group :
		    kinds[i].group;
		bool is_group = strlen(group) == len && memcmp(group, v, len) == 0;

		if (strcmp(k, kube_kind_name(kinds[i].kind)) != 0)
			continue;
		if (is_group && strcmp(version, kinds[i].version) == 0)
			return (int)i;
		if (is_group && near == NULL)
			near = kinds[i].version;	/* the newest comes first */
		if (!is_group && kinds[i].group == NULL && is_pool_group(v, len)) {
			dec_fail(d, api_version, "is of another API group than "
			    "%s, which is read here; change it, or use "
			    "--api-group", own_group);
			return -EPROTONOSUPPORT;
		}
	}
	if (near != NULL) {
		dec_fail(d, api_version, "this version of %s is not read; write "
		    "%.*s%s", k, (int)(version - v), v, near);
		return -EPROTONOSUPPORT;
	}
	if (len == strlen(own_group) && memcmp(v, own_group, len) == 0) {
		dec_fail(d, kind, "Herald has no such kind; check the spelling");
		return -EPROTONOSUPPORT;
	}
	dec_fail(d, kind, "is not a kind that Herald reads");
	return -ENOTSUP;
}

/* The row to decode by; see decode.h on `wanted`. */
static int
kind_resolve(struct dec *d, const struct dec_at *root, const char *own_group,
    enum kube_kind wanted)
{
	struct dec_at api_version = dec_field(root, "apiVersion");
	struct dec_at kind = dec_field(root, "kind");
	int row;

	if (wanted != KUBE_NKINDS && api_version.node == NULL &&
	    kind.node == NULL) {
		for (row = 0; kinds[row].kind != wanted; row++)
			;
		return row;
	}
	row = kind_find(d, &api_version, &kind, own_group);
	if (row >= 0 && wanted != KUBE_NKINDS && kinds[row].kind != wanted) {
		dec_fail(d, &kind, "a %s was expected", kube_kind_name(wanted));
		return -EINVAL;
	}
	return row;
}

/* A DNS subdomain, or with a max of 63 and no dots a label (RFC 1123). */
static bool
is_dns_name(const char *s, size_t max, bool may_dot)
{
	size_t len = strlen(s);

	if (len == 0 || len > max || s[0] == '-' || s[len - 1] == '-' ||
	    s[0] == '.' || s[len - 1] == '.')
		return false;
	for (; *s != '\0'; s++)
		if (!(*s >= 'a' && *s <= 'z') && !(*s >= '0' && *s <= '9') &&
		    *s != '-' && !(*s == '.' && may_dot))
			return false;
	return true;
}

/* RFC 3339 in UTC, as the API writes a Time. */
static int64_t
meta_time(struct dec *d, const struct dec_at *at)
{
	const char *s = dec_peek(d, at), *rest;
	struct tm tm = { .tm_isdst = 0 };

	if (s == NULL)
		return 0;
	rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest != NULL && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (rest == NULL || strcmp(rest, "Z") != 0) {
		dec_fail(d, at, "is no time; write it as 2026-01-31T23:59:59Z");
		return 0;
	}
	return timegm(&tm);
}

/* Name and namespace: checked, for they become file names and URLs. */
static void
meta_names(struct dec *d, const struct dec_at *meta, const struct dec_opts *opts,
    struct kube_ident *id, struct kube_meta *m)
{
	struct dec_at name = dec_field(meta, "name");
	struct dec_at ns = dec_field(meta, "namespace");
	const char *s = dec_peek(d, &ns), *dflt = opts->default_ns;

	if (kube_kind_is_local(id->kind) && opts->own_ns != NULL)
		dflt = opts->own_ns;
	if (!kube_kind_is_namespaced(id->kind))
		s = NULL;
	else if (s == NULL && dflt == NULL)
		dec_fail(d, &ns, "is missing");
	else if (s == NULL)
		s = dflt;
	else if (!is_dns_name(s, 63, false))
		dec_fail(d, &ns, "is no name of a namespace; use at most 63 "
		    "lower-case letters, digits and '-'");
	if (d->is_bad)
		return;
	m->ns = arena_strdup(d->arena, s);
	s = dec_peek(d, &name);
	if (s == NULL)
		dec_fail(d, &name, "is missing");
	else if (!is_dns_name(s, KUBE_NAME_LEN - 1, true))
		dec_fail(d, &name, "is no name of an object; use lower-case "
		    "letters, digits, '-' and '.'");
	if (d->is_bad)
		return;
	m->name = arena_strdup(d->arena, s);
	snprintf(id->ns, sizeof(id->ns), "%s", m->ns != NULL ? m->ns : "");
	snprintf(id->name, sizeof(id->name), "%s", m->name);
}

static void
meta_decode(struct dec *d, const struct dec_at *root, const struct dec_opts *opts,
    struct kube_ident *id, struct kube_meta *m)
{
	struct dec_at meta = dec_field(root, "metadata");
	struct dec_at uid = dec_field(&meta, "uid");
	struct dec_at version = dec_field(&meta, "resourceVersion");
	struct dec_at generation = dec_field(&meta, "generation");
	struct dec_at created = dec_field(&meta, "creationTimestamp");
	struct dec_at deleted = dec_field(&meta, "deletionTimestamp");
	struct dec_at labels = dec_field(&meta, "labels");
	struct dec_at annotations = dec_field(&meta, "annotations");

	if (!dec_is_object(d, &meta)) {
		dec_fail(d, &meta, "is missing");
		return;
	}
	m->resource_version = dec_str(d, &version);
	if (m->resource_version != NULL &&
	    strlen(m->resource_version) >= KUBE_RV_LEN)
		dec_fail(d, &version, "is longer than any server's");
	else if (m->resource_version != NULL)
		snprintf(id->resource_version, KUBE_RV_LEN, "%s",
		    m->resource_version);
	meta_names(d, &meta, opts, id, m);
	m->generation = dec_int(d, &generation, 0, INT64_MAX, 0);
	m->created_sec = meta_time(d, &created);
	m->is_deleting = deleted.node != NULL;
	/* There are as many EndpointSlices and reports as Services. Of the former's
	   labels, which controllers write long, dec_slice() reads the one that matters. */
	if (id->kind == KUBE_ENDPOINT_SLICE || kube_kind_is_report(id->kind))
		return;
	m->uid = dec_str(d, &uid);
	m->labels = dec_map(d, &labels, NULL);
	m->annotations = dec_map(d, &annotations, ANNOTATION_LAST);
}

static void
status_decode(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	switch (o->kind) {
	case KUBE_SERVICE:
		dec_lb_status(d, root, &o->service);
		break;
	case KUBE_IP_ADDRESS_POOL:
		dec_pool_status(d, root, &o->pool);
		break;
	case KUBE_L2_ADVERTISEMENT:
		o->l2adv.accepted = dec_condition(d, root, "Accepted");
		break;
	case KUBE_BGP_ADVERTISEMENT:
		o->bgpadv.accepted = dec_condition(d, root, "Accepted");
		break;
	case KUBE_BGP_PEER:
		o->bgp_peer.accepted = dec_condition(d, root, "Accepted");
		break;
	case KUBE_FORWARDING_PROFILE:
		o->profile.accepted = dec_condition(d, root, "Accepted");
		break;
	default:
		break;
	}
}

/*
 * What can be said of an object that was refused; see types.h. Its status is
 * read for what it holds, good or bad.
 */
static struct kube_object *
stub_make(const struct dec_at *root, const struct dec_opts *opts,
    const struct dec_answer *from)
{
	struct kube_ident id = { .kind = from->id.kind };
	struct kube_object *o = kube_object_new(id.kind, 0);
	struct dec d = { .arena = &o->arena };

	meta_decode(&d, root, opts, &id, &o->meta);
	if (d.is_bad) {
		kube_object_free(o);
		return NULL;
	}
	status_decode(&d, root, o);
	o->why_refused = arena_strdup(&o->arena, from->err.text);
	return o;
}

/* Into o, whatever its kind was taken to be; the row of its kind, or -EINVAL. */
static int
object_decode(struct dec_at *root, const struct dec_opts *opts, struct dec_answer *ret,
    struct kube_object *o, bool *ret_is_bad)
{
	const char *own = opts->api_group != NULL ? opts->api_group :
	    KUBE_API_GROUP_DEFAULT;
	struct dec d = { .arena = &o->arena, .err = &ret->err,
		.has_lines = opts->has_lines,
		.is_metallb = strcmp(own, KUBE_API_GROUP_METALLB) == 0 };
	int row = -EINVAL;

	if (!cJSON_IsObject(root->node))
		dec_fail(&d, root, "is no object; it must begin with apiVersion "
		    "and kind");
	else
		row = kind_resolve(&d, root, own, opts->kind);
	if (row >= 0) {
		o->kind = ret->id.kind = kinds[row].kind;
		meta_decode(&d, root, opts, &ret->id, &o->meta);
	}
	if (!d.is_bad && kinds[row].decode != NULL)
		kinds[row].decode(&d, root, o);
	if (!d.is_bad)
		status_decode(&d, root, o);
	ret->line = d.line;
	*ret_is_bad = d.is_bad;
	return row;
}

/* Decoded once to see how much room it takes, then again into just that. */
int
dec_tree(const cJSON *tree, const struct dec_opts *opts, struct dec_answer *ret)
{
	struct kube_object trial = { .kind = KUBE_NKINDS };
	struct dec_at root = { .node = tree };
	bool is_bad;
	int row;

	*ret = (struct dec_answer){ .id.kind = opts->kind };
	row = object_decode(&root, opts, ret, &trial, &is_bad);
	if (!is_bad) {
		ret->object = kube_object_new(trial.kind, arena_used(&trial.arena) +
		    opts->spare);
		(void)object_decode(&root, opts, ret, ret->object, &is_bad);
	}
	arena_wipe(&trial.arena);	/* it may be a Secret's */
	if (ret->object != NULL)
		return 0;
	if (row < 0)
		return row;
	ret->object = stub_make(&root, opts, ret);
	return -EINVAL;
}

cJSON *
dec_parse(const char *json, size_t len, struct kube_error *ret_err)
{
	const char *end = json;
	unsigned line = 1;
	cJSON *tree;

	if (len > KUBE_TEXT_MAX) {
		kube_error_set(ret_err, "JSON text of %zu bytes is longer than "
		    "Herald reads (%d)", len, KUBE_TEXT_MAX);
		return NULL;
	}
	tree = len > 0 ? cJSON_ParseWithLengthOpts(json, len, &end, false) : NULL;
	if (end == NULL)
		end = json;
	for (; tree != NULL && end < json + len &&
	     strchr(" \t\r\n", *end) != NULL && *end != '\0'; end++)
		;
	if (tree != NULL && end == json + len)
		return tree;
	cJSON_Delete(tree);
	for (const char *p = json; p < end && p < json + len; p++)
		line += *p == '\n';
	kube_error_set(ret_err, "line %u: this is no JSON, or it breaks off "
	    "(at byte %zu of %zu)", line, (size_t)(end - json), len);
	return NULL;
}

int
kube_decode(const char *json, size_t len, const char *api_group,
    enum kube_kind kind, struct kube_object **ret_obj,
    struct kube_error *ret_err)
{
	struct dec_opts opts = { .api_group = api_group, .kind = kind };
	cJSON *tree = dec_parse(json, len, ret_err);
	struct dec_answer ans;
	int rc;

	if (tree == NULL)
		return -EINVAL;
	rc = dec_tree(tree, &opts, &ans);
	cJSON_Delete(tree);
	if (rc == 0) {
		*ret_obj = ans.object;
		return 0;
	}
	kube_object_free(ans.object);
	if (ret_err != NULL)
		*ret_err = ans.err;
	return rc;
}
