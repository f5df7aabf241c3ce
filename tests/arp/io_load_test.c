/* Many VIPs at once and floods of frames, on a LAN; see lan.h. */
#include "tests/arp/lan.h"

/* All announcements of a dead node's VIPs, as many IPv4 as IPv6. */
static const struct {
	int	nvips, within_ms;
} many[] = { { 300, 100 }, { 1000, 400 } };

START_TEST(many_vips_are_announced_at_once)
{
	static bool seen[2][1000];
	const int nvips = many[_i].nvips;
	struct mono start, last = { 0 };
	char line[32768] = "set";
	int tap = tap_client("c"), nseen = 0;
	uint8_t buf[2048];
	size_t n;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < nvips; i++)
		snprintf(line + strlen(line), 64, " 10.9.%d.%d 2001:db8::1:%x",
		    1 + i / 250, 1 + i % 250, i);
	start = clock_mono();
	tell(&a, "%s", line);
	while (nseen < 2 * nvips && (n = tap_read(tap, buf, 1000)) > 0) {
		struct arp_events e;
		const uint8_t *t;
		bool *is_seen;

		if (arp_frame_decode(buf, n, &e) < 0 || e.n == 0 ||
		    e.ev[0].kind != ARP_EVENT_CLAIM)
			continue;
		t = e.ev[0].target.b;
		if (ip_is_v4(&e.ev[0].target))
			is_seen = &seen[0][(t[2] - 1) * 250 + t[3] - 1];
		else
			is_seen = &seen[1][t[14] << 8 | t[15]];
		nseen += !*is_seen;
		*is_seen = true;
		last = clock_mono();
	}
	ck_assert_int_eq(nseen, 2 * nvips);
	printf("%d IPv4 and as many IPv6 VIPs: all announced %.1f ms after they were set\n",
	    nvips, (double)mono_sub_ns(last, start) / 1e6);
	ck_assert_int_lt(mono_sub_ns(last, start), many[_i].within_ms * NSEC_PER_MSEC);
	close(tap);
	tell(&a, "set");
	ck_assert_str_eq(heard_of(&a, "set", 5000), "set");
}
END_TEST

/* 10,000 frames a second of all kinds: still answers, owner unmoved. */
START_TEST(flood_starves_nobody)
{
	enum { PER_MS = 10, MS = 2000 };
	struct rusage usage;
	struct arp_frame f[4];
	struct ip vip, vip6;
	struct arp_event ask = { .kind = ARP_EVENT_ASK };
	uint8_t spoofed[6] = { 2, 0, 0, 0, 9, 0 };
	int tap = tap_client("s"), rc;
	struct mono at;
	double cpu;

	tell(&a, "set " VIP4 " " VIP6);
	heard_of(&a, "set", 2000);
	resolve(VIP4);
	ip_parse(VIP4, &vip);
	ip_parse(VIP6, &vip6);
	at = clock_mono();
	for (int i = 0; i < MS * PER_MS; i++) {
		spoofed[5] = (uint8_t)i;
		f[0] = arp_probe(&vip, spoofed);
		f[1] = ndp_probe(&vip6, spoofed);
		f[2] = arp_answer(&vip, spoofed, &ask);
		memset(f[2].buf, 0xff, 6);
		f[3] = f[1];
		f[3].buf[60] ^= 1;	/* a wrong checksum */
		ck_assert(send(tap, f[i % 4].buf, f[i % 4].len, 0) > 0);
		if (i % PER_MS == 0) {
			at = mono_add_ms(at, 1);
			while (mono_before(clock_mono(), at))
				usleep(100);
		}
		if (i == MS * PER_MS / 2) {
			in("c", &rc, "arping -c 3 -w 3 -I eth0 " VIP4);
			ck_assert_msg(rc == 0, "answers during the flood");
			at = clock_mono();
		}
	}
	tell(&a, "list");
	ck_assert_msg(strstr(heard_of(&a, "list", 2000), VIP4 "@eth0") != NULL, "ours");
	close(tap);
	node_stop(&a, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	printf("flood of 10,000 frames/s for 2 s: %.2f s CPU in the node\n", cpu);
	ck_assert_msg(cpu < 1.5, "%.2f s CPU", cpu);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("arp load");
	TCase *tc;

	lan_begin();
	tc = lan_case(s, "lan");
	tcase_add_loop_test(tc, many_vips_are_announced_at_once, 0, (int)nitems(many));
	tcase_add_test(tc, flood_starves_nobody);
	return lan_run(s);
}
