/*
 * Leader election: several engines against a simulated server in simulated time, with
 * everything going wrong that can.
 */
#include <errno.h>
#include <stdio.h>

#include "kube/lease.h"
#include "tests/check.h"

enum { NODES = 3, STEP_MS = 10 };

/* One request on its way to the server, and its answer on its way back. */
struct post {
	enum lease_do op;		/* LEASE_NOTHING: none */
	struct lease_record record;
	int64_t	arrives_ms, answer_ms;	/* true time; -1 never */
	bool	has_arrived;
	int	error;
	struct lease_record answer;
};

struct node {
	struct lease l;
	char	id[8];
	bool	is_dead;
	int64_t	hung_until_ms;
	int64_t	clock_ms;		/* its clocks are off by so much... */
	double	rate;			/* ...and run at this rate */
	struct post post;
};

struct sim {
	struct node nodes[NODES];
	bool	is_there;
	struct lease_record server;
	unsigned version;
	int64_t	now_ms;
	int64_t	away_until_ms;		/* the server is */
	int64_t	gap_ms, longest_gap_ms;	/* without a leader */
	int	loss_percent;
	uint64_t rng;
};

static unsigned
dice(struct sim *s, unsigned n)
{
	s->rng = s->rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(s->rng >> 33) % n;
}

static struct mono
clock_of(const struct node *n, int64_t now_ms)
{
	return (struct mono){ (int64_t)((double)(now_ms + n->clock_ms) * n->rate * 1e6) };
}

static void
serve(struct sim *s, struct post *p)
{
	bool is_same = s->is_there &&
	    strcmp(p->record.resource_version, s->server.resource_version) == 0;

	p->has_arrived = true;
	p->error = 0;
	if (p->op == LEASE_GET) {
		p->error = s->is_there ? 0 : -ENOENT;
	} else if (p->op == LEASE_CREATE && s->is_there) {
		p->error = -EEXIST;
	} else if (p->op == LEASE_UPDATE && !is_same) {
		p->error = s->is_there ? -ESTALE : -ENOENT;
	} else {
		s->server = p->record;
		s->is_there = true;
		snprintf(s->server.resource_version,
		    sizeof(s->server.resource_version), "%u", ++s->version);
	}
	p->answer = s->server;
}

static void
answer(struct node *n, struct mono now)
{
	struct post p = n->post;

	n->post.op = LEASE_NOTHING;
	if (p.op == LEASE_GET)
		lease_got(&n->l, p.error, &p.answer, now);
	else
		lease_wrote(&n->l, p.error, &p.answer, now);
}

static bool
may_arrive(const struct sim *s)
{
	return s->now_ms >= s->away_until_ms;
}

static void
step_node(struct sim *s, struct node *n)
{
	struct mono now = clock_of(n, s->now_ms);
	struct post *p = &n->post;

	if (p->op != LEASE_NOTHING && !p->has_arrived && p->arrives_ms >= 0 &&
	    s->now_ms >= p->arrives_ms && may_arrive(s))
		serve(s, p);
	if (n->is_dead || s->now_ms < n->hung_until_ms)
		return;
	if (p->op != LEASE_NOTHING && p->has_arrived && s->now_ms >= p->answer_ms) {
		answer(n, now);
	} else if (p->op != LEASE_NOTHING && s->now_ms >= p->arrives_ms + 5000) {
		p->error = -EIO;	/* given up; it may arrive all the same */
		if (!p->has_arrived && p->arrives_ms >= 0 && may_arrive(s))
			serve(s, p);
		p->error = -EIO;
		answer(n, now);
	}
	if (p->op != LEASE_NOTHING)
		return;
	p->op = lease_next(&n->l, now, (int64_t)now.ns, &p->record);
	p->has_arrived = false;
	p->arrives_ms = s->now_ms + dice(s, 30);
	p->answer_ms = p->arrives_ms + (dice(s, 100) < (unsigned)s->loss_percent ?
	    100000 : dice(s, 30));
}

/* Run until true time `until_ms`; there is never more than one leader. */
static void
run(struct sim *s, int64_t until_ms)
{
	for (; s->now_ms < until_ms; s->now_ms += STEP_MS) {
		unsigned nleaders = 0;

		for (int i = 0; i < NODES; i++)
			step_node(s, &s->nodes[i]);
		for (int i = 0; i < NODES; i++) {
			struct node *n = &s->nodes[i];

			nleaders += !n->is_dead && s->now_ms >= n->hung_until_ms &&
			    lease_is_leader(&n->l, clock_of(n, s->now_ms));
		}
		ck_assert_msg(nleaders <= 1, "%u leaders at %ld ms", nleaders,
		    (long)s->now_ms);
		s->gap_ms = nleaders == 1 ? 0 : s->gap_ms + STEP_MS;
		if (s->gap_ms > s->longest_gap_ms)
			s->longest_gap_ms = s->gap_ms;
	}
}

