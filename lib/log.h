/*
 * log.h - structured log lines to stderr, for shells and main.
 *
 * A line has a level, a message and the objects it is about:
 *
 *	log_warn(LOG_OBJ("svc", key, "vip", IP_STR(&vip)),
 *	    "no pool holds %s", IP_STR(&vip));
 *
 * Field names are the field's nouns: svc, vip, pool, node, peer, file, iface.
 * Every line is written with one write(2). A line equal to one written in the
 * last LOG_REPEAT_SEC seconds is held back and counted; the count goes out
 * with the next such line as repeats=N.
 */
#ifndef HERALD_LIB_LOG_H
#define HERALD_LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

enum { LOG_REPEAT_SEC = 10 };

/* Names and values in turn. A NULL value leaves its field out. */
#define LOG_OBJ(...) ((const char *const []){ __VA_ARGS__, NULL, NULL }), \
    (sizeof((const char *const []){ __VA_ARGS__ }) / sizeof(char *))
#define LOG_NONE ((const char *const *)0), ((size_t)0)

#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

/* Called through the macros above; obj and nobj come from LOG_OBJ. */
void log_at(enum log_level level, const char *const *obj, size_t nobj,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Set the lowest level written and the form: JSON objects, one a line, or
 * text for people. Until then: info, text.
 */
void log_init(enum log_level lowest, bool is_json);

/* "debug", "info", "warn", "error" to a level; -EINVAL for anything else. */
int log_level_parse(const char *s, enum log_level *ret);

/* Send lines to fn instead of stderr (tests); NULL restores stderr. */
void log_set_sink(void (*fn)(void *arg, const char *line, size_t len), void *arg);

#endif
