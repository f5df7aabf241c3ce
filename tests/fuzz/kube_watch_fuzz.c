/*
 * A watch's body cut into events and decoded. The events are the same however
 * the body arrives: the first byte says in pieces of what size.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kube/decode.h"
#include "kube/watch.h"
#include "lib/hash.h"

enum { MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
decode(const struct watch_frame *f)
{
	struct kube_watch_event ev;
	struct kube_error err;

	if (kube_decode_watch(f->json, f->len, NULL, KUBE_SERVICE, &ev, &err) == 0)
		kube_object_free(ev.object);
}

/* A hash of the events, and how it ended in *ret_error. */
static uint64_t
run(const char *body, size_t len, size_t piece, bool is_decoded, int *ret_error)
{
	struct watch_frame f;
	struct watch w;
	uint64_t hash = 0;
	ssize_t n = 0;

	watch_init(&w, MAX);
	for (size_t at = 0; at < len && n >= 0; at += n > 0 ? (size_t)n : 0) {
		size_t want = len - at < piece ? len - at : piece;
		char *copy = malloc(want);

		memcpy(copy, body + at, want);
		n = watch_feed(&w, copy, want, &f);
		if (n == 0 || n > (ssize_t)want || w.len > MAX)
			abort();
		if (n > 0 && f.len > 0) {
			hash = hash_bytes(f.json, f.len, hash + f.len);
			if (is_decoded)
				decode(&f);
		}
		free(copy);
	}
	*ret_error = n < 0 ? (int)n : 0;
	watch_fini(&w);
	return hash;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *body = (const char *)data + 1;
	int whole_error, error;
	uint64_t whole;

	if (size < 2)
		return 0;
	whole = run(body, size - 1, size - 1, true, &whole_error);
	if (run(body, size - 1, 1u + data[0], false, &error) != whole ||
	    error != whole_error)
		abort();
	return 0;
}
