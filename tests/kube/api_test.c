/*
 * The API source against a server that follows a script, for what a real one
 * hardly ever says. Both run on one loop in this process, over loopback. What
 * a real server does is tested by tests/kube/run.sh.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kube/api_path.h"
#include "kube/source.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/metrics.h"
#include "tests/check.h"

enum { LINES_MAX = 12, WAIT_SEC = 60 };

/* One exchange: what the request line must hold, and the whole answer. */
struct line {
	const char *want;
	const char *answer;		/* NULL: end the connection */
};

#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define FAIL_HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n"
#define META(rv, more) "\"metadata\":{\"resourceVersion\":\"" rv "\"" more "}"
#define NS(name, rv) "{\"metadata\":{\"name\":\"" name "\"," \
	"\"resourceVersion\":\"" rv "\"}}"
#define PAGE(rv, more, items) OK_HEAD "{\"kind\":\"NamespaceList\"," \
	"\"apiVersion\":\"v1\"," META(rv, more) ",\"items\":[" items "]}"
#define EVENT(type, name, rv) "{\"type\":\"" type "\",\"object\":{" \
	"\"kind\":\"Namespace\",\"apiVersion\":\"v1\"," \
	"\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" rv "\"}}}\n"
#define EXPIRED "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\"," \
	"\"status\":\"Failure\",\"reason\":\"Expired\",\"code\":410}}\n"
#define LIST "GET /api/v1/namespaces?limit=500 "
#define WATCH(rv) "watch=true&allowWatchBookmarks=true&resourceVersion=" rv "&"

