/* decode_field.c - see decode_impl.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/decode_impl.h"
#include "lib/mem.h"

const struct dec_word dec_protos[] = {
	{ "TCP", KUBE_TCP },
	{ "UDP", KUBE_UDP },
	{ "SCTP", KUBE_SCTP },
	{ NULL, 0 },
};

struct dec_at
dec_field(const struct dec_at *up, const char *key)
{
	struct dec_at at = { .up = up, .key = key };

	if (cJSON_IsObject(up->node))
		at.node = cJSON_GetObjectItemCaseSensitive(up->node, key);
	if (cJSON_IsNull(at.node))
		at.node = NULL;
	return at;
}

/* Text being built in a fixed buffer; what does not fit is cut. */
struct text {
	char	*buf;
	size_t	len, size;
};

__attribute__((format(printf, 2, 3)))
static void
text_add(struct text *t, const char *fmt, ...)
{
	size_t left = t->size - t->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n < left ? (size_t)n : left - 1;
}

/* A string as it was written, but short, and safe to show. */
static void
text_quote(struct text *t, const char *s)
{
	enum { SHOWN_MAX = 64 };
	size_t len = strlen(s), shown = len;

	if (len > SHOWN_MAX) {
		shown = SHOWN_MAX;
		/* Never cut in the middle of a UTF-8 sequence. */
		while (shown > 0 && ((unsigned char)s[shown] & 0xc0) == 0x80)
			shown--;
	}
	text_add(t, "\"");
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f)
			text_add(t, "\\x%02x", c);
		else
			text_add(t, "%c", c);
	}
	text_add(t, len > shown ? "...\"" : "\"");
}

static void
text_path(struct text *t, const struct dec_at *at)
{
	if (at->up == NULL)
		return;
	text_path(t, at->up);
	if (at->key == NULL) {
		text_add(t, "[%zu]", at->index);
	} else if (strpbrk(at->key, "./\" ") != NULL) {
		text_add(t, "[");
		text_quote(t, at->key);
		text_add(t, "]");
	} else {
		text_add(t, "%s%.64s", at->up->up == NULL ? "" : ".", at->key);
	}
}

static void
text_value(struct text *t, const cJSON *node)
{
	if (cJSON_IsString(node))
		text_quote(t, node->valuestring);
	else if (cJSON_IsNumber(node))
		text_add(t, "%.15g", node->valuedouble);
	else if (cJSON_IsBool(node))
		text_add(t, "%s", cJSON_IsTrue(node) ? "true" : "false");
	else if (cJSON_IsArray(node))
		text_add(t, "an array");
	else if (cJSON_IsObject(node))
		text_add(t, "an object");
	else
		text_add(t, "null");
}

/* The line of the place, or of the nearest one above that has a line. */
static unsigned
line_of(const struct dec_at *at)
{
	for (; at != NULL; at = at->up)
		if (at->node != NULL && at->node->valueint > 0)
			return (unsigned)at->node->valueint;
	return 0;
}

void
dec_fail(struct dec *d, const struct dec_at *at, const char *fmt, ...)
{
	struct kube_error none, *err = d->err != NULL ? d->err : &none;
	struct text t = { .buf = err->text, .size = sizeof(err->text) };
	char what[320];
	va_list ap;

	if (d->is_bad)
		return;
	d->is_bad = true;
	if (d->has_lines)
		d->line = line_of(at);
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	text_path(&t, at);
	if (t.len > 0)
		text_add(&t, ": ");
	if (at->node != NULL && at->up != NULL) {
		text_value(&t, at->node);
		text_add(&t, ": ");
	}
	text_add(&t, "%s", what);
}

bool
dec_is_object(struct dec *d, const struct dec_at *at)
{
	if (at->node == NULL)
		return false;
	if (!cJSON_IsObject(at->node))
		dec_fail(d, at, "an object belongs here");
	return cJSON_IsObject(at->node);
}

const char *
dec_peek(struct dec *d, const struct dec_at *at)
{
	if (at->node == NULL)
		return NULL;
	if (!cJSON_IsString(at->node)) {
		dec_fail(d, at, "a string belongs here%s",
		    cJSON_IsNumber(at->node) || cJSON_IsBool(at->node) ?
		    "; put the value in quotes" : "");
		return NULL;
	}
	return at->node->valuestring[0] != '\0' ? at->node->valuestring : NULL;
}

const char *
dec_str(struct dec *d, const struct dec_at *at)
{
	return arena_strdup(d->arena, dec_peek(d, at));
}

bool
dec_bool(struct dec *d, const struct dec_at *at, bool absent)
{
	if (at->node == NULL)
		return absent;
	if (!cJSON_IsBool(at->node))
		dec_fail(d, at, "true or false belongs here, without quotes");
	return cJSON_IsTrue(at->node);
}

