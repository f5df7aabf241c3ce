/*
 * dir.h - what a directory of manifests amounts to: which file holds which
 * object, which of several wins, what stays while a file is broken, and the
 * statuses beside them. Keeps a kube_store up to date. Pure: dir_io.c reads
 * and writes the files.
 *
 * An object goes only when a file was read without fault and no longer has
 * it, or when the file is gone. While a document is broken, the object it
 * held stays as it was, and the store is shown a stub of it, too (store.h);
 * where it cannot be known which that is, every object stays that the file held
 * and that is not seen in it now.
 *
 * Of several files with the same object the first by name wins, within a file
 * the first by place. Once there is a status for an object, it is its whole
 * status, and the manifest's own no longer counts: as in the API, where a
 * status is not the manifest's to write.
 */
#ifndef HERALD_KUBE_DIR_H
#define HERALD_KUBE_DIR_H

#include <uthash.h>

#include "kube/manifest.h"
#include "kube/store.h"
#include "lib/log.h"

/* Tell the user: file is never NULL, line 0 where there is none. */
typedef void dir_say_fn(void *arg, enum log_level level, const char *file,
    unsigned line, const char *text);

struct dir_conf {
	unsigned kinds;			/* 1u << KUBE_..., all others are skipped */
	const char *node_name;		/* Pods and reports: only this node's; NULL
					   all */
	unsigned wide_kinds;		/* to which node_name does not apply */
	struct kube_manifest_conf manifest; /* own_ns: our resources elsewhere
					       are told of and skipped */
	dir_say_fn *say;
	/* The object is gone and has left a status behind; d must not be
	   changed from there. */
	void	(*orphaned)(void *arg, const char *key);
	void	*arg;
};

/* One object as one file has it. */
struct dir_claim {
	struct dir_ident *ident;
	struct dir_file *file;
	size_t	place;			/* among the file's claims */
	unsigned line;
	char	*json;			/* see struct kube_manifest_item */
	uint64_t hash;			/* of json */
	bool	is_kept;		/* its document is broken now */
	bool	is_secret;		/* json is to be overwritten when freed */
	struct dir_claim *next;		/* the next claim to the same object */
};

/* The object as a file has it that it is refused in; json NULL: none is. */
struct dir_refusal {
	const struct dir_file *file;
	unsigned line;
	char	*json;
	uint64_t hash;			/* of json */
};

struct dir_ident {
	enum kube_kind kind;
	const char *ns;			/* NULL cluster-scoped; in key's block */
	const char *name;
	struct dir_claim *claims;	/* by file name, then place */
	struct dir_refusal refusal;
	char	*status;		/* {"status":...} and annotations that lie over
					   the manifest's; a whole report; or NULL */
	uint64_t status_hash;
	uint64_t published;		/* hash in the store; 0 not there */
	const struct dir_file *published_file;
	unsigned published_line;
	uint64_t stubbed;		/* hash of the stub there; 0 none */
	unsigned seen_in, refused_in;	/* the loads that last did so */
	UT_hash_handle hh;
	char	key[];			/* KIND_NS_NAME, as under .status */
};

struct dir_file {
	struct dir_claim **claims;	/* in order of place */
	size_t	nclaims, cap;
	bool	is_unknown;		/* it cannot be told which objects it holds */
	struct dir_ident **refused;	/* those whose refusal names this file */
	size_t	nrefused;
	UT_hash_handle hh;
	char	name[];
};

struct dir {
	struct dir_conf conf;
	struct kube_store *store;
	struct dir_ident *idents;
	struct dir_file *files;
	unsigned nloads;
	unsigned changed;		/* kinds the store has news of; the reader's
					   to clear */
};

/* KIND_NS_NAME; ns may be NULL. */
enum { DIR_KEY_LEN = 32 + KUBE_NAME_LEN * 2 };
void dir_key(enum kube_kind kind, const char *ns, const char *name,
    char buf[DIR_KEY_LEN]);

/* conf's strings, store and say must outlive d. */
void dir_init(struct dir *d, const struct dir_conf *conf, struct kube_store *store);
void dir_fini(struct dir *d);

/*
 * A file was read: name is relative to the directory and tells by its suffix
 * whether this is JSON.
 */
void dir_load(struct dir *d, const char *name, const char *text, size_t len);

/* A file is there, but cannot be read: what it held before stays. */
void dir_load_failed(struct dir *d, const char *name);

/* A file is gone, and its objects with it. */
void dir_unload(struct dir *d, const char *name);

/*
 * The status of an object was read, or is gone (NULL). Kept also while there
 * is no such object. Of a report (report.h) it is the whole object. -EINVAL where
 * key or text is no good; that is told, and the status stays as it was.
 */
int dir_set_status(struct dir *d, const char *key, const char *text);

/*
 * What a patch makes of an object's status, for dir_set_status(); heap, "" for
 * none. Annotations may be patched likewise.
 * Returns 0, -ENOENT, -ESTALE (resource_version, where not NULL, is another)
 * or -EINVAL, with *ret_text untouched and *ret_err filled.
 */
int dir_patch(struct dir *d, const char *key, const char *resource_version,
    const char *patch, char **ret_text, struct kube_error *ret_err);

/* The name of a file that, as it is now, may hold more objects than we know; or NULL. */
const char *dir_unknown_file(const struct dir *d);

/* True where an object of this key, or its stub, is in the store. */
bool dir_has(const struct dir *d, const char *key);

#endif
