#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kube/dir.h"
#include "tests/check.h"

/* A directory without files, and what it said. */
struct rig {
	struct dir dir;
	struct kube_store *store;
	char	said[4096];		/* "FILE:LINE: text\n", warnings and worse */
	char	orphans[256];
};

static void
note(void *arg, enum log_level level, const char *file, unsigned line,
    const char *text)
{
	struct rig *r = arg;
	size_t len = strlen(r->said);

	if (level >= LOG_LEVEL_WARN)
		snprintf(r->said + len, sizeof(r->said) - len, "%s:%u: %s\n", file, line,
		    text);
}

static void
orphan(void *arg, const char *key)
{
	struct rig *r = arg;

	strcat(strcat(r->orphans, key), " ");
}

static void
rig_init(struct rig *r, unsigned kinds, const char *node, const char *ns)
{
	struct dir_conf conf = { .kinds = kinds, .node_name = node,
		.manifest.own_ns = ns, .say = note, .orphaned = orphan, .arg = r };

	*r = (struct rig){ .store = kube_store_new() };
	dir_init(&r->dir, &conf, r->store);
}

static void
rig_fini(struct rig *r)
{
	dir_fini(&r->dir);
	kube_store_free(r->store);
}

static void
load(struct rig *r, const char *name, const char *text)
{
	r->said[0] = '\0';
	dir_load(&r->dir, name, text, strlen(text));
}

/* The keys of a kind, with a blank behind each. */
static const char *
held(const struct rig *r, enum kube_kind kind)
{
	static char text[1024];
	struct kube_list l = kube_store_list(r->store, kind);

	text[0] = '\0';
	for (size_t i = 0; i < l.n; i++)
		strcat(strcat(text, KUBE_KEY(l.items[i])), " ");
	return text;
}

#define NODE(name, cordoned) "apiVersion: v1\nkind: Node\nmetadata: {name: " name "}\n" \
	"spec: {unschedulable: " cordoned "}\n"
#define SVC(name, port) "apiVersion: v1\nkind: Service\nmetadata: {name: " name "}\n" \
	"spec:\n  ports:\n  - port: " port "\n"
#define ALL ((1u << KUBE_NKINDS) - 1)

static const struct {
	const char *why, *before, *after, *held, *said;
} edits[] = {
	{ "an object that is no longer there goes",
	    NODE("a", "true") "---\n" NODE("b", "true"), NODE("b", "true"), "b ", "" },
	{ "an empty file holds nothing", NODE("a", "true"), "# nothing\n", "", "" },
	{ "a refused document keeps its own object, and no other",
	    NODE("a", "true") "---\n" NODE("b", "true") "---\n" NODE("c", "true"),
	    NODE("a", "x"), "a ",
	    "f.yaml:4: a: spec.unschedulable: \"x\": true or false belongs "
	    "here, without quotes\n"
	    "f.yaml:0: 1 object that this file held before stays until it is mended\n" },
	{ "an unreadable document keeps all that is not seen elsewhere in the file",
	    NODE("a", "true") "---\n" NODE("b", "true") "---\n" NODE("c", "true"),
	    NODE("d", "true") "---\nx: [\n---\n" NODE("c", "true"), "a b c d ",
	    "f.yaml:6: while parsing a flow node, did not find expected node content; "
	    "check indentation, quotes and brackets\n"
	    "f.yaml:0: 2 objects that this file held before stay until it is mended\n" },
	{ "a nameless one too", NODE("a", "true"), "apiVersion: v1\nkind: Node\n"
	    "metadata: {}\n", "a ",
	    "f.yaml:3: metadata.name: is missing\n"
	    "f.yaml:0: 1 object that this file held before stays until it is mended\n" },
	{ "a document of another kind is nothing to us", NODE("a", "true"),
	    "apiVersion: apps/v1\nkind: Deployment\n", "", "" },
	{ "a misspelt kind of ours is told, and holds nothing back",
	    NODE("a", "true"), "apiVersion: heraldlb.io/v1beta1\nkind: Pool\n", "",
	    "f.yaml:2: kind: \"Pool\": Herald has no such kind; check the spelling\n" },
	{ "the same object twice: the first counts", "",
	    NODE("a", "true") "---\n" NODE("a", "false"), "a ",
	    "f.yaml:6: Node a is in this file before; that one is used, remove one\n" },
	{ "a List is taken apart, faults have their lines", "",
	    "apiVersion: v1\nkind: List\nitems:\n"
	    "- apiVersion: v1\n  kind: Node\n  metadata: {name: a}\n"
	    "- apiVersion: v1\n  kind: Node\n  metadata: {name: b}\n"
	    "  spec:\n    unschedulable: x\n", "a ",
	    "f.yaml:11: b: items[1]: spec.unschedulable: \"x\": true or false belongs "
	    "here, without quotes\n" },
	{ "items of a typed list need no kind", "",
	    "apiVersion: v1\nkind: NodeList\nitems:\n- metadata: {name: a}\n", "a ", "" },
};