int64_t
dec_int(struct dec *d, const struct dec_at *at, int64_t min, int64_t max,
    int64_t absent)
{
	double v;

	if (at->node == NULL)
		return absent;
	v = at->node->valuedouble;
	/* Not v < min: NaN must fail too. */
	if (!cJSON_IsNumber(at->node) ||
	    !(v >= (double)min && v <= (double)max) || v != floor(v)) {
		dec_fail(d, at, "a whole number from %lld to %lld belongs here",
		    (long long)min, (long long)max);
		return absent;
	}
	/* The double nearest to INT64_MAX is one more than it. */
	return v >= 0x1p63 ? INT64_MAX : (int64_t)v;
}

int
dec_word(struct dec *d, const struct dec_at *at, const struct dec_word *words,
    int absent)
{
	const char *s = dec_peek(d, at);
	char known[128] = "";
	struct text t = { .buf = known, .size = sizeof(known) };

	if (s == NULL)
		return absent;
	for (size_t i = 0; words[i].word != NULL; i++) {
		if (strcmp(s, words[i].word) == 0)
			return words[i].value;
		text_add(&t, "%s%s", i == 0 ? "" :
		    words[i + 1].word == NULL ? " or " : ", ", words[i].word);
	}
	dec_fail(d, at, "is not known here; write %s", known);
	return absent;
}

struct ip
dec_ip(struct dec *d, const struct dec_at *at)
{
	const char *s = dec_peek(d, at);
	struct ip a = { .family = IP_NONE };

	if (s != NULL && ip_parse(s, &a) != 0)
		dec_fail(d, at, "is no IPv4 or IPv6 address; write it as "
		    "192.0.2.1 or 2001:db8::1, without leading zeros");
	return a;
}

/* The length of a unit of Go's durations at s, and its nanoseconds. */
static size_t
duration_unit(const char *s, double *ret_ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "\u00b5s", 1e3 }, { "ms", 1e6 },
	    { "s", 1e9 }, { "m", 60e9 }, { "h", 3600e9 } };

	for (size_t i = 0; i < nitems(units); i++) {
		size_t len = strlen(units[i].unit);

		if (strncmp(s, units[i].unit, len) == 0) {
			*ret_ns = units[i].ns;
			return len;
		}
	}
	return 0;
}

/* Numbers with units ("1m30s", "1.5s"), or a bare 0; -1 where it is none. */
static double
duration_ns(const char *s)
{
	double sum = 0, unit;

	if (strcmp(s, "0") == 0)
		return 0;
	do {
		size_t digits = strspn(s, "0123456789."), len;
		char *end;
		double v;

		/* 18 digits are 31 years of nanoseconds. */
		if (digits == 0 || digits > 18 || *s == '.')
			return -1;
		v = strtod(s, &end);
		if (end != s + digits)
			return -1;
		len = duration_unit(end, &unit);
		if (len == 0)
			return -1;
		sum += v * unit;
		s = end + len;
	} while (*s != '\0');
	return sum;
}

uint32_t
dec_duration_ms(struct dec *d, const struct dec_at *at, uint32_t min_ms,
    uint32_t max_ms)
{
	const char *s = dec_peek(d, at);
	double ms;

	if (at->node == NULL)
		return 0;
	ms = s != NULL ? duration_ns(s) / 1e6 : -1;
	if (!(ms >= min_ms && ms <= max_ms)) {
		dec_fail(d, at, "a time from %gs to %gs belongs here, as in \"90s\" or "
		    "\"1m30s\"", min_ms / 1e3, max_ms / 1e3);
		return 0;
	}
	return (uint32_t)ms;
}

size_t
dec_count(struct dec *d, const struct dec_at *at, size_t max)
{
	size_t n = 0;

	if (at->node == NULL)
		return 0;
	if (!cJSON_IsArray(at->node)) {
		dec_fail(d, at, "an array belongs here");
		return 0;
	}
	for (const cJSON *c = at->node->child; c != NULL; c = c->next)
		if (++n > max) {
			dec_fail(d, at, "holds more than %zu items; split the "
			    "object", max);
			return 0;
		}
	return n;
}

struct dec_at
dec_first(const struct dec_at *array)
{
	return (struct dec_at){
		.up = array,
		.node = cJSON_IsArray(array->node) ? array->node->child : NULL,
	};
}

struct dec_at
dec_next(const struct dec_at *it)
{
	return (struct dec_at){
		.up = it->up,
		.index = it->index + 1,
		.node = it->node->next,
	};
}

const char **
dec_strings(struct dec *d, const struct dec_at *at, size_t max, size_t *ret_n)
{
	size_t n = dec_count(d, at, max), i = 0;
	const char **strings;

	*ret_n = 0;
	if (n == 0)
		return NULL;
	strings = arena_array(d->arena, n, sizeof(*strings));
	for (struct dec_at it = dec_first(at); it.node != NULL; it = dec_next(&it)) {
		strings[i] = dec_str(d, &it);
		if (strings[i++] == NULL)
			dec_fail(d, &it, "is empty; remove the item");
		if (d->is_bad)
			return NULL;
	}
	*ret_n = n;
	return strings;
}

