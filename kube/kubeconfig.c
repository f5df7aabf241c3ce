/* kubeconfig.c - see kubeconfig.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/base64.h"
#include "kube/kubeconfig.h"
#include "kube/kubeconfig_decode.h"
#include "kube/pem.h"
#include "lib/mem.h"

enum { FILES_MAX = 16 };

/* The files of $KUBECONFIG in their order: the first to name a thing wins. */
struct files {
	struct kubeconfig doc[FILES_MAX];
	size_t	n;
};

struct kube_env
kube_env_get(void)
{
	return (struct kube_env){
		.kubeconfig = getenv("KUBECONFIG"),
		.home = getenv("HOME"),
		.service_host = getenv("KUBERNETES_SERVICE_HOST"),
		.service_port = getenv("KUBERNETES_SERVICE_PORT"),
		.account_dir = KUBE_ACCOUNT_DIR,
	};
}

void
kube_access_fini(struct kube_access *a)
{
	arena_fini(&a->arena);
	*a = (struct kube_access){ 0 };
}

/* A whole small file into the arena; 0 or -errno. */
static int
read_file(struct arena *arena, const char *path, const char **ret_text, size_t *ret_len)
{
	size_t len = 0;
	struct stat st;
	char *buf;
	int fd, r = 0;
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (st.st_size > KUBECONFIG_MAX)
		r = -EFBIG;
	if (r != 0)
		goto out;
	buf = arena_alloc(arena, (size_t)st.st_size + 1);
	while (len < (size_t)st.st_size) {
		n = read(fd, buf + len, (size_t)st.st_size - len);
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (r == 0) {
		*ret_text = buf;
		*ret_len = len;
	}
out:
	close(fd);
	return r;
}

/* path as seen from the folder of `file`. */
static const char *
resolve(struct arena *arena, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (path == NULL || path[0] == '/' || slash == NULL)
		return arena_strdup(arena, path);
	return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}

/* --- what the names lead to --------------------------------------------- */

/* Text given in base64; NULL where it is none. */
static char *
decode_base64(struct arena *arena, const char *text)
{
	char *out = arena_alloc(arena, strlen(text) + 1);

	return base64_decode(text, out) > 0 ? out : NULL;
}

/*
 * PEM text given as base64 (which wins, as for kubectl) or as a path. Its
 * content is handed out too, for checking.
 */
static int
load_pem(struct arena *arena, const char *file, const char *field, const char *data,
    const char *path, struct kube_pem *ret, const char **ret_text,
    struct kube_error *err)
{
	size_t len;
	int r;

	*ret_text = NULL;
	if (data != NULL) {
		*ret_text = ret->text = decode_base64(arena, data);
		if (ret->text != NULL)
			return 0;
		kube_error_set(err, "%s: %s-data is not base64: paste the output of "
		    "`base64 -w0 FILE`", file, field);
		return -EINVAL;
	}
	if (path == NULL)
		return 0;
	ret->path = resolve(arena, file, path);
	r = read_file(arena, ret->path, ret_text, &len);
	if (r == 0)
		return 0;
	kube_error_set(err, "%s: %s: cannot read %s: %s", file, field, ret->path,
	    strerror(-r));
	return -EINVAL;
}

static int
check_certs(const char *file, const char *field, const struct kube_pem *pem,
    const char *text, struct kube_error *err)
{
	if (text == NULL || pem_count_certs(text) > 0)
		return 0;
	kube_error_set(err, "%s: %s: %s holds no valid certificate: it must be PEM, "
	    "-----BEGIN CERTIFICATE-----", file, field,
	    pem->path != NULL ? pem->path : "the data");
	return -EINVAL;
}

static int
use_cluster(struct kube_access *a, const struct kubeconfig *k,
    const struct kubeconfig_cluster *c, struct kube_error *err)
{
	const char *text;
	size_t len;
	bool has_tls;
	char *server;
	int r;

	if (c->server == NULL) {
		kube_error_set(err, "%s: cluster \"%s\" has no server: write "
		    "server: https://HOST:6443", k->file, c->name);
		return -EINVAL;
	}
	server = arena_strdup(&a->arena, c->server);
	for (len = strlen(server); len > 0 && server[len - 1] == '/'; len--)
		server[len - 1] = '\0';
	has_tls = c->ca_data != NULL || c->ca_path != NULL || c->is_insecure;
	if (strstr(server, "://") == NULL)	/* as kubectl guesses */
		server = arena_printf(&a->arena, "%s://%s", has_tls ? "https" : "http",
		    server);
	a->server = server;
	a->tls_server_name = arena_strdup(&a->arena, c->tls_server_name);
	a->proxy_url = arena_strdup(&a->arena, c->proxy_url);
	a->is_insecure = c->is_insecure;
	if (c->is_insecure)	/* kubectl refuses a CA beside it, too */
		return 0;
	r = load_pem(&a->arena, k->file, "certificate-authority", c->ca_data,
	    c->ca_path, &a->ca, &text, err);
	if (r != 0)
		return r;
	return check_certs(k->file, "certificate-authority", &a->ca, text, err);
}

static int
use_certificate(struct kube_access *a, const struct kubeconfig *k,
    const struct kubeconfig_user *u, struct kube_error *err)
{
	const char *cert, *key;
	int r;

	r = load_pem(&a->arena, k->file, "client-certificate", u->cert_data,
	    u->cert_path, &a->cert, &cert, err);
	if (r == 0)
		r = load_pem(&a->arena, k->file, "client-key", u->key_data,
		    u->key_path, &a->key, &key, err);
	if (r == 0)
		r = check_certs(k->file, "client-certificate", &a->cert, cert, err);
	if (r != 0 || (cert == NULL && key == NULL))
		return r;
	if (cert == NULL || key == NULL) {
		kube_error_set(err, "%s: user \"%s\" has a %s without its %s: add it",
		    k->file, u->name, cert == NULL ? "client-key" : "client-certificate",
		    cert == NULL ? "client-certificate" : "client-key");
		return -EINVAL;
	}
	r = pem_check_key(cert, key);
	if (r != 0)
		kube_error_set(err, "%s: user \"%s\": client-key %s", k->file, u->name,
		    r == -EKEYREJECTED
		    ? "belongs to another certificate than client-certificate"
		    : "is no private key in PEM without a pass phrase");
	return r == 0 ? 0 : -EINVAL;
}

static int
use_user(struct kube_access *a, const struct kubeconfig *k,
    const struct kubeconfig_user *u, struct kube_error *err)
{
	if (u->plugin != NULL) {
		kube_error_set(err, "%s: user \"%s\" gets its credentials from %s%s%s, "
		    "which Herald does not run: use a token, a tokenFile or a client "
		    "certificate (in a pod: the service account)", k->file, u->name,
		    u->plugin, u->plugin_name != NULL ? " " : "",
		    u->plugin_name != NULL ? u->plugin_name : "");
		return -ENOTSUP;
	}
	a->token_file = resolve(&a->arena, k->file, u->token_file);
	if (a->token_file == NULL)
		a->token = arena_strdup(&a->arena, u->token);
	else if (access(a->token_file, R_OK) != 0) {
		kube_error_set(err, "%s: user \"%s\": tokenFile: cannot read %s: %s",
		    k->file, u->name, a->token_file, strerror(errno));
		return -EINVAL;
	}
	a->username = arena_strdup(&a->arena, u->username);
	a->password = arena_strdup(&a->arena, u->password);
	return use_certificate(a, k, u, err);
}

/* --- finding things by name over all files ------------------------------ */

/* One of the lists of a file; every entry begins with its name. */
struct list {
	const void *items;
	size_t	n, size;
};

static const void *
list_find(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *item = (const char *)l->items + i * l->size;

		if (strcmp(*(const char *const *)(const void *)item, name) == 0)
			return item;
	}
	return NULL;
}

