/*
 * bgp_conf.c - field by field.
 */
#include <stdlib.h>
#include <string.h>

#include "bgp/bgp_conf.h"
#include "lib/mem.h"

static const char *
text(const char *s)
{
	return s != NULL ? s : "";
}

void
bgp_conf_copy(struct bgp_io_peer *to, const struct bgp_io_peer *from)
{
	*to = *from;
	to->name = mem_strdup(text(from->name));
	to->fault = mem_strdup(text(from->fault));
	to->ifname = mem_strdup(text(from->ifname));
	to->vrf = mem_strdup(text(from->vrf));
	to->password = mem_strdup(from->auth != BGP_IO_AUTH_NONE ? text(from->password) : "");
}

void
bgp_conf_free(struct bgp_io_peer *c)
{
	char *password = (char *)(uintptr_t)c->password;

	explicit_bzero(password, strlen(password));
	free(password);
	free((char *)(uintptr_t)c->name);
	free((char *)(uintptr_t)c->fault);
	free((char *)(uintptr_t)c->ifname);
	free((char *)(uintptr_t)c->vrf);
}

static bool
is_same_session(const struct bgp_peer_conf *a, const struct bgp_peer_conf *b)
{
	return a->local_as == b->local_as && a->as_rule == b->as_rule &&
	    (a->as_rule != BGP_AS_EXACT || a->peer_as == b->peer_as) &&
	    a->router_id == b->router_id && a->hold_sec == b->hold_sec &&
	    a->keepalive_sec == b->keepalive_sec && a->connect_sec == b->connect_sec &&
	    a->restart_sec == b->restart_sec && a->is_passive == b->is_passive &&
	    a->is_strict_role == b->is_strict_role &&
	    a->has_extended == b->has_extended && a->role == b->role &&
	    a->families == b->families && a->has_v6_next_hop == b->has_v6_next_hop;
}

/* A key of TCP-AO with an ID of its own comes to stand beside the one in use. */
static bool
can_keep_connection(const struct bgp_io_peer *ours, const struct bgp_io_peer *theirs)
{
	if (ours->auth != theirs->auth)
		return false;
	if (ours->auth == BGP_IO_AUTH_NONE)
		return true;
	return (ours->auth == BGP_IO_AUTH_AO && ours->key_id != theirs->key_id) ||
	    (ours->key_id == theirs->key_id &&
	    strcmp(ours->password, text(theirs->password)) == 0);
}

bool
bgp_conf_is_same(const struct bgp_io_peer *ours, const struct bgp_io_peer *theirs)
{
	return is_same_session(&ours->session, &theirs->session) &&
	    ip_eq(&ours->addr, &theirs->addr) && ip_eq(&ours->source, &theirs->source) &&
	    strcmp(ours->fault, text(theirs->fault)) == 0 &&
	    strcmp(ours->ifname, text(theirs->ifname)) == 0 &&
	    strcmp(ours->vrf, text(theirs->vrf)) == 0 && ours->port == theirs->port &&
	    ours->hops == theirs->hops && ours->has_gtsm == theirs->has_gtsm &&
	    can_keep_connection(ours, theirs);
}

static bool
is_external(const struct bgp_peer_conf *c)
{
	return c->as_rule == BGP_AS_EXTERNAL ||
	    (c->as_rule == BGP_AS_EXACT && c->peer_as != c->local_as);
}

uint8_t
bgp_conf_hops(const struct bgp_io_peer *c)
{
	if (c->hops != 0)
		return c->hops;
	return is_external(&c->session) ? 1 : 255;
}

const char *
bgp_conf_fault(const struct bgp_io_peer *c, bool has_ao)
{
	size_t len = strlen(text(c->password));

	if (text(c->fault)[0] != '\0')
		return c->fault;
	if (strlen(text(c->ifname)) >= BGP_IO_NAME_MAX)
		return "the interface's name is longer than 15 bytes";
	if (strlen(text(c->vrf)) >= BGP_IO_NAME_MAX)
		return "the VRF's name is longer than 15 bytes";
	if (!ip_is_set(&c->addr) && text(c->ifname)[0] == '\0')
		return "it has neither an address nor an interface";
	if (!ip_is_v4(&c->addr) && ip_is_link_local(&c->addr) &&
	    text(c->ifname)[0] == '\0')
		return "a link-local address needs an interface";
	if (ip_is_set(&c->source) && ip_is_set(&c->addr) &&
	    c->source.family != c->addr.family)
		return "source address and peer address are of different families";
	if (c->auth != BGP_IO_AUTH_NONE && (len == 0 || len > BGP_IO_KEY_MAX))
		return "the password must have 1 to 80 bytes";
	if (c->auth == BGP_IO_AUTH_AO && !has_ao)
		return "this node's kernel has no TCP-AO (Linux 6.7 and later, with "
		    "CONFIG_TCP_AO): use an MD5 password, or another kernel";
	return NULL;
}

bool
bgp_conf_conflicts(const struct bgp_io_peer *a, const struct bgp_io_peer *b)
{
	return ip_eq(&a->addr, &b->addr) && ip_eq(&a->source, &b->source) &&
	    strcmp(a->ifname, b->ifname) == 0 && strcmp(a->vrf, b->vrf) == 0;
}
