/* ForwardingProfile: what is read, what is refused, and which Service has it. */
#include <errno.h>
#include <string.h>

#include "kube/decode.h"
#include "kube/profile.h"
#include "tests/check.h"
#include "tests/kube/json.h"
#include "tests/kube/kinds.h"

#define PROFILE(rest) "{'apiVersion':'heraldlb.io/v1beta1'," \
	"'kind':'ForwardingProfile'," META ",'spec':{" rest "}}"
#define CHECK(rest) PROFILE("'healthCheck':{" rest "}")

static struct kube_object *
decode(const char *quoted)
{
	return json_object(quoted, NULL);
}

static const char full[] = PROFILE("'serviceSelectors':[{'matchLabels':{'app':'x'}}],"
    "'namespaces':['shop','blog'],'mode':'masquerade','scheduler':'wlc',"
    "'healthCheck':{'type':'https','port':8443,"
    "'intervalMilliseconds':200,'timeoutMilliseconds':50,'rise':1,'fall':4,"
    "'jitterPercent':0,'initialState':'down','http':{'path':'/healthz?x=1',"
    "'host':'shop.example:8443','statuses':['200-299','304'],'bodyRegex':'^(ok|fine)$'},"
    "'tls':{'serverName':'shop.example','caConfigMap':{'name':'ca'},"
    "'clientSecret':{'name':'us'}}},'quorum':{'up':3,'hysteresis':1},"
    "'drainSeconds':90,'slowStartSeconds':30,'topologyHints':true,"
    "'fallback':[{'address':'192.0.2.80','port':8080},"
    "{'address':'2001:db8::80'},{'service':{'name':'sorry'}},"
    "{'service':{'name':'sorry','namespace':'web'},'port':80}]");

START_TEST(everything)
{
	struct kube_object *o = decode(full);
	const struct kube_forwarding_profile *p = &o->profile;
	const struct kube_health_check *c = &p->check;

	ck_assert(p->nservice_selectors == 1 && p->nnamespaces == 2);
	ck_assert_int_eq(p->mode, KUBE_FORWARD_MASQUERADE);
	ck_assert_int_eq(p->scheduler, KUBE_SCHED_WLC);
	ck_assert(c->type == KUBE_CHECK_HTTPS && c->is_tls && c->port == 8443);
	ck_assert(c->interval_ms == 200 && c->timeout_ms == 50);
	ck_assert(c->rise == 1 && c->fall == 4 && c->jitter_percent == 0);
	ck_assert(c->starts_down);
	ck_assert_str_eq(c->path, "/healthz?x=1");
	ck_assert_str_eq(c->host, "shop.example:8443");
	ck_assert(c->nstatuses == 2 && c->statuses[0].first == 200 &&
	    c->statuses[0].last == 299 && c->statuses[1].first == 304 &&
	    c->statuses[1].last == 304);
	ck_assert_str_eq(c->body_regex, "^(ok|fine)$");
	ck_assert_str_eq(c->tls_name, "shop.example");
	ck_assert_ptr_null(c->tls_ca);
	ck_assert_int_eq(c->tls_ca_from.kind, KUBE_CONFIG_MAP);
	ck_assert_str_eq(c->tls_ca_from.name, "ca");
	ck_assert_str_eq(c->tls_ca_from.key, "ca.crt");
	ck_assert_str_eq(c->tls_client, "us");
	ck_assert(p->has_drain && p->drain_sec == 90 && p->slow_start_sec == 30);
	ck_assert(p->has_hints);
	ck_assert(p->quorum_up == 3 && p->quorum_hysteresis == 1);
	ck_assert_uint_eq(p->nfallback, 4);
	ck_assert_str_eq(IP_STR(&p->fallback[1].ip), "2001:db8::80");
	ck_assert(p->fallback[0].port == 8080 && p->fallback[1].port == 0);
	ck_assert_ptr_null(p->fallback[1].service);
	ck_assert(!ip_is_set(&p->fallback[2].ip));
	ck_assert_str_eq(p->fallback[2].service, "sorry");
	ck_assert_ptr_null(p->fallback[2].service_ns);
	ck_assert_str_eq(p->fallback[3].service_ns, "web");
	ck_assert_uint_eq(p->fallback[3].port, 80);
	kube_object_free(o);
}
END_TEST

