/*
 * pools_io.h - the commands of heraldctl that read pools and their like from a
 * source or from files: import and plan.
 */
#ifndef HERALD_CTL_POOLS_IO_H
#define HERALD_CTL_POOLS_IO_H

#include <stdbool.h>
#include <stdio.h>

struct pools_conf {
	const char *source;		/* as struct kube_source_conf's spec; NULL */
	const char *context;		/* of the kubeconfig; NULL its current one */
	const char *ns;			/* of Herald's resources; NULL herald-system */
	const char *api_group;		/* plan: of the resources; NULL ours */
	const char *lb_class;		/* plan: as the controller's --lb-class; NULL */
	bool	is_all;			/* plan: other pools are to be deleted */
	bool	is_brief;		/* plan: leave out whom nothing happens to */
	bool	is_json;		/* plan */
};

/*
 * import metallb: write MetalLB's objects, of the n files or where n is 0 of
 * conf->source, as Herald's. Returns how many could not be written, or -errno
 * where files or source cannot be read (said on stderr).
 */
int pools_import(const struct pools_conf *conf, char *const *files, int n, FILE *out);

/*
 * plan: write what the resources in the n files would change in conf->source.
 * Returns the number of Services that would move or lose an address, of
 * objects refused and of documents that could not be read, together; or
 * -errno as above.
 */
int pools_plan(const struct pools_conf *conf, char *const *files, int n, FILE *out);

#endif
