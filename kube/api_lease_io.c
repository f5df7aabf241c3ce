/*
 * api_lease_io.c - the Lease at the API server; see api_impl.h.
 *
 * In a slot of its own beside the writes, with a short limit and no retries:
 * a leader that cannot renew must know soon. After a request without an answer
 * the next goes over a new connection, for the old one may be dead.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "kube/api_impl.h"
#include "kube/lease_encode.h"
#include "lib/mem.h"

enum { ANSWER_MAX = 1 << 20 };

static const struct {
	const char *method, *verb;
} ops[] = {
	[LEASE_GET] = { "GET", "get" },
	[LEASE_CREATE] = { "POST", "create" },
	[LEASE_UPDATE] = { "PUT", "update" },
};

static void
explain(const struct api_lease *l, const struct http_answer *ans, struct kube_error *ret)
{
	const char *verb = ops[l->op].verb;
	struct kube_status st = { 0 };

	(void)kube_decode_status(ans->body, ans->len, &st);
	if (ans->status == 0 || ans->text[0] != '\0')
		kube_error_set(ret, "cannot %s the Lease %s: %s", verb, l->name,
		    ans->text);
	else if (ans->status == 403)
		kube_error_set(ret, "not allowed to %s the Lease %s: %s: add to the Role "
		    "(in its namespace) bound to this account: apiGroups: "
		    "[\"coordination.k8s.io\"], resources: [\"leases\"], verbs: "
		    "[\"get\", \"create\", \"update\"]", verb, l->name, st.message);
	else if (ans->status == 404 && l->op == LEASE_CREATE)
		kube_error_set(ret, "cannot create the Lease %s: %s: create the "
		    "namespace, or name another with --namespace", l->name, st.message);
	else
		kube_error_set(ret, "cannot %s the Lease %s: HTTP %d: %s", verb, l->name,
		    ans->status, st.message);
}

static void
lease_done(void *arg, const struct http_answer *ans)
{
	struct api *api = arg;
	struct api_lease *l = &api->lease;
	struct lease_record record;
	struct kube_error why = { "" };
	int error = api_write_error(ans);

	l->call = NULL;
	l->is_troubled = ans->status == 0;
	api_count(ops[l->op].verb, ans->status);
	/* Where the namespace is missing there is nothing to look for. */
	if (error == -ENOENT && l->op == LEASE_CREATE)
		error = -EIO;
	if (error == 0 && ans->error != 0)
		error = -EIO;
	if (error != 0) {
		explain(l, ans, &why);
	} else if (lease_decode(ans->body, ans->len, &record) != 0) {
		error = -EIO;
		kube_error_set(&why, "cannot %s the Lease %s: the answer is no Lease "
		    "(is there a proxy before the API server?)", ops[l->op].verb,
		    l->name);
	}
	l->done(l->arg, error, why.text, error == 0 ? &record : NULL);
}

void
api_lease(struct api *api, enum lease_do op, const char *ns, const char *name,
    const struct lease_record *record, kube_lease_fn *done, void *arg)
{
	struct api_lease *l = &api->lease;
	char *path = api_lease_path(ns, op == LEASE_CREATE ? NULL : name), *body = NULL;

	assert(l->call == NULL && op != LEASE_NOTHING);
	if (op != LEASE_GET)
		body = lease_encode(record, ns, name);
	free(l->name);
	l->name = mem_printf("%s/%s", ns, name);
	l->op = op;
	l->done = done;
	l->arg = arg;
	l->call = http_start(api->http, &(struct http_request){
		.method = ops[op].method,
		.path = path,
		.content_type = body != NULL ? "application/json" : NULL,
		.body = body,
		.timeout_sec = KUBE_LEASE_SEC,
		.max_body = ANSWER_MAX,
		.is_apart = l->is_troubled,
		.done = lease_done,
		.arg = api,
	});
	free(body);
	free(path);
}

void
api_lease_stop(struct api *api)
{
	if (api->lease.call != NULL)
		http_cancel(api->lease.call);
	free(api->lease.name);
	api->lease = (struct api_lease){ 0 };
}
