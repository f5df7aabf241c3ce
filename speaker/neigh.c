#include "speaker/neigh.h"

bool
neigh_find(FILE *f, const uint8_t mac[6],
    bool (*is_wanted)(void *arg, const struct ip *ip), void *arg, struct ip *ret)
{
	char line[256], addr[64];
	unsigned m[6], flags;
	struct ip ip;

	/* IP address, HW type, Flags, HW address, Mask, Device */
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%63s 0x%*x 0x%x %2x:%2x:%2x:%2x:%2x:%2x", addr, &flags,
		    &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 8)
			continue;
		if (ip_parse(addr, &ip) == 0 && m[0] == mac[0] && m[1] == mac[1] &&
		    m[2] == mac[2] && m[3] == mac[3] && m[4] == mac[4] &&
		    m[5] == mac[5] && is_wanted(arg, &ip)) {
			*ret = ip;
			return true;
		}
	}
	return false;
}
