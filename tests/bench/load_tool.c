/*
 * load_tool - a server and its clients, for throughput_bench.py.
 *
 *	load_tool serve PORT			until it is ended; one at a time
 *	load_tool requests IP PORT SECONDS	requests a second, each by a
 *						connection of its own: 1000 bytes
 *	load_tool bytes IP PORT SECONDS		MB a second by one connection
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 1000, CHUNK_BYTES = 65536, TIMEOUT_SEC = 3 };

static char chunk[CHUNK_BYTES];

static double
now_sec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in
address(const char *ip, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		errx(1, "no address: %s", ip);
	return a;
}

/* What is asked for is told by the first byte. */
static void
answer(int fd)
{
	char ask;

	if (read(fd, &ask, 1) != 1)
		return;
	if (ask == 'r')
		(void)!write(fd, chunk, ANSWER_BYTES);
	else
		while (write(fd, chunk, sizeof(chunk)) > 0)
			;
}

static void
serve(const char *port)
{
	struct sockaddr_in any = address("0.0.0.0", port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, c;

	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 128) < 0)
		err(1, "port %s", port);
	while ((c = accept(fd, NULL, NULL)) >= 0) {
		answer(c);
		close(c);
	}
	err(1, "accept");
}

static int
ask(const struct sockaddr_in *to, char what)
{
	struct timeval limit = { .tv_sec = TIMEOUT_SEC };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 ||
	    write(fd, &what, 1) != 1)
		err(1, "connect");
	return fd;
}

static double
requests_per_sec(const struct sockaddr_in *to, double sec)
{
	double start = now_sec(), end = start;
	unsigned n = 0;

	while (end < start + sec) {
		int fd = ask(to, 'r');
		ssize_t got, sum = 0;

		while ((got = read(fd, chunk, sizeof(chunk))) > 0)
			sum += got;
		close(fd);
		if (sum != ANSWER_BYTES)
			errx(1, "request %u: %zd bytes of %d", n, sum, ANSWER_BYTES);
		n++;
		end = now_sec();
	}
	return n / (end - start);
}

static double
mb_per_sec(const struct sockaddr_in *to, double sec)
{
	int fd = ask(to, 'b');
	double start = now_sec(), end = start, sum = 0;

	while (end < start + sec) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got <= 0)
			err(1, "read");
		sum += (double)got;
		end = now_sec();
	}
	close(fd);
	return sum / 1e6 / (end - start);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to;

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc != 5)
		errx(2, "usage: see the source");
	to = address(argv[2], argv[3]);
	printf("%.2f\n", (strcmp(argv[1], "requests") == 0 ? requests_per_sec :
	    mb_per_sec)(&to, atof(argv[4])));
	return 0;
}
