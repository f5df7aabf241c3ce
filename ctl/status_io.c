#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/status_io.h"
#include "lib/mem.h"

enum {
	TIMEOUT_SEC = 5,
	BODY_MAX = 256 << 20,	/* 10,000 Services make some 10 MB */
};

static size_t
on_data(char *data, size_t size, size_t n, void *arg)
{
	FILE *f = arg;

	return ftell(f) > BODY_MAX ? 0 : fwrite(data, size, n, f) * size;
}

_Static_assert(CURL_ERROR_SIZE <= STATUS_WHY_LEN, "curl's text must fit");

char *
status_fetch(const char *url, char why[STATUS_WHY_LEN])
{
	CURL *c = curl_easy_init();
	char *body = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&body, &len);
	CURLcode rc;

	if (c == NULL || f == NULL)
		abort();
	why[0] = '\0';
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_SEC);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
	rc = curl_easy_perform(c);
	curl_easy_cleanup(c);
	fclose(f);
	if (rc == CURLE_OK)
		return body;
	if (why[0] == '\0')
		snprintf(why, STATUS_WHY_LEN, "%s", curl_easy_strerror(rc));
	free(body);
	return NULL;
}

static int
show(const struct status_view *v, const char *speaker, int is_json, FILE *out)
{
	char why[STATUS_WHY_LEN];
	char *url, *body;
	int rc = 0;

	url = strstr(speaker, "://") != NULL ? mem_strdup(speaker) :
	    mem_printf("http://%s%s", speaker, v->path);
	if ((body = status_fetch(url, why)) == NULL) {
		fprintf(stderr, "heraldctl %s: %s: %s; is herald-speaker running "
		    "there with --http?\n", v->command, url, why);
		rc = -EIO;
	} else if (is_json) {
		fputs(body, out);
	} else if (v->show(body, out) != 0) {
		fprintf(stderr, "heraldctl %s: %s: this is no speaker's answer\n",
		    v->command, url);
		rc = -EIO;
	}
	free(body);
	free(url);
	return rc;
}

int
status_run(const struct status_view *v, char *const *speakers, int n, int is_json,
    FILE *out)
{
	int rc = 0, one;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (int i = 0; i < n; i++) {
		if ((one = show(v, speakers[i], is_json, out)) != 0)
			rc = one;
	}
	curl_global_cleanup();
	return rc;
}