START_TEST(defaults)
{
	struct kube_object *o = decode(PROFILE(""));

	ck_assert_int_eq(o->profile.check.type, KUBE_CHECK_NONE);
	ck_assert_int_eq(o->profile.mode, KUBE_FORWARD_TUNNEL);
	ck_assert_int_eq(o->profile.scheduler, KUBE_SCHED_MH);
	ck_assert(!o->profile.has_drain && o->profile.slow_start_sec == 0);
	ck_assert(!o->profile.is_one_packet);
	kube_object_free(o);

	o = decode(PROFILE("'onePacket':true,'scheduler':'wrr'"));
	ck_assert(o->profile.is_one_packet);
	kube_object_free(o);
	o = decode(PROFILE("'onePacket':false"));
	ck_assert_msg(!o->profile.is_one_packet, "with any scheduler");
	kube_object_free(o);

	o = decode(CHECK("'type':'tcp-half-open'"));
	ck_assert_int_eq(o->profile.check.type, KUBE_CHECK_TCP_HALF_OPEN);
	kube_object_free(o);

	o = decode(CHECK("'type':'http'"));
	const struct kube_health_check *c = &o->profile.check;
	ck_assert(c->interval_ms == 1000 && c->timeout_ms == 500);
	ck_assert(c->rise == 2 && c->fall == 3 && c->jitter_percent == 10);
	ck_assert(c->port == 0 && !c->starts_down && !c->is_tls);
	ck_assert_str_eq(c->path, "/");
	ck_assert_msg(c->nstatuses == 1 && c->statuses[0].first == 200 &&
	    c->statuses[0].last == 399, "as kubelet's probes have it");
	kube_object_free(o);
}
END_TEST

START_TEST(by_protocol)
{
	struct kube_object *o = decode(CHECK("'type':'udp','udp':{"
	    "'send':'a\\\\x00\\\\xfF\\\\r\\\\n\\\\\\\\z','expect':'\\\\0'}"));
	const struct kube_health_check *c = &o->profile.check;

	ck_assert_uint_eq(c->send.len, 7);
	ck_assert_mem_eq(c->send.b, "a\0\xff\r\n\\z", 7);
	ck_assert(c->expect.len == 1 && c->expect.b[0] == 0);
	kube_object_free(o);

	o = decode(CHECK("'type':'dns','dns':{'name':'example.','type':'AAAA'}"));
	ck_assert_str_eq(o->profile.check.dns_name, "example");
	ck_assert_uint_eq(o->profile.check.dns_type, 28);
	kube_object_free(o);

	o = decode(CHECK("'type':'grpc'"));
	ck_assert_str_eq(o->profile.check.grpc_service, "");
	ck_assert(!o->profile.check.is_tls);
	kube_object_free(o);

	o = decode(CHECK("'type':'grpc','grpc':{'service':'shop'},'tls':{}"));
	ck_assert_str_eq(o->profile.check.grpc_service, "shop");
	ck_assert(o->profile.check.is_tls);
	kube_object_free(o);
}
END_TEST