/* The script is over when its last request has come: then the store counts. */
static const struct {
	const char *why;
	struct line lines[LINES_MAX];
	const char *names;		/* in the store at the end */
	const char *says;		/* in the log; NULL anything */
} rows[] = {
	{ "list, then watch", {
	    { LIST, PAGE("5", "", NS("a", "1") "," NS("b", "2")) },
	    { WATCH("5"), OK_HEAD EVENT("ADDED", "c", "6") EVENT("DELETED", "a", "7") },
	    { WATCH("7"), OK_HEAD },
	}, "b c", NULL },
	{ "continue tokens are escaped and sent back", {
	    { LIST, PAGE("5", ",\"continue\":\"a+/b=&c\"", NS("a", "1")) },
	    { "limit=500&continue=a%2B%2Fb%3D%26c ", PAGE("5", "", NS("b", "2")) },
	    { WATCH("5"), OK_HEAD },
	}, "a b", NULL },
	{ "a bookmark moves the version on", {
	    { LIST, PAGE("5", "", "") },
	    { WATCH("5"), OK_HEAD EVENT("BOOKMARK", "", "99") },
	    { WATCH("99"), OK_HEAD },
	}, "", NULL },
	{ "a version is escaped, too", {
	    { LIST, PAGE("a b&c", "", "") },
	    { WATCH("a%20b%26c"), OK_HEAD },
	}, "", NULL },
	{ "410 in the stream: what a new list lacks is deleted", {
	    { LIST, PAGE("5", "", NS("a", "1") "," NS("b", "2")) },
	    { WATCH("5"), OK_HEAD EXPIRED },
	    { LIST, PAGE("9", "", NS("b", "2") "," NS("c", "8")) },
	    { WATCH("9"), OK_HEAD },
	}, "b c", NULL },
	{ "a list that fails on its second page deletes nothing", {
	    { LIST, PAGE("5", "", NS("a", "1") "," NS("b", "2")) },
	    { WATCH("5"), OK_HEAD EXPIRED },
	    { LIST, PAGE("9", ",\"continue\":\"x\"", NS("c", "8")) },
	    { "continue=x ", FAIL_HEAD("500 Oops") },
	    { LIST, NULL },
	}, "a b c", "HTTP 500" },
	{ "an event after garbage is not taken", {
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { WATCH("5"), OK_HEAD EVENT("ADDED", "b", "6") "oops" EVENT("ADDED", "c", "7") },
	    { WATCH("6"), OK_HEAD },
	}, "a b", "no stream of JSON" },
	{ "an event cut in the middle is not taken", {
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { WATCH("5"), OK_HEAD "{\"type\":\"DELETED\",\"object\":{\"kind\":\"Namespace\"," },
	    { WATCH("5"), OK_HEAD },
	}, "a", NULL },
	{ "a list that is something else", {
	    { LIST, OK_HEAD "{\"kind\":\"Status\"}" },
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { WATCH("5"), OK_HEAD },
	}, "a", "NamespaceList" },
	{ "a redirect is not followed", {
	    { LIST, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nConnection: close\r\n\r\n" },
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { WATCH("5"), OK_HEAD },
	}, "a", "HTTP 302" },
	{ "an answer that is no HTTP", {
	    { LIST, "SSH-2.0-OpenSSH_9.2\r\n" },
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { WATCH("5"), OK_HEAD },
	}, "a", "cannot list namespaces" },
	{ "a connection that is closed without a word", {
	    { LIST, NULL },
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { WATCH("5"), OK_HEAD },
	}, "a", NULL },
	{ "an object without a name is refused, the rest is not", {
	    { LIST, PAGE("5", "", "{\"metadata\":{}}," NS("a", "1")) },
	    { WATCH("5"), OK_HEAD "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Namespace\","
	      "\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"6\"}}}\n"
	      EVENT("ADDED", "b", "7") },
	    { WATCH("7"), OK_HEAD },
	}, "a b", "stays in force" },
	{ "403 names the rule that is missing", {
	    { LIST, FAIL_HEAD("403 Forbidden") },
	    { LIST, PAGE("5", "", "") },
	    { WATCH("5"), OK_HEAD },
	}, "", "resources: [\"namespaces\"], verbs: [\"get\", \"list\", \"watch\"]" },
};

struct rig {
	struct ev_loop *loop;
	ev_io listen;
	ev_timer limit;
	const struct line *lines;
	size_t at;			/* next line of the script */
	char	log[65536];
	unsigned nsynced;
	struct kube_source *src;
	bool	wants_refresh;		/* as soon as it is synced */
	unsigned nrefreshed;
	int	lease_error;		/* the outcome of a request about the Lease */
	unsigned nleases;
	char	text[512];
	struct lease_record record;
};

/* One connection, one request: the answers all say "Connection: close". */
struct conn {
	ev_io	io;
	struct rig *rig;
	char	buf[8192];
	size_t	len;
};

static void
conn_free(struct conn *c)
{
	ev_io_stop(c->rig->loop, &c->io);
	close(c->io.fd);
	free(c);
}

static void
conn_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = (struct conn *)io;
	struct rig *rig = c->rig;
	const struct line *line = &rig->lines[rig->at];
	ssize_t n = read(io->fd, c->buf + c->len, sizeof(c->buf) - 1 - c->len);

	(void)revents;
	if (n <= 0) {
		conn_free(c);
		return;
	}
	c->len += (size_t)n;
	c->buf[c->len] = '\0';
	if (strstr(c->buf, "\r\n\r\n") == NULL)
		return;
	c->buf[strcspn(c->buf, "\r")] = '\0';
	ck_assert_msg(strstr(c->buf, line->want) != NULL, "request %zu is \"%s\", not \"%s\"",
	    rig->at, c->buf, line->want);
	rig->at++;
	if (line->answer != NULL)
		ck_assert_int_eq(write(io->fd, line->answer, strlen(line->answer)),
		    (ssize_t)strlen(line->answer));
	conn_free(c);
	if (rig->at == LINES_MAX || rig->lines[rig->at].want == NULL)
		ev_break(loop, EVBREAK_ALL);
}

static void
listen_cb(struct ev_loop *loop, ev_io *io, int revents)
{
	struct conn *c = mem_zalloc(sizeof(*c));
	int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)revents;
	c->rig = io->data;
	ev_io_init(&c->io, conn_cb, fd, EV_READ);
	ev_io_start(loop, &c->io);
}

static void
limit_cb(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct rig *rig = timer->data;

	(void)loop;
	(void)revents;
	ck_abort_msg("waited %d s for request %zu: \"%s\"", WAIT_SEC, rig->at,
	    rig->lines[rig->at].want);
}

static void
log_sink(void *arg, const char *line, size_t len)
{
	struct rig *rig = arg;
	size_t used = strlen(rig->log);

	if (used + len < sizeof(rig->log))
		memcpy(rig->log + used, line, len);
}

static void
refreshed(void *arg)
{
	((struct rig *)arg)->nrefreshed++;
}

