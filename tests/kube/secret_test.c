/* Secrets: what is read of them, and the passwords that BGPPeers take from them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/base64.h"
#include "kube/decode.h"
#include "kube/secret.h"
#include "tests/check.h"
#include "tests/kube/json.h"

#define BASIC "'type':'kubernetes.io/basic-auth'"
#define SECRET_IN(ns, rest) "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'s'," \
	"'namespace':'" ns "'}," rest "}"
#define SECRET(rest) SECRET_IN("lb", rest)
#define PEER(rest) "{'apiVersion':'heraldlb.io/v1beta2','kind':'BGPPeer','metadata':{" \
	"'name':'p','namespace':'lb'},'spec':{'myASN':1,'peerASN':2," \
	"'peerAddress':'10.0.0.1'" rest "}}"
#define BY_SECRET ",'passwordSecret':{'name':'s'}"

/* Of an exact-size copy, so that ASan sees a step past the end. */
static int
decode(const char *text, size_t len, struct kube_object **ret, struct kube_error *err)
{
	char *copy = malloc(len > 0 ? len : 1);
	int rc;

	memcpy(copy, text, len);
	rc = kube_decode(copy, len, NULL, KUBE_NKINDS, ret, err);
	free(copy);
	return rc;
}

static const struct {
	const char *why, *text, *key, *value;
	size_t len;
} reads[] = {
	{ "base64", SECRET(BASIC ",'data':{'password':'aHVudGVyMg=='}"), "password",
	    "hunter2", 7 },
	{ "any bytes", SECRET(BASIC ",'data':{'password':'AAEC'}"), "password",
	    "\0\1\2", 3 },
	{ "lines of base64", SECRET(BASIC ",'data':{'password':'aHVu\\ndGVy\\nMg==\\n'}"),
	    "password", "hunter2", 7 },
	{ "nothing is something", SECRET(BASIC ",'data':{'password':''}"), "password",
	    "", 0 },
	{ "null is nothing", SECRET(BASIC ",'data':{'password':null}"), "password",
	    "", 0 },
	{ "a manifest's plain text", SECRET(BASIC ",'stringData':{'password':'hunter2'}"),
	    "password", "hunter2", 7 },
	{ "plain text wins, as at the API server", SECRET(BASIC ",'data':{'a':'eA==',"
	    "'password':'eA=='},'stringData':{'password':'y'}"), "password", "y", 1 },
	{ "and leaves the others", SECRET(BASIC ",'data':{'a':'eA=='},"
	    "'stringData':{'password':'y'}"), "a", "x", 1 },
};

START_TEST(read)
{
	const struct kube_secret_item *item;
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	char *text = json(reads[_i].text);

	ck_assert_msg(decode(text, strlen(text), &o, &err) == 0, "%s: %s", reads[_i].why,
	    err.text);
	ck_assert_int_eq(o->kind, KUBE_SECRET);
	ck_assert_str_eq(o->secret.type, KUBE_SECRET_BASIC_AUTH);
	item = kube_secret_get(&o->secret, reads[_i].key);
	ck_assert_msg(item != NULL && item->len == reads[_i].len &&
	    memcmp(item->value, reads[_i].value, item->len + 1) == 0, "%s",
	    reads[_i].why);
	ck_assert_ptr_null(kube_secret_get(&o->secret, "other"));
	kube_object_free(o);
	o = NULL;
	for (size_t len = 0; len < strlen(text); len++) {
		ck_assert_int_ne(decode(text, len, &o, &err), 0);
		ck_assert_ptr_null(o);
	}
	free(text);
}
END_TEST