/* Every refusal: field, value, remedy. */
static const struct {
	const char *why, *text, *error;
} refusals[] = {
	{ "datagrams one by one, with mh", PROFILE("'onePacket':true"),
	    "spec.onePacket: true: takes a scheduler that gives a client's next" },
	{ "likewise with what counts connections",
	    PROFILE("'onePacket':true,'scheduler':'lc'"),
	    "spec.onePacket: true: takes a scheduler that gives a client's next" },
	{ "likewise by masquerading",
	    PROFILE("'onePacket':true,'scheduler':'wrr','mode':'masquerade'"),
	    "spec.onePacket: true: cannot be had in mode masquerade" },
	{ "likewise of what others forward",
	    PROFILE("'onePacket':true,'scheduler':'wrr','mode':'delegate'"),
	    "spec.onePacket: true: says nothing to those who forward" },
	{ "neither yes nor no", PROFILE("'onePacket':'yes'"), "spec.onePacket: \"yes\": " },
	{ "a slow start with mh", PROFILE("'slowStartSeconds':30"),
	    "spec.slowStartSeconds: 30: takes a scheduler that deals out by weight" },
	{ "a slow start of none", PROFILE("'scheduler':'wrr','slowStartSeconds':0"),
	    "spec.slowStartSeconds: 0: a whole number from 1 to 3600" },
	{ "a slow start of what others forward", PROFILE("'mode':'delegate',"
	    "'scheduler':'wrr','slowStartSeconds':30"),
	    "spec.slowStartSeconds: 30: says nothing to those who forward" },
	{ "a drain of more than a day", PROFILE("'drainSeconds':86401"),
	    "spec.drainSeconds: 86401: a whole number from 0 to 86400" },
	{ "a drain of what others forward",
	    PROFILE("'mode':'delegate','drainSeconds':0"),
	    "spec.mode: \"delegate\": leaves forwarding to others" },
	{ "hints for what others forward", PROFILE("'mode':'delegate',"
	    "'topologyHints':true"), "spec.mode: \"delegate\": leaves forwarding to others" },
	{ "no type", CHECK("'port':80"), "spec.healthCheck.type: is missing; write tcp" },
	{ "a type that is none", CHECK("'type':'icmp'"),
	    "spec.healthCheck.type: \"icmp\": is not known here; write tcp, tcp-half-open"
	    ", http" },
	{ "a command by type", CHECK("'type':'exec'"),
	    "spec.healthCheck.type: \"exec\": Herald runs no commands: have the" },
	{ "a command by field", CHECK("'type':'tcp','command':['/bin/true']"),
	    "spec.healthCheck.command: an array: Herald runs no commands" },
	{ "a field of another type", CHECK("'type':'tcp-half-open','http':{}"),
	    "spec.healthCheck.http: an object: says nothing to a check of type "
	    "tcp-half-open; remove it" },
	{ "a check that is no object", PROFILE("'healthCheck':'tcp'"),
	    "spec.healthCheck: \"tcp\": an object belongs here" },
	{ "port 0", CHECK("'type':'tcp','port':0"),
	    "spec.healthCheck.port: 0: a whole number from 1 to 65535" },
	{ "an interval of 9 ms", CHECK("'type':'tcp','intervalMilliseconds':9"),
	    "spec.healthCheck.intervalMilliseconds: 9: a whole number from 10" },
	{ "a timeout beyond the interval", CHECK("'type':'tcp',"
	    "'intervalMilliseconds':100,'timeoutMilliseconds':101"),
	    "spec.healthCheck.timeoutMilliseconds: 101: is longer than the interval" },
	{ "a fall of none", CHECK("'type':'tcp','fall':0"),
	    "spec.healthCheck.fall: 0: a whole number from 1 to 100" },
	{ "a rise that is text", CHECK("'type':'tcp','rise':'2'"),
	    "spec.healthCheck.rise: \"2\": a whole number" },
	{ "more jitter than makes sense", CHECK("'type':'tcp','jitterPercent':51"),
	    "spec.healthCheck.jitterPercent: 51: a whole number from 0 to 50" },
	{ "a state that is none", CHECK("'type':'tcp','initialState':'ok'"),
	    "spec.healthCheck.initialState: \"ok\": is not known here; write up or down" },
	{ "a path for tcp", CHECK("'type':'tcp','http':{'path':'/'}"),
	    "spec.healthCheck.http: an object: says nothing to a check of type tcp" },
	{ "certificates for http", CHECK("'type':'http','tls':{}"),
	    "spec.healthCheck.tls: an object: says nothing to a check of type http" },
	{ "a path without slash", CHECK("'type':'http','http':{'path':'x'}"),
	    "spec.healthCheck.http.path: \"x\": is no path; begin it with" },
	{ "a request smuggled into a path",
	    CHECK("'type':'http','http':{'path':'/\\r\\nHost: x'}"),
	    "holds a control character; remove it" },
	{ "a URL for a host", CHECK("'type':'http','http':{'host':'http://x'}"),
	    "spec.healthCheck.http.host: \"http://x\": is no host name" },
	{ "a number for a status", CHECK("'type':'http','http':{'statuses':[200]}"),
	    "spec.healthCheck.http.statuses[0]: 200: a string belongs here; put" },
	{ "a status class", CHECK("'type':'http','http':{'statuses':['2xx']}"),
	    "spec.healthCheck.http.statuses[0]: \"2xx\": is no HTTP status" },
	{ "a range backwards", CHECK("'type':'http','http':{'statuses':['299-200']}"),
	    "statuses[0]: \"299-200\": is no HTTP status" },
	{ "a status of 600", CHECK("'type':'http','http':{'statuses':['200','200-600']}"),
	    "statuses[1]: \"200-600\": is no HTTP status" },
	{ "a range of three", CHECK("'type':'http','http':{'statuses':['200-201-202']}"),
	    "statuses[0]: \"200-201-202\": is no HTTP status" },
	{ "a broken expression", CHECK("'type':'http','http':{'bodyRegex':'(a'}"),
	    "spec.healthCheck.http.bodyRegex: \"(a\": is no POSIX extended regular" },
	{ "a reference back", CHECK("'type':'http','http':{'bodyRegex':'(a*)\\\\1'}"),
	    "refers back to a group (\\1)" },
	{ "a CA that is none", CHECK("'type':'https','tls':{'ca':'x'}"),
	    "spec.healthCheck.tls.ca: \"x\": holds no certificate" },
	{ "a CA of a Secret without a name", CHECK("'type':'https','tls':{'caSecret':"
	    "{'key':'x'}}"), "spec.healthCheck.tls.caSecret.name: is missing; name the "
	    "Secret, which is in the ForwardingProfile's own namespace" },
	{ "a CA of two places", CHECK("'type':'https','tls':{'caSecret':{'name':'a'},"
	    "'caConfigMap':{'name':'a'}}"), "spec.healthCheck.tls.caConfigMap: an object: "
	    "only one of ca, caSecret and caConfigMap can count" },
	{ "a client's certificate that is no object", CHECK("'type':'https',"
	    "'tls':{'clientSecret':'a'}"), "spec.healthCheck.tls.clientSecret: \"a\": an "
	    "object belongs here" },
	{ "a server name with a port", CHECK("'type':'https','tls':{'serverName':'a:1'}"),
	    "spec.healthCheck.tls.serverName: \"a:1\": is no DNS name" },
	{ "udp without a request", CHECK("'type':'udp'"),
	    "spec.healthCheck.udp.send: is missing; without a request" },
	{ "an escape that is none", CHECK("'type':'udp','udp':{'send':'\\\\q'}"),
	    "has a backslash that escapes nothing" },
	{ "an escape cut short", CHECK("'type':'udp','udp':{'send':'\\\\x1'}"),
	    "has a backslash that escapes nothing" },
	{ "a backslash at the end", CHECK("'type':'udp','udp':{'send':'a\\\\'}"),
	    "has a backslash that escapes nothing" },
	{ "dns without a name", CHECK("'type':'dns'"),
	    "spec.healthCheck.dns.name: is missing; write a name" },
	{ "an empty label", CHECK("'type':'dns','dns':{'name':'a..b'}"),
	    "spec.healthCheck.dns.name: \"a..b\": is no DNS name" },
	{ "the root alone", CHECK("'type':'dns','dns':{'name':'.'}"),
	    "spec.healthCheck.dns.name: \".\": is no DNS name" },
	{ "a record type that is none", CHECK("'type':'dns','dns':{'name':'a','type':'B'}"),
	    "spec.healthCheck.dns.type: \"B\": is not known here; write A, NS" },
	{ "a quorum without a number", PROFILE("'quorum':{'hysteresis':1}"),
	    "spec.quorum.up: is missing" },
	{ "a quorum that is never lost", PROFILE("'quorum':{'up':2,'hysteresis':2}"),
	    "spec.quorum.hysteresis: 2: would leave a quorum that is never lost" },
	{ "a fallback without address", PROFILE("'fallback':[{'port':80}]"),
	    "spec.fallback[0].address: is missing" },
	{ "a fallback to a Service without a name",
	    PROFILE("'fallback':[{'service':{'namespace':'web'}}]"),
	    "spec.fallback[0].service.name: is missing; name the Service" },
	{ "a fallback that is no object", PROFILE("'fallback':[{'service':'sorry'}]"),
	    "spec.fallback[0].service: \"sorry\": an object belongs here" },
	{ "a fallback of two", PROFILE("'fallback':[{'service':{'name':'a'},"
	    "'address':'10.0.0.1'}]"), "spec.fallback[0].service: an object: goes not "
	    "together with address; write an entry for each" },
	{ "a fallback's port 0", PROFILE("'fallback':[{'address':'10.0.0.1','port':0}]"),
	    "spec.fallback[0].port: 0: a whole number from 1 to 65535" },
	{ "a fallback by name", PROFILE("'fallback':[{'address':'sorry','port':80}]"),
	    "spec.fallback[0].address: \"sorry\": is no IPv4 or IPv6 address" },
	{ "a fallback on loopback", PROFILE("'fallback':[{'address':'127.0.0.1',"
	    "'port':80}]"), "spec.fallback[0].address: \"127.0.0.1\": no server can" },
	{ "a mode that is none", PROFILE("'mode':'dsr'"),
	    "spec.mode: \"dsr\": is not known here; write tunnel, masquerade or" },
	{ "a scheduler that is none", PROFILE("'scheduler':'rr2'"),
	    "spec.scheduler: \"rr2\": is not known here; write mh" },
	{ "checks for what others forward", PROFILE("'mode':'delegate',"
	    "'healthCheck':{'type':'tcp'}"), "spec.mode: \"delegate\": leaves forwarding" },
};

