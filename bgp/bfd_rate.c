/* bfd_rate.c - how often many sessions may send; see bfd.h. */
#include "bgp/bfd.h"

uint32_t
bfd_interval_us(uint32_t wanted_us, size_t npeers, uint32_t max_pps, uint8_t jitter_pct)
{
	/* Packets that go out up to so much early do so by half of that in the mean. */
	uint64_t per_sec = (uint64_t)max_pps * (200u - jitter_pct) / 2;
	uint64_t step = wanted_us / 4 > 0 ? wanted_us / 4 : 1, us;

	if (per_sec == 0)
		return wanted_us;
	us = (npeers * UINT64_C(100000000) + per_sec - 1) / per_sec;
	us = (us + step - 1) / step * step;
	if (us > BFD_INTERVAL_MAX_US)
		us = BFD_INTERVAL_MAX_US;
	return us > wanted_us ? (uint32_t)us : wanted_us;
}
