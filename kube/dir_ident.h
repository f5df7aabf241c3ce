/*
 * dir_ident.h - one object of a directory: the claims that files lay to it,
 * its refusal, its status, and what of that the store is shown. For dir.c,
 * which knows the files.
 */
#ifndef HERALD_KUBE_DIR_IDENT_H
#define HERALD_KUBE_DIR_IDENT_H

#include "kube/dir.h"

/* The object of a key, or NULL. */
struct dir_ident *dir_ident_find(const struct dir *d, const char *key);

/* The same, made where it is not there; ns may be NULL or "". */
struct dir_ident *dir_ident_make(struct dir *d, enum kube_kind kind, const char *ns,
    const char *name);

/* Forget it where nothing is known of it any more. */
void dir_ident_drop(struct dir *d, struct dir_ident *id);

/* Into and out of its ident's list. */
void dir_claim_link(struct dir_claim *c);
void dir_claim_unlink(struct dir_claim *c);
void dir_claim_free(struct dir_claim *c);

/*
 * The object is refused as a file has it; json is taken over. Of two files the
 * first to say so counts until it is mended or gone.
 */
void dir_refuse(struct dir_ident *id, const struct dir_file *file, unsigned line,
    char *json);

/* That file refuses it no more. */
void dir_unrefuse(struct dir_ident *id, const struct dir_file *file);

/* Make the store agree with what is known of the object. */
void dir_publish(struct dir *d, struct dir_ident *id);

/* Tell the user. */
void dir_say(const struct dir *d, enum log_level level, const char *file,
    unsigned line, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* The object's status is of no use. */
void dir_say_status(const struct dir *d, const struct dir_ident *id,
    const struct kube_error *err);

#endif
