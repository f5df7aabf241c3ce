#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/decode.h"
#include "tests/check.h"
#include "tests/kube/json.h"

/* What a list brought, one item a line: "ns/name@version ok" or "... error". */
struct seen {
	char	text[2048];
	size_t	len;
};

static void
see(void *arg, const struct kube_ident *id, struct kube_object *o,
    const struct kube_error *err)
{
	struct seen *s = arg;

	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len,
	    "%s/%s@%s %s\n", id->ns, id->name, id->resource_version,
	    o != NULL && o->why_refused == NULL ? "ok" : err->text);
	if (o != NULL && o->why_refused != NULL) {
		ck_assert_str_eq(o->why_refused, err->text);
		ck_assert_str_eq(o->meta.name, id->name);
	}
	kube_object_free(o);
}

#define LIST(kind, rest) "{'apiVersion':'v1','kind':'" kind "'," rest "}"

static const struct {
	const char *why, *text;
	int rc;
	const char *seen, *version, *cont;
	long remaining;
} lists[] = {
	{ "a page, more to come", LIST("NodeList", "'metadata':{'resourceVersion':'9',"
	    "'continue':'abc','remainingItemCount':7},'items':[{'metadata':{'name':'n1',"
	    "'resourceVersion':'3'}},{'metadata':{'name':'n2','resourceVersion':'4'}}]"),
	    0, "/n1@3 ok\n/n2@4 ok\n", "9", "abc", 7 },
	{ "the last page", LIST("NodeList", "'metadata':{'resourceVersion':'9',"
	    "'continue':''},'items':[]"), 0, "", "9", NULL, -1 },
	{ "Go's empty list", LIST("NodeList", "'metadata':{'resourceVersion':'9'},"
	    "'items':null"), 0, "", "9", NULL, -1 },
	{ "one that is refused does not stop the others, and is named",
	    LIST("NodeList", "'metadata':{'resourceVersion':'9'},'items':["
	    "{'metadata':{'name':'n1','resourceVersion':'3'},'spec':{'unschedulable':'x'}},"
	    "{'metadata':{'name':'n2'}},7]"), 0,
	    "/n1@3 spec.unschedulable: \"x\": true or false belongs here, without quotes\n"
	    "/n2@ ok\n"
	    "/@ is no object; it must begin with apiVersion and kind\n", "9", NULL, -1 },
	{ "a list of another kind", LIST("PodList", "'items':[]"), -EINVAL, "",
	    "kind: \"PodList\": a NodeList was expected; does the URL lead to a "
	    "Kubernetes API server?", NULL, 0 },
	{ "items that are none", LIST("NodeList", "'items':{}"), -EINVAL, "",
	    "items: an array belongs here", NULL, 0 },
	{ "HTML", "<html>", -EINVAL, "", "line 1: this is no JSON, or it breaks off "
	    "(at byte 0 of 6)", NULL, 0 },
};

START_TEST(list)
{
	char *text = json(lists[_i].text);
	struct kube_page page = { .remaining = 99 };
	struct kube_error err = { "" };
	struct seen seen = { .len = 0 };
	int rc = kube_decode_list(text, strlen(text), NULL, KUBE_NODE, see, &seen, &page,
	    &err);

	ck_assert_msg(rc == lists[_i].rc, "%s: %s", lists[_i].why, err.text);
	ck_assert_msg(strcmp(seen.text, lists[_i].seen) == 0, "%s:\n%s", lists[_i].why,
	    seen.text);
	if (rc != 0) {
		ck_assert_str_eq(err.text, lists[_i].version);
		ck_assert_msg(page.remaining == 99, "output touched");
	} else {
		ck_assert_str_eq(page.resource_version, lists[_i].version);
		ck_assert_pstr_eq(page.cont, lists[_i].cont);
		ck_assert_int_eq(page.remaining, lists[_i].remaining);
		free(page.cont);
	}
	free(text);
}
END_TEST

#define EVENT(type, object) "{'type':'" type "','object':" object "}"
#define N1 "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1'," \
	"'resourceVersion':'8'}}"

static const struct {
	const char *why, *text;
	int rc;
	enum kube_watch_type type;
	const char *name, *version;
	bool has_object;
	const char *error;		/* of the event, or why it is refused */
} events[] = {
	{ "added", EVENT("ADDED", N1), 0, KUBE_WATCH_ADDED, "n1", "8", true, "" },
	{ "modified", EVENT("MODIFIED", N1), 0, KUBE_WATCH_MODIFIED, "n1", "8", true,
	    "" },
	{ "deleted: nobody needs its contents", EVENT("DELETED", N1), 0,
	    KUBE_WATCH_DELETED, "n1", "8", false, "" },
	{ "an object we refuse can still go", EVENT("DELETED", "{'metadata':{'name':"
	    "'n1','resourceVersion':'8'},'spec':{'unschedulable':'x'}}"), 0,
	    KUBE_WATCH_DELETED, "n1", "8", false, "" },
	{ "bookmark", EVENT("BOOKMARK", "{'apiVersion':'v1','kind':'Node','metadata':{"
	    "'resourceVersion':'8','creationTimestamp':null},'spec':{}}"), 0,
	    KUBE_WATCH_BOOKMARK, "", "8", false, "" },
	{ "a refused object does not stop the watch: resume behind it",
	    EVENT("MODIFIED", "{'metadata':{'name':'n1','resourceVersion':'8'},"
	    "'spec':{'unschedulable':'x'}}"), 0, KUBE_WATCH_MODIFIED, "n1", "8", true,
	    "spec.unschedulable: \"x\": true or false belongs here, without quotes" },
	{ "one without a name leaves no stub",
	    EVENT("MODIFIED", "{'metadata':{'resourceVersion':'8'}}"), 0,
	    KUBE_WATCH_MODIFIED, "", "8", false, "metadata.name: is missing" },
	{ "error", EVENT("ERROR", "{'kind':'Status','apiVersion':'v1','status':"
	    "'Failure','message':'too old resource version','reason':'Expired',"
	    "'code':410}"), 0, KUBE_WATCH_ERROR, "", "", false, "" },
	{ "an error without Status", EVENT("ERROR", "{}"), -EINVAL, KUBE_WATCH_ERROR,
	    "", "", false, "object: an object: a Status was expected" },
	{ "a type that is none", EVENT("SYNC", N1), -EINVAL, KUBE_WATCH_ERROR, "", "",
	    false, "type: \"SYNC\": is not known here; write ADDED, MODIFIED, DELETED, "
	    "BOOKMARK or ERROR" },
	{ "no type", "{'object':{}}", -EINVAL, KUBE_WATCH_ERROR, "", "", false,
	    "type: is missing: this is no watch event" },
	{ "no object", "{'type':'ADDED'}", -EINVAL, KUBE_WATCH_ERROR, "", "", false,
	    "object: is missing: this is no watch event" },
	{ "no metadata", EVENT("ADDED", "{}"), -EINVAL, KUBE_WATCH_ERROR, "", "", false,
	    "object: an object: has no metadata" },
};

