/*
 * metrics.h - counters and gauges in Prometheus text format (0.0.4).
 *
 * A metric is a static const struct beside the code that counts; a series is
 * made by its first use. Single-threaded, process-wide, for shells: engines
 * count in their own structs and shells publish.
 */
#ifndef HERALD_LIB_METRICS_H
#define HERALD_LIB_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metric {
	const char *name;	/* herald_... with the unit as suffix */
	const char *help;
	enum metric_type type;
};

/*
 * labels: the text between the braces, built with metrics_labels(), or NULL
 * for none.
 */
void metrics_add(const struct metric *m, const char *labels, double n);
void metrics_set(const struct metric *m, const char *labels, double value);

/* Forget one series, or with labels NULL every series of m. */
void metrics_drop(const struct metric *m, const char *labels);

/*
 * name="value",... into buf from names and values in turn up to a NULL name,
 * values escaped; returns buf. Truncated to a whole label where buf is short.
 */
const char *metrics_labels(char *buf, size_t size, ...)
    __attribute__((sentinel));

/*
 * For series that are too many to be kept here, and to be written at once: fn writes
 * a piece of them, some 10 kB, from *at on, which is 0 at first, and moves it on.
 * False where there is no more. One fn; NULL: none.
 */
typedef bool metrics_piece_fn(void *arg, FILE *f, uint64_t *at);
void metrics_set_writer(metrics_piece_fn *fn, void *arg);

/*
 * Write every series that is kept, grouped by metric, with HELP and TYPE; and
 * then, piece by piece, those of the writer.
 */
void metrics_write(FILE *f);
bool metrics_write_piece(FILE *f, uint64_t *at);

void metrics_fini(void);

#endif
