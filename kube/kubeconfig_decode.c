/* kubeconfig_decode.c - see kubeconfig_decode.h. */
#include <errno.h>
#include <string.h>

#include "kube/decode_impl.h"
#include "kube/kubeconfig_decode.h"
#include "kube/yaml.h"

enum { ENTRIES_MAX = 4096 };

static const char *
str(struct dec *d, const struct dec_at *up, const char *key)
{
	struct dec_at at = dec_field(up, key);

	return dec_str(d, &at);
}

/* The name that contexts refer to an entry by. */
static const char *
entry_name(struct dec *d, const struct dec_at *entry)
{
	struct dec_at at = dec_field(entry, "name");
	const char *name = dec_str(d, &at);

	if (name == NULL)
		dec_fail(d, &at, "is missing; contexts refer to an entry by its name");
	return name;
}

static struct kubeconfig_cluster
decode_cluster(struct dec *d, const struct dec_at *entry)
{
	struct dec_at at = dec_field(entry, "cluster");
	struct dec_at insecure = dec_field(&at, "insecure-skip-tls-verify");

	(void)dec_is_object(d, &at);
	return (struct kubeconfig_cluster){
		.name = entry_name(d, entry),
		.server = str(d, &at, "server"),
		.ca_path = str(d, &at, "certificate-authority"),
		.ca_data = str(d, &at, "certificate-authority-data"),
		.tls_server_name = str(d, &at, "tls-server-name"),
		.proxy_url = str(d, &at, "proxy-url"),
		.is_insecure = dec_bool(d, &insecure, false),
	};
}

static struct kubeconfig_user
decode_user(struct dec *d, const struct dec_at *entry)
{
	struct dec_at at = dec_field(entry, "user");
	struct dec_at exec = dec_field(&at, "exec");
	struct dec_at provider = dec_field(&at, "auth-provider");
	struct kubeconfig_user u;

	(void)dec_is_object(d, &at);
	u = (struct kubeconfig_user){
		.name = entry_name(d, entry),
		.cert_path = str(d, &at, "client-certificate"),
		.cert_data = str(d, &at, "client-certificate-data"),
		.key_path = str(d, &at, "client-key"),
		.key_data = str(d, &at, "client-key-data"),
		.token = str(d, &at, "token"),
		.token_file = str(d, &at, "tokenFile"),
		.username = str(d, &at, "username"),
		.password = str(d, &at, "password"),
	};
	if (dec_is_object(d, &exec)) {
		u.plugin = "exec";
		u.plugin_name = str(d, &exec, "command");
	} else if (dec_is_object(d, &provider)) {
		u.plugin = "auth-provider";
		u.plugin_name = str(d, &provider, "name");
	}
	return u;
}

static struct kubeconfig_context
decode_context(struct dec *d, const struct dec_at *entry)
{
	struct dec_at at = dec_field(entry, "context");

	(void)dec_is_object(d, &at);
	return (struct kubeconfig_context){
		.name = entry_name(d, entry),
		.cluster = str(d, &at, "cluster"),
		.user = str(d, &at, "user"),
		.ns = str(d, &at, "namespace"),
	};
}

/* The three lists look alike: [{name: N, KIND: {...}}, ...]. */
static void
decode_root(struct dec *d, const cJSON *tree, struct kubeconfig *k)
{
	const struct dec_at root = { .node = tree };
	struct dec_at list, it;

	if (!dec_is_object(d, &root))
		dec_fail(d, &root, "is no kubeconfig; it holds clusters, users and "
		    "contexts");
	k->current_context = str(d, &root, "current-context");

	list = dec_field(&root, "clusters");
	k->clusters = arena_array(d->arena, dec_count(d, &list, ENTRIES_MAX),
	    sizeof(*k->clusters));
	for (it = dec_first(&list); it.node != NULL && !d->is_bad; it = dec_next(&it))
		k->clusters[k->nclusters++] = decode_cluster(d, &it);

	list = dec_field(&root, "users");
	k->users = arena_array(d->arena, dec_count(d, &list, ENTRIES_MAX),
	    sizeof(*k->users));
	for (it = dec_first(&list); it.node != NULL && !d->is_bad; it = dec_next(&it))
		k->users[k->nusers++] = decode_user(d, &it);

	list = dec_field(&root, "contexts");
	k->contexts = arena_array(d->arena, dec_count(d, &list, ENTRIES_MAX),
	    sizeof(*k->contexts));
	for (it = dec_first(&list); it.node != NULL && !d->is_bad; it = dec_next(&it))
		k->contexts[k->ncontexts++] = decode_context(d, &it);
}

struct first {
	cJSON	*tree;
	struct kube_error err;
	unsigned line;
	bool	is_taken;
};

/* A kubeconfig is one document; what stands behind it kubectl ignores, too. */
static void
take_first(void *arg, cJSON *tree, unsigned line, const struct kube_error *err)
{
	struct first *f = arg;

	if (f->is_taken) {
		cJSON_Delete(tree);
		return;
	}
	f->is_taken = true;
	f->tree = tree;
	f->line = line;
	if (tree == NULL)
		f->err = *err;
}

int
kubeconfig_decode(const char *text, size_t len, const char *file,
    struct kubeconfig *ret, struct kube_error *ret_err)
{
	struct first first = { .err = { "is empty" } };
	struct kubeconfig k = { 0 };
	struct dec d = { .arena = &k.arena, .err = &first.err, .has_lines = true };

	kube_yaml_read(text, len, take_first, &first);
	if (first.tree != NULL) {
		k.file = arena_strdup(&k.arena, file);
		decode_root(&d, first.tree, &k);
		cJSON_Delete(first.tree);
	}
	if (first.tree == NULL || d.is_bad) {
		kube_error_set(ret_err, "%s:%u: %s", file,
		    d.is_bad ? d.line : first.line, first.err.text);
		arena_fini(&k.arena);
		return -EINVAL;
	}
	*ret = k;
	return 0;
}

void
kubeconfig_fini(struct kubeconfig *k)
{
	arena_fini(&k->arena);
	*k = (struct kubeconfig){ 0 };
}
