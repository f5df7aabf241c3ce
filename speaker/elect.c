#include <stdint.h>
#include <string.h>

#include "lib/hash.h"
#include "speaker/elect.h"

size_t
elect_owner(const struct ip *vip, const char *const *names, size_t n)
{
	uint64_t score, best_score = 0, seed = hash_bytes(vip->b, ip_len(vip), 0);
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		score = hash_str(names[i], seed);
		/* Equal scores are next to impossible; the name settles them. */
		if (best == n || score > best_score ||
		    (score == best_score && strcmp(names[i], names[best]) < 0)) {
			best = i;
			best_score = score;
		}
	}
	return best;
}