START_TEST(edit)
{
	struct rig r;

	rig_init(&r, ALL, NULL, NULL);
	load(&r, "f.yaml", edits[_i].before);
	load(&r, "f.yaml", edits[_i].after);
	ck_assert_msg(strcmp(held(&r, KUBE_NODE), edits[_i].held) == 0, "%s: holds %s",
	    edits[_i].why, held(&r, KUBE_NODE));
	ck_assert_msg(strcmp(r.said, edits[_i].said) == 0, "%s: said\n%s", edits[_i].why,
	    r.said);
	/* Whatever was kept goes with the fault. */
	load(&r, "f.yaml", NODE("z", "true"));
	ck_assert_str_eq(held(&r, KUBE_NODE), "z ");
	dir_unload(&r.dir, "f.yaml");
	ck_assert_str_eq(held(&r, KUBE_NODE), "");
	ck_assert_msg(r.dir.idents == NULL && r.dir.files == NULL, "all forgotten");
	rig_fini(&r);
}
END_TEST

START_TEST(kept_object_is_as_it_was)
{
	const struct kube_object *o;
	struct rig r;

	rig_init(&r, ALL, NULL, NULL);
	load(&r, "f.yaml", SVC("web", "80"));
	r.dir.changed = 0;
	load(&r, "f.yaml", SVC("web", "99999"));
	ck_assert_str_eq(r.said, "f.yaml:6: web: spec.ports[0].port: 99999: a whole "
	    "number from 1 to 65535 belongs here\n"
	    "f.yaml:0: 1 object that this file held before stays until it is mended\n");
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_uint_eq(o->service.ports[0].port, 80);
	ck_assert_str_eq(kube_store_stub(r.store, KUBE_SERVICE, "default",
	    "web")->why_refused, "spec.ports[0].port: 99999: a whole number from 1 to "
	    "65535 belongs here");
	ck_assert_msg(r.dir.changed == 1u << KUBE_SERVICE, "the stub is news");
	r.dir.changed = 0;
	load(&r, "f.yaml", "\n" SVC("web", "99999"));
	ck_assert_msg(r.dir.changed == 0, "the same again is none");
	load(&r, "f.yaml", SVC("web", "81"));
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_uint_eq(o->service.ports[0].port, 81);
	ck_assert_uint_eq(kube_store_stubs(r.store, KUBE_SERVICE).n, 0);
	ck_assert_uint_eq(r.dir.changed, 1u << KUBE_SERVICE);
	ck_assert_str_eq(o->origin, "f.yaml:1");
	r.dir.changed = 0;
	load(&r, "f.yaml", "# moved by a line\n" SVC("web", "81"));
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_msg(r.dir.changed == 0, "moving is no news");
	ck_assert_str_eq(o->origin, "f.yaml:2");
	rig_fini(&r);
}
END_TEST