enum what { CONTEXT, CLUSTER, USER };

static struct list
list_of(const struct kubeconfig *k, enum what what)
{
	switch (what) {
	case CONTEXT:
		return (struct list){ k->contexts, k->ncontexts, sizeof(*k->contexts) };
	case CLUSTER:
		return (struct list){ k->clusters, k->nclusters, sizeof(*k->clusters) };
	case USER:
		return (struct list){ k->users, k->nusers, sizeof(*k->users) };
	}
	return (struct list){ 0 };
}

/* The first file that has it wins; *ret_doc is that file. */
static const void *
find(const struct files *files, enum what what, const char *name,
    const struct kubeconfig **ret_doc)
{
	const void *item;

	for (size_t i = 0; name != NULL && i < files->n; i++) {
		struct list l = list_of(&files->doc[i], what);

		item = list_find(&l, name);
		if (item != NULL) {
			*ret_doc = &files->doc[i];
			return item;
		}
	}
	return NULL;
}

static int
not_found(const struct kubeconfig *k, const char *what, const char *name,
    const char *asked_by, struct kube_error *err)
{
	if (name == NULL)
		kube_error_set(err, "%s: %s names no %s: add one", k->file, asked_by,
		    what);
	else
		kube_error_set(err, "%s: %s refers to %s \"%s\", which is in none of "
		    "the files: add it or correct the name", k->file, asked_by, what,
		    name);
	return -EINVAL;
}