static void
synced(void *arg)
{
	struct rig *rig = arg;

	rig->nsynced++;
	if (rig->wants_refresh)
		kube_source_refresh(rig->src, refreshed, rig);
}

static struct kube_source *
open_source(struct rig *rig, struct kube_store *store, unsigned kinds,
    unsigned spare_kinds)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), config;
	char path[] = "/tmp/herald-api.XXXXXX", *spec;
	struct kube_source *src;
	struct kube_error err;

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	ev_io_init(&rig->listen, listen_cb, fd, EV_READ);
	rig->listen.data = rig;
	ev_io_start(rig->loop, &rig->listen);
	config = mkstemp(path);
	dprintf(config, "current-context: c\n"
	    "contexts: [{name: c, context: {cluster: k}}]\n"
	    "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:%u\"}}]\n",
	    ntohs(sa.sin_port));
	close(config);
	spec = mem_printf("kubeconfig:%s", path);
	src = kube_source_open(rig->loop, &(struct kube_source_conf){ .spec = spec,
	    .kinds = kinds, .spare_kinds = spare_kinds, .component = "test" }, store,
	    &(struct kube_source_handler){ .synced = synced, .arg = rig }, &err);
	ck_assert_msg(src != NULL, "%s", err.text);
	unlink(path);
	free(spec);
	rig->src = src;
	return src;
}

static void
rig_init(struct rig *rig, const struct line *lines)
{
	*rig = (struct rig){ .loop = ev_loop_new(EVFLAG_AUTO), .lines = lines };
	log_set_sink(log_sink, rig);
	unsetenv("http_proxy");
	ev_timer_init(&rig->limit, limit_cb, WAIT_SEC, 0.);
	rig->limit.data = rig;
	ev_timer_start(rig->loop, &rig->limit);
}

static void
rig_fini(struct rig *rig)
{
	ev_io_stop(rig->loop, &rig->listen);
	close(rig->listen.fd);
	ev_timer_stop(rig->loop, &rig->limit);
	ev_loop_destroy(rig->loop);
	log_set_sink(NULL, NULL);
	metrics_fini();
}