START_TEST(first_file_wins)
{
	const struct kube_object *o;
	struct rig r;

	rig_init(&r, ALL, NULL, NULL);
	load(&r, "b.yaml", NODE("n1", "false"));
	ck_assert_str_eq(r.said, "");
	load(&r, "a.yaml", NODE("n1", "true"));
	ck_assert_str_eq(r.said, "b.yaml:1: Node n1 is also in a.yaml:1, which comes first "
	    "and is used; remove one\n");
	load(&r, "c.json", "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":"
	    "{\"name\":\"n1\"}}");
	ck_assert_str_eq(r.said, "c.json:1: Node n1 is also in a.yaml:1, which comes first "
	    "and is used; remove one\n");
	o = kube_store_get(r.store, KUBE_NODE, NULL, "n1");
	ck_assert(o->node.is_unschedulable);
	load(&r, "a.yaml", "a: [");
	o = kube_store_get(r.store, KUBE_NODE, NULL, "n1");
	ck_assert_msg(strcmp(o->origin, "a.yaml:1") == 0, "kept, it is still the first");
	dir_unload(&r.dir, "a.yaml");
	o = kube_store_get(r.store, KUBE_NODE, NULL, "n1");
	ck_assert_str_eq(o->origin, "b.yaml:1");
	dir_unload(&r.dir, "b.yaml");
	o = kube_store_get(r.store, KUBE_NODE, NULL, "n1");
	ck_assert_str_eq(o->origin, "c.json:1");
	ck_assert(!o->node.is_unschedulable);
	rig_fini(&r);
}
END_TEST

#define POOL(meta) "apiVersion: heraldlb.io/v1beta1\nkind: IPAddressPool\n" \
	"metadata: {" meta "}\nspec: {addresses: [192.0.2.0/28]}\n"
#define BAD_POOL "apiVersion: heraldlb.io/v1beta1\nkind: IPAddressPool\n" \
	"metadata: {name: a, labels: {x: v}}\nspec: {addresses: [192.0.2.9-192.0.2.1]}\n"
#define POD(name, node) "apiVersion: v1\nkind: Pod\nmetadata: {name: " name "}\n" \
	"spec: {nodeName: " node "}\n"

/* A folder may hold anybody's; only ours, and no word of the others. */
START_TEST(secrets)
{
	static const char text[] = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"
	    "stringData: {password: x}\n---\napiVersion: v1\nkind: Secret\n"
	    "metadata: {name: b, namespace: other}\n---\napiVersion: v1\n"
	    "kind: Secret\nmetadata: {name: c, namespace: lb}\n---\napiVersion: v1\n"
	    "kind: ConfigMap\nmetadata: {name: d, namespace: other}\n";
	struct rig r;

	rig_init(&r, 1u << KUBE_SECRET | 1u << KUBE_CONFIG_MAP, NULL, "lb");
	load(&r, "f.yaml", text);
	ck_assert_str_eq(held(&r, KUBE_SECRET), "lb/a lb/c ");
	ck_assert_str_eq(held(&r, KUBE_CONFIG_MAP), "");
	ck_assert_str_eq(r.said, "");
	rig_fini(&r);
}
END_TEST

static const struct kube_object *
pool_stub(const struct rig *r)
{
	return kube_store_stub(r->store, KUBE_IP_ADDRESS_POOL, "herald-system", "a");
}

