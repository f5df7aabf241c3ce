#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kube/report.h"
#include "lib/hash.h"

enum { CUT = 46 };			/* so much of a name, beside a hash */

/* The first CUT characters of s, less, for it to end as a name may; then hash. */
static const char *
cut_and_hash(const char *s, uint64_t hash, char *buf, size_t size)
{
	int len = (int)strnlen(s, CUT);

	while (len > 0 && !isalnum((unsigned char)s[len - 1]))
		len--;
	snprintf(buf, size, "%.*s-%016" PRIx64, len, s, hash);
	return buf;
}

const char *
kube_label_value(const char *s, char buf[KUBE_LABEL_LEN])
{
	if (strlen(s) >= KUBE_LABEL_LEN)
		return cut_and_hash(s, hash_str(s, 0), buf, KUBE_LABEL_LEN);
	return strcpy(buf, s);
}

const char *
kube_report_name(const char *node, const char *ns, const char *name,
    char buf[KUBE_REPORT_NAME_LEN])
{
	uint64_t hash = hash_str(name, hash_str(ns, hash_str(node, 0)));

	return cut_and_hash(name, hash, buf, KUBE_REPORT_NAME_LEN);
}

const char *
kube_report_node(const struct kube_object *o)
{
	const char *node = NULL;

	if (o->kind == KUBE_SERVICE_L2_STATUS || o->kind == KUBE_SERVICE_BGP_STATUS)
		node = o->service_status.node;
	else if (o->kind == KUBE_BGP_SESSION_STATE)
		node = o->session_state.node;
	return node != NULL ? node : "";
}

static uint64_t
mix(const char *s, uint64_t hash)
{
	return hash_str(s != NULL ? s : "", hash);
}

uint64_t
kube_report_hash(const struct kube_object *o)
{
	const struct kube_service_status *svc = &o->service_status;
	const struct kube_session_state *s = &o->session_state;
	uint64_t hash = mix(kube_report_node(o), 0);

	if (o->kind == KUBE_BGP_SESSION_STATE) {
		hash = mix(s->vrf, mix(s->peer_name, mix(s->peer, hash)));
		hash = mix(s->bfd, mix(s->bgp, hash));
	} else {
		hash = mix(svc->svc_name, mix(svc->svc_ns, hash));
		for (size_t i = 0; i < svc->nnames; i++)
			hash = mix(svc->names[i], hash);
		if (svc->conflict.status != NULL &&
		    strcmp(svc->conflict.status, "True") == 0)
			hash = mix(svc->conflict.message, mix(svc->conflict.reason, hash));
	}
	return hash != 0 ? hash : 1;
}
