/* The API source: lists and watches. */
#include "tests/kube/api_rig.h"

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

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, script, 0, (int)nitems(rows));
	tcase_add_loop_test(tc, not_there, 0, 6);
	tcase_add_loop_test(tc, closed_at_work, 0, 2);
	tcase_add_loop_test(tc, refresh, 0, (int)nitems(refreshes));
	tcase_add_test(tc, refresh_without);
}

TEST_MAIN("api", fill)