START_TEST(watch_event)
{
	char *text = json(events[_i].text);
	struct kube_watch_event ev = { .id.kind = KUBE_POD };
	struct kube_error err = { "" };
	int rc = kube_decode_watch(text, strlen(text), NULL, KUBE_NODE, &ev, &err);

	ck_assert_msg(rc == events[_i].rc, "%s: %s", events[_i].why, err.text);
	if (rc != 0) {
		ck_assert_str_eq(err.text, events[_i].error);
		ck_assert_msg(ev.id.kind == KUBE_POD, "output touched");
		free(text);
		return;
	}
	ck_assert_msg(ev.type == events[_i].type, "%s", events[_i].why);
	ck_assert_int_eq(ev.id.kind, KUBE_NODE);
	ck_assert_str_eq(ev.id.name, events[_i].name);
	ck_assert_str_eq(ev.id.resource_version, events[_i].version);
	ck_assert_msg((ev.object != NULL) == events[_i].has_object, "%s",
	    events[_i].why);
	ck_assert_str_eq(ev.why.text, events[_i].error);
	if (ev.object != NULL)
		ck_assert_pstr_eq(ev.object->why_refused,
		    ev.why.text[0] != '\0' ? ev.why.text : NULL);
	if (ev.type == KUBE_WATCH_ERROR) {
		ck_assert_int_eq(ev.status.code, 410);
		ck_assert_str_eq(ev.status.reason, "Expired");
	}
	kube_object_free(ev.object);
	free(text);
}
END_TEST

START_TEST(status)
{
	struct kube_status st = { .code = -1 };
	char *text = json("{'kind':'Status','status':'Failure','reason':'Timeout',"
	    "'message':'wait','details':{'retryAfterSeconds':2},'code':504}");

	ck_assert_int_eq(kube_decode_status("{}", 2, &st), -EINVAL);
	ck_assert_int_eq(kube_decode_status("", 0, &st), -EINVAL);
	ck_assert_int_eq(st.code, -1);
	ck_assert_int_eq(kube_decode_status(text, strlen(text), &st), 0);
	ck_assert_int_eq(st.code, 504);
	ck_assert_int_eq(st.retry_after_sec, 2);
	ck_assert_str_eq(st.reason, "Timeout");
	ck_assert_str_eq(st.message, "wait");
	free(text);
	text = json("{'kind':'Status','code':1e300,'details':{'retryAfterSeconds':-1}}");
	ck_assert_int_eq(kube_decode_status(text, strlen(text), &st), 0);
	ck_assert_msg(st.code == 0 && st.retry_after_sec == 0, "nonsense is not given");
	free(text);
}
END_TEST

START_TEST(every_prefix_and_every_flipped_bit)
{
	char *page_text = json(lists[0].text), *event_text = json(events[0].text);

	for (int pass = 0; pass < 2; pass++) {
		char *text = pass == 0 ? page_text : event_text;
		size_t len = strlen(text);

		for (size_t n = 0; n < len * 9; n++) {
			size_t cut = n < len ? n : len, flip = n - cut;
			char *copy = malloc(cut > 0 ? cut : 1);
			struct kube_watch_event ev = { .object = NULL };
			struct kube_page page = { .cont = NULL };
			struct seen seen = { .len = 0 };
			struct kube_error err;

			memcpy(copy, text, cut);
			if (n >= len)
				copy[flip / 8] = (char)(copy[flip / 8] ^ 1 << flip % 8);
			(void)kube_decode_list(copy, cut, NULL, KUBE_NODE, see, &seen,
			    &page, &err);
			(void)kube_decode_watch(copy, cut, NULL, KUBE_NODE, &ev, &err);
			kube_object_free(ev.object);
			free(page.cont);
			free(copy);
		}
	}
	free(page_text);
	free(event_text);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, list, 0, nitems(lists));
	tcase_add_loop_test(tc, watch_event, 0, nitems(events));
	tcase_add_test(tc, status);
	tcase_add_test(tc, every_prefix_and_every_flipped_bit);
}

TEST_MAIN("kube wrappings", fill)
