/*
 * decode_secret.c - a Secret, and a ConfigMap. No message here shows a Secret's
 * value: they are told at the object that holds them, never at the field itself.
 */
#include <string.h>

#include "kube/base64.h"
#include "kube/decode_impl.h"

static struct kube_secret_item *
item_of(struct kube_secret *s, const char *key)
{
	for (size_t i = 0; i < s->nitems; i++) {
		if (strcmp(s->items[i].key, key) == 0)
			return &s->items[i];
	}
	return &s->items[s->nitems++];
}

static void
add_item(struct dec *d, const struct dec_at *at, const cJSON *c, bool is_base64,
    struct kube_secret *s)
{
	const char *text = cJSON_IsNull(c) ? "" : c->valuestring;
	struct kube_secret_item item = { .key = arena_strdup(d->arena, c->string) };
	ssize_t len;
	char *value;

	if (!cJSON_IsString(c) && !cJSON_IsNull(c)) {
		dec_fail(d, at, "%.100s: a string belongs here; put the value in quotes",
		    c->string);
		return;
	}
	value = arena_alloc(d->arena, strlen(text) + 1);
	if (is_base64 && text[0] != '\0') {
		len = base64_decode(text, value);
	} else {
		strcpy(value, text);
		len = (ssize_t)strlen(text);
	}
	if (len < 0) {
		dec_fail(d, at, "%.100s: is not base64; write the output of `base64 -w0`, "
		    "or plain text in stringData", c->string);
		return;
	}
	item.value = value;
	item.len = (size_t)len;
	*item_of(s, item.key) = item;
}

/* The size of what a field of the Secret holds, and how many items there are. */
static size_t
size_of(struct dec *d, const struct dec_at *at, size_t *n)
{
	size_t size = 0;

	if (at->node == NULL)
		return 0;
	if (!cJSON_IsObject(at->node)) {
		dec_fail(d, at->up, "%s: an object belongs here", at->key);
		return 0;
	}
	for (const cJSON *c = at->node->child; c != NULL; c = c->next, ++*n)
		size += strlen(c->string) + (cJSON_IsString(c) ? strlen(c->valuestring) : 0);
	return size;
}

void
dec_secret(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at type = dec_field(root, "type");
	struct dec_at fields[] = { dec_field(root, "data"), dec_field(root, "stringData") };
	struct kube_secret *s = &o->secret;
	size_t size = 0, n = 0;

	s->type = dec_str(d, &type);
	for (size_t i = 0; i < 2; i++)
		size += size_of(d, &fields[i], &n);
	/* Base64 makes four bytes of three. */
	if (n > DEC_LIST_MAX || size > DEC_SECRET_MAX / 3 * 4)
		dec_fail(d, root, "holds more than any API server takes (1 MiB)");
	if (d->is_bad)
		return;
	s->items = arena_array(d->arena, n, sizeof(*s->items));
	/* What stringData has wins, as when the API server merges it in. */
	for (size_t i = 0; i < 2; i++) {
		for (const cJSON *c = fields[i].node != NULL ? fields[i].node->child : NULL;
		     c != NULL && !d->is_bad; c = c->next)
			add_item(d, &fields[i], c, i == 0, s);
	}
}

void
dec_config_map(struct dec *d, const struct dec_at *root, struct kube_object *o)
{
	struct dec_at data = dec_field(root, "data");

	o->config_map.data = dec_map(d, &data, NULL);
}