static void
boot(struct sim *s, struct node *n, double rate)
{
	static unsigned nboots;
	struct lease_conf conf;

	*n = (struct node){ .clock_ms = 1 + dice(s, 1000000), .rate = rate };
	snprintf(n->id, sizeof(n->id), "n%u", ++nboots % 100000);
	conf = lease_conf_of(n->id, LEASE_DURATION_MS);
	lease_init(&n->l, &conf, ((uint64_t)dice(s, 1u << 30) << 32) | nboots,
	    clock_of(n, s->now_ms));
}

static void
sim_init(struct sim *s, uint64_t seed, int loss_percent)
{
	*s = (struct sim){ .rng = seed, .loss_percent = loss_percent };
	for (int i = 0; i < NODES; i++)
		boot(s, &s->nodes[i], 0.97 + 0.03 * i);
}

static struct node *
leader(struct sim *s)
{
	for (int i = 0; i < NODES; i++) {
		struct node *n = &s->nodes[i];

		if (!n->is_dead && lease_is_leader(&n->l, clock_of(n, s->now_ms)))
			return n;
	}
	return NULL;
}

/* The leader dies: within the Lease's duration there is another. */
START_TEST(takeover_after_crash)
{
	struct sim s;
	int64_t worst_ms = 0;

	sim_init(&s, (uint64_t)_i + 1, 0);
	s.nodes[0].rate = s.nodes[2].rate = 1;
	for (int round = 0; round < 20; round++) {
		struct node *dead;

		run(&s, s.now_ms + 20000 + dice(&s, 2500));
		dead = leader(&s);
		ck_assert_ptr_nonnull(dead);
		dead->is_dead = true;
		s.longest_gap_ms = 0;
		run(&s, s.now_ms + 16000);
		ck_assert_ptr_nonnull(leader(&s));
		if (s.longest_gap_ms > worst_ms)
			worst_ms = s.longest_gap_ms;
		boot(&s, dead, 1);
	}
	/* And one exchange with the server. */
	ck_assert_msg(worst_ms <= LEASE_DURATION_MS + 120, "%ld ms without a leader",
	    (long)worst_ms);
}
END_TEST

/* The leader is stopped cleanly: at the next look there is another. */
START_TEST(takeover_after_release)
{
	struct sim s;

	sim_init(&s, (uint64_t)_i + 100, 0);
	for (int round = 0; round < 20; round++) {
		struct node *n;

		run(&s, s.now_ms + 3000 + dice(&s, 2500));
		n = leader(&s);
		ck_assert_ptr_nonnull(n);
		lease_stop(&n->l, clock_of(n, s.now_ms));
		s.longest_gap_ms = 0;
		run(&s, s.now_ms + 2000);
		ck_assert(lease_is_over(&n->l));
		ck_assert_msg(s.longest_gap_ms <= 1000, "%ld ms without a leader",
		    (long)s.longest_gap_ms);
		boot(&s, n, 1);
	}
}
END_TEST

/* Whatever happens: one leader, and in the end there is one. */
START_TEST(chaos)
{
	struct sim s;

	sim_init(&s, (uint64_t)_i * 7919 + 17, 20);
	for (int round = 0; round < 120; round++) {
		struct node *n = &s.nodes[dice(&s, NODES)];

		if (dice(&s, 2) == 0 && leader(&s) != NULL)
			n = leader(&s);
		switch (dice(&s, 6)) {
		case 0:
			boot(&s, n, 0.97 + 0.03 * dice(&s, 3));
			break;
		case 1:
			n->hung_until_ms = s.now_ms + dice(&s, 40000);
			break;
		case 2:
			s.away_until_ms = s.now_ms + dice(&s, 40000);
			break;
		case 3:
			lease_stop(&n->l, clock_of(n, s.now_ms));
			run(&s, s.now_ms + dice(&s, 6000));
			boot(&s, n, 1);
			break;
		default:
			break;
		}
		run(&s, s.now_ms + dice(&s, 20000));
	}
	s.loss_percent = 0;
	run(&s, s.now_ms + 90000);
	ck_assert_ptr_nonnull(leader(&s));
}
END_TEST

static void
fill(TCase *tc)
{
	tcase_add_loop_test(tc, takeover_after_crash, 0, 4);
	tcase_add_loop_test(tc, takeover_after_release, 0, 4);
	tcase_add_loop_test(tc, chaos, 0, 8);
}

TEST_MAIN("lease, several", fill)