static int
follow(const struct files *files, const char *context, struct kube_access *ret,
    struct kube_error *err)
{
	const struct kubeconfig *k = &files->doc[0], *ck = k, *uk = k;
	const struct kubeconfig_context *ctx;
	const struct kubeconfig_cluster *cluster;
	const struct kubeconfig_user *user;
	const char *asked_by = context != NULL ? "--context" : "current-context";
	int r;

	for (size_t i = 0; context == NULL && i < files->n; i++)
		context = files->doc[i].current_context;
	ctx = find(files, CONTEXT, context, &k);
	if (ctx == NULL)
		return not_found(k, "context", context, asked_by, err);
	asked_by = arena_printf(&ret->arena, "context \"%s\"", ctx->name);
	cluster = find(files, CLUSTER, ctx->cluster, &ck);
	if (cluster == NULL)
		return not_found(k, "cluster", ctx->cluster, asked_by, err);
	user = find(files, USER, ctx->user, &uk);
	if (user == NULL && ctx->user != NULL)
		return not_found(k, "user", ctx->user, asked_by, err);
	ret->origin = arena_printf(&ret->arena, "kubeconfig %s, %s", k->file, asked_by);
	ret->ns = arena_strdup(&ret->arena, ctx->ns);
	r = use_cluster(ret, ck, cluster, err);
	if (r == 0 && user != NULL)
		r = use_user(ret, uk, user, err);
	return r;
}

/* --- which files -------------------------------------------------------- */

static int
add_file(struct files *files, const char *path, bool is_required,
    struct kube_error *err)
{
	struct arena arena = { 0 };
	const char *text;
	size_t len;
	int r;

	r = read_file(&arena, path, &text, &len);
	if (r == -ENOENT && !is_required) {
		r = 0;
	} else if (r != 0) {
		kube_error_set(err, "cannot read kubeconfig %s: %s", path, strerror(-r));
		r = r == -ENOENT ? r : -EINVAL;
	} else if (files->n == FILES_MAX) {
		kube_error_set(err, "$KUBECONFIG names more than %d files", FILES_MAX);
		r = -EINVAL;
	} else {
		r = kubeconfig_decode(text, len, path, &files->doc[files->n], err);
		if (r == 0)
			files->n++;
	}
	arena_fini(&arena);
	return r;
}

static int
add_list(struct files *files, const char *list, struct kube_error *err)
{
	char *copy = mem_strdup(list), *save = NULL;
	int r = 0;

	for (char *path = strtok_r(copy, ":", &save); path != NULL && r == 0;
	    path = strtok_r(NULL, ":", &save))
		r = add_file(files, path, false, err);
	free(copy);
	if (r == 0 && files->n == 0) {
		kube_error_set(err, "no file of $KUBECONFIG (%s) exists", list);
		r = -ENOENT;
	}
	return r;
}

static int
load_files(struct files *files, const char *path, const struct kube_env *env,
    struct kube_error *err)
{
	char *home_path;
	int r;

