/*
 * ipvs_nl.c - see ipvs_nl.h.
 *
 * Commands are gathered into one buffer and sent together. The kernel does them in
 * their order and answers those that fail, by their sequence number; an
 * acknowledgement is asked for the last alone, and says that all were done: what
 * had no answer by then has succeeded. Reading is one dump of the services and one dump
 * of the real servers for each of them. Messages are made and taken apart in attr_nl.c.
 */
#include "ipvs/ipvs_nl.h"

#include <errno.h>
#include <linux/ip_vs.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ipvs/error.h"
#include "ipvs/attr_nl.h"
#include "lib/mem.h"

enum {
	/* Should all fail, their answers wait in the receive buffer while the
	   kernel works on a batch, each accounted with some 800 bytes. */
	BATCH_OPS = 1024,
	BATCH_BYTES = 128 * 1024,
	SOCKET_BYTES = 4 * 1024 * 1024,
	ANSWER_BYTES = 32 * 1024,	/* the most that the kernel puts in one */
	NO_ANSWER = 1,			/* of an operation, yet */
};

struct ipvs_nl {
	struct nl_sock *sock;
	int	family;
	uint32_t seq;
	struct nl_cb *cb;
	/* The batch whose answers are awaited. */
	uint32_t first_seq;
	size_t	nwaiting;
	int	*errors;
};

/* We tell answers apart by their numbers ourselves. */
static int
any_seq(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

static int
on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct ipvs_nl *nl = arg;
	uint32_t i = e->msg.nlmsg_seq - nl->first_seq;

	(void)from;
	if (i < nl->nwaiting)
		nl->errors[i] = e->error;
	return NL_SKIP;
}

static int
on_ack(struct nl_msg *msg, void *arg)
{
	struct ipvs_nl *nl = arg;
	uint32_t i = nlmsg_hdr(msg)->nlmsg_seq - nl->first_seq;

	if (i < nl->nwaiting)
		nl->errors[i] = 0;
	return NL_OK;
}

static int
sock_open(struct ipvs_nl *nl, struct director_error *ret_err)
{
	int one = 1, size = SOCKET_BYTES, fd, r;

	nl->sock = nl_socket_alloc();
	nl->cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (nl->sock == NULL || nl->cb == NULL)
		return director_fail(ret_err, -ENOMEM, "ipvs: out of memory");
	r = genl_connect(nl->sock);
	if (r < 0)
		return director_fail(ret_err, -EPROTONOSUPPORT,
		    "ipvs: no generic netlink socket: %s", nl_geterror(r));
	fd = nl_socket_get_fd(nl->sock);
	/* The FORCE forms go past net.core.*mem_max; they need CAP_NET_ADMIN. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	/* Else libnl asks for the length of each answer beforehand. */
	(void)nl_socket_set_msg_buf_size(nl->sock, ANSWER_BYTES);
	nl->family = genl_ctrl_resolve(nl->sock, IPVS_GENL_NAME);
	if (nl->family < 0)
		return director_fail(ret_err, -ENOENT, "this kernel has no IPVS (%s): "
		    "load it with `modprobe ip_vs`, and see that the modules "
		    "ip_vs and ip_vs_mh are installed for it",
		    nl_geterror(nl->family));
	nl_cb_err(nl->cb, NL_CB_CUSTOM, on_error, nl);
	nl_cb_set(nl->cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_seq, NULL);
	nl_cb_set(nl->cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, nl);
	return 0;
}

int
ipvs_nl_open(struct ipvs_nl **ret, struct director_error *ret_err)
{
	struct ipvs_nl *nl = mem_zalloc(sizeof(*nl));
	int r = sock_open(nl, ret_err);

	if (r < 0) {
		ipvs_nl_close(nl);
		return r;
	}
	*ret = nl;
	return 0;
}

void
ipvs_nl_close(struct ipvs_nl *nl)
{
	if (nl == NULL)
		return;
	if (nl->cb != NULL)
		nl_cb_put(nl->cb);
	if (nl->sock != NULL)
		nl_socket_free(nl->sock);
	free(nl);
}

