/* director_order.c - the orders that director.h wants its input in. */
#include "ipvs/director.h"

int
ipvs_service_cmp(const void *va, const void *vb)
{
	const struct ipvs_service *a = va, *b = vb;
	int c = ip_cmp(&a->vip, &b->vip);

	if (c == 0)
		c = (int)a->proto - (int)b->proto;
	return c != 0 ? c : (int)a->port - (int)b->port;
}

int
ipvs_endpoint_cmp(const void *va, const void *vb)
{
	const struct ipvs_endpoint *a = va, *b = vb;
	int c = ip_cmp(&a->ip, &b->ip);

	return c != 0 ? c : (int)a->port - (int)b->port;
}