	if (path[0] != '\0')
		return add_file(files, path, true, err);
	if (env->kubeconfig != NULL && env->kubeconfig[0] != '\0')
		return add_list(files, env->kubeconfig, err);
	if (env->home == NULL) {
		kube_error_set(err, "no kubeconfig: neither $KUBECONFIG nor $HOME is "
		    "set: use --source kubeconfig:PATH");
		return -ENOENT;
	}
	home_path = mem_printf("%s/.kube/config", env->home);
	r = add_file(files, home_path, true, err);
	if (r == -ENOENT)
		kube_error_set(err, "no kubeconfig: $KUBECONFIG is not set, %s does not "
		    "exist, and this is no pod: use --source kubeconfig:PATH or "
		    "--source dir:PATH", home_path);
	free(home_path);
	return r;
}

/* --- the two ways ------------------------------------------------------- */

static int
load_kubeconfig(const char *path, const char *context, const struct kube_env *env,
    struct kube_access *ret, struct kube_error *err)
{
	struct files *files = mem_zalloc(sizeof(*files));
	int r;

	r = load_files(files, path, env, err);
	if (r == 0)
		r = follow(files, context, ret, err);
	for (size_t i = 0; i < files->n; i++)
		kubeconfig_fini(&files->doc[i]);
	free(files);
	return r;
}

static bool
is_in_cluster(const struct kube_env *env)
{
	return env->service_host != NULL && env->service_host[0] != '\0' &&
	    env->service_port != NULL && env->service_port[0] != '\0';
}

static int
load_in_cluster(const struct kube_env *env, struct kube_access *ret,
    struct kube_error *err)
{
	const char *dir = env->account_dir, *text;
	struct arena *arena = &ret->arena;
	bool is_v6;
	size_t len;
	int r;

	if (!is_in_cluster(env)) {
		kube_error_set(err, "in-cluster: KUBERNETES_SERVICE_HOST or "
		    "KUBERNETES_SERVICE_PORT is not set, so this is no pod: use "
		    "--source kubeconfig:PATH");
		return -ENOENT;
	}
	ret->origin = "in-cluster";
	is_v6 = strchr(env->service_host, ':') != NULL;
	ret->server = arena_printf(arena, is_v6 ? "https://[%s]:%s" : "https://%s:%s",
	    env->service_host, env->service_port);
	ret->token_file = arena_printf(arena, "%s/token", dir);
	if (access(ret->token_file, R_OK) != 0) {
		kube_error_set(err, "in-cluster: cannot read %s: %s: set "
		    "automountServiceAccountToken: true", ret->token_file,
		    strerror(errno));
		return -EINVAL;
	}
	r = load_pem(arena, "in-cluster", "ca.crt", NULL,
	    arena_printf(arena, "%s/ca.crt", dir), &ret->ca, &text, err);
	if (r == 0)
		r = check_certs("in-cluster", "ca.crt", &ret->ca, text, err);
	if (r == 0 && read_file(arena, arena_printf(arena, "%s/namespace", dir), &text,
	    &len) == 0)
		ret->ns = arena_strndup(arena, text, strcspn(text, "\r\n"));
	return r;
}

int
kube_access_load(const char *spec, const char *context, const struct kube_env *env,
    struct kube_access *ret, struct kube_error *ret_err)
{
	struct kube_access a = { 0 };
	int r;

	if (spec == NULL)
		spec = is_in_cluster(env) ? "in-cluster" : "kubeconfig:";
	if (strcmp(spec, "in-cluster") == 0) {
		r = load_in_cluster(env, &a, ret_err);
	} else if (strncmp(spec, "kubeconfig:", 11) == 0) {
		r = load_kubeconfig(spec + 11, context, env, &a, ret_err);
	} else {
		kube_error_set(ret_err, "source \"%s\" is unknown: write dir:PATH, "
		    "in-cluster or kubeconfig:PATH", spec);
		r = -EINVAL;
	}
	if (r != 0) {
		kube_access_fini(&a);
		return r;
	}
	*ret = a;
	return 0;
}
