#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/stamp.h"

enum {
	LINE_MAX_LEN = 2048,	/* longer messages are cut */
	NREPEATS = 64,		/* recent lines remembered; a power of two */
};

static enum log_level lowest = LOG_LEVEL_INFO;
static bool is_json;
static void (*sink)(void *arg, const char *line, size_t len);
static void *sink_arg;

/* Direct-mapped by hash: a collision forgets the older line, which only costs
   a line that could have been held back. */
static struct repeat {
	uint64_t hash;
	struct mono until;
	unsigned held;
} repeats[NREPEATS];

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

int
log_level_parse(const char *s, enum log_level *ret)
{
	for (unsigned i = 0; i <= LOG_LEVEL_ERROR; i++) {
		if (strcmp(s, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void
log_init(enum log_level new_lowest, bool new_is_json)
{
	lowest = new_lowest;
	is_json = new_is_json;
	memset(repeats, 0, sizeof(repeats));
}

void
log_set_sink(void (*fn)(void *arg, const char *line, size_t len), void *arg)
{
	sink = fn;
	sink_arg = arg;
}

/* A JSON string, quotes included. */
static void
put_json(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", f);
		else if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

/* A value of the text form: bare where it is one plain word. */
static void
put_value(FILE *f, const char *s)
{
	if (*s == '\0' || strpbrk(s, " \"=\\\n\t\r") != NULL)
		put_json(f, s);
	else
		fputs(s, f);
}

/* Control characters of a peer's or a user's making must not forge lines. */
static void
put_message(FILE *f, const char *s)
{
	for (; *s != '\0'; s++)
		fputc((unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s, f);
}

static void
put_line(FILE *f, enum log_level level, const char *const *obj, size_t nobj,
    const char *message, unsigned held)
{
	char stamp[STAMP_LEN];

	stamp_micro(clock_wall_ns(), stamp);
	if (is_json) {
		fprintf(f, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":", stamp,
		    level_names[level]);
		put_json(f, message);
	} else {
		fprintf(f, "%s %-5s ", stamp, level_names[level]);
		put_message(f, message);
	}
	for (size_t i = 0; i + 1 < nobj; i += 2) {
		if (obj[i + 1] == NULL)
			continue;
		if (is_json) {
			fputc(',', f);
			put_json(f, obj[i]);
			fputc(':', f);
			put_json(f, obj[i + 1]);
		} else {
			fprintf(f, " %s=", obj[i]);
			put_value(f, obj[i + 1]);
		}
	}
	if (held > 0)
		fprintf(f, is_json ? ",\"repeats\":%u" : " repeats=%u", held);
	fputs(is_json ? "}\n" : "\n", f);
}

/* True where the line is to be held back; else *ret_held were, before it. */
static bool
is_repeat(enum log_level level, const char *const *obj, size_t nobj,
    const char *message, unsigned *ret_held)
{
	struct mono now = clock_mono();
	uint64_t hash = hash_str(message, level);
	struct repeat *r;

	for (size_t i = 0; i < nobj; i++)
		hash = hash_str(obj[i] != NULL ? obj[i] : "", hash);
	r = &repeats[hash % NREPEATS];
	if (r->hash == hash && !mono_reached(now, r->until)) {
		r->held++;
		return true;
	}
	*ret_held = r->hash == hash ? r->held : 0;
	*r = (struct repeat){ .hash = hash, .until = mono_add_sec(now, LOG_REPEAT_SEC) };
	return false;
}

void
log_at(enum log_level level, const char *const *obj, size_t nobj,
    const char *fmt, ...)
{
	char message[LINE_MAX_LEN];
	char *line = NULL;
	int saved_errno = errno;
	unsigned held = 0;
	size_t len = 0;
	va_list ap;
	FILE *f;

	if (level < lowest)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (!is_repeat(level, obj, nobj, message, &held) &&
	    (f = open_memstream(&line, &len)) != NULL) {
		put_line(f, level, obj, nobj, message, held);
		fclose(f);
		if (sink != NULL)
			sink(sink_arg, line, len);
		else
			(void)!write(STDERR_FILENO, line, len);
		free(line);
	}
	errno = saved_errno;
}
