#include <stdio.h>
#include <string.h>

#include "kube/yaml.h"
#include "tests/check.h"

/* What came out, one document a line: "LINE JSON" or "LINE! error". */
struct out {
	char	text[4096];
	size_t	len;
};

static void
collect(void *arg, cJSON *tree, unsigned line, const struct kube_error *err)
{
	struct out *o = arg;
	char *json = tree != NULL ? cJSON_PrintUnformatted(tree) : NULL;

	o->len += (size_t)snprintf(o->text + o->len, sizeof(o->text) - o->len,
	    "%u%s %s\n", line, tree != NULL ? "" : "!",
	    json != NULL ? json : err->text);
	free(json);
	cJSON_Delete(tree);
}

/* On an exact-size copy, so that ASan sees a step past the end. */
static void
read_copy(const char *text, size_t len, struct out *o)
{
	char *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, text, len);
	*o = (struct out){ .len = 0 };
	kube_yaml_read(copy, len, collect, o);
	free(copy);
}

static const struct {
	const char *why, *yaml, *want;
} values[] = {
	{ "quoted is a string", "a: \"8080\"\nb: 'true'\n",
	    "1 {\"a\":\"8080\",\"b\":\"true\"}\n" },
	{ "plain numbers", "[1, -2, +3, 0x1f, 017, 0o17, 0b101, 1_000]",
	    "1 [1,-2,3,31,15,15,5,1000]\n" },
	{ "plain fractions", "[1.5, .5, 1e3, 1.5e-1, 089]",
	    "1 [1.5,0.5,1000,0.15,89]\n" },
	{ "what looks like a number and is none",
	    "[1.2.3.4, 10.0.0.0/8, 1-2, 0x, 1e, -, ., 10:30, 12h]",
	    "1 [\"1.2.3.4\",\"10.0.0.0/8\",\"1-2\",\"0x\",\"1e\",\"-\",\".\","
	    "\"10:30\",\"12h\"]\n" },
	{ "booleans of YAML 1.1", "[true, True, yes, On, y, false, NO, off, n]",
	    "1 [true,true,true,true,true,false,false,false,false]\n" },
	{ "nulls", "a:\nb: ~\nc: null\nd: Null\n",
	    "1 {\"a\":null,\"b\":null,\"c\":null,\"d\":null}\n" },
	{ "a date stays a string", "t: 2026-11-20T23:00:00Z",
	    "1 {\"t\":\"2026-11-20T23:00:00Z\"}\n" },
	{ "block scalars", "a: |\n  x\n  y\nb: >-\n  x\n  y\n",
	    "1 {\"a\":\"x\\ny\\n\",\"b\":\"x y\"}\n" },
	{ "JSON is YAML, tabs and all", "{\n\t\"a\": [1, \"b\\/c\", null]\n}\n",
	    "1 {\"a\":[1,\"b/c\",null]}\n" },
	{ "keys are strings", "1: a\ntrue: b\n", "1 {\"1\":\"a\",\"true\":\"b\"}\n" },
	{ "tags force a type", "[!!str 1, ! 2, !!int \"3\"]", "1 [\"1\",\"2\",3]\n" },
	{ "an alias copies", "a: &x {k: 1}\nb: *x\n",
	    "1 {\"a\":{\"k\":1},\"b\":{\"k\":1}}\n" },
	{ "documents have their lines", "a: 1\n---\n# c\nb: 2\n...\n---\nc: 3\n",
	    "1 {\"a\":1}\n4 {\"b\":2}\n7 {\"c\":3}\n" },
	{ "empty documents are left out", "---\n---\n# nothing\n---\n~\n---\na: 1\n",
	    "7 {\"a\":1}\n" },
	{ "content behind the marker", "--- {a: 1}\n--- {b: 2}\n",
	    "1 {\"a\":1}\n2 {\"b\":2}\n" },
	{ "a byte order mark and CR LF", "\xef\xbb\xbf" "a: 1\r\n---\r\nb: 2\r\n",
	    "1 {\"a\":1}\n3 {\"b\":2}\n" },
	{ "nothing at all", "", "" },
	{ "---- is no marker", "a: |\n  x\nb: ----\n", "1 {\"a\":\"x\\n\",\"b\":\"----\"}\n" },

	{ "a broken document leaves the others", "a: 1\n---\nb: [\n---\nc: 3\n",
	    "1 {\"a\":1}\n3! while parsing a flow node, did not find expected node "
	    "content; check indentation, quotes and brackets\n5 {\"c\":3}\n" },
	{ "tabs are named as the cause", "a:\n\tb: 1\n",
	    "2! while scanning for the next token, found character that cannot "
	    "start any token; YAML indents with spaces, not with tabs\n" },
	{ "a key twice", "a: 1\nb: 2\na: 3\n",
	    "3! \"a\" is given twice, here and on line 1; remove one\n" },
	{ "a key twice, deep down, behind a document", "x: 1\n---\ny:\n- p: 1\n  p: 1\n",
	    "1 {\"x\":1}\n5! \"p\" is given twice, here and on line 4; remove one\n" },
	{ "infinity", "a: .inf\n", "1! .inf is a number that JSON does not have; put "
	    "it in quotes if a string is meant\n" },
	{ "a number beyond all doubles stays text", "a: 1e999\n", "1 {\"a\":\"1e999\"}\n" },
	{ "merge keys", "a: &x {k: 1}\nb:\n  <<: *x\n",
	    "3! merge keys (<<) are not supported; write the fields out\n" },
	{ "an unknown tag", "a: !secret x\n",
	    "1! tag !secret is not supported; remove it\n" },
	{ "an unknown alias", "a: *x\n",
	    "1! alias *x refers to no anchor before it\n" },
	{ "an alias of what is around it", "a: &x [*x]\n",
	    "1! alias *x refers to no anchor before it\n" },
	{ "an alias as a key", "a: &x b\n*x : c\n",
	    "2! a key cannot be an alias; write it out\n" },
	{ "a mapping as a key", "{a: b}: c\n", "1! a key must be a plain string\n" },
	{ "NUL in a string", "a: \"x\\0y\"\n",
	    "1! a string holds a NUL character; remove it\n" },
	{ "NUL in a key", "\"x\\0y\": 1\n", "1! a key holds a NUL character; remove it\n" },
	{ "no UTF-8", "a: 1\nb: \xff\n",
	    "2! invalid leading UTF-8 octet; check indentation, quotes and brackets\n" },
};

