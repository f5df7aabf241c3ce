/*
 * yaml.c - see yaml.h. The text is cut at its document markers first, so that
 * libyaml, which cannot go on after an error, loses one document and no more.
 * (A line that begins with --- or ... is a marker wherever it stands, even
 * within quotes: YAML 1.1, section 9.1.)
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "kube/yaml.h"
#include "kube/yaml_scalar.h"
#include "lib/mem.h"

struct frame {
	cJSON	*node;			/* array or object, already in its parent */
	char	*key;			/* of an object: read, awaits its value */
	char	*anchor;		/* its own, or NULL */
};

struct anchor {
	char	*name;
	const cJSON *node;
};

struct builder {
	yaml_parser_t parser;
	unsigned first_line;		/* of the chunk within the file */
	cJSON	*root;
	struct frame stack[YAML_DEPTH_MAX];
	size_t	depth;
	struct anchor anchors[YAML_ANCHORS_MAX];
	size_t	nanchors;
	size_t	nnodes, naliased;
	struct kube_error err;
	unsigned err_line;		/* 0: no error so far */
};

static unsigned
line_at(const struct builder *b, const yaml_mark_t *m)
{
	return b->first_line + (unsigned)m->line;
}

/* The first fault is the one that is told. */
__attribute__((format(printf, 3, 4)))
static void
fail(struct builder *b, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (b->err_line != 0)
		return;
	b->err_line = line;
	va_start(ap, fmt);
	vsnprintf(b->err.text, sizeof(b->err.text), fmt, ap);
	va_end(ap);
}

static cJSON *
make_plain(struct builder *b, const char *s, unsigned line)
{
	cJSON *node = yaml_plain_scalar(s);

	if (node == NULL)
		fail(b, line, "%s is a number that JSON does not have; put it in "
		    "quotes if a string is meant", s);
	return node;
}

static const char *
core_tag(const yaml_char_t *tag)
{
	static const char core[] = "tag:yaml.org,2002:";
	const char *t = (const char *)tag;

	return strncmp(t, core, sizeof(core) - 1) == 0 ? t + sizeof(core) - 1 : t;
}

static cJSON *
make_scalar(struct builder *b, const yaml_event_t *ev, unsigned line)
{
	static const char *const plains[] = { "null", "bool", "int", "float", NULL };
	const char *s = (const char *)ev->data.scalar.value;
	const char *tag;

	if (strlen(s) != ev->data.scalar.length) {
		fail(b, line, "a string holds a NUL character; remove it");
		return NULL;
	}
	if (ev->data.scalar.tag == NULL)
		return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ?
		    make_plain(b, s, line) : cJSON_CreateString(s);
	tag = core_tag(ev->data.scalar.tag);
	if (strcmp(tag, "str") == 0 || strcmp(tag, "!") == 0)
		return cJSON_CreateString(s);
	if (yaml_is_one_of(tag, plains))
		return make_plain(b, s, line);
	fail(b, line, "tag %.64s is not supported; remove it", tag);
	return NULL;
}

static size_t
count_nodes(const cJSON *n, size_t max)
{
	size_t count = 1;

	for (const cJSON *c = n->child; c != NULL && count <= max; c = c->next)
		count += count_nodes(c, max - count);
	return count;
}

/* Levels of collections: 0 for a scalar. No more than YAML_DEPTH_MAX. */
static size_t
node_depth(const cJSON *n)
{
	size_t deepest = 0;

	if (!cJSON_IsArray(n) && !cJSON_IsObject(n))
		return 0;
	for (const cJSON *c = n->child; c != NULL; c = c->next) {
		size_t d = node_depth(c);

		if (d > deepest)
			deepest = d;
	}
	return deepest + 1;
}

static cJSON *
make_alias(struct builder *b, const char *name, unsigned line)
{
	for (size_t i = b->nanchors; i-- > 0;) {
		size_t n;

		if (strcmp(b->anchors[i].name, name) != 0)
			continue;
		n = count_nodes(b->anchors[i].node, YAML_ALIASED_MAX);
		b->naliased += n;
		b->nnodes += n;
		if (b->naliased > YAML_ALIASED_MAX) {
			fail(b, line, "aliases copy more than %d values; write "
			    "them out", YAML_ALIASED_MAX);
			return NULL;
		}
		if (b->depth + node_depth(b->anchors[i].node) > YAML_DEPTH_MAX) {
			fail(b, line, "nested deeper than %d", YAML_DEPTH_MAX);
			return NULL;
		}
		return cJSON_Duplicate(b->anchors[i].node, true);
	}
	fail(b, line, "alias *%.64s refers to no anchor before it", name);
	return NULL;
}

