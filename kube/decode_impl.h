/*
 * decode_impl.h - reading fields of a JSON tree into an arena. For the decode
 * files alone: nothing else may see a cJSON.
 *
 * The error is sticky, as in lib/wire.h: read on without testing, then test
 * d.is_bad once at the end; the first failure is the one that is told. A place
 * in the tree knows the places above it, so that a path costs nothing until
 * somebody has to be told of it.
 */
#ifndef HERALD_KUBE_DECODE_IMPL_H
#define HERALD_KUBE_DECODE_IMPL_H

#include <cjson/cJSON.h>

#include "kube/decode.h"

/*
 * More than these the API server itself does not take, or no person means.
 * They bound what an object can cost in memory and time.
 */
enum {
	DEC_PORTS_MAX = 20000,		/* of a slice, as the API; of a Service */
	DEC_ENDPOINTS_MAX = 1000,	/* of a slice, as the API */
	DEC_ADDRESSES_MAX = 100,	/* of an endpoint, as the API */
	DEC_LIST_MAX = 4096,		/* any other array or map */
	DEC_SELECTORS_MAX = 256,
	DEC_SECRET_MAX = 1 << 20,	/* bytes of a Secret, as the API */
};

struct dec {
	struct arena *arena;		/* what is kept goes here */
	struct kube_error *err;		/* may be NULL */
	bool	has_lines;		/* nodes carry their line in valueint */
	bool	is_metallb;		/* our resources are MetalLB's: its defaults */
	bool	is_bad;
	unsigned line;			/* of the failure; 0 unknown */
};

struct dec_at {
	const struct dec_at *up;	/* NULL at the root */
	const char *key;		/* of this field; NULL for an array item */
	size_t	index;			/* of this item, where key is NULL */
	const cJSON *node;		/* NULL where absent (null counts so) */
};

struct dec_word {
	const char *word;
	int	value;
};

/* A field of an object; absent where up is absent or no object. */
struct dec_at dec_field(const struct dec_at *up, const char *key);

/* Fail at `at`: "PATH: VALUE: what; remedy". Only the first call counts. */
void dec_fail(struct dec *d, const struct dec_at *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* True if present; then it must be an object, else fails. */
bool dec_is_object(struct dec *d, const struct dec_at *at);

/* The string in the tree itself, or NULL where absent or empty. */
const char *dec_peek(struct dec *d, const struct dec_at *at);

/* The same, copied to the arena. */
const char *dec_str(struct dec *d, const struct dec_at *at);
bool dec_bool(struct dec *d, const struct dec_at *at, bool absent);
int64_t dec_int(struct dec *d, const struct dec_at *at, int64_t min, int64_t max,
    int64_t absent);

/* One of the words (up to a NULL one); `absent` also for "". */
int dec_word(struct dec *d, const struct dec_at *at, const struct dec_word *words,
    int absent);

/* An address, IP_NONE where absent. */
struct ip dec_ip(struct dec *d, const struct dec_at *at);

/* How many items an array has: 0 where absent; fails above max. */
size_t dec_count(struct dec *d, const struct dec_at *at, size_t max);

/* for (it = dec_first(&array); it.node != NULL; it = dec_next(&it)) */
struct dec_at dec_first(const struct dec_at *array);
struct dec_at dec_next(const struct dec_at *it);

/* An array of strings, none of them empty. */
const char **dec_strings(struct dec *d, const struct dec_at *at, size_t max,
    size_t *ret_n);

/* Of an array of objects the names, of those that have one. */
const char **dec_names(struct dec *d, const struct dec_at *at, size_t max,
    size_t *ret_n);

/* An object of strings; `skip` is a key not worth keeping, or NULL. */
struct kube_map dec_map(struct dec *d, const struct dec_at *at, const char *skip);

/* A metav1.LabelSelector, and an array of them. */
struct kube_selector dec_selector(struct dec *d, const struct dec_at *at);
struct kube_selector *dec_selectors(struct dec *d, const struct dec_at *at,
    size_t *ret_n);

/*
 * A metav1.Duration ("90s", "1m30s", "500ms") in milliseconds, from min_ms to
 * max_ms; 0 where absent.
 */
uint32_t dec_duration_ms(struct dec *d, const struct dec_at *at, uint32_t min_ms,
    uint32_t max_ms);

/* What an advertisement's spec is about. */
struct kube_scope dec_scope(struct dec *d, const struct dec_at *spec);

/* The condition of that type in root's status. Fails never: see types.h. */
struct kube_condition dec_condition(struct dec *d, const struct dec_at *root,
    const char *type);

/* The healthCheck of a ForwardingProfile. */
void dec_health_check(struct dec *d, const struct dec_at *at,
    struct kube_health_check *c);

extern const struct dec_word dec_protos[];

/* What a status shows. A Service's is refused where it makes no sense. */
void dec_lb_status(struct dec *d, const struct dec_at *root,
    struct kube_service *s);
void dec_pool_status(struct dec *d, const struct dec_at *root,
    struct kube_ip_address_pool *p);

/* One kind each, but for its status: root is the object, o->meta and o->kind
   are there. */
typedef void dec_kind_fn(struct dec *d, const struct dec_at *root,
    struct kube_object *o);
dec_kind_fn dec_service, dec_node, dec_pod, dec_secret, dec_config_map, dec_slice, dec_pool,
    dec_l2adv, dec_bgpadv, dec_bgp_peer, dec_community, dec_bfd_profile, dec_profile,
    dec_service_status, dec_session_state;

/* How a tree is to be read. */
struct dec_opts {
	const char *api_group;		/* NULL: heraldlb.io */
	enum kube_kind kind;		/* see decode.h */
	/* For manifests, which may leave the namespace out: that of our own
	   resources, and that of all others. NULL: it must be there. */
	const char *own_ns;
	const char *default_ns;
	bool	has_lines;
	size_t	spare;			/* bytes that the caller will put into the
					   object's arena */
};

struct dec_answer {
	struct kube_ident id;		/* as far as it could be read */
	/* Heap, the receiver's. Of what was refused a stub (see types.h), or
	   NULL where even its metadata is no good. */
	struct kube_object *object;
	struct kube_error err;		/* "" unless it failed */
	unsigned line;			/* of the failure; 0 unknown */
};

/* kube_decode() of a tree; *ret is filled whatever is returned. */
int dec_tree(const cJSON *tree, const struct dec_opts *opts, struct dec_answer *ret);

/*
 * JSON text to a tree for cJSON_Delete(): one value, nothing but space behind
 * it. NULL where it is none; then *ret_err says so with line and column.
 */
cJSON *dec_parse(const char *json, size_t len, struct kube_error *ret_err);

#endif