START_TEST(stub)
{
	static const char accepted[] = "{\"status\":{\"conditions\":[{\"type\":"
	    "\"Accepted\",\"status\":\"False\"}]}}";
	static const char key[] = "IPAddressPool_herald-system_a";
	struct kube_error err = { "" };
	struct rig r;
	char *text;

	rig_init(&r, ALL, NULL, "herald-system");
	load(&r, "f.yaml", BAD_POOL);
	ck_assert_str_eq(held(&r, KUBE_IP_ADDRESS_POOL), "");
	ck_assert_msg(pool_stub(&r) != NULL && dir_has(&r.dir, key), "never good: %s", r.said);
	ck_assert_str_eq(pool_stub(&r)->why_refused, "spec.addresses[0]: "
	    "\"192.0.2.9-192.0.2.1\": the range ends before it starts; swap the two "
	    "addresses");
	ck_assert_str_eq(pool_stub(&r)->origin, "f.yaml:4");
	ck_assert_str_eq(kube_map_get(&pool_stub(&r)->meta.labels, "x"), "v");

	ck_assert_msg(dir_patch(&r.dir, key, NULL, accepted, &text, &err) == 0,
	    "what is refused can be told so: %s", err.text);
	r.dir.changed = 0;
	ck_assert_int_eq(dir_set_status(&r.dir, key, text), 0);
	free(text);
	ck_assert_uint_eq(r.dir.changed, 1u << KUBE_IP_ADDRESS_POOL);
	ck_assert_str_eq(pool_stub(&r)->pool.accepted.status, "False");

	load(&r, "f.yaml", "x: [");
	ck_assert_msg(pool_stub(&r) != NULL, "it may be what is broken now");
	load(&r, "g.yaml", POOL("name: a"));
	ck_assert_msg(pool_stub(&r) != NULL, "another file's is in force, this one's is "
	    "told still");
	ck_assert_str_eq(held(&r, KUBE_IP_ADDRESS_POOL), "herald-system/a ");
	load(&r, "f.yaml", "");
	ck_assert_ptr_null(pool_stub(&r));
	ck_assert_str_eq(held(&r, KUBE_IP_ADDRESS_POOL), "herald-system/a ");
	load(&r, "g.yaml", BAD_POOL);
	ck_assert_msg(pool_stub(&r) != NULL, "refused, the good one in force");
	ck_assert_str_eq(held(&r, KUBE_IP_ADDRESS_POOL), "herald-system/a ");
	ck_assert_str_eq(r.orphans, "");
	dir_unload(&r.dir, "g.yaml");
	ck_assert_ptr_null(pool_stub(&r));
	ck_assert_str_eq(held(&r, KUBE_IP_ADDRESS_POOL), "");
	ck_assert_str_eq(r.orphans, "IPAddressPool_herald-system_a ");
	load(&r, "f.yaml", BAD_POOL);
	dir_unload(&r.dir, "f.yaml");
	ck_assert_ptr_null(pool_stub(&r));
	rig_fini(&r);
}
END_TEST

START_TEST(only_what_was_asked_for)
{
	struct rig r;

	rig_init(&r, 1u << KUBE_IP_ADDRESS_POOL | 1u << KUBE_POD, "n1", "herald-system");
	load(&r, "f.yaml", NODE("n1", "true") "---\n" POOL("name: a") "---\n"
	    POOL("name: b, namespace: herald-system") "---\n"
	    POOL("name: c, namespace: other") "---\n" POD("p", "n1") "---\n"
	    POD("q", "n2"));
	ck_assert_str_eq(held(&r, KUBE_NODE), "");
	ck_assert_str_eq(held(&r, KUBE_IP_ADDRESS_POOL),
	    "herald-system/a herald-system/b ");
	ck_assert_str_eq(held(&r, KUBE_POD), "default/p ");
	ck_assert_str_eq(r.said, "f.yaml:16: metadata.namespace: \"other\": IPAddressPool "
	    "c is read from namespace herald-system only; move it there\n");
	load(&r, "f.yaml", NODE("n1", "x") "---\n" POD("p", "n1"));
	ck_assert_msg(strcmp(r.said, "") == 0, "nor faults in others: %s", r.said);
	load(&r, "f.yaml", POD("p", "n2") "---\n" POD("q", "n1"));
	ck_assert_msg(strcmp(held(&r, KUBE_POD), "default/q ") == 0, "a pod moves away");
	rig_fini(&r);
}
END_TEST

#define INGRESS(ip) "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"" ip \
	"\",\"ipMode\":\"Proxy\"}]}}}"

static size_t
ningress(const struct rig *r)
{
	return kube_store_get(r->store, KUBE_SERVICE, "default", "web")->service.ningress;
}