static void
add_anchor(struct builder *b, const char *name, const cJSON *node, unsigned line)
{
	if (b->nanchors == YAML_ANCHORS_MAX) {
		fail(b, line, "there are more than %d anchors; write the values "
		    "out", YAML_ANCHORS_MAX);
		return;
	}
	b->anchors[b->nanchors++] = (struct anchor){ mem_strdup(name), node };
}

/* Hang a node where it belongs; takes it over. */
static void
attach(struct builder *b, cJSON *node, unsigned line)
{
	struct frame *f = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;

	node->valueint = (int)line;
	if (++b->nnodes > YAML_NODES_MAX)
		fail(b, line, "the document holds more than %d values; split it",
		    YAML_NODES_MAX);
	if (f == NULL) {
		cJSON_Delete(b->root);
		b->root = node;
	} else if (cJSON_IsArray(f->node)) {
		cJSON_AddItemToArray(f->node, node);
	} else {
		cJSON_AddItemToObject(f->node, f->key, node);
		free(f->key);
		f->key = NULL;
	}
}

static bool
wants_key(const struct builder *b)
{
	const struct frame *f = b->depth > 0 ? &b->stack[b->depth - 1] : NULL;

	return f != NULL && cJSON_IsObject(f->node) && f->key == NULL;
}

static void
on_key(struct builder *b, const yaml_event_t *ev, unsigned line)
{
	const char *s = (const char *)ev->data.scalar.value;

	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    strcmp(s, "<<") == 0)
		fail(b, line, "merge keys (<<) are not supported; write the "
		    "fields out");
	else if (strlen(s) != ev->data.scalar.length)
		fail(b, line, "a key holds a NUL character; remove it");
	else
		b->stack[b->depth - 1].key = mem_strdup(s);
}

static void
on_scalar(struct builder *b, const yaml_event_t *ev, unsigned line)
{
	const char *anchor = (const char *)ev->data.scalar.anchor;
	cJSON *node;

	if (wants_key(b)) {
		on_key(b, ev, line);
		return;
	}
	node = make_scalar(b, ev, line);
	if (node == NULL)
		return;
	attach(b, node, line);
	if (anchor != NULL)
		add_anchor(b, anchor, node, line);
}

static void
on_alias(struct builder *b, const yaml_event_t *ev, unsigned line)
{
	cJSON *node;

	if (wants_key(b)) {
		fail(b, line, "a key cannot be an alias; write it out");
		return;
	}
	node = make_alias(b, (const char *)ev->data.alias.anchor, line);
	if (node != NULL)
		attach(b, node, line);
}

static void
on_open(struct builder *b, cJSON *node, const yaml_char_t *anchor,
    const yaml_char_t *tag, unsigned line)
{
	if (wants_key(b))
		fail(b, line, "a key must be a plain string");
	else if (b->depth == YAML_DEPTH_MAX)
		fail(b, line, "nested deeper than %d", YAML_DEPTH_MAX);
	else if (tag != NULL && strcmp(core_tag(tag), "map") != 0 &&
	    strcmp(core_tag(tag), "seq") != 0)
		fail(b, line, "tag %.64s is not supported; remove it",
		    core_tag(tag));
	if (b->err_line != 0) {
		cJSON_Delete(node);
		return;
	}
	attach(b, node, line);
	b->stack[b->depth++] = (struct frame){
		.node = node,
		.anchor = mem_strdup((const char *)anchor),
	};
}

static int
by_key(const void *a, const void *b)
{
	const cJSON *x = *(cJSON *const *)a, *y = *(cJSON *const *)b;
	int c = strcmp(x->string, y->string);

	return c != 0 ? c : x->valueint - y->valueint;
}

/* A key twice: kubectl refuses it, for one of the two values would be lost. */
static void
check_keys(struct builder *b, const cJSON *object)
{
	size_t n = 0, i = 0;
	cJSON **all;

	for (const cJSON *c = object->child; c != NULL; c = c->next)
		n++;
	if (n < 2)
		return;
	all = mem_zalloc(n * sizeof(cJSON *));
	for (cJSON *c = object->child; c != NULL; c = c->next)
		all[i++] = c;
	qsort(all, n, sizeof(cJSON *), by_key);
	for (i = 1; i < n; i++)
		if (strcmp(all[i]->string, all[i - 1]->string) == 0)
			fail(b, (unsigned)all[i]->valueint, "\"%.64s\" is given "
			    "twice, here and on line %d; remove one",
			    all[i]->string, all[i - 1]->valueint);
	free(all);
}

static void
on_close(struct builder *b, unsigned line)
{
	struct frame *f = &b->stack[--b->depth];

	if (cJSON_IsObject(f->node))
		check_keys(b, f->node);
	/* Only now, so that nothing can hold an alias of itself. */
	if (f->anchor != NULL)
		add_anchor(b, f->anchor, f->node, line);
	free(f->anchor);
}