/* Write one operation as a message of its own into buf; its length, or 0. */
static size_t
op_encode(struct ipvs_nl *nl, const struct ipvs_op *op, uint32_t seq, uint8_t *buf,
    size_t room)
{
	static const uint8_t cmds[] = {
		[IPVS_OP_ADD_VS] = IPVS_CMD_NEW_SERVICE,
		[IPVS_OP_SET_VS] = IPVS_CMD_SET_SERVICE,
		[IPVS_OP_DEL_VS] = IPVS_CMD_DEL_SERVICE,
		[IPVS_OP_ADD_RS] = IPVS_CMD_NEW_DEST,
		[IPVS_OP_SET_RS] = IPVS_CMD_SET_DEST,
		[IPVS_OP_DEL_RS] = IPVS_CMD_DEL_DEST,
	};
	struct nl_msg *msg = nlmsg_alloc_size(ATTR_MSG_MAX);
	size_t len = 0;

	if (msg == NULL)
		return 0;
	if (genlmsg_put(msg, NL_AUTO_PORT, seq, nl->family, 0,
	    NLM_F_REQUEST, cmds[op->type], IPVS_GENL_VERSION) != NULL &&
	    attr_put_op(msg, op) == 0) {
		len = NLMSG_ALIGN(nlmsg_hdr(msg)->nlmsg_len);
		nlmsg_hdr(msg)->nlmsg_pid = nl_socket_get_local_port(nl->sock);
		if (len <= room)
			memcpy(buf, nlmsg_hdr(msg), len);
		else
			len = 0;
	}
	nlmsg_free(msg);
	return len;
}

/* Send one batch and take in its answers, the last one's at the end. */
static void
batch_run(struct ipvs_nl *nl, const uint8_t *buf, size_t len, size_t n, int *errors)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++)
		errors[i] = NO_ANSWER;
	nl->errors = errors;
	nl->nwaiting = n;
	r = nl_sendto(nl->sock, (void *)(uintptr_t)buf, len);
	while (r >= 0 && errors[n - 1] == NO_ANSWER)
		r = nl_recvmsgs(nl->sock, nl->cb);
	nl->nwaiting = 0;
	for (i = 0; i < n; i++)
		if (errors[i] == NO_ANSWER)
			errors[i] = r < 0 ? -EIO : 0;
}

int
ipvs_nl_apply(struct ipvs_nl *nl, const struct ipvs_op *ops, size_t n,
    int *ret_errors)
{
	uint8_t *buf = mem_zalloc(BATCH_BYTES);
	size_t i = 0, first, len, more, last = 0;
	int error = 0;

	while (i < n) {
		first = i;
		nl->first_seq = nl->seq + 1;
		for (len = 0; i < n && i - first < BATCH_OPS; i++) {
			more = op_encode(nl, &ops[i], nl->seq + 1, buf + len,
			    BATCH_BYTES - len);
			if (more == 0)
				break;
			nl->seq++;
			last = len;
			len += more;
		}
		if (i == first) {		/* cannot be: one always fits */
			ret_errors[i++] = -EMSGSIZE;
			continue;
		}
		((struct nlmsghdr *)(void *)(buf + last))->nlmsg_flags |= NLM_F_ACK;
		batch_run(nl, buf, len, i - first, ret_errors + first);
	}
	free(buf);
	for (i = 0; i < n && error == 0; i++)
		error = ret_errors[i];
	return error;
}

/* One dump: what to do with each message, and what went wrong. */
struct dump {
	int	(*got)(struct nl_msg *msg, void *arg);
	void	*arg;
	int	error;
	bool	is_done;
};

static int
on_dump_msg(struct nl_msg *msg, void *arg)
{
	struct dump *d = arg;
	int r = d->got(msg, d->arg);

	if (r < 0 && d->error == 0)
		d->error = r;
	return NL_OK;
}

static int
on_dump_done(struct nl_msg *msg, void *arg)
{
	struct dump *d = arg;
	const int *error = nlmsg_data(nlmsg_hdr(msg));

	if (nlmsg_datalen(nlmsg_hdr(msg)) >= (int)sizeof(*error) && *error < 0)
		d->error = *error;
	d->is_done = true;
	return NL_STOP;
}

static int
on_dump_ack(struct nl_msg *msg, void *arg)
{
	struct dump *d = arg;

	(void)msg;
	d->is_done = true;
	return NL_STOP;
}

static int
on_dump_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct dump *d = arg;

	(void)from;
	d->error = e->error;
	d->is_done = true;
	return NL_SKIP;		/* NL_STOP would make nl_recvmsgs() fail */
}

/*
 * Ask with cmd, about the service of key where that is not NULL: for all there is
 * with NLM_F_DUMP, for one thing with NLM_F_ACK. Either ends with a message that
 * sets is_done.
 */
static int
ask(struct ipvs_nl *nl, uint8_t cmd, int flags, const struct ipvs_key *key,
    struct dump *d)
{
	struct nl_msg *msg = nlmsg_alloc_size(ATTR_MSG_MAX);
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r = -ENOMEM;

