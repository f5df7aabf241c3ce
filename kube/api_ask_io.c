/*
 * api_ask_io.c - one question to an HTTP server of a node, by way of the API
 * server's proxy; see api_impl.h.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "kube/api_impl.h"
#include "lib/mem.h"

enum { ANSWER_MAX = 256 << 20 };	/* of 10,000 Services a speaker tells 10 MB */

static void
explain(const struct api_ask *k, const struct http_answer *ans, struct kube_error *ret)
{
	struct kube_status st = { 0 };

	(void)kube_decode_status(ans->body, ans->len, &st);
	if (ans->status == 0 || ans->text[0] != '\0')
		kube_error_set(ret, "cannot ask node %s: %s", k->node, ans->text);
	else if (ans->status == 403)
		kube_error_set(ret, "not allowed to ask node %s by way of the API "
		    "server: %s: add to the ClusterRole bound to this account: "
		    "apiGroups: [\"\"], resources: [\"nodes/proxy\"], verbs: [\"get\"]",
		    k->node, st.message);
	else
		kube_error_set(ret, "cannot ask node %s by way of the API server: HTTP "
		    "%d%s%s", k->node, ans->status, st.message[0] != '\0' ? ": " : "",
		    st.message);
}

static void
ask_done(void *arg, const struct http_answer *ans)
{
	struct api *api = arg;
	struct api_ask *k = &api->ask;
	struct kube_error why = { "" };
	int error = api_write_error(ans);

	k->call = NULL;
	api_count("get", ans->status);
	if (error == 0 && ans->error != 0)
		error = -EIO;
	if (error != 0)
		explain(k, ans, &why);
	k->done(k->arg, error, error == 0 ? ans->body : why.text);
}

void
api_ask(struct api *api, const char *node, uint16_t port, const char *path,
    kube_done_fn *done, void *arg)
{
	struct api_ask *k = &api->ask;
	char *full = api_proxy_path(node, port, path);

	assert(k->call == NULL);
	free(k->node);
	k->node = mem_strdup(node);
	k->done = done;
	k->arg = arg;
	k->call = http_start(api->http, &(struct http_request){
		.method = "GET",
		.path = full,
		.timeout_sec = KUBE_ASK_SEC,
		.max_body = ANSWER_MAX,
		.done = ask_done,
		.arg = api,
	});
	free(full);
}

void
api_ask_stop(struct api *api)
{
	if (api->ask.call != NULL)
		http_cancel(api->ask.call);
	free(api->ask.node);
	api->ask = (struct api_ask){ 0 };
}
