#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/mem.h"
#include "lib/metrics.h"

struct series {
	const struct metric *metric;
	char	*key;			/* metric name, '{', labels: hashed, sorted */
	size_t	labels_at;		/* where in key the labels begin */
	double	value;
	UT_hash_handle hh;
};

static struct series *all;
static metrics_piece_fn *writer;
static void *writer_arg;

static struct series *
find(const struct metric *m, const char *labels, bool is_made)
{
	char *key = mem_printf("%s{%s", m->name, labels != NULL ? labels : "");
	struct series *s;

	HASH_FIND_STR(all, key, s);
	if (s != NULL || !is_made) {
		free(key);
		return s;
	}
	s = mem_zalloc(sizeof(*s));
	s->metric = m;
	s->key = key;
	s->labels_at = strlen(m->name) + 1;
	HASH_ADD_KEYPTR(hh, all, s->key, strlen(s->key), s);
	return s;
}

static void
drop(struct series *s)
{
	HASH_DEL(all, s);
	free(s->key);
	free(s);
}

void
metrics_add(const struct metric *m, const char *labels, double n)
{
	find(m, labels, true)->value += n;
}

void
metrics_set(const struct metric *m, const char *labels, double value)
{
	find(m, labels, true)->value = value;
}

void
metrics_drop(const struct metric *m, const char *labels)
{
	struct series *s, *next;

	if (labels != NULL) {
		if ((s = find(m, labels, false)) != NULL)
			drop(s);
		return;
	}
	HASH_ITER(hh, all, s, next) {
		if (s->metric == m)
			drop(s);
	}
}

/* Append name="value" with the escapes of the text format; bytes needed. */
static size_t
put_label(char *p, size_t left, const char *name, const char *value, bool is_first)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		abort();
	fprintf(f, "%s%s=\"", is_first ? "" : ",", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			fprintf(f, "\\%c", *value);
		else if (*value == '\n')
			fputs("\\n", f);
		else
			fputc(*value, f);
	}
	fputc('"', f);
	fclose(f);
	if (len < left)
		memcpy(p, text, len + 1);
	free(text);
	return len;
}

const char *
metrics_labels(char *buf, size_t size, ...)
{
	const char *name, *value;
	size_t used = 0, n;
	va_list ap;

	if (size == 0)
		return buf;
	buf[0] = '\0';
	va_start(ap, size);
	while ((name = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		n = put_label(buf + used, size - used, name, value, used == 0);
		if (n >= size - used)
			break;
		used += n;
	}
	va_end(ap);
	return buf;
}

static int
by_key(const struct series *a, const struct series *b)
{
	return strcmp(a->key, b->key);
}

void
metrics_set_writer(metrics_piece_fn *fn, void *arg)
{
	writer = fn;
	writer_arg = arg;
}

void
metrics_write(FILE *f)
{
	const struct metric *last = NULL;

	HASH_SORT(all, by_key);
	for (struct series *s = all; s != NULL; s = s->hh.next) {
		if (s->metric != last) {
			fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", s->metric->name,
			    s->metric->help, s->metric->name,
			    s->metric->type == METRIC_COUNTER ? "counter" : "gauge");
			last = s->metric;
		}
		if (s->key[s->labels_at] != '\0')
			fprintf(f, "%s} %.17g\n", s->key, s->value);
		else
			fprintf(f, "%s %.17g\n", s->metric->name, s->value);
	}
}

bool
metrics_write_piece(FILE *f, uint64_t *at)
{
	return writer != NULL && writer(writer_arg, f, at);
}

void
metrics_fini(void)
{
	struct series *s, *next;

	HASH_ITER(hh, all, s, next)
		drop(s);
}
