/*
 * conf.h - the speaker's command line.
 */
#ifndef HERALD_SPEAKER_CONF_H
#define HERALD_SPEAKER_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arp/vip.h"
#include "ipvs/director.h"
#include "lib/log.h"

enum { CONF_MAX_EXCLUDES = 32 };

struct speaker_conf {
	const char *node_name;		/* --node-name, $NODE_NAME or the hostname */
	const char *source;		/* --source; NULL for the default */
	const char *ns;			/* --namespace: our custom resources' */
	const char *api_group;		/* --api-group; NULL for the default */
	const char *http;		/* --http ADDRESS:PORT; NULL none */
	enum log_level log_level;
	bool	is_log_json;
	struct director_conf director;
	uint16_t bgp_port;		/* --bgp-port; 0: only dial */
	uint32_t bgp_drain_sec;		/* --bgp-drain-time */
	uint32_t drain_sec;		/* --drain-time */
	const char *mrt_path;		/* --mrt-dump; NULL none */
	uint32_t mrt_max_mb;		/* --mrt-dump-size */
	uint16_t liveness_port;
	uint16_t health_port;		/* --health-port */
	uint16_t sync_port;		/* --sync-port; 0: no connection sync */
	uint8_t	detect_mult;		/* --liveness MULTxINTERVALms */
	uint32_t interval_us;
	const char *key_file;		/* --liveness-key-file; NULL: no authentication */
	uint32_t l2_repeat_sec;		/* --l2-repeat */
	uint8_t	l2_nannounce;		/* --l2-announcements */
	uint8_t	l2_nprobes;		/* --l2-probes; 0: none before a first claim */
	enum arp_policy l2_policy;	/* --l2-conflict */
	uint32_t failback_delay_sec;	/* --failback-delay; 0 where is_sticky */
	bool	is_sticky;		/* --failback-delay never */
	bool	yields_on_cordon;	/* --yield-on-cordon */
	bool	has_reports;		/* --status-resources */
	bool	is_cleanup;		/* --cleanup: no speaker, see director_destroy() */
	const char *excludes[CONF_MAX_EXCLUDES];
	size_t	nexcludes;
	char	*owned[2];		/* strings of ours among the above */
};

enum conf_result {
	CONF_RUN,
	CONF_DONE,		/* --help or --version has been answered */
	CONF_BAD,		/* said why on stderr */
};

/* Fill *ret from the command line and the environment. */
enum conf_result conf_parse(int argc, char **argv, struct speaker_conf *ret);
void conf_fini(struct speaker_conf *conf);

/*
 * "3x100ms" to its parts: mult 2..50 (one lost packet must not be a death),
 * interval 3..10000 ms. 0 or -EINVAL.
 */
int conf_parse_liveness(const char *s, uint8_t *ret_mult, uint32_t *ret_interval_us);

#endif