START_TEST(status)
{
	const struct kube_object *o;
	struct rig r;

	rig_init(&r, ALL, NULL, NULL);
	ck_assert_msg(dir_set_status(&r.dir, "Service_default_web",
	    INGRESS("192.0.2.1")) == 0, "a status may come before its object");
	load(&r, "f.yaml", SVC("web", "80") "status:\n  loadBalancer:\n    ingress:\n"
	    "    - ip: 192.0.2.9\n");
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_str_eq(IP_STR(&o->service.ingress[0].ip), "192.0.2.1");
	r.dir.changed = 0;
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_default_web",
	    INGRESS("192.0.2.1")), 0);
	ck_assert_msg(r.dir.changed == 0, "the same status is no news");

	ck_assert_int_eq(dir_set_status(&r.dir, "Service_default_web",
	    "{\"status\":{\"loadBalancer\":7}}"), -EINVAL);
	ck_assert_str_eq(r.said, ".status/Service_default_web.json:0: this status is not "
	    "used: status.loadBalancer: 7: an object belongs here; remove the file\n");
	ck_assert_msg(ningress(&r) == 1, "a broken status leaves the old one");
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_default_web", "{"), -EINVAL);
	ck_assert_int_eq(dir_set_status(&r.dir, "Gadget_a_b", "{}"), -EINVAL);
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_a", "{}"), -EINVAL);
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_a_b_c", "{}"), -EINVAL);

	load(&r, "f.yaml", "x: [");
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_default_web",
	    INGRESS("192.0.2.2")), 0);
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_msg(ip_to_v4(&o->service.ingress[0].ip) == 0xc0000202,
	    "also while the manifest is broken");
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_default_web", NULL), 0);
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	ck_assert_msg(ip_to_v4(&o->service.ingress[0].ip) == 0xc0000209,
	    "without one the manifest's own counts");
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_default_web",
	    INGRESS("192.0.2.2")), 0);
	ck_assert_str_eq(r.orphans, "");
	dir_unload(&r.dir, "f.yaml");
	ck_assert_str_eq(r.orphans, "Service_default_web ");
	rig_fini(&r);
}
END_TEST

static const struct {
	const char *why, *patch;
	int rc;
	const char *after;
} patches[] = {
	{ "set", INGRESS("192.0.2.1"), 0,
	    "{\"status\":{\"x\":{\"y\":1},\"loadBalancer\":{\"ingress\":[{\"ip\":"
	    "\"192.0.2.1\",\"ipMode\":\"Proxy\"}]}}}" },
	{ "clear", "{\"status\":{\"loadBalancer\":{\"ingress\":[]}}}", 0,
	    "{\"status\":{\"x\":{\"y\":1},\"loadBalancer\":{\"ingress\":[]}}}" },
	{ "null takes away", "{\"status\":{\"x\":null,\"loadBalancer\":null}}", 0,
	    "{\"status\":{}}" },
	{ "what is beside the status is not merged", "{\"spec\":{},\"status\":{\"x\":2}}",
	    0, "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.9\"}]},"
	    "\"x\":2}}" },
	{ "a status that would be refused", "{\"status\":{\"loadBalancer\":{\"ingress\":["
	    "{\"ip\":\"x\"}]}}}", -EINVAL, "status.loadBalancer.ingress[0].ip: \"x\": is "
	    "no IPv4 or IPv6 address; write it as 192.0.2.1 or 2001:db8::1, without "
	    "leading zeros" },
	{ "no JSON", "{", -EINVAL, "line 1: this is no JSON, or it breaks off (at byte 0 "
	    "of 1)" },
	{ "annotations leave the manifest's status to be followed",
	    "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}", 0,
	    "{\"metadata\":{\"annotations\":{\"a\":\"1\"}}}" },
	{ "of metadata nothing but annotations", "{\"metadata\":{\"name\":\"x\","
	    "\"labels\":{\"a\":\"1\"}}}", 0, "" },
	{ "an annotation that is no string", "{\"metadata\":{\"annotations\":"
	    "{\"a\":1}}}", -EINVAL, "metadata.annotations.a: 1: a string belongs "
	    "here; put the value in quotes" },
	{ "nothing is left of an annotation", "{\"metadata\":{\"annotations\":"
	    "{\"a\":null}}}", 0, "" },
	{ "no status left", "{\"status\":null}", -EINVAL, "the patch leaves no status "
	    "behind; it must be {\"status\":{...}}" },
};

