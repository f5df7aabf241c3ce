/*
 * probe_tool KIND ADDRESS PORT [KEY=VALUE]...: one probe, and what came of it:
 * "good", "bad: WHY", "unknown: WHY", or "silent" after two seconds. Keys are the
 * fields of struct probe_conf; statuses=FIRST-LAST, type=NUMBER; ca=FILE, cert=FILE, key=FILE.
 */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs/probe_io.h"
#include "lib/mem.h"

static const char *
kind_of(const char *s, struct probe_conf *c)
{
	static const struct {
		const char *name;
		enum probe_kind kind;
		bool is_tls;
	} kinds[] = {
		{ "tcp", PROBE_TCP, false },
		{ "tcp-half-open", PROBE_TCP_HALF_OPEN, false }, { "http", PROBE_HTTP, false },
		{ "https", PROBE_HTTP, true }, { "grpc", PROBE_GRPC, false },
		{ "grpcs", PROBE_GRPC, true }, { "udp", PROBE_UDP, false },
		{ "dns", PROBE_DNS, false },
	};

	for (size_t i = 0; i < nitems(kinds); i++) {
		if (strcmp(s, kinds[i].name) == 0) {
			c->kind = kinds[i].kind;
			c->is_tls = kinds[i].is_tls;
			return s;
		}
	}
	return NULL;
}

static char *
file_text(const char *path)
{
	char *text = mem_zalloc(1 << 16);
	FILE *f = fopen(path, "re");

	if (f == NULL || fread(text, 1, (1 << 16) - 1, f) == 0) {
		perror(path);
		exit(2);
	}
	fclose(f);
	return text;
}

static void
set(struct probe_conf *c, struct probe_status_range *range, char *arg, char **ret_pem)
{
	char *v = strchr(arg, '=');

	if (v == NULL)
		exit(2);
	*v++ = '\0';
	if (strcmp(arg, "path") == 0)
		c->path = v;
	else if (strcmp(arg, "host") == 0)
		c->host = v;
	else if (strcmp(arg, "statuses") == 0)
		sscanf(v, "%hu-%hu", &range->first, &range->last);
	else if (strcmp(arg, "body_regex") == 0)
		c->body_regex = v;
	else if (strcmp(arg, "tls_name") == 0)
		c->tls_name = v;
	else if (strcmp(arg, "ca") == 0)
		c->tls_ca = ret_pem[0] = file_text(v);
	else if (strcmp(arg, "cert") == 0)
		c->tls_cert = ret_pem[1] = file_text(v);
	else if (strcmp(arg, "key") == 0)
		c->tls_key = ret_pem[2] = file_text(v);
	else if (strcmp(arg, "fault") == 0)
		c->fault = v;
	else if (strcmp(arg, "service") == 0)
		c->grpc_service = v;
	else if (strcmp(arg, "send") == 0)
		c->send_len = strlen((const char *)(c->send = (uint8_t *)v));
	else if (strcmp(arg, "expect") == 0)
		c->expect_len = strlen((const char *)(c->expect = (uint8_t *)v));
	else if (strcmp(arg, "name") == 0)
		c->dns_name = v;
	else if (strcmp(arg, "type") == 0)
		c->dns_type = (uint16_t)atoi(v);
	else
		exit(2);
}

static bool has_ended;

static void
on_done(void *arg, enum health_answer answer, const char *why)
{
	static const char *const words[] = {
		[HEALTH_BAD] = "bad: ", [HEALTH_GOOD] = "good",
		[HEALTH_NO_ANSWER] = "unknown: " };

	printf("%s%s\n", words[answer], why);
	has_ended = true;
	ev_break(arg, EVBREAK_ALL);
}

static void
on_time(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

int
main(int argc, char **argv)
{
	struct probe_status_range range = { 200, 399 };
	struct probe_conf c = { .path = "/", .statuses = &range, .nstatuses = 1,
		.grpc_service = "", .dns_type = 1 };
	struct probe_target t = { .conf = &c };
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct prober *p = prober_new(loop);
	struct probe *pr;
	char *pem[3] = { NULL, NULL, NULL };
	ev_timer timer;

	if (argc < 4 || kind_of(argv[1], &c) == NULL || ip_parse(argv[2], &t.ip) != 0)
		return 2;
	t.port = (uint16_t)atoi(argv[3]);
	for (int i = 4; i < argc; i++)
		set(&c, &range, argv[i], pem);
	pr = probe_start(p, &t, on_done, loop);
	ev_timer_init(&timer, on_time, 2., 0.);
	ev_timer_start(loop, &timer);
	if (!has_ended)
		ev_run(loop, 0);
	if (!has_ended) {
		puts("silent");
		probe_cancel(pr);
	}
	prober_free(p);
	ev_loop_destroy(loop);
	for (size_t i = 0; i < nitems(pem); i++)
		free(pem[i]);
	return 0;
}
