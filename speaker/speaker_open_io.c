/* speaker_open_io.c - see speaker_impl.h: open and close the parts, hear of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "speaker/bgp_encode.h"
#include "speaker/speaker_impl.h"
#include "speaker/status_encode.h"

static void
on_mesh(void *arg)
{
	struct speaker *s = arg;

	health_io_set_up(s->health, &s->mesh.alive);
	if (s->relay != NULL)
		relay_io_set_nodes(s->relay, s->mesh.self, &s->mesh.alive);
	s->is_dirty = true;
}

static void
on_change(void *arg, enum kube_kind kind)
{
	struct speaker *s = arg;

	if (kube_kind_is_report(kind)) {
		reporter_mark(&s->reporter);
		s->is_dirty |= s->conf->is_sticky && kind == KUBE_SERVICE_L2_STATUS;
		return;
	}
	/* Whose they are the store knows: see on_turn(). */
	s->is_dirty |= kind != KUBE_ENDPOINT_SLICE;
	s->are_nodes_dirty |= kind == KUBE_NODE;
}

static void
on_synced(void *arg)
{
	struct speaker *s = arg;

	log_info(LOG_OBJ("node", s->conf->node_name), "in step with the source");
	s->is_dirty = s->are_nodes_dirty = true;
}

static void
on_links(void *arg)
{
	speaker_links_changed(arg);
}

static void
on_health(void *arg)
{
	struct speaker *s = arg;

	s->is_dirty = s->has_health_news = true;
}

static void
on_conflict(void *arg, const struct ip *vip, const char *ifname, const uint8_t mac[6])
{
	struct speaker *s = arg;

	tell_conflict(&s->tell, vip, ifname, mac);
	s->has_l2_news = true;
}

static void
on_settled(void *arg, const struct ip *vip, const char *ifname)
{
	struct speaker *s = arg;

	tell_settled(&s->tell, vip, ifname);
	s->has_l2_news = true;
}

static void
on_announced(void *arg)
{
	struct speaker *s = arg;

	s->has_l2_news = true;
}

static int
on_http(void *arg, const char *path, FILE *f, const char **ret_type)
{
	struct speaker *s = arg;

	if (strcmp(path, "/readyz") == 0) {
		fputs(s->has_planned ? "ok\n" : "not in step with the source yet\n", f);
		return s->has_planned ? 200 : 503;
	}
	if (strcmp(path, "/status") == 0) {
		*ret_type = "application/json";
		status_encode(f, &(struct status_input){ .node = s->conf->node_name,
		    .plan = &s->plan, .apply = &s->apply, .alive = &s->mesh.alive,
		    .health = s->health, .tell = &s->tell, .now = clock_mono() });
		return 200;
	}
	if (strcmp(path, "/bgp") == 0 || strcmp(path, "/bgp/routes") == 0) {
		*ret_type = "application/json";
		(path[4] == '\0' ? bgp_encode_peers : bgp_encode_routes)(f,
		    s->conf->node_name, s->apply.bgp);
		return 200;
	}
	fputs("try /metrics, /healthz, /readyz, /status, /bgp or /bgp/routes\n", f);
	return 404;
}

static void
on_bgp_changed(void *arg)
{
	struct speaker *s = arg;

	reporter_mark(&s->reporter);
}

static void
on_bgp_stopped(void *arg)
{
	struct speaker *s = arg;

	s->is_bgp_ending = false;
	if (!ev_is_active(&s->leave))
		ev_break(s->loop, EVBREAK_ALL);
}

static int
open_engines(struct speaker *s, char err[512])
{
	const struct speaker_conf *conf = s->conf;
	const struct apply_bgp_conf bgp = {
		.port = conf->bgp_port, .drain_ms = conf->bgp_drain_sec * 1000,
		.mrt_path = conf->mrt_path,
		.mrt_max_bytes = (uint64_t)conf->mrt_max_mb * 1000000,
		.handler = { .changed = on_bgp_changed, .stopped = on_bgp_stopped,
		    .arg = s } };
	const struct arp_io_conf arp = {
		.exclude = conf->excludes, .nexclude = conf->nexcludes,
		.repeat_sec = conf->l2_repeat_sec,
		.nannounce = conf->l2_nannounce, .nprobes = conf->l2_nprobes,
		.is_unprobed = conf->l2_nprobes == 0,
		.hung_ms = conf->detect_mult * conf->interval_us / 1000 };
	const struct arp_io_handler arp_handler = {
		.conflict = on_conflict, .links_changed = on_links, .arg = s,
		.settled = on_settled, .announced_changed = on_announced };
	const struct health_io_conf health = {
		.netns = conf->director.name, .port = conf->health_port,
		.keys = &s->mesh.keys };
	const struct relay_io_conf relay = { .port = conf->sync_port,
		.keys = &s->mesh.keys, .want = &s->plan.want };
	char text[256] = "";

	s->arp = arp_io_new(s->loop, &arp, &arp_handler, text);
	if (s->arp == NULL ||
	    mesh_open(&s->mesh, s->loop, conf, on_mesh, s, text) != 0 ||
	    (s->health = health_io_new(s->loop, &health, on_health, s, text)) == NULL ||
	    (conf->sync_port != 0 &&
	    (s->relay = relay_io_new(s->loop, &relay, text)) == NULL) ||
	    (conf->http != NULL && (s->httpd = httpd_new(s->loop, conf->http, on_http,
	    s, text)) == NULL)) {
		snprintf(err, 512, "%s", text);
		return -1;
	}
	tell_init(&s->tell, s->source, s->store, conf->node_name, &s->plan,
	    &s->mesh.alive);
	apply_init(&s->apply, s->director, s->arp, s->loop, &bgp);
	s->apply.policy = conf->l2_policy;
	if (conf->has_reports)
		reporter_init(&s->reporter, &(struct reporter_conf){ .loop = s->loop,
		    .source = s->source, .store = s->store, .node = conf->node_name,
		    .ns = conf->ns, .plan = &s->plan, .apply = &s->apply,
		    .alive = &s->mesh.alive, .arp = s->arp, .tell = &s->tell,
		    .has_conditions = conf->api_group == NULL ||
		    strcmp(conf->api_group, KUBE_API_GROUP_METALLB) != 0 });
	s->worker = worker_new(s->loop, speaker_work, speaker_worked, s);
	if (s->worker == NULL) {
		snprintf(err, 512, "no thread can be started; raise the limit on "
		    "processes (ulimit -u, pids.max)");
		return -1;
	}
	return 0;
}