START_TEST(patch)
{
	struct kube_error err = { "" };
	struct rig r;
	char *text = NULL;

	rig_init(&r, ALL, NULL, NULL);
	load(&r, "f.yaml", SVC("web", "80") "status:\n  x: {y: 1}\n  loadBalancer:\n"
	    "    ingress:\n    - ip: 192.0.2.9\n");
	ck_assert_msg(dir_patch(&r.dir, "Service_default_web", NULL, patches[_i].patch,
	    &text, &err) == patches[_i].rc, "%s: %s", patches[_i].why, err.text);
	/* cJSON leaves the order of the keys alone but for what was merged. */
	ck_assert_msg(strcmp(text != NULL ? text : err.text, patches[_i].after) == 0,
	    "%s: %s", patches[_i].why, text != NULL ? text : err.text);
	free(text);
	rig_fini(&r);
}
END_TEST

START_TEST(conditional_patch)
{
	struct kube_error err = { "" };
	const struct kube_object *o;
	char *version, *text = NULL;
	struct rig r;

	rig_init(&r, ALL, NULL, NULL);
	load(&r, "f.yaml", SVC("web", "80"));
	o = kube_store_get(r.store, KUBE_SERVICE, "default", "web");
	version = mem_strdup(o->meta.resource_version);
	ck_assert_int_eq(dir_patch(&r.dir, "Service_default_api", version,
	    INGRESS("192.0.2.1"), &text, &err), -ENOENT);
	ck_assert_int_eq(dir_patch(&r.dir, "Service_default_web", version,
	    INGRESS("192.0.2.1"), &text, &err), 0);
	ck_assert_int_eq(dir_set_status(&r.dir, "Service_default_web", text), 0);
	free(text);
	text = NULL;
	ck_assert_msg(dir_patch(&r.dir, "Service_default_web", version,
	    INGRESS("192.0.2.2"), &text, &err) == -ESTALE, "a status is a change");
	ck_assert_ptr_null(text);
	free(version);
	rig_fini(&r);
}
END_TEST

static const char *
note_of(const struct rig *r, const char *key)
{
	const struct kube_object *o = kube_store_get(r->store, KUBE_SERVICE, "default",
	    "web");

	return kube_map_get(&o->meta.annotations, key);
}

/* One patch of Service default/web, as a source carries it out. */
static void
carry_out(struct rig *r, const char *body)
{
	struct kube_error err = { "" };
	char *text = NULL;

	ck_assert_msg(dir_patch(&r->dir, "Service_default_web", NULL, body, &text,
	    &err) == 0, "%s", err.text);
	ck_assert_int_eq(dir_set_status(&r->dir, "Service_default_web",
	    text[0] != '\0' ? text : NULL), 0);
	free(text);
}

START_TEST(annotations)
{
	struct rig r;

	rig_init(&r, ALL, NULL, NULL);
	load(&r, "f.yaml", SVC("web", "80") "status:\n  loadBalancer:\n    ingress:\n"
	    "    - ip: 192.0.2.9\n");
	carry_out(&r, "{\"metadata\":{\"annotations\":{\"a\":\"1\",\"b\":\"2\"}}}");
	ck_assert_str_eq(note_of(&r, "a"), "1");
	ck_assert_uint_eq(ningress(&r), 1);
	carry_out(&r, "{\"status\":{\"loadBalancer\":{\"ingress\":[]}}}");
	ck_assert_msg(note_of(&r, "a") != NULL, "a status leaves annotations");
	carry_out(&r, "{\"metadata\":{\"annotations\":{\"a\":null}}}");
	ck_assert_ptr_null(note_of(&r, "a"));
	ck_assert_str_eq(note_of(&r, "b"), "2");
	ck_assert_msg(ningress(&r) == 0, "and annotations a status");
	rig_fini(&r);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, edit, 0, nitems(edits));
	tcase_add_test(tc, annotations);
	tcase_add_test(tc, kept_object_is_as_it_was);
	tcase_add_test(tc, first_file_wins);
	tcase_add_test(tc, secrets);
	tcase_add_test(tc, stub);
	tcase_add_test(tc, only_what_was_asked_for);
	tcase_add_test(tc, status);
	tcase_add_loop_test(tc, patch, 0, nitems(patches));
	tcase_add_test(tc, conditional_patch);
}

TEST_MAIN("kube dir", fill)
