/*
 * drain_io.h - heraldctl drain and undrain: have a node hand over what it
 * attracts, or take its part again.
 *
 * The order is an annotation of the Node (KUBE_DRAIN_KEY), which every speaker
 * sees; the node's own speaker is asked how far it has come.
 */
#ifndef HERALD_CTL_DRAIN_IO_H
#define HERALD_CTL_DRAIN_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct drain_conf {
	const char *source;		/* as struct kube_source_conf's spec; NULL */
	const char *context;		/* of the kubeconfig; NULL its current one */
	uint16_t port;			/* of speakers' HTTP server */
	unsigned timeout_sec;		/* to wait for the node; 0 not at all */
};

/*
 * Give the order, then write to out how far the node is, until it is through.
 * 0: it is, and nothing is left; 1: some VIP or route is left, or time is up;
 * -errno where the order could not be given or the speaker not be asked. What
 * is wrong is said on stderr.
 */
int drain_run(const struct drain_conf *conf, const char *node, bool is_drain,
    FILE *out);

#endif