START_TEST(refusal)
{
	char *text = json(refusals[_i].text);
	struct kube_object *o = NULL;
	struct kube_error err = { "" };

	ck_assert_msg(json_decode(text, strlen(text), NULL, KUBE_NKINDS, &o, &err) == -EINVAL, "%s",
	    refusals[_i].why);
	ck_assert_msg(strstr(err.text, refusals[_i].error) != NULL, "%s: %s\nwanted: %s",
	    refusals[_i].why, err.text, refusals[_i].error);
	ck_assert_ptr_null(o);
	free(text);
}
END_TEST

START_TEST(mauled)
{
	json_maul(full);
}
END_TEST

#define NAMED(name, spec) "{'apiVersion':'heraldlb.io/v1beta1'," \
	"'kind':'ForwardingProfile','metadata':{'name':'" name "'," \
	"'namespace':'herald-system'},'spec':{" spec "}}"
#define LABELLED(meta) "{'apiVersion':'v1','kind':'Service','metadata':{'name':'s'," \
	"'namespace':'shop'," meta "},'spec':{'ports':[{'port':80}]}}"
#define APP_X "'labels':{'app':'x'}"
#define SELECTS_X "'serviceSelectors':[{'matchLabels':{'app':'x'}}]"

static const struct {
	const char *why, *profiles[2], *svc;
	const char *name, *other, *missing;
} choices[] = {
	{ "no profile", { NULL }, LABELLED(APP_X), NULL, NULL, NULL },
	{ "one that names nothing is for who names it", { NAMED("a", "") },
	    LABELLED(APP_X), NULL, NULL, NULL },
	{ "named", { NAMED("a", "") }, LABELLED(
	    "'annotations':{'heraldlb.io/forwarding-profile':'a'}"), "a", NULL, NULL },
	{ "named, though another selects it", { NAMED("a", "'namespaces':['shop']"),
	    NAMED("b", "") }, LABELLED(
	    "'annotations':{'heraldlb.io/forwarding-profile':'b'}"), "b", NULL, NULL },
	{ "named in vain: not another one instead", { NAMED("a", "'namespaces':['shop']") },
	    LABELLED("'annotations':{'heraldlb.io/forwarding-profile':'c'}"), NULL, NULL,
	    "c" },
	{ "by namespace", { NAMED("a", "'namespaces':['blog','shop']") },
	    LABELLED(APP_X), "a", NULL, NULL },
	{ "by label", { NAMED("a", SELECTS_X) }, LABELLED(APP_X), "a", NULL, NULL },
	{ "both have to take it in", { NAMED("a", "'namespaces':['blog']," SELECTS_X) },
	    LABELLED(APP_X), NULL, NULL, NULL },
	{ "an empty selector takes in all", { NAMED("a", "'serviceSelectors':[{}]") },
	    LABELLED("'labels':{}"), "a", NULL, NULL },
	{ "of two the first by name, and it can be told", { NAMED("b", SELECTS_X),
	    NAMED("a", "'namespaces':['shop']") }, LABELLED(APP_X), "a", "b", NULL },
};