/* The text's line that libyaml stumbled over begins with a tab. */
static bool
is_tab_line(const char *text, size_t len, size_t line)
{
	const char *end = text + len;

	for (; line > 0 && text < end; line--) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));

		text = nl != NULL ? nl + 1 : end;
	}
	while (text < end && *text == ' ')
		text++;
	return text < end && *text == '\t';
}

static size_t
count_lines(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

static void
on_error(struct builder *b, const char *text, size_t len)
{
	const yaml_parser_t *p = &b->parser;
	const char *what = p->problem != NULL ? p->problem : "no valid YAML";
	size_t line = p->problem_mark.line, last;

	if (p->error == YAML_READER_ERROR) {
		/* No mark there, only a byte's offset. */
		line = count_lines(text, len < p->problem_offset ? len :
		    p->problem_offset);
	}
	/* What is missing at the end is told of the last line, not of the
	   marker that the next document begins with. */
	last = count_lines(text, len > 0 ? len - 1 : 0);
	if (line > last)
		line = last;
	fail(b, b->first_line + (unsigned)line, "%s%s%s; %s",
	    p->context != NULL ? p->context : "", p->context != NULL ? ", " : "",
	    what, is_tab_line(text, len, line) ?
	    "YAML indents with spaces, not with tabs" :
	    "check indentation, quotes and brackets");
}

/* One event; true once the chunk is done with. */
static bool
on_event(struct builder *b, const yaml_event_t *ev)
{
	unsigned line = line_at(b, &ev->start_mark);

	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		on_scalar(b, ev, line);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(b, ev, line);
		break;
	case YAML_SEQUENCE_START_EVENT:
		on_open(b, cJSON_CreateArray(), ev->data.sequence_start.anchor,
		    ev->data.sequence_start.tag, line);
		break;
	case YAML_MAPPING_START_EVENT:
		on_open(b, cJSON_CreateObject(), ev->data.mapping_start.anchor,
		    ev->data.mapping_start.tag, line);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(b, line);
		break;
	case YAML_STREAM_END_EVENT:
		return true;
	default:
		break;
	}
	return b->err_line != 0;
}

static void
read_chunk(const char *text, size_t len, unsigned first_line, kube_yaml_fn *fn,
    void *arg)
{
	struct builder *b = mem_zalloc(sizeof(*b));
	bool is_done = false;

	b->first_line = first_line;
	if (!yaml_parser_initialize(&b->parser)) {
		free(b);
		return;
	}
	yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b->parser, (const unsigned char *)text, len);
	while (!is_done) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&b->parser, &ev)) {
			on_error(b, text, len);
			break;
		}
		is_done = on_event(b, &ev);
		yaml_event_delete(&ev);
	}
	for (size_t i = 0; i < b->depth; i++) {
		free(b->stack[i].key);
		free(b->stack[i].anchor);
	}
	for (size_t i = 0; i < b->nanchors; i++)
		free(b->anchors[i].name);
	yaml_parser_delete(&b->parser);
	if (b->err_line != 0) {
		cJSON_Delete(b->root);
		fn(arg, NULL, b->err_line, &b->err);
	} else if (b->root == NULL || cJSON_IsNull(b->root)) {
		cJSON_Delete(b->root);
	} else {
		fn(arg, b->root, (unsigned)b->root->valueint, &b->err);
	}
	free(b);
}

/* "---" or "..." at the beginning of a line, alone or before a space. */
static bool
is_marker(const char *line, size_t len, char c)
{
	return len >= 3 && line[0] == c && line[1] == c && line[2] == c &&
	    (len == 3 || strchr(" \t\r\n", line[3]) != NULL);
}

void
kube_yaml_read(const char *text, size_t len, kube_yaml_fn *fn, void *arg)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *end = text + len, *chunk;
	unsigned line = 1, chunk_line = 1;

	if (len >= 3 && memcmp(text, bom, 3) == 0)
		text += 3;
	chunk = text;
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		const char *next = nl != NULL ? nl + 1 : end;
		size_t n = (size_t)(next - text);
		bool is_end = is_marker(text, n, '.');

		if (is_end || is_marker(text, n, '-')) {
			if (text > chunk)
				read_chunk(chunk, (size_t)(text - chunk),
				    chunk_line, fn, arg);
			chunk = is_end ? next : text;
			chunk_line = is_end ? line + 1 : line;
		}
		text = next;
		line++;
	}
	if (text > chunk)
		read_chunk(chunk, (size_t)(text - chunk), chunk_line, fn, arg);
}
