/*
 * explain_io.h - heraldctl explain: fetch the objects, ask the speakers, say where
 * traffic to a Service stops.
 */
#ifndef HERALD_CTL_EXPLAIN_IO_H
#define HERALD_CTL_EXPLAIN_IO_H

#include <stdint.h>
#include <stdio.h>

struct explain_conf {
	const char *source;		/* as struct kube_source_conf's spec; NULL */
	const char *context;		/* of the kubeconfig; NULL its current one */
	const char *ns;			/* of Herald's resources; NULL herald-system */
	const char *api_group;		/* of these; NULL ours */
	const char *lb_class;		/* as the controller's --lb-class; NULL */
	uint16_t port;			/* of speakers' HTTP server */
};

/*
 * what: "svc/NAME", "svc/NS/NAME", "NS/NAME" or "NAME" (in namespace default).
 * 0: nothing stops traffic; 1: something does; -errno where source or what is no
 * good, said on stderr.
 */
int explain_service_run(const struct explain_conf *conf, const char *what, FILE *out);

#endif