START_TEST(script)
{
	struct kube_store *store = kube_store_new();
	struct kube_source *src;
	struct kube_list l;
	struct rig rig;
	char names[256] = "";

	rig_init(&rig, rows[_i].lines);
	src = open_source(&rig, store, 1u << KUBE_NAMESPACE, 0);
	ev_run(rig.loop, 0);
	l = kube_store_list(store, KUBE_NAMESPACE);
	for (size_t i = 0; i < l.n; i++) {
		if (i > 0)
			strcat(names, " ");
		strcat(names, l.items[i]->meta.name);
	}
	ck_assert_msg(strcmp(names, rows[_i].names) == 0, "%s: the store holds \"%s\"",
	    rows[_i].why, names);
	ck_assert_msg(rows[_i].says == NULL || strstr(rig.log, rows[_i].says) != NULL,
	    "%s: the log says %s", rows[_i].why, rig.log);
	ck_assert_msg(rig.nsynced == 1, "%s: synced %u times", rows[_i].why, rig.nsynced);
	ck_assert(kube_source_is_synced(src));
	kube_source_close(src);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

/* A kind that is not there is waited for, unless it is one to do without. */
START_TEST(not_there)
{
	static const char *const answers[] = { FAIL_HEAD("404 Not Found"),
	    FAIL_HEAD("403 Forbidden"), FAIL_HEAD("500 Internal Server Error") };
	const struct line lines[LINES_MAX] = {
		{ "/apis/heraldlb.io/v1beta2/bgppeers?", answers[_i / 2] },
		{ "/apis/heraldlb.io/v1beta2/bgppeers?", answers[_i / 2] },
	};
	bool is_spare = _i % 2 == 1;
	struct kube_store *store = kube_store_new();
	struct kube_source *src;
	struct rig rig;

	rig_init(&rig, lines);
	src = open_source(&rig, store, 1u << KUBE_BGP_PEER,
	    is_spare ? 1u << KUBE_BGP_PEER : 0);
	ev_run(rig.loop, 0);
	ck_assert_msg(rig.nsynced == (is_spare && _i / 2 < 2), "case %d: synced %u times",
	    _i, rig.nsynced);
	kube_source_close(src);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

static void
never_done(void *arg, int error, const char *text)
{
	(void)arg;
	ck_abort_msg("done() after close: %d %s", error, text);
}

/* Everything that is under way goes quietly. */
START_TEST(closed_at_work)
{
	static const struct line none[] = { { LIST, NULL } };
	struct kube_store *store = kube_store_new();
	struct kube_source *src;
	struct rig rig;

	rig_init(&rig, none);
	src = open_source(&rig, store, 1u << KUBE_NAMESPACE, 0);
	for (int i = 0; i < 40; i++)
		kube_source_patch_status(src, KUBE_SERVICE, "default", "a", NULL,
		    "{\"status\":{}}", never_done, NULL);
	for (int i = 0; i < 20000; i++)	/* more than it will queue */
		kube_source_event(src, &(struct kube_event){ .kind = KUBE_SERVICE,
		    .ns = "default", .name = "a", .reason = "R", .message = "m" });
	ck_assert_uint_le(kube_source_pending(src), 40 + 16384 + 16);
	ev_run(rig.loop, EVRUN_NOWAIT);
	if (_i == 1) {
		kube_source_cancel_writes(src);
		ck_assert_uint_eq(kube_source_pending(src), 0);
	}
	kube_source_close(src);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

/* --- a list that is asked for ---------------------------------------------- */

static const struct {
	const char *why;
	struct line lines[LINES_MAX];
	const char *name;		/* in the store when it is told */
} refreshes[] = {
	{ "the watch is given up for a list", {
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { LIST, PAGE("9", "", NS("b", "8")) },
	    { WATCH("9"), OK_HEAD },
	}, "b" },
	{ "a list that fails is no answer", {
	    { LIST, PAGE("5", "", NS("a", "1")) },
	    { LIST, FAIL_HEAD("500 Oops") },
	    { LIST, PAGE("9", "", NS("b", "8")) },
	    { WATCH("9"), OK_HEAD },
	}, "b" },
};

START_TEST(refresh)
{
	struct kube_store *store = kube_store_new();
	struct rig rig;

	rig_init(&rig, refreshes[_i].lines);
	rig.wants_refresh = true;
	(void)open_source(&rig, store, 1u << KUBE_NAMESPACE, 0);
	while (rig.nrefreshed == 0)
		ev_run(rig.loop, EVRUN_ONCE);
	ck_assert_msg(kube_store_list(store, KUBE_NAMESPACE).n == 1 &&
	    kube_store_get(store, KUBE_NAMESPACE, NULL, refreshes[_i].name) != NULL,
	    "%s", refreshes[_i].why);
	ev_run(rig.loop, 0);
	ck_assert_uint_eq(rig.nrefreshed, 1);
	ck_assert_uint_eq(rig.nsynced, 1);
	kube_source_close(rig.src);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

/* A kind that is not there is waited for then neither. */
START_TEST(refresh_without)
{
	const struct line lines[LINES_MAX] = {
		{ "/apis/heraldlb.io/v1beta2/bgppeers?", FAIL_HEAD("404 Not Found") },
		{ "/apis/heraldlb.io/v1beta2/bgppeers?", FAIL_HEAD("404 Not Found") },
	};
	struct kube_store *store = kube_store_new();
	struct rig rig;

	rig_init(&rig, lines);
	rig.wants_refresh = true;
	(void)open_source(&rig, store, 1u << KUBE_BGP_PEER, 1u << KUBE_BGP_PEER);
	ev_run(rig.loop, 0);
	ck_assert_uint_eq(rig.nsynced, 1);
	ck_assert_uint_eq(rig.nrefreshed, 1);
	kube_source_close(rig.src);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

/* --- reports ---------------------------------------------------------------- */

#define REPORTS " /apis/heraldlb.io/v1beta1/namespaces/lb/servicel2statuses"
#define CREATED "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n{}"
#define REASON(reason) "{\"kind\":\"Status\",\"apiVersion\":\"v1\"," \
	"\"message\":\"no\",\"reason\":\"" reason "\"}"

static const struct {
	const char *why;
	bool	is_known;		/* in the store */
	bool	is_delete;
	struct line lines[4];
	unsigned nlines;
	int	error;
	const char *says;
} report_rows[] = {
	{ "a new one is made, then its status written", false, false,
	    { { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      OK_HEAD "{}" } }, 2, 0, "" },
	{ "one that is known is written at once", true, false,
	    { { "PATCH" REPORTS "/web/status ", OK_HEAD "{}" } }, 1, 0, "" },
	{ "known, and gone meanwhile", true, false,
	    { { "PATCH" REPORTS "/web/status ", FAIL_HEAD("404 Not Found") },
	      { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      OK_HEAD "{}" } }, 3, 0, "" },
	{ "new, and there meanwhile", false, false,
	    { { "POST" REPORTS " ", FAIL_HEAD("409 Conflict") REASON("AlreadyExists") },
	      { "PATCH" REPORTS "/web/status ", OK_HEAD "{}" } }, 2, 0, "" },
	{ "made, and gone before its status was written: not for ever", false, false,
	    { { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      FAIL_HEAD("404 Not Found") } }, 2, -ENOENT, "HTTP 404" },
	{ "a sick server is asked again", false, false,
	    { { "POST" REPORTS " ", FAIL_HEAD("500 Oops") },
	      { "POST" REPORTS " ", CREATED }, { "PATCH" REPORTS "/web/status ",
	      OK_HEAD "{}" } }, 3, 0, "" },
	{ "a right to create that is missing is named", false, false,
	    { { "POST" REPORTS " ", FAIL_HEAD("403 Forbidden") } }, 1, -EACCES,
	    "resources: [\"servicel2statuses\"], verbs: [\"create\"]" },
	{ "and one to write the status", true, false,
	    { { "PATCH" REPORTS "/web/status ", FAIL_HEAD("403 Forbidden") } }, 1, -EACCES,
	    "resources: [\"servicel2statuses/status\"], verbs: [\"patch\"]" },
	{ "deleted", true, true, { { "DELETE" REPORTS "/web ", OK_HEAD "{}" } }, 1, 0, "" },
	{ "gone already is as good", true, true,
	    { { "DELETE" REPORTS "/web ", FAIL_HEAD("404 Not Found") } }, 1, 0, "" },
	{ "a right to delete that is missing", true, true,
	    { { "DELETE" REPORTS "/web ", FAIL_HEAD("403 Forbidden") } }, 1, -EACCES,
	    "verbs: [\"delete\"]" },
};

static void
put_done(void *arg, int error, const char *text)
{
	struct rig *rig = arg;

	rig->nleases++;
	rig->lease_error = error;
	snprintf(rig->text, sizeof(rig->text), "%s", text);
}

START_TEST(reports)
{
	struct kube_object o = { .kind = KUBE_SERVICE_L2_STATUS,
		.meta = { .ns = "lb", .name = "web" },
		.service_status = { .node = "n1", .svc_ns = "d", .svc_name = "web" } };
	struct kube_store *store = kube_store_new();
	const char *why = report_rows[_i].why;
	struct kube_object *known;
	struct rig rig;

	rig_init(&rig, report_rows[_i].lines);
	(void)open_source(&rig, store, 0, 0);
	if (report_rows[_i].is_known) {
		known = mem_zalloc(sizeof(*known));
		known->kind = o.kind;
		known->meta = o.meta;
		kube_store_put(store, known);
	}
	if (report_rows[_i].is_delete)
		kube_source_delete(rig.src, o.kind, "lb", "web", put_done, &rig);
	else
		kube_source_put(rig.src, &o, "u-1", put_done, &rig);
	ck_assert_msg(rig.nleases == 0, "told from inside the call");
	while (rig.nleases == 0)
		ev_run(rig.loop, EVRUN_ONCE);
	ck_assert_msg(rig.lease_error == report_rows[_i].error, "%s: %d %s", why,
	    rig.lease_error, rig.text);
	ck_assert_msg(strstr(rig.text, report_rows[_i].says) != NULL, "%s: %s", why, rig.text);
	ck_assert_msg(rig.at == report_rows[_i].nlines, "%s: %zu requests", why, (size_t)rig.at);
	ck_assert_uint_eq(kube_source_pending(rig.src), 0);
	kube_source_close(rig.src);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

/* --- the Lease -------------------------------------------------------------- */

#define LEASES " /apis/coordination.k8s.io/v1/namespaces/n%20s/leases"
#define LEASE "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\"," \
	"\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}," \
	"\"spec\":{\"holderIdentity\":\"me\"}}"
#define STATUS(reason) "{\"kind\":\"Status\",\"apiVersion\":\"v1\"," \
	"\"message\":\"no\",\"reason\":\"" reason "\"}"

/* Tried once, whatever comes. */
static const struct {
	const char *why;
	enum lease_do op;
	struct line lines[2];
	int	error;
	const char *says;
} leases[] = {
	{ "read", LEASE_GET, { { "GET" LEASES "/a ", OK_HEAD LEASE } }, 0, "" },
	{ "made", LEASE_CREATE, { { "POST" LEASES " ",
	    "HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n" LEASE } }, 0, "" },
	{ "written", LEASE_UPDATE, { { "PUT" LEASES "/a ", OK_HEAD LEASE } }, 0, "" },
	{ "absent", LEASE_GET, { { "GET", FAIL_HEAD("404 Not Found")
	    STATUS("NotFound") } }, -ENOENT, "" },
	{ "made by another", LEASE_CREATE, { { "POST", FAIL_HEAD("409 Conflict")
	    STATUS("AlreadyExists") } }, -EEXIST, "" },
	{ "written by another", LEASE_UPDATE, { { "PUT", FAIL_HEAD("409 Conflict")
	    STATUS("Conflict") } }, -ESTALE, "" },
	{ "a namespace that is missing is no absent Lease", LEASE_CREATE,
	    { { "POST", FAIL_HEAD("404 Not Found") STATUS("NotFound") } }, -EIO,
	    "create the namespace" },
	{ "the rule that is missing is named", LEASE_UPDATE, { { "PUT",
	    FAIL_HEAD("403 Forbidden") STATUS("Forbidden") } }, -EACCES,
	    "resources: [\"leases\"]" },
	{ "a sick server", LEASE_UPDATE, { { "PUT", FAIL_HEAD("500 Oops") } }, -EIO,
	    "HTTP 500" },
	{ "no answer", LEASE_GET, { { "GET", NULL } }, -EIO, "cannot get the Lease n s/a" },
	{ "something else", LEASE_GET, { { "GET", OK_HEAD "<html>" } }, -EIO, "no Lease" },
	{ "half an answer", LEASE_GET, { { "GET", "HTTP/1.1 200 OK\r\n"
	    "Content-Length: 900\r\nConnection: close\r\n\r\n" LEASE } }, -EIO,
	    "cannot get the Lease" },
};

static void
lease_done(void *arg, int error, const char *text, const struct lease_record *record)
{
	struct rig *rig = arg;

	rig->nleases++;
	rig->lease_error = error;
	snprintf(rig->text, sizeof(rig->text), "%s", text);
	ck_assert_int_eq(record != NULL, error == 0);
	if (record != NULL)
		rig->record = *record;
}

START_TEST(lease)
{
	struct lease_record record = { .holder = "me", .resource_version = "6" };
	struct kube_store *store = kube_store_new();
	const char *why = leases[_i].why;
	struct rig rig;

	rig_init(&rig, leases[_i].lines);
	(void)open_source(&rig, store, 0, 0);
	kube_source_lease(rig.src, leases[_i].op, "n s", "a", &record, lease_done, &rig);
	ck_assert_msg(rig.nleases == 0, "told from inside the call");
	while (rig.nleases == 0)
		ev_run(rig.loop, EVRUN_ONCE);
	ck_assert_msg(rig.lease_error == leases[_i].error, "%s: %d %s", why,
	    rig.lease_error, rig.text);
	ck_assert_msg(strstr(rig.text, leases[_i].says) != NULL, "%s: %s", why, rig.text);
	ck_assert_uint_eq(rig.at, 1);
	if (rig.lease_error == 0) {
		ck_assert_str_eq(rig.record.holder, "me");
		ck_assert_str_eq(rig.record.resource_version, "7");
	}
	/* One that is under way at the end goes quietly. */
	kube_source_lease(rig.src, LEASE_GET, "n", "a", NULL, lease_done, &rig);
	kube_source_close(rig.src);
	ck_assert_uint_eq(rig.nleases, 1);
	kube_store_free(store);
	rig_fini(&rig);
}
END_TEST

static const struct api_scope everywhere = { .api_group = "heraldlb.io" };
static const struct api_scope narrow = { .api_group = "metallb.io", .ns = "lb",
    .node_name = "n/1" };

START_TEST(paths)
{
	const struct { char *got; const char *want; } p[] = {
		{ api_list_path(KUBE_SERVICE, 0, &narrow, 500, NULL),
		    "/api/v1/services?limit=500" },
		{ api_list_path(KUBE_ENDPOINT_SLICE, 1, &everywhere, 0, NULL),
		    "/apis/discovery.k8s.io/v1beta1/endpointslices?limit=0" },
		{ api_list_path(KUBE_POD, 0, &narrow, 500, "t"),
		    "/api/v1/pods?limit=500&continue=t&fieldSelector=spec.nodeName%3Dn%2F1" },
		{ api_list_path(KUBE_POD, 0, &everywhere, 500, NULL),
		    "/api/v1/pods?limit=500" },
		{ api_list_path(KUBE_SECRET, 0, &narrow, 500, NULL),
		    "/api/v1/namespaces/lb/secrets?limit=500"
		    "&fieldSelector=type%21%3DOpaque"
		    "%2Ctype%21%3Dkubernetes.io%2Fservice-account-token"
		    "%2Ctype%21%3Dkubernetes.io%2Fdockercfg"
		    "%2Ctype%21%3Dkubernetes.io%2Fdockerconfigjson"
		    "%2Ctype%21%3Dkubernetes.io%2Fssh-auth"
		    "%2Ctype%21%3Dbootstrap.kubernetes.io%2Ftoken"
		    "%2Ctype%21%3Dhelm.sh%2Frelease.v1" },
		{ api_list_path(KUBE_CONFIG_MAP, 0, &narrow, 500, NULL),
		    "/api/v1/namespaces/lb/configmaps?limit=500" },
		{ api_list_path(KUBE_SERVICE_L2_STATUS, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta1/namespaces/lb/servicel2statuses?limit=500"
		    "&labelSelector=metallb.io%2Fnode%3Dn%2F1" },
		{ api_list_path(KUBE_SERVICE_BGP_STATUS, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/servicebgpstatuses?limit=500" },
		{ api_watch_path(KUBE_BGP_SESSION_STATE, 0, &narrow, "7", 60),
		    "/apis/heraldlb.io/v1beta1/namespaces/lb/bgpsessionstates?watch=true"
		    "&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=60"
		    "&labelSelector=heraldlb.io%2Fnode%3Dn%2F1" },
		{ api_list_path(KUBE_IP_ADDRESS_POOL, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta1/namespaces/lb/ipaddresspools?limit=500" },
		{ api_list_path(KUBE_IP_ADDRESS_POOL, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/ipaddresspools?limit=500" },
		{ api_list_path(KUBE_BGP_PEER, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta2/namespaces/lb/bgppeers?limit=500" },
		{ api_list_path(KUBE_BGP_ADVERTISEMENT, 0, &narrow, 500, NULL),
		    "/apis/metallb.io/v1beta1/namespaces/lb/bgpadvertisements?limit=500" },
		{ api_list_path(KUBE_COMMUNITY, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/communities?limit=500" },
		{ api_list_path(KUBE_BFD_PROFILE, 0, &everywhere, 500, NULL),
		    "/apis/heraldlb.io/v1beta1/bfdprofiles?limit=500" },
		{ api_object_path(KUBE_SERVICE, 0, &everywhere, "a", "../b", "/status"),
		    "/api/v1/namespaces/a/services/..%2Fb/status" },
		{ api_object_path(KUBE_NODE, 0, &everywhere, NULL, "n", ""),
		    "/api/v1/nodes/n" },
		{ api_proxy_path("n/1", 7473, "/status"),
		    "/api/v1/nodes/n%2F1:7473/proxy/status" },
		{ api_events_path("a b"), "/api/v1/namespaces/a%20b/events" },
	};

	for (size_t i = 0; i < nitems(p); i++) {
		ck_assert_str_eq(p[i].got, p[i].want);
		free(p[i].got);
	}
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, script, 0, (int)nitems(rows));
	tcase_add_loop_test(tc, not_there, 0, 6);
	tcase_add_loop_test(tc, closed_at_work, 0, 2);
	tcase_add_loop_test(tc, refresh, 0, (int)nitems(refreshes));
	tcase_add_loop_test(tc, lease, 0, (int)nitems(leases));
	tcase_add_test(tc, refresh_without);
	tcase_add_loop_test(tc, reports, 0, (int)nitems(report_rows));
	tcase_add_test(tc, paths);
}

TEST_MAIN("api", fill)
