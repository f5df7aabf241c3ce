/*
 * kubeconfig.h - where the API server is and who we are to it: from a
 * kubeconfig, read as kubectl reads it, or from a pod's service account.
 *
 * Called once at start. What is in files of its own (CA, certificate, token)
 * stays a path where it can change while we run, and is checked here so that
 * a mistake is told at start and not by the first failed request.
 */
#ifndef HERALD_KUBE_KUBECONFIG_H
#define HERALD_KUBE_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "kube/error.h"
#include "lib/arena.h"

/* The parts of the environment that matter; any may be NULL. */
struct kube_env {
	const char *kubeconfig;		/* $KUBECONFIG */
	const char *home;		/* $HOME */
	const char *service_host;	/* $KUBERNETES_SERVICE_HOST */
	const char *service_port;	/* $KUBERNETES_SERVICE_PORT */
	const char *account_dir;	/* of the service account's files */
};

#define KUBE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

/* PEM text, by content or by path; both NULL for none. */
struct kube_pem {
	const char *text;
	const char *path;
};

/* Everything lives in the arena. Absent strings are NULL. */
struct kube_access {
	struct arena arena;
	const char *origin;		/* for messages: which file, context */
	const char *server;		/* https://host[:port][/path], no final / */
	const char *ns;			/* of the context or the pod */
	struct kube_pem ca;		/* none: the system's */
	struct kube_pem cert, key;	/* client certificate: both or neither */
	bool	is_insecure;		/* do not verify the server */
	const char *tls_server_name;
	const char *proxy_url;
	const char *token;		/* fixed; NULL where token_file is set */
	const char *token_file;		/* re-read when it changes */
	const char *username, *password;
};

/* What the process's environment says. Points into it. */
struct kube_env kube_env_get(void);

/*
 * spec as in struct kube_source_conf (never "dir:"); context of the
 * kubeconfig, NULL for its current one. Returns 0 and fills *ret for
 * kube_access_fini(); -ENOENT where there is no configuration, -EINVAL where
 * it cannot be used, -ENOTSUP where it asks for what Herald cannot do (exec
 * and auth-provider plugins). *ret is untouched on failure and *ret_err says
 * which file, which field and what to do.
 */
int kube_access_load(const char *spec, const char *context,
    const struct kube_env *env, struct kube_access *ret,
    struct kube_error *ret_err);

void kube_access_fini(struct kube_access *a);

#endif
