/* profile.c - see profile.h. */
#include "kube/profile.h"

#include <string.h>

static bool
selects(const struct kube_forwarding_profile *p, const struct kube_object *svc)
{
	bool is_in = p->nnamespaces == 0;

	/* With neither it would take in every Service: it is to be named. */
	if (p->nnamespaces == 0 && p->nservice_selectors == 0)
		return false;
	for (size_t i = 0; i < p->nnamespaces && !is_in; i++)
		is_in = strcmp(p->namespaces[i], svc->meta.ns) == 0;
	return is_in && kube_any_selector_matches(p->service_selectors,
	    p->nservice_selectors, &svc->meta.labels);
}

struct kube_profile_choice
kube_profile_of(const struct kube_store *s, const struct kube_object *svc)
{
	struct kube_list all = kube_store_list(s, KUBE_FORWARDING_PROFILE);
	const char *name = kube_map_get(&svc->meta.annotations,
	    KUBE_ANNOTATION_PROFILE);
	struct kube_profile_choice c = { .profile = NULL };

	for (size_t i = 0; i < all.n; i++) {
		const struct kube_object *o = all.items[i];

		if (name != NULL && strcmp(name, o->meta.name) == 0)
			return (struct kube_profile_choice){ .profile = o };
		if (name != NULL || !selects(&o->profile, svc))
			continue;
		if (c.profile == NULL) {
			c.profile = o;
		} else {
			c.other = o;
			break;
		}
	}
	c.missing = name;
	return c;
}

const char *
kube_profile_ip_mode(const struct kube_store *s, const struct kube_object *svc)
{
	const struct kube_object *p = kube_profile_of(s, svc).profile;

	return p != NULL && p->profile.mode == KUBE_FORWARD_DELEGATE ? "VIP" : "Proxy";
}
