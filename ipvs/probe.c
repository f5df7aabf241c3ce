/* probe.c - see probe.h. */
#include "ipvs/probe.h"

#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

static uint64_t
hash_opt(const char *s, uint64_t seed)
{
	/* 0xff is in no UTF-8 text: absent is not the same as empty. */
	return hash_str(s != NULL ? s : "\xff", seed);
}

uint64_t
probe_conf_hash(const struct probe_conf *c)
{
	const struct health_conf *t = &c->health;
	const uint64_t numbers[] = {
		c->kind, t->interval_ms, t->timeout_ms, t->rise, t->fall,
		t->jitter_percent, t->starts_down, c->is_tls, c->dns_type,
		c->nstatuses, c->send_len, c->expect_len, c->expect != NULL,
	};
	uint64_t h = hash_bytes(numbers, sizeof(numbers), 0);

	h = hash_opt(c->fault, h);
	h = hash_opt(c->path, h);
	h = hash_opt(c->host, h);
	h = hash_opt(c->body_regex, h);
	h = hash_opt(c->tls_name, h);
	h = hash_opt(c->tls_ca, h);
	h = hash_opt(c->tls_cert, h);
	h = hash_opt(c->tls_key, h);
	h = hash_opt(c->grpc_service, h);
	h = hash_opt(c->dns_name, h);
	h = hash_bytes(c->send, c->send_len, h);
	h = hash_bytes(c->expect, c->expect_len, h);
	return hash_bytes(c->statuses, c->nstatuses * sizeof(c->statuses[0]), h);
}

static void *
copy(const void *p, size_t len)
{
	void *to;

	if (p == NULL)
		return NULL;
	to = mem_zalloc(len + 1);
	if (len > 0)
		memcpy(to, p, len);
	return to;
}

struct probe_conf *
probe_conf_copy(const struct probe_conf *c)
{
	struct probe_conf *n = copy(c, sizeof(*c));

	n->fault = mem_strdup(c->fault);
	n->path = mem_strdup(c->path);
	n->host = mem_strdup(c->host);
	n->statuses = copy(c->statuses, c->nstatuses * sizeof(c->statuses[0]));
	n->body_regex = mem_strdup(c->body_regex);
	n->tls_name = mem_strdup(c->tls_name);
	n->tls_ca = mem_strdup(c->tls_ca);
	n->tls_cert = mem_strdup(c->tls_cert);
	n->tls_key = mem_strdup(c->tls_key);
	n->grpc_service = mem_strdup(c->grpc_service);
	n->send = copy(c->send, c->send_len);
	n->expect = copy(c->expect, c->expect_len);
	n->dns_name = mem_strdup(c->dns_name);
	return n;
}

static void
drop(const void *p)
{
	free((void *)(uintptr_t)p);
}

void
probe_conf_free(struct probe_conf *c)
{
	if (c == NULL)
		return;
	drop(c->fault);
	drop(c->path);
	drop(c->host);
	drop(c->statuses);
	drop(c->body_regex);
	drop(c->tls_name);
	drop(c->tls_ca);
	drop(c->tls_cert);
	if (c->tls_key != NULL)
		explicit_bzero((char *)(uintptr_t)c->tls_key, strlen(c->tls_key));
	drop(c->tls_key);
	drop(c->grpc_service);
	drop(c->send);
	drop(c->expect);
	drop(c->dns_name);
	free(c);
}
