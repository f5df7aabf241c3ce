/*
 * decode_check.c - the healthCheck of a ForwardingProfile.
 *
 * A field that does not go with the check's type is refused rather than
 * skipped: who writes it believes that it is looked at.
 */
#include <netinet/in.h>
#include <regex.h>
#include <string.h>

#include "kube/decode_impl.h"
#include "kube/pem.h"
#include "kube/tls.h"
#include "lib/mem.h"

enum {
	INTERVAL_MIN_MS = 10,
	INTERVAL_MAX_MS = 3600 * 1000,
	BYTES_MAX = 1024,		/* of send and expect */
	REGEX_MAX = 256,
	TEXT_MAX = 1024,		/* a path, a host */
	DNS_NAME_MAX = 253,		/* RFC 1035, section 2.3.4, as text */
	DNS_LABEL_MAX = 63,
	GRPC_SERVICE_MAX = 255,
};

static const struct dec_word check_types[] = {
	{ "tcp", KUBE_CHECK_TCP },
	{ "tcp-half-open", KUBE_CHECK_TCP_HALF_OPEN },
	{ "http", KUBE_CHECK_HTTP },
	{ "https", KUBE_CHECK_HTTPS },
	{ "grpc", KUBE_CHECK_GRPC },
	{ "udp", KUBE_CHECK_UDP },
	{ "dns", KUBE_CHECK_DNS },
	{ NULL, 0 },
};

/* Which types of check a field goes with. */
enum {
	FOR_HTTP = 1u << KUBE_CHECK_HTTP | 1u << KUBE_CHECK_HTTPS,
	FOR_TLS = 1u << KUBE_CHECK_HTTPS | 1u << KUBE_CHECK_GRPC,
	FOR_GRPC = 1u << KUBE_CHECK_GRPC,
	FOR_UDP = 1u << KUBE_CHECK_UDP,
	FOR_DNS = 1u << KUBE_CHECK_DNS,
};

/* The field's group, absent where it is; refused where it goes with other types. */
static struct dec_at
section(struct dec *d, const struct dec_at *check, const char *key, unsigned types,
    const struct kube_health_check *c)
{
	struct dec_at at = dec_field(check, key);

	if (dec_is_object(d, &at) && (types & 1u << c->type) == 0)
		dec_fail(d, &at, "says nothing to a check of type %s; remove it, or "
		    "change the type", kube_check_type_name(c->type));
	return at;
}

/* A string of at most max bytes without control characters; NULL where absent. */
static const char *
line(struct dec *d, const struct dec_at *at, size_t max)
{
	const char *s = dec_str(d, at);

	if (s == NULL)
		return NULL;
	if (strlen(s) > max)
		dec_fail(d, at, "is longer than %zu bytes; shorten it", max);
	for (const char *p = s; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			dec_fail(d, at, "holds a control character; remove it");
	}
	return s;
}

/* "200" or "200-299". */
static bool
status_parse(const char *s, struct kube_status_range *ret)
{
	unsigned v[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		for (int n = 0; n < 3; n++, s++) {
			if (*s < '0' || *s > '9')
				return false;
			v[i] = v[i] * 10 + (unsigned)(*s - '0');
		}
		if (*s == '\0')
			break;
		if (i == 1 || *s++ != '-')
			return false;
	}
	if (v[1] == 0)
		v[1] = v[0];
	*ret = (struct kube_status_range){ (uint16_t)v[0], (uint16_t)v[1] };
	return v[0] >= 100 && v[1] <= 599 && v[0] <= v[1];
}

