/*
 * files.h - read manifests from files, folders and standard input, for the
 * commands of heraldctl.
 */
#ifndef HERALD_CTL_FILES_H
#define HERALD_CTL_FILES_H

#include "kube/manifest.h"

/* As kube_manifest_fn; file is the path, or "stdin". */
typedef void files_fn(void *arg, const char *file,
    const struct kube_manifest_item *item);

/*
 * Call fn for every object in the files and folders (*.yaml, *.yml, *.json, not
 * deeper), "-" for standard input. Returns 0, or -errno where a path cannot be
 * read, which is said on stderr; what comes after it is then not read.
 */
int files_read(char *const *paths, int n, const struct kube_manifest_conf *conf,
    files_fn *fn, void *arg);

#endif
