#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/status.h"
#include "lib/mem.h"

struct verdict {
	const char *status, *reason, *message;
};

/* s as a JSON string; bytes above 0x7f pass as the UTF-8 they are. */
static void
put_string(FILE *f, const char *s)
{
	(void)fputc('"', f);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			(void)fprintf(f, "\\%c", c);
		else if (c < 0x20)
			(void)fprintf(f, "\\u%04x", c);
		else
			(void)fputc(c, f);
	}
	(void)fputc('"', f);
}

/* Up to 2^53 - 1: every JSON reader on the way keeps that exactly. */
static int64_t
count(uint64_t n)
{
	return n > (UINT64_C(1) << 53) - 1 ? (INT64_C(1) << 53) - 1 : (int64_t)n;
}

/* What the condition says; *ret_text is heap, to be freed. */
static struct verdict
verdict_of(const struct config_problem *p, char **ret_text)
{
	*ret_text = NULL;
	if (p == NULL)
		return (struct verdict){ "True", "Accepted", "in force" };
	if (p->is_refused)
		return (struct verdict){ "False", "Refused", p->text };
	*ret_text = mem_printf("in force, but %s", p->text);
	return (struct verdict){ "True", "Doubtful", *ret_text };
}

char *
status_patch(const struct reconcile_usage *use, const struct config_problem *p,
    int64_t generation, const char *since)
{
	char *text = NULL, *message;
	struct verdict v = verdict_of(p, &message);
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		abort();	/* out of memory, as in lib/mem.c */
	(void)fprintf(f, "{\"status\":{");
	if (use != NULL)
		(void)fprintf(f, "\"assignedIPv4\":%" PRId64 ",\"assignedIPv6\":%"
		    PRId64 ",\"availableIPv4\":%" PRId64 ",\"availableIPv6\":%" PRId64
		    ",", count(use->assigned[0]), count(use->assigned[1]),
		    count(use->available[0]), count(use->available[1]));
	(void)fprintf(f, "\"conditions\":[{\"type\":\"Accepted\",\"status\":\"%s\","
	    "\"reason\":\"%s\",\"observedGeneration\":%" PRId64 ",\"message\":",
	    v.status, v.reason, generation);
	put_string(f, v.message);
	(void)fprintf(f, ",\"lastTransitionTime\":\"%s\"}]}}", since);
	(void)fclose(f);
	free(message);
	return text;
}

static bool
shows_counts(const struct kube_ip_address_pool *p, const struct reconcile_usage *use)
{
	for (int f = 0; f < 2; f++) {
		if (p->assigned[f] != count(use->assigned[f]) ||
		    p->available[f] != count(use->available[f]))
			return false;
	}
	return true;
}

const struct kube_condition *
status_condition(const struct kube_object *o)
{
	switch (o->kind) {
	case KUBE_IP_ADDRESS_POOL:
		return &o->pool.accepted;
	case KUBE_L2_ADVERTISEMENT:
		return &o->l2adv.accepted;
	case KUBE_BGP_ADVERTISEMENT:
		return &o->bgpadv.accepted;
	case KUBE_BGP_PEER:
		return &o->bgp_peer.accepted;
	case KUBE_FORWARDING_PROFILE:
		return &o->profile.accepted;
	default:
		return NULL;
	}
}

static bool
same(const char *a, const char *b)
{
	return a != NULL && strcmp(a, b) == 0;
}

bool
status_is_shown(const struct kube_object *o, const struct reconcile_usage *use,
    const struct config_problem *p, bool has_conditions)
{
	const struct kube_condition *c = status_condition(o);
	struct verdict v;
	char *text;
	bool is_same;

	if (use != NULL && !shows_counts(&o->pool, use))
		return false;
	if (!has_conditions)
		return true;
	v = verdict_of(p, &text);
	is_same = c != NULL && same(c->status, v.status) && same(c->reason, v.reason) &&
	    same(c->message, v.message) && c->since != NULL &&
	    c->observed_generation == o->meta.generation;
	free(text);
	return is_same;
}

const char *
status_list(const struct ip *addrs, unsigned n, char buf[STATUS_LIST_LEN])
{
	if (n == 0)
		(void)snprintf(buf, STATUS_LIST_LEN, "[]");
	else if (n == 1)
		(void)snprintf(buf, STATUS_LIST_LEN, "[\"%s\"]", IP_STR(&addrs[0]));
	else
		(void)snprintf(buf, STATUS_LIST_LEN, "[\"%s\" \"%s\"]",
		    IP_STR(&addrs[0]), IP_STR(&addrs[1]));
	return buf;
}