static void
check_name(const struct kube_object *o, const char *want, const char *why)
{
	if (want == NULL)
		ck_assert_msg(o == NULL, "%s: got %s", why, o->meta.name);
	else
		ck_assert_msg(o != NULL && strcmp(o->meta.name, want) == 0, "%s", why);
}

START_TEST(choice)
{
	struct kube_store *s = kube_store_new();
	struct kube_object *svc = decode(choices[_i].svc);
	struct kube_profile_choice c;

	for (size_t i = 0; i < 2 && choices[_i].profiles[i] != NULL; i++)
		kube_store_put(s, decode(choices[_i].profiles[i]));
	c = kube_profile_of(s, svc);
	check_name(c.profile, choices[_i].name, choices[_i].why);
	check_name(c.other, choices[_i].other, choices[_i].why);
	ck_assert_msg((c.missing == NULL) == (choices[_i].missing == NULL), "%s",
	    choices[_i].why);
	kube_object_free(svc);
	kube_store_free(s);
}
END_TEST

START_TEST(beside_metallb)
{
	struct kube_object *o = json_object(PROFILE(""), KUBE_API_GROUP_METALLB);

	ck_assert_int_eq(o->kind, KUBE_FORWARDING_PROFILE);
	kube_object_free(o);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_test(tc, everything);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, by_protocol);
	tcase_add_loop_test(tc, refusal, 0, nitems(refusals));
	tcase_add_test(tc, mauled);
	tcase_add_loop_test(tc, choice, 0, nitems(choices));
	tcase_add_test(tc, beside_metallb);
}

TEST_MAIN("kube decode profile", fill)