/* Refused, and the value is nowhere in the message. */
static const struct {
	const char *why, *text, *error;
} refusals[] = {
	{ "no base64", SECRET("'data':{'password':'hunter2!'}"),
	    "data: an object: password: is not base64" },
	{ "base64 that breaks off", SECRET("'data':{'password':'aHVudGVyMg'}"),
	    "data: an object: password: is not base64" },
	{ "OpenSSL's end of data is none of RFC 4648's",
	    SECRET("'data':{'password':'eA==-hunter2'}"),
	    "data: an object: password: is not base64" },
	{ "a number", SECRET("'stringData':{'password':12345}"),
	    "stringData: an object: password: a string belongs here" },
	{ "no object", SECRET("'data':'hunter2'"), "data: an object belongs here" },
	{ "a password of a peer that is a number", PEER(",'password':12345"),
	    "spec: an object: password: a string belongs here" },
};

START_TEST(refuse)
{
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	char *text = json(refusals[_i].text);

	ck_assert_msg(decode(text, strlen(text), &o, &err) == -EINVAL, "%s",
	    refusals[_i].why);
	ck_assert_msg(strncmp(err.text, refusals[_i].error, strlen(refusals[_i].error)) == 0,
	    "%s: %s", refusals[_i].why, err.text);
	ck_assert_msg(strstr(err.text, "hunter") == NULL,
	    "%s: the value is told: %s", refusals[_i].why, err.text);
	ck_assert_msg(strstr(err.text, "12345") == NULL, "%s: told: %s", refusals[_i].why,
	    err.text);
	free(text);
}
END_TEST

START_TEST(too_large)
{
	size_t len = (2 << 20) + 100;
	char *text = malloc(len);
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	int n = snprintf(text, len, "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":"
	    "{\"name\":\"s\",\"namespace\":\"d\"},\"data\":{\"a\":\"");

	memset(text + n, 'A', 2 << 20);
	strcpy(text + n + (2 << 20), "\"}}");
	ck_assert_int_eq(decode(text, strlen(text), &o, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "1 MiB"));
	free(text);
}
END_TEST

#define LONG_80 "0123456789012345678901234567890123456789" \
	"0123456789012345678901234567890123456789"

static const struct {
	const char *why, *peer, *secret;
	int rc;
	const char *is;		/* the password, or part of the message */
} passwords[] = {
	{ "none is asked for", PEER(""), NULL, 0, NULL },
	{ "written out", PEER(",'password':'x'"), NULL, 0, "x" },
	{ "from a Secret", PEER(BY_SECRET),
	    SECRET(BASIC ",'stringData':{'password':'x'}"), 0, "x" },
	{ "as long as may be", PEER(BY_SECRET),
	    SECRET(BASIC ",'stringData':{'password':'" LONG_80 "'}"), 0, LONG_80 },
	{ "a byte too long", PEER(BY_SECRET),
	    SECRET(BASIC ",'stringData':{'password':'" LONG_80 "x'}"), -EINVAL,
	    "Secret lb/s: key \"password\" is longer than the 80 bytes" },
	{ "not there", PEER(BY_SECRET), NULL, -ENOENT,
	    "spec.passwordSecret: there is no Secret lb/s of type "
	    "kubernetes.io/basic-auth; create it" },
	{ "there, in another namespace than the peer", PEER(BY_SECRET),
	    SECRET_IN("d", BASIC ",'stringData':{'password':'x'}"), -ENOENT,
	    "no Secret lb/s" },
	{ "another namespace is named", PEER(",'passwordSecret':{'name':'s',"
	    "'namespace':'d'}"), SECRET_IN("d", BASIC ",'stringData':{'password':'x'}"),
	    -EINVAL, "only Secrets of namespace lb are read; copy d/s there" },
	{ "the right namespace is named", PEER(",'passwordSecret':{'name':'s',"
	    "'namespace':'lb'}"), SECRET(BASIC ",'stringData':{'password':'x'}"), 0, "x" },
	{ "another type", PEER(BY_SECRET),
	    SECRET("'type':'Opaque','stringData':{'password':'x'}"), -EINVAL,
	    "Secret lb/s is of type Opaque; make it anew" },
	{ "no type", PEER(BY_SECRET), SECRET("'stringData':{'password':'x'}"), -EINVAL,
	    "is of type Opaque" },
	{ "another key", PEER(BY_SECRET), SECRET(BASIC ",'stringData':{'pass':'x'}"),
	    -EINVAL, "key \"password\" is not there" },
	{ "empty", PEER(BY_SECRET), SECRET(BASIC ",'stringData':{'password':''}"),
	    -EINVAL, "key \"password\" is empty" },
	{ "echo without -n", PEER(BY_SECRET),
	    SECRET(BASIC ",'stringData':{'password':'x\\n'}"), -EINVAL,
	    "control character (a line end behind it?)" },
	{ "a NUL in it would cut it short", PEER(BY_SECRET),
	    SECRET(BASIC ",'data':{'password':'eAB4'}"), -EINVAL, "control character" },
};

