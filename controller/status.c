#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/status.h"
#include "lib/mem.h"

/* s as a JSON string; bytes above 0x7f pass as the UTF-8 they are. */
static void
put_string(FILE *f, const char *s)
{
	(void)fputc('"', f);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			(void)fprintf(f, "\\%c", c);
		else if (c < 0x20)
			(void)fprintf(f, "\\u%04x", c);
		else
			(void)fputc(c, f);
	}
	(void)fputc('"', f);
}

/* Up to 2^53 - 1: every JSON reader on the way keeps that exactly. */
static int64_t
count(uint64_t n)
{
	return n > (UINT64_C(1) << 53) - 1 ? (INT64_C(1) << 53) - 1 : (int64_t)n;
}

char *
status_pool_patch(const struct reconcile_usage *use,
    const struct config_problem *refusal, int64_t generation, const char *since)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		abort();	/* out of memory, as in lib/mem.c */
	(void)fprintf(f, "{\"status\":{\"assignedIPv4\":%" PRId64 ",\"assignedIPv6\":%"
	    PRId64 ",\"availableIPv4\":%" PRId64 ",\"availableIPv6\":%" PRId64 ",",
	    count(use->assigned[0]), count(use->assigned[1]),
	    count(use->available[0]), count(use->available[1]));
	(void)fprintf(f, "\"conditions\":[{\"type\":\"Accepted\",\"status\":\"%s\","
	    "\"reason\":\"%s\",\"observedGeneration\":%" PRId64 ",\"message\":",
	    refusal != NULL ? "False" : "True",
	    refusal != NULL ? "Refused" : "Accepted", generation);
	put_string(f, refusal != NULL ? refusal->text : "in force");
	(void)fprintf(f, ",\"lastTransitionTime\":\"%s\"}]}}", since);
	(void)fclose(f);
	return text;
}

const char *
status_list(const struct ip *addrs, unsigned n, char buf[STATUS_LIST_LEN])
{
	if (n == 0)
		(void)snprintf(buf, STATUS_LIST_LEN, "[]");
	else if (n == 1)
		(void)snprintf(buf, STATUS_LIST_LEN, "[\"%s\"]", IP_STR(&addrs[0]));
	else
		(void)snprintf(buf, STATUS_LIST_LEN, "[\"%s\" \"%s\"]",
		    IP_STR(&addrs[0]), IP_STR(&addrs[1]));
	return buf;
}