	if (msg == NULL || cb == NULL)
		goto out;
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, any_seq, NULL);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_dump_msg, d);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_dump_done, d);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_dump_ack, d);
	nl_cb_err(cb, NL_CB_CUSTOM, on_dump_error, d);
	r = -EMSGSIZE;
	if (genlmsg_put(msg, NL_AUTO_PORT, ++nl->seq, nl->family, 0,
	    NLM_F_REQUEST | flags, cmd, IPVS_GENL_VERSION) == NULL ||
	    (key != NULL && attr_put_key(msg, key) < 0))
		goto out;
	nl_complete_msg(nl->sock, msg);
	r = nl_send(nl->sock, msg) < 0 ? -EIO : 0;
	while (r == 0 && !d->is_done)
		if (nl_recvmsgs(nl->sock, cb) < 0)
			r = -EIO;
	if (r == 0)
		r = d->error;
out:
	nl_cb_put(cb);
	nlmsg_free(msg);
	return r;
}

static int
got_vs(struct nl_msg *msg, void *arg)
{
	struct ipvs_table *t = arg;
	struct ipvs_vs vs = { 0 };
	struct ipvs_counters c;
	int r = attr_get_vs(nlmsg_hdr(msg), &vs, &c);

	if (r == 0)
		*ipvs_table_add(t) = vs;
	return r;
}

/* The real servers of one service while they are read, newest first. */
struct rs_list {
	struct ipvs_rs *rs;
	struct ipvs_counters *c;
	size_t	n, cap, ccap;
};

static int
got_rs(struct nl_msg *msg, void *arg)
{
	struct rs_list *l = arg;
	int r;

	l->rs = mem_grow(l->rs, l->n, &l->cap, sizeof(l->rs[0]));
	l->c = mem_grow(l->c, l->n, &l->ccap, sizeof(l->c[0]));
	r = attr_get_rs(nlmsg_hdr(msg), &l->rs[l->n], &l->c[l->n]);
	if (r == 0)
		l->n++;
	return r;
}

static int
rs_read(struct ipvs_nl *nl, const struct ipvs_key *key, struct rs_list *l)
{
	struct dump d = { .got = got_rs, .arg = l };
	int r;

	l->n = 0;
	r = ask(nl, IPVS_CMD_GET_DEST, NLM_F_DUMP, key, &d);
	return r == -ESRCH ? 0 : r;	/* the service went away meanwhile */
}

/* The kernel puts new servers in front; we have them in the order of coming. */
static void
rs_take(const struct rs_list *l, struct arena *a, struct ipvs_vs *vs)
{
	size_t i;

	vs->nrs = l->n;
	vs->rs = arena_array(a, l->n, sizeof(vs->rs[0]));
	for (i = 0; i < l->n; i++)
		vs->rs[i] = l->rs[l->n - 1 - i];
}

static void
rs_list_fini(struct rs_list *l)
{
	free(l->rs);
	free(l->c);
}

/* One service while it is read. */
struct one {
	struct ipvs_vs vs;
	struct ipvs_counters c;
};

static int
got_one(struct nl_msg *msg, void *arg)
{
	struct one *o = arg;

	return attr_get_vs(nlmsg_hdr(msg), &o->vs, &o->c);
}

int
ipvs_nl_read_one(struct ipvs_nl *nl, const struct ipvs_key *key, struct arena *a,
    struct ipvs_vs *ret, ipvs_nl_stat_fn *stat, void *arg)
{
	struct one o = { 0 };
	struct dump d = { .got = got_one, .arg = &o };
	struct rs_list l = { 0 };
	size_t i;
	int r = ask(nl, IPVS_CMD_GET_SERVICE, NLM_F_ACK, key, &d);

	if (r == 0)
		r = rs_read(nl, key, &l);
	if (r == 0) {
		rs_take(&l, a, &o.vs);
		*ret = o.vs;
		if (stat != NULL)
			stat(arg, &o.vs, NULL, &o.c);
		for (i = l.n; stat != NULL && i > 0; i--)
			stat(arg, &o.vs, &l.rs[i - 1], &l.c[i - 1]);
	}
	rs_list_fini(&l);
	return r;
}

int
ipvs_nl_read(struct ipvs_nl *nl, struct ipvs_table *ret,
    struct director_error *ret_err)
{
	struct ipvs_table t = { 0 };
	struct dump d = { .got = got_vs, .arg = &t };
	struct rs_list l = { 0 };
	size_t i;
	int r = ask(nl, IPVS_CMD_GET_SERVICE, NLM_F_DUMP, NULL, &d);

	for (i = 0; r == 0 && i < t.n; i++) {
		r = rs_read(nl, &t.vs[i].key, &l);
		rs_take(&l, &t.arena, &t.vs[i]);
	}
	rs_list_fini(&l);
	if (r < 0) {
		ipvs_table_fini(&t);
		return director_fail(ret_err, r, "ipvs: cannot read the table: %s%s",
		    strerror(-r), r == -EPERM ?
		    " (CAP_NET_ADMIN of the host is needed)" : "");
	}
	ipvs_table_sort(&t);
	*ret = t;
	return 0;
}