START_TEST(value)
{
	struct out o;

	read_copy(values[_i].yaml, strlen(values[_i].yaml), &o);
	ck_assert_msg(strcmp(o.text, values[_i].want) == 0, "%s:\n%swanted:\n%s",
	    values[_i].why, o.text, values[_i].want);
}
END_TEST

START_TEST(every_prefix_and_every_flipped_bit)
{
	struct out o;

	for (size_t i = 0; i < nitems(values); i++) {
		size_t len = strlen(values[i].yaml);
		char *flipped = mem_strdup(values[i].yaml);

		for (size_t n = 0; n < len; n++) {
			read_copy(values[i].yaml, n, &o);
			for (int bit = 0; bit < 8; bit += 1) {
				flipped[n] = (char)(flipped[n] ^ 1 << bit);
				read_copy(flipped, len, &o);
				flipped[n] = (char)(flipped[n] ^ 1 << bit);
			}
		}
		free(flipped);
	}
}
END_TEST

/* head, then part n times, then tail. */
static char *
repeat(const char *head, const char *part, size_t n, const char *tail)
{
	char *text = mem_zalloc(strlen(head) + strlen(part) * n + strlen(tail) + 1);
	char *p = stpcpy(text, head);

	while (n-- > 0)
		p = stpcpy(p, part);
	strcpy(p, tail);
	return text;
}

static const struct {
	const char *why, *head, *part;
	size_t n;
	const char *tail, *want;
} hostile[] = {
	{ "deep nesting", "", "[", 100000, "", "nested deeper than 100" },
	{ "deep blocks", "", "- ", 100000, "1", "nested deeper than 100" },
	{ "just deep enough", "", "[", 100, "", "did not find expected" },
	{ "an alias over and over", "a: &a [1,1,1,1,1,1,1,1,1]\nb: [", "*a,", 5000, "]",
	    "aliases copy more than 10000 values" },
	{ "depth by aliases", "a: &a ", "[", 60, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
	    "]]]]]]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[*a",
	    "nested deeper than 100" },
	{ "anchors without end", "", "- &a 1\n", 300, "", "more than 256 anchors" },
	{ "a laugh", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
	    "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [", "*c,", 20, "*c]\n",
	    "aliases copy more than 10000 values" },
};

START_TEST(hostile_text)
{
	char *text = repeat(hostile[_i].head, hostile[_i].part, hostile[_i].n,
	    hostile[_i].tail);
	struct out o;

	read_copy(text, strlen(text), &o);
	ck_assert_msg(strstr(o.text, hostile[_i].want) != NULL, "%s: %.200s",
	    hostile[_i].why, o.text);
	free(text);
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, value, 0, nitems(values));
	tcase_add_loop_test(tc, hostile_text, 0, nitems(hostile));
	tcase_add_test(tc, every_prefix_and_every_flipped_bit);
}

TEST_MAIN("kube yaml", fill)
