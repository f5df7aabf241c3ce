/*
 * patcher.c - the yardstick of the controller's rate: a client that does
 * nothing but patch, so many requests at a time over HTTP/2.
 *
 *	patcher URL TOKEN NUMBER <REQUESTS
 *
 * Each line of its input is a path, a blank and a merge patch. It reads all of
 * them first, then prints how many there were, how many failed, and the
 * seconds from the first request to the last answer.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FLIGHT_MAX = 256 };

struct job {
	char	*line, *url;
	const char *body;
};

static struct job *jobs;
static size_t njobs, next_job, nfailed;

static size_t
drop(char *buf, size_t size, size_t n, void *arg)
{
	(void)buf;
	(void)arg;
	return size * n;
}

static void
read_jobs(const char *server)
{
	char *line = NULL, *space;
	size_t cap = 0, size = 0;
	ssize_t len;

	while ((len = getline(&line, &cap, stdin)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		space = strchr(line, ' ');
		if (space == NULL)
			continue;
		*space = '\0';
		if (njobs == size) {
			size = size > 0 ? 2 * size : 1024;
			jobs = realloc(jobs, size * sizeof(*jobs));
		}
		jobs[njobs].line = line;
		jobs[njobs].body = space + 1;
		if (asprintf(&jobs[njobs].url, "%s%s", server, line) < 0)
			abort();
		njobs++;
		line = NULL;
		cap = 0;
	}
	free(line);
}

static void
send_next(CURLM *multi, CURL *easy)
{
	const struct job *j;

	if (next_job == njobs)
		return;
	j = &jobs[next_job++];
	curl_easy_setopt(easy, CURLOPT_URL, j->url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, j->body);
	curl_multi_add_handle(multi, easy);
}

static void
collect(CURLM *multi)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(multi, &left)) != NULL) {
		CURL *easy = msg->easy_handle;
		CURLcode code = msg->data.result;
		long status = 0;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		nfailed += code != CURLE_OK || status != 200;
		curl_multi_remove_handle(multi, easy);
		send_next(multi, easy);
	}
}

static CURL *
make_easy(struct curl_slist *headers)
{
	CURL *easy = curl_easy_init();

	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PATCH");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
	return easy;
}

static double
now_sec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	int nflight = argc == 4 ? atoi(argv[3]) : 0, nrunning = 1;
	struct curl_slist *headers = NULL;
	char auth[256];
	CURLM *multi;
	double start;

	if (nflight < 1 || nflight > FLIGHT_MAX) {
		(void)fprintf(stderr, "usage: patcher URL TOKEN NUMBER <REQUESTS\n");
		return 2;
	}
	read_jobs(argv[1]);
	(void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", argv[2]);
	headers = curl_slist_append(headers, auth);
	headers = curl_slist_append(headers, "Content-Type: application/merge-patch+json");
	headers = curl_slist_append(headers, "Accept: application/json");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	start = now_sec();
	for (int i = 0; i < nflight; i++)
		send_next(multi, make_easy(headers));
	while (nrunning > 0) {
		curl_multi_perform(multi, &nrunning);
		collect(multi);
		curl_multi_perform(multi, &nrunning);
		if (nrunning > 0)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	(void)printf("%zu %zu %.3f\n", njobs, nfailed, now_sec() - start);
	return nfailed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
