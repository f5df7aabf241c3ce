#include <cjson/cJSON.h>
#include <stdlib.h>

#include "ctl/plan_encode.h"

/* "10.0.0.1,fd00::1", "none" */
enum { ADDRS_LEN = 2 * IP_STRLEN + 2 };

static const char *
addrs_text(const struct ip *addrs, unsigned n, char buf[ADDRS_LEN])
{
	(void)snprintf(buf, ADDRS_LEN, "%s%s%s", n > 0 ? IP_STR(&addrs[0]) : "none",
	    n > 1 ? "," : "", n > 1 ? IP_STR(&addrs[1]) : "");
	return buf;
}

static bool
is_shown(const struct plan_service *v, bool is_brief)
{
	return !is_brief || (v->change != PLAN_KEEP && v->change != PLAN_WAIT);
}

static void
print_service(const struct plan_service *v, FILE *out)
{
	char before[ADDRS_LEN], after[ADDRS_LEN];

	fprintf(out, "%s %s %s", plan_change_name(v->change), KUBE_KEY(v->svc),
	    addrs_text(v->before, v->nbefore, before));
	if (v->change != PLAN_KEEP && v->change != PLAN_WAIT)
		fprintf(out, " -> %s", addrs_text(v->after, v->nafter, after));
	if (v->why != NULL)
		fprintf(out, " (%s)", v->why);
	fputc('\n', out);
}

void
plan_print(const struct plan *p, bool is_brief, FILE *out)
{
	for (size_t i = 0; i < p->n; i++) {
		if (is_shown(&p->services[i], is_brief))
			print_service(&p->services[i], out);
	}
	for (size_t i = 0; i < p->config.nproblems; i++) {
		const struct config_problem *c = &p->config.problems[i];

		fprintf(out, "%s %s %s: %s\n", c->is_refused ? "refused" : "doubtful",
		    kube_kind_name(c->kind), c->name, c->text);
	}
	for (unsigned c = 0; c < PLAN_NCHANGES; c++)
		fprintf(out, "%s%zu %s", c > 0 ? ", " : "", p->count[c],
		    plan_change_name((enum plan_change)c));
	fputc('\n', out);
}

static void
add_addrs(cJSON *o, const char *key, const struct ip *addrs, unsigned n)
{
	cJSON *list = cJSON_AddArrayToObject(o, key);

	for (unsigned i = 0; i < n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(IP_STR(&addrs[i])));
}

static void
add_service(cJSON *list, const struct plan_service *v)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "service", KUBE_KEY(v->svc));
	cJSON_AddStringToObject(o, "change", plan_change_name(v->change));
	add_addrs(o, "before", v->before, v->nbefore);
	add_addrs(o, "after", v->after, v->nafter);
	if (v->why != NULL)
		cJSON_AddStringToObject(o, "why", v->why);
	cJSON_AddItemToArray(list, o);
}

static void
add_problem(cJSON *list, const struct config_problem *c)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "kind", kube_kind_name(c->kind));
	cJSON_AddStringToObject(o, "name", c->name);
	cJSON_AddBoolToObject(o, "refused", c->is_refused);
	cJSON_AddStringToObject(o, "text", c->text);
	cJSON_AddItemToArray(list, o);
}

void
plan_print_json(const struct plan *p, bool is_brief, FILE *out)
{
	cJSON *top = cJSON_CreateObject(), *list, *sum;
	char *text;

	list = cJSON_AddArrayToObject(top, "services");
	for (size_t i = 0; i < p->n; i++) {
		if (is_shown(&p->services[i], is_brief))
			add_service(list, &p->services[i]);
	}
	list = cJSON_AddArrayToObject(top, "problems");
	for (size_t i = 0; i < p->config.nproblems; i++)
		add_problem(list, &p->config.problems[i]);
	sum = cJSON_AddObjectToObject(top, "summary");
	for (unsigned c = 0; c < PLAN_NCHANGES; c++)
		cJSON_AddNumberToObject(sum, plan_change_name((enum plan_change)c),
		    (double)p->count[c]);
	text = cJSON_PrintUnformatted(top);
	fprintf(out, "%s\n", text != NULL ? text : "");
	cJSON_free(text);
	cJSON_Delete(top);
}