static void
http_statuses(struct dec *d, const struct dec_at *at, struct kube_health_check *c)
{
	size_t n = dec_count(d, at, DEC_SELECTORS_MAX);

	/* As kubelet's probes have it. */
	if (n == 0) {
		c->statuses = arena_array(d->arena, 1, sizeof(*c->statuses));
		c->statuses[0] = (struct kube_status_range){ 200, 399 };
		c->nstatuses = 1;
		return;
	}
	c->statuses = arena_array(d->arena, n, sizeof(*c->statuses));
	for (struct dec_at it = dec_first(at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		const char *s = dec_peek(d, &it);

		if (s == NULL || !status_parse(s, &c->statuses[it.index]))
			dec_fail(d, &it, "is no HTTP status; write \"200\" or "
			    "\"200-299\", from 100 to 599, in quotes");
	}
	c->nstatuses = n;
}

/* What it matches is bounded too; a reference back could still take for ever. */
static const char *
regex(struct dec *d, const struct dec_at *at)
{
	const char *s = dec_str(d, at);
	char text[96];
	regex_t re;
	int rc;

	if (s == NULL)
		return NULL;
	if (strlen(s) > REGEX_MAX) {
		dec_fail(d, at, "is longer than %d bytes; shorten it", REGEX_MAX);
		return NULL;
	}
	for (const char *p = strchr(s, '\\'); p != NULL; p = strchr(p, '\\')) {
		if (p[1] >= '0' && p[1] <= '9')
			dec_fail(d, at, "refers back to a group (\\%c), which may take "
			    "for ever to match; write it out", p[1]);
		p += p[1] != '\0' ? 2 : 1;
	}
	rc = d->is_bad ? 0 : regcomp(&re, s, REG_EXTENDED | REG_NOSUB);
	if (rc != 0) {
		(void)regerror(rc, NULL, text, sizeof(text));
		dec_fail(d, at, "is no POSIX extended regular expression (%s); "
		    "correct it", text);
	} else if (!d->is_bad) {
		regfree(&re);
	}
	return s;
}

static void
check_http(struct dec *d, const struct dec_at *check, struct kube_health_check *c)
{
	struct dec_at http = section(d, check, "http", FOR_HTTP, c);
	struct dec_at path = dec_field(&http, "path");
	struct dec_at host = dec_field(&http, "host");
	struct dec_at statuses = dec_field(&http, "statuses");
	struct dec_at body = dec_field(&http, "bodyRegex");

	if ((FOR_HTTP & 1u << c->type) == 0)
		return;
	c->path = line(d, &path, TEXT_MAX);
	if (c->path == NULL)
		c->path = "/";
	else if (c->path[0] != '/' || strchr(c->path, ' ') != NULL)
		dec_fail(d, &path, "is no path; begin it with \"/\" and write a space "
		    "as %%20");
	c->host = line(d, &host, TEXT_MAX);
	if (c->host != NULL && strpbrk(c->host, "/ @") != NULL)
		dec_fail(d, &host, "is no host name; write it without scheme and path, "
		    "as in shop.example or shop.example:8080");
	http_statuses(d, &statuses, c);
	c->body_regex = regex(d, &body);
}

/* The name of an object beside the profile; key NULL: there is none to choose. */
static struct kube_key_ref
key_ref(struct dec *d, const struct dec_at *at, enum kube_kind kind, const char *key)
{
	struct dec_at name = dec_field(at, "name");
	struct dec_at key_at = dec_field(at, "key");
	struct kube_key_ref ref = { .kind = kind };

	if (!dec_is_object(d, at))
		return ref;
	ref.name = dec_str(d, &name);
	ref.key = key != NULL ? dec_str(d, &key_at) : NULL;
	if (ref.key == NULL)
		ref.key = key;
	if (ref.name == NULL)
		dec_fail(d, &name, "is missing; name the %s, which is in the "
		    "ForwardingProfile's own namespace", kube_kind_name(kind));
	return ref;
}

static void
check_ca(struct dec *d, const struct dec_at *tls, struct kube_health_check *c)
{
	struct dec_at ca = dec_field(tls, "ca");
	struct dec_at secret = dec_field(tls, "caSecret");
	struct dec_at config_map = dec_field(tls, "caConfigMap");

	c->tls_ca = dec_str(d, &ca);
	if (c->tls_ca != NULL && strlen(c->tls_ca) > KUBE_PEM_MAX)
		dec_fail(d, &ca, "is longer than %d bytes; leave only the certificates "
		    "it takes", KUBE_PEM_MAX);
	else if (c->tls_ca != NULL && pem_count_certs(c->tls_ca) < 0)
		dec_fail(d, &ca, "holds no certificate, or a broken one; paste the PEM "
		    "text, from its -----BEGIN line on");
	if ((ca.node != NULL) + (secret.node != NULL) + (config_map.node != NULL) > 1)
		dec_fail(d, config_map.node != NULL ? &config_map : &secret, "only one "
		    "of ca, caSecret and caConfigMap can count; remove the others");
	c->tls_ca_from = secret.node != NULL ?
	    key_ref(d, &secret, KUBE_SECRET, "ca.crt") :
	    key_ref(d, &config_map, KUBE_CONFIG_MAP, "ca.crt");
}

static void
check_tls(struct dec *d, const struct dec_at *check, struct kube_health_check *c)
{
	struct dec_at tls = section(d, check, "tls", FOR_TLS, c);
	struct dec_at name = dec_field(&tls, "serverName");
	struct dec_at client = dec_field(&tls, "clientSecret");

	c->is_tls = c->type == KUBE_CHECK_HTTPS ||
	    (c->type == KUBE_CHECK_GRPC && tls.node != NULL);
	c->tls_name = line(d, &name, DNS_NAME_MAX);
	if (c->tls_name != NULL && strpbrk(c->tls_name, ":/ ") != NULL)
		dec_fail(d, &name, "is no DNS name; write it as in shop.example");
	check_ca(d, &tls, c);
	c->tls_client = key_ref(d, &client, KUBE_SECRET, NULL).name;
}

static void
check_grpc(struct dec *d, const struct dec_at *check, struct kube_health_check *c)
{
	struct dec_at grpc = section(d, check, "grpc", FOR_GRPC, c);
	struct dec_at service = dec_field(&grpc, "service");

	if (c->type != KUBE_CHECK_GRPC)
		return;
	c->grpc_service = line(d, &service, GRPC_SERVICE_MAX);
	if (c->grpc_service == NULL)
		c->grpc_service = "";
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape of C's after the backslash; how many characters, 0 for none. */
static size_t
unescape(const char *s, uint8_t *ret)
{
	static const char from[] = "nrt\\\"0", to[] = "\n\r\t\\\"\0";
	const char *p;

	if (s[0] == 'x' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
		*ret = (uint8_t)(hex(s[1]) << 4 | hex(s[2]));
		return 3;
	}
	p = s[0] != '\0' ? strchr(from, s[0]) : NULL;
	if (p == NULL)
		return 0;
	*ret = (uint8_t)to[p - from];
	return 1;
}

static struct kube_bytes
bytes(struct dec *d, const struct dec_at *at)
{
	const char *s = dec_peek(d, at);
	struct kube_bytes out = { .b = NULL };
	uint8_t *b;

	if (s == NULL)
		return out;
	if (strlen(s) > BYTES_MAX) {
		dec_fail(d, at, "is longer than %d bytes; shorten it", BYTES_MAX);
		return out;
	}
	out.b = b = arena_alloc(d->arena, strlen(s));
	while (*s != '\0' && !d->is_bad) {
		size_t n;

		if (*s != '\\') {
			b[out.len++] = (uint8_t)*s++;
			continue;
		}
		n = unescape(s + 1, &b[out.len++]);
		if (n == 0)
			dec_fail(d, at, "has a backslash that escapes nothing; write "
			    "\\xNN, \\n, \\r, \\t, \\0, \\\" or \\\\");
		s += 1 + n;
	}
	return out;
}

static void
check_udp(struct dec *d, const struct dec_at *check, struct kube_health_check *c)
{
	struct dec_at udp = section(d, check, "udp", FOR_UDP, c);
	struct dec_at send = dec_field(&udp, "send");
	struct dec_at expect = dec_field(&udp, "expect");

	if (c->type != KUBE_CHECK_UDP)
		return;
	c->send = bytes(d, &send);
	c->expect = bytes(d, &expect);
	if (c->send.b == NULL)
		dec_fail(d, &send, "is missing; without a request that it answers, a "
		    "UDP server cannot be told from none");
}

static const struct dec_word dns_types[] = {
	{ "A", 1 }, { "NS", 2 }, { "CNAME", 5 }, { "SOA", 6 }, { "PTR", 12 },
	{ "MX", 15 }, { "TXT", 16 }, { "AAAA", 28 }, { "SRV", 33 }, { NULL, 0 },
};

/* Labels of 1 to 63 characters (RFC 1035, section 2.3.4). */
static bool
is_dns_name(const char *s)
{
	if (strlen(s) > DNS_NAME_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(s, ".");

		if (n == 0 || n > DNS_LABEL_MAX)
			return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

static void
check_dns(struct dec *d, const struct dec_at *check, struct kube_health_check *c)
{
	struct dec_at dns = section(d, check, "dns", FOR_DNS, c);
	struct dec_at name = dec_field(&dns, "name");
	struct dec_at type = dec_field(&dns, "type");
	const char *s;

	if (c->type != KUBE_CHECK_DNS)
		return;
	s = line(d, &name, DNS_NAME_MAX + 1);
	if (s == NULL) {
		dec_fail(d, &name, "is missing; write a name that the server answers "
		    "for");
		return;
	}
	c->dns_name = s[strlen(s) - 1] == '.' ?
	    arena_strndup(d->arena, s, strlen(s) - 1) : s;
	if (!is_dns_name(c->dns_name))
		dec_fail(d, &name, "is no DNS name; labels have 1 to %d characters, all "
		    "of it at most %d", DNS_LABEL_MAX, DNS_NAME_MAX);
	c->dns_type = (uint16_t)dec_word(d, &type, dns_types, 1);
}

static void
check_schedule(struct dec *d, const struct dec_at *check, struct kube_health_check *c)
{
	struct dec_at interval = dec_field(check, "intervalMilliseconds");
	struct dec_at timeout = dec_field(check, "timeoutMilliseconds");
	struct dec_at rise = dec_field(check, "rise");
	struct dec_at fall = dec_field(check, "fall");
	struct dec_at jitter = dec_field(check, "jitterPercent");
	struct dec_at initial = dec_field(check, "initialState");
	static const struct dec_word initials[] = {
		{ "up", false }, { "down", true }, { NULL, 0 },
	};

	c->interval_ms = (uint32_t)dec_int(d, &interval, INTERVAL_MIN_MS,
	    INTERVAL_MAX_MS, 1000);
	c->timeout_ms = (uint32_t)dec_int(d, &timeout, 1, INTERVAL_MAX_MS,
	    c->interval_ms / 2);
	if (c->timeout_ms > c->interval_ms)
		dec_fail(d, &timeout, "is longer than the interval of %u ms, so that "
		    "checks would overtake one another; shorten it",
		    c->interval_ms);
	c->rise = (uint8_t)dec_int(d, &rise, 1, 100, 2);
	c->fall = (uint8_t)dec_int(d, &fall, 1, 100, 3);
	c->jitter_percent = (uint8_t)dec_int(d, &jitter, 0, 50, 10);
	c->starts_down = dec_word(d, &initial, initials, false);
}

/* Refused by design: a process for each endpoint and second is none of ours. */
static void
check_no_command(struct dec *d, const struct dec_at *check, const struct dec_at *type)
{
	static const char *const words[] = { "exec", "command", "script" };
	const char *s = cJSON_IsString(type->node) ? type->node->valuestring : "";

	for (size_t i = 0; i < nitems(words); i++) {
		struct dec_at at = dec_field(check, words[i]);
		bool is_type = strcmp(s, words[i]) == 0;

		if (is_type || at.node != NULL)
			dec_fail(d, is_type ? type : &at, "Herald runs no commands: have "
			    "the endpoint answer http or grpc on a port of its own "
			    "(healthCheck.port), and let that run what it takes");
	}
}

void
dec_health_check(struct dec *d, const struct dec_at *at, struct kube_health_check *c)
{
	struct dec_at type = dec_field(at, "type");
	struct dec_at port = dec_field(at, "port");

	if (!dec_is_object(d, at))
		return;
	check_no_command(d, at, &type);
	if (type.node == NULL)
		dec_fail(d, &type, "is missing; write tcp, tcp-half-open, http, "
		    "https, grpc, udp or dns");
	c->type = (enum kube_check_type)dec_word(d, &type, check_types,
	    KUBE_CHECK_NONE);
	c->port = (uint16_t)dec_int(d, &port, 1, UINT16_MAX, 0);
	check_schedule(d, at, c);
	check_http(d, at, c);
	check_tls(d, at, c);
	check_grpc(d, at, c);
	check_udp(d, at, c);
	check_dns(d, at, c);
}