const char **
dec_names(struct dec *d, const struct dec_at *at, size_t max, size_t *ret_n)
{
	size_t n = dec_count(d, at, max);
	const char **names = arena_array(d->arena, n, sizeof(*names));

	*ret_n = 0;
	for (struct dec_at it = dec_first(at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it)) {
		struct dec_at name = dec_field(&it, "name");
		const char *s = dec_str(d, &name);

		if (s != NULL)
			names[(*ret_n)++] = s;
	}
	return names;
}

struct kube_map
dec_map(struct dec *d, const struct dec_at *at, const char *skip)
{
	struct kube_map m = { .n = 0 };
	size_t n = 0;

	if (!dec_is_object(d, at))
		return m;
	for (const cJSON *c = at->node->child; c != NULL; c = c->next)
		n++;
	if (n > DEC_LIST_MAX) {
		dec_fail(d, at, "holds more than %d entries", DEC_LIST_MAX);
		return m;
	}
	if (n > 0)
		m.kv = arena_array(d->arena, n, sizeof(*m.kv));
	for (const cJSON *c = at->node->child; c != NULL; c = c->next) {
		struct dec_at it = { .up = at, .key = c->string, .node = c };

		if (skip != NULL && strcmp(c->string, skip) == 0)
			continue;
		if (!cJSON_IsString(c) && !cJSON_IsNull(c))
			dec_fail(d, &it, "a string belongs here; put the value "
			    "in quotes");
		m.kv[m.n].key = arena_strdup(d->arena, c->string);
		m.kv[m.n].value = arena_strdup(d->arena,
		    cJSON_IsString(c) ? c->valuestring : "");
		m.n++;
	}
	return m;
}

static const struct dec_word selector_ops[] = {
	{ "In", KUBE_OP_IN },
	{ "NotIn", KUBE_OP_NOT_IN },
	{ "Exists", KUBE_OP_EXISTS },
	{ "DoesNotExist", KUBE_OP_NOT_EXISTS },
	{ NULL, 0 },
};

static struct kube_requirement
dec_requirement(struct dec *d, const struct dec_at *at)
{
	struct dec_at key = dec_field(at, "key");
	struct dec_at op = dec_field(at, "operator");
	struct dec_at values = dec_field(at, "values");
	struct kube_requirement r = { .key = NULL };
	bool wants_values;

	if (!dec_is_object(d, at))
		return r;
	r.key = dec_str(d, &key);
	if (r.key == NULL)
		dec_fail(d, &key, "is missing; name a label");
	if (op.node == NULL)
		dec_fail(d, &op, "is missing; write In, NotIn, Exists or "
		    "DoesNotExist");
	r.op = (enum kube_selector_op)dec_word(d, &op, selector_ops, KUBE_OP_EXISTS);
	r.nvalues = dec_count(d, &values, DEC_LIST_MAX);
	if (d->is_bad)
		return r;
	wants_values = r.op == KUBE_OP_IN || r.op == KUBE_OP_NOT_IN;
	if (wants_values && r.nvalues == 0)
		dec_fail(d, &values, "%s needs at least one value",
		    op.node->valuestring);
	if (!wants_values && r.nvalues > 0)
		dec_fail(d, &values, "%s takes no values; remove them",
		    op.node->valuestring);
	if (d->is_bad || r.nvalues == 0)
		return r;
	/* Not dec_strings(): a label's value may well be "". */
	r.values = arena_array(d->arena, r.nvalues, sizeof(*r.values));
	for (struct dec_at it = dec_first(&values); it.node != NULL;
	     it = dec_next(&it)) {
		const char *s = dec_str(d, &it);

		r.values[it.index] = s != NULL ? s : "";
	}
	return r;
}

struct kube_selector
dec_selector(struct dec *d, const struct dec_at *at)
{
	struct dec_at labels = dec_field(at, "matchLabels");
	struct dec_at exprs = dec_field(at, "matchExpressions");
	struct kube_selector s = { .nexprs = 0 };

	if (!dec_is_object(d, at))
		return s;
	s.match_labels = dec_map(d, &labels, NULL);
	s.nexprs = dec_count(d, &exprs, DEC_SELECTORS_MAX);
	if (s.nexprs == 0)
		return s;
	s.exprs = arena_array(d->arena, s.nexprs, sizeof(*s.exprs));
	for (struct dec_at it = dec_first(&exprs); it.node != NULL && !d->is_bad;
	     it = dec_next(&it))
		s.exprs[it.index] = dec_requirement(d, &it);
	return s;
}

struct kube_selector *
dec_selectors(struct dec *d, const struct dec_at *at, size_t *ret_n)
{
	size_t n = dec_count(d, at, DEC_SELECTORS_MAX);
	struct kube_selector *sel;

	*ret_n = 0;
	if (n == 0)
		return NULL;
	sel = arena_array(d->arena, n, sizeof(*sel));
	for (struct dec_at it = dec_first(at); it.node != NULL && !d->is_bad;
	     it = dec_next(&it))
		sel[it.index] = dec_selector(d, &it);
	*ret_n = n;
	return sel;
}