/* The source first: where it is misspelt, nothing of the node is touched. */
static int
open_parts(struct speaker *s, char err[512])
{
	const struct speaker_conf *conf = s->conf;
	const struct kube_source_handler handler = { on_change, on_synced, s };
	/* Services without a profile, peers without a password, checks without TLS
	   and all traffic do without these. */
	unsigned spare = 1u << KUBE_FORWARDING_PROFILE | 1u << KUBE_SECRET |
	    1u << KUBE_CONFIG_MAP |
	    (conf->has_reports ? REPORT_KINDS : 0);
	const struct kube_source_conf source = {
		.spec = conf->source,
		.kinds = 1u << KUBE_SERVICE | 1u << KUBE_ENDPOINT_SLICE |
		    1u << KUBE_NODE | 1u << KUBE_POD | 1u << KUBE_IP_ADDRESS_POOL |
		    1u << KUBE_L2_ADVERTISEMENT | 1u << KUBE_BGP_ADVERTISEMENT |
		    1u << KUBE_BGP_PEER | 1u << KUBE_COMMUNITY |
		    1u << KUBE_BFD_PROFILE | spare,
		.spare_kinds = spare,
		.node_name = conf->node_name,
		.wide_kinds = conf->is_sticky ? 1u << KUBE_SERVICE_L2_STATUS : 0,
		.ns = conf->ns,
		.api_group = conf->api_group,
		.component = "herald-speaker",
	};
	struct director_error director_err;
	struct kube_error kube_err;

	s->source = kube_source_open(s->loop, &source, s->store, &handler, &kube_err);
	if (s->source == NULL) {
		snprintf(err, 512, "%s", kube_err.text);
		return -1;
	}
	if (director_open(&conf->director, &s->director, &director_err) != 0) {
		snprintf(err, 512, "%s", director_err.text);
		return -1;
	}
	return open_engines(s, err);
}

/* Where the pieces of stats_write() begin among ours; its own are below 2^36. */
static const uint64_t SERIES_STATS = UINT64_C(1) << 36;

/* A metrics_piece_fn: the VIPs as one piece, then what the kernel counts. */
static bool
write_series(void *arg, FILE *f, uint64_t *at)
{
	struct speaker *s = arg;
	uint64_t stats_at;
	bool has_more = true;

	if (*at < SERIES_STATS) {
		tell_write(&s->tell, f);
		*at = SERIES_STATS;
	} else {
		stats_at = *at - SERIES_STATS;
		has_more = stats_write(&s->stats, f, &stats_at);
		*at = SERIES_STATS + stats_at;
	}
	return has_more;
}

struct speaker *
speaker_new(struct ev_loop *loop, const struct speaker_conf *conf, char err[512])
{
	struct speaker *s = mem_zalloc(sizeof(*s));

	s->loop = loop;
	s->conf = conf;
	s->store = kube_store_new();
	if (open_parts(s, err) != 0) {
		speaker_free(s);
		return NULL;
	}
	speaker_watch(s);
	metrics_set_writer(write_series, s);
	return s;
}

void
speaker_free(struct speaker *s)
{
	if (s == NULL)
		return;
	speaker_unwatch(s);
	metrics_set_writer(NULL, NULL);
	worker_free(s->worker);
	kube_source_close(s->source);
	httpd_free(s->httpd);
	health_io_free(s->health);
	relay_io_free(s->relay);
	mesh_close(&s->mesh);
	arp_io_free(s->arp);
	director_close(s->director);
	stats_fini(&s->stats);
	tell_fini(&s->tell);
	reporter_fini(&s->reporter);
	apply_fini(&s->apply);
	plan_fini(&s->plan);
	kube_store_free(s->store);
	free(s);
}
