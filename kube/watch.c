/* watch.c - see watch.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/watch.h"
#include "lib/mem.h"

void
watch_init(struct watch *w, size_t max)
{
	*w = (struct watch){ .max = max };
}

void
watch_fini(struct watch *w)
{
	free(w->buf);
	watch_init(w, w->max);
}

void
watch_reset(struct watch *w)
{
	if (w->cap > WATCH_KEEP_MAX) {
		watch_fini(w);
		return;
	}
	w->len = 0;
	w->depth = 0;
	w->in_string = w->is_escaped = false;
}

/*
 * The length of what is space between events at the start of buf, or -EBADMSG
 * where an event should begin and does not.
 */
static ssize_t
skip_space(const char *buf, size_t len)
{
	size_t n = 0;

	while (n < len && (buf[n] == '\n' || buf[n] == '\r' || buf[n] == ' ' ||
	    buf[n] == '\t'))
		n++;
	if (n < len && buf[n] != '{')
		return -EBADMSG;
	return (ssize_t)n;
}

/*
 * Follow the brackets. Returns how many bytes belong to the event, with
 * w->depth 0 where they end it. Kinds of brackets are not matched up; the
 * decoder refuses what is not JSON.
 */
static size_t
scan(struct watch *w, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = buf[i];

		if (w->in_string) {
			if (w->is_escaped)
				w->is_escaped = false;
			else if (c == '\\')
				w->is_escaped = true;
			else if (c == '"')
				w->in_string = false;
		} else if (c == '"') {
			w->in_string = true;
		} else if (c == '{' || c == '[') {
			w->depth++;
		} else if ((c == '}' || c == ']') && --w->depth == 0) {
			return i + 1;
		}
	}
	return len;
}

static void
keep(struct watch *w, const char *buf, size_t len)
{
	while (w->cap - w->len < len)
		w->buf = mem_grow(w->buf, w->cap, &w->cap, 1);
	memcpy(w->buf + w->len, buf, len);
	w->len += len;
}

ssize_t
watch_feed(struct watch *w, const char *buf, size_t len,
    struct watch_frame *ret_frame)
{
	ssize_t nspace = 0;
	size_t n;

	*ret_frame = (struct watch_frame){ 0 };
	if (w->depth == 0) {
		watch_reset(w);	/* the event handed out before is done with */
		nspace = skip_space(buf, len);
		if (nspace < 0)
			return nspace;
		buf += nspace;
		len -= (size_t)nspace;
	}
	if (len == 0)
		return nspace;
	n = scan(w, buf, len);
	if (w->len + n > w->max)
		return -EMSGSIZE;
	if (w->depth > 0) {
		keep(w, buf, n);
	} else if (w->len == 0) {
		*ret_frame = (struct watch_frame){ buf, n };
	} else {
		keep(w, buf, n);
		*ret_frame = (struct watch_frame){ w->buf, w->len };
	}
	return nspace + (ssize_t)n;
}
