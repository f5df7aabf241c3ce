/*
 * kubeconfig_decode.h - the text of one kubeconfig file as plain C. Pure;
 * kubeconfig.c finds the files, merges them and follows the names.
 */
#ifndef HERALD_KUBE_KUBECONFIG_DECODE_H
#define HERALD_KUBE_KUBECONFIG_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "kube/error.h"
#include "lib/arena.h"

/* Absent strings are NULL, paths and base64 as written. */
struct kubeconfig_cluster {
	const char *name;
	const char *server;
	const char *ca_path, *ca_data;
	const char *tls_server_name;
	const char *proxy_url;
	bool	is_insecure;
};

struct kubeconfig_user {
	const char *name;
	const char *cert_path, *cert_data;
	const char *key_path, *key_data;
	const char *token, *token_file;
	const char *username, *password;
	const char *plugin;		/* "exec", "auth-provider" or NULL */
	const char *plugin_name;	/* its command, or NULL */
};

struct kubeconfig_context {
	const char *name;
	const char *cluster;
	const char *user;
	const char *ns;
};

struct kubeconfig {
	struct arena arena;
	const char *file;		/* where it came from */
	const char *current_context;
	struct kubeconfig_cluster *clusters;
	size_t	nclusters;
	struct kubeconfig_user *users;
	size_t	nusers;
	struct kubeconfig_context *contexts;
	size_t	ncontexts;
};

enum { KUBECONFIG_MAX = 4 << 20 };

/*
 * file is for messages and kept. 0, or -EINVAL with *ret untouched and
 * *ret_err naming file, field and remedy. For kubeconfig_fini().
 */
int kubeconfig_decode(const char *text, size_t len, const char *file,
    struct kubeconfig *ret, struct kube_error *ret_err);

void kubeconfig_fini(struct kubeconfig *k);

#endif