static struct kube_object *
put(struct kube_store *store, const char *quoted)
{
	struct kube_object *o = NULL;
	struct kube_error err = { "" };
	char *text = json(quoted);

	ck_assert_msg(decode(text, strlen(text), &o, &err) == 0, "%s", err.text);
	free(text);
	kube_store_put(store, o);
	return o;
}

START_TEST(password)
{
	struct kube_store *store = kube_store_new();
	const struct kube_object *peer = put(store, passwords[_i].peer);
	struct kube_error err = { "" };
	const char *got = "untouched";
	int rc;

	if (passwords[_i].secret != NULL)
		(void)put(store, passwords[_i].secret);
	rc = kube_peer_password(store, peer, &got, &err);
	ck_assert_msg(rc == passwords[_i].rc, "%s: %d %s", passwords[_i].why, rc, err.text);
	if (rc != 0) {
		ck_assert_str_eq(got, "untouched");
		ck_assert_msg(strstr(err.text, passwords[_i].is) != NULL, "%s: %s",
		    passwords[_i].why, err.text);
	} else {
		ck_assert_pstr_eq(got, passwords[_i].is);
	}
	kube_store_free(store);
}
END_TEST

static const struct {
	const char *text, *bytes;
	ssize_t len;
} base64_rows[] = {
	/* RFC 4648, section 10. */
	{ "", "", 0 }, { "Zg==", "f", 1 }, { "Zm8=", "fo", 2 }, { "Zm9v", "foo", 3 },
	{ "Zm9vYg==", "foob", 4 }, { "Zm9vYmE=", "fooba", 5 }, { "Zm9vYmFy", "foobar", 6 },
	{ " Zm9v\r\nYmFy\t\n", "foobar", 6 }, { "+/+/", "\xfb\xff\xbf", 3 },
	{ "Zg", NULL, -EINVAL }, { "Zg=", NULL, -EINVAL }, { "Z", NULL, -EINVAL },
	{ "=", NULL, -EINVAL }, { "Zg==Zg==", NULL, -EINVAL }, { "Zm-v", NULL, -EINVAL },
	{ "Zm9v!", NULL, -EINVAL }, { "Zm9v-", NULL, -EINVAL },
};

START_TEST(base64)
{
	char *buf = malloc(strlen(base64_rows[_i].text) + 1);
	ssize_t n = base64_decode(base64_rows[_i].text, buf);

	ck_assert_msg(n == base64_rows[_i].len, "\"%s\": %zd", base64_rows[_i].text, n);
	if (n >= 0)
		ck_assert_mem_eq(buf, base64_rows[_i].bytes, (size_t)n + 1);
	free(buf);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, base64, 0, nitems(base64_rows));
	tcase_add_loop_test(tc, read, 0, nitems(reads));
	tcase_add_loop_test(tc, refuse, 0, nitems(refusals));
	tcase_add_test(tc, too_large);
	tcase_add_loop_test(tc, password, 0, nitems(passwords));
}

TEST_MAIN("secret", fill)
