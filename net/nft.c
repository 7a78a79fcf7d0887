/* SPDX-License-Identifier: MIT */
#include "net/nft.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

/* Bytes of elements in one message: a nested attribute's length has 16 bits, and netlink.c gives a message 16 KiB. */
enum { ELEMS_ROOM = 12000 };

static const struct nfgenmsg inet = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };

#define NFT_TYPE(msg) (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (msg))

static void batch_begin(struct netlink *nf)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	netlink_begin_quiet(nf, NFNL_MSG_BATCH_BEGIN, &g, sizeof(g));
}

static void batch_end(struct netlink *nf)
{
	struct nfgenmsg g = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	netlink_begin_quiet(nf, NFNL_MSG_BATCH_END, &g, sizeof(g));
}

static void put_value(struct netlink *nf, uint16_t attr, const void *p, size_t n)
{
	netlink_nest(nf, attr);
	netlink_put(nf, NFTA_DATA_VALUE, p, n);
	netlink_nest_end(nf);
}

static uint32_t reg(unsigned n)
{
	return NFT_REG32_00 + n;
}

/* One function per operation: the attributes of linux/netfilter/nf_tables.h. */
static void x_meta(struct netlink *nf, const struct nft_expr *x)
{
	netlink_put_be32(nf, NFTA_META_DREG, reg(x->reg));
	netlink_put_be32(nf, NFTA_META_KEY, x->key);
}

static void x_cmp(struct netlink *nf, const struct nft_expr *x)
{
	netlink_put_be32(nf, NFTA_CMP_SREG, reg(x->reg));
	netlink_put_be32(nf, NFTA_CMP_OP, x->inverted ? NFT_CMP_NEQ : NFT_CMP_EQ);
	put_value(nf, NFTA_CMP_DATA, x->value, x->len);
}

static void x_lookup(struct netlink *nf, const struct nft_expr *x)
{
	netlink_put_str(nf, NFTA_LOOKUP_SET, x->name);
	netlink_put_be32(nf, NFTA_LOOKUP_SREG, reg(x->reg));
	if (x->len)
		netlink_put_be32(nf, NFTA_LOOKUP_DREG, reg(x->to));
	if (x->inverted)
		netlink_put_be32(nf, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void x_payload(struct netlink *nf, const struct nft_expr *x)
{
	netlink_put_be32(nf, x->op == NFT_MANGLE_ ? NFTA_PAYLOAD_SREG : NFTA_PAYLOAD_DREG, reg(x->reg));
	netlink_put_be32(nf, NFTA_PAYLOAD_BASE, x->key);
	netlink_put_be32(nf, NFTA_PAYLOAD_OFFSET, x->offset);
	netlink_put_be32(nf, NFTA_PAYLOAD_LEN, x->len);
	if (x->op == NFT_MANGLE_) {
		netlink_put_be32(nf, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
		netlink_put_be32(nf, NFTA_PAYLOAD_CSUM_OFFSET, x->csum);
	}
}

static void x_mask(struct netlink *nf, const struct nft_expr *x)
{
	static const uint8_t zero[16];

	netlink_put_be32(nf, NFTA_BITWISE_SREG, reg(x->reg));
	netlink_put_be32(nf, NFTA_BITWISE_DREG, reg(x->reg));
	netlink_put_be32(nf, NFTA_BITWISE_LEN, x->len);
	put_value(nf, NFTA_BITWISE_MASK, x->value, x->len);
	put_value(nf, NFTA_BITWISE_XOR, zero, x->len);
}

static void x_ct(struct netlink *nf, const struct nft_expr *x)
{
	netlink_put_be32(nf, NFTA_CT_DREG, reg(x->reg));
	netlink_put_be32(nf, NFTA_CT_KEY, x->key);
}

static void x_fib(struct netlink *nf, const struct nft_expr *x)
{
	netlink_put_be32(nf, NFTA_FIB_DREG, reg(x->reg));
	netlink_put_be32(nf, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	netlink_put_be32(nf, NFTA_FIB_FLAGS, x->key);
}

static void x_dnat(struct netlink *nf, const struct nft_expr *x)
{
	netlink_put_be32(nf, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	netlink_put_be32(nf, NFTA_NAT_FAMILY, x->key);
	netlink_put_be32(nf, NFTA_NAT_REG_ADDR_MIN, reg(x->reg));
	netlink_put_be32(nf, NFTA_NAT_REG_PROTO_MIN, reg(x->to));
}

static void x_masq(struct netlink *nf, const struct nft_expr *x)
{
}

/* A value for a register: the verdict's is NFT_REG_VERDICT. */
static void x_immediate(struct netlink *nf, const struct nft_expr *x)
{
	if (x->len) {
		netlink_put_be32(nf, NFTA_IMMEDIATE_DREG, reg(x->reg));
		put_value(nf, NFTA_IMMEDIATE_DATA, x->value, x->len);
		return;
	}
	netlink_put_be32(nf, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	netlink_nest(nf, NFTA_IMMEDIATE_DATA);
	netlink_nest(nf, NFTA_DATA_VERDICT);
	netlink_put_be32(nf, NFTA_VERDICT_CODE, (uint32_t)x->verdict);
	if (x->name)
		netlink_put_str(nf, NFTA_VERDICT_CHAIN, x->name);
	netlink_nest_end(nf);
	netlink_nest_end(nf);
}

static const struct {
	const char *name;
	void (*put)(struct netlink *nf, const struct nft_expr *x);
} ops[] = {
	[NFT_META_] = { "meta", x_meta },       [NFT_CMP_] = { "cmp", x_cmp },         [NFT_LOOKUP_] = { "lookup", x_lookup },
	[NFT_PAYLOAD_] = { "payload", x_payload }, [NFT_MANGLE_] = { "payload", x_payload }, [NFT_MASK_] = { "bitwise", x_mask },
	[NFT_CT_] = { "ct", x_ct },             [NFT_FIB_] = { "fib", x_fib },         [NFT_DNAT_] = { "nat", x_dnat },
	[NFT_MASQ_] = { "masq", x_masq },       [NFT_VERDICT_] = { "immediate", x_immediate }, [NFT_SET_REG_] = { "immediate", x_immediate },
};

static void put_table(struct netlink *nf, const char *table, uint16_t flags)
{
	netlink_begin(nf, NFT_TYPE(NFT_MSG_NEWTABLE), NLM_F_CREATE | flags, &inet, sizeof(inet), 0, "firewall table '%s'", table);
	netlink_put_str(nf, NFTA_TABLE_NAME, table);
}

static void put_delete(struct netlink *nf, const char *table)
{
	netlink_begin(nf, NFT_TYPE(NFT_MSG_DELTABLE), 0, &inet, sizeof(inet), 0, "remove firewall table '%s'", table);
	netlink_put_str(nf, NFTA_TABLE_NAME, table);
}

static void put_chain(struct netlink *nf, const char *table, const struct nft_chain *c)
{
	netlink_begin(nf, NFT_TYPE(NFT_MSG_NEWCHAIN), NLM_F_CREATE, &inet, sizeof(inet), 0, "firewall chain '%s'", c->name);
	netlink_put_str(nf, NFTA_CHAIN_TABLE, table);
	netlink_put_str(nf, NFTA_CHAIN_NAME, c->name);
	if (!c->type)
		return;
	netlink_nest(nf, NFTA_CHAIN_HOOK);
	netlink_put_be32(nf, NFTA_HOOK_HOOKNUM, c->hook);
	netlink_put_be32(nf, NFTA_HOOK_PRIORITY, (uint32_t)c->priority);
	netlink_nest_end(nf);
	netlink_put_be32(nf, NFTA_CHAIN_POLICY, NF_ACCEPT);
	netlink_put_str(nf, NFTA_CHAIN_TYPE, c->type);
}

static void put_rule(struct netlink *nf, const char *table, const struct nft_rule *r)
{
	netlink_begin(nf, NFT_TYPE(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND, &inet, sizeof(inet), 0, "firewall rule '%s'", r->text);
	netlink_put_str(nf, NFTA_RULE_TABLE, table);
	netlink_put_str(nf, NFTA_RULE_CHAIN, r->chain);
	netlink_nest(nf, NFTA_RULE_EXPRESSIONS);
	for (size_t i = 0; i < NFT_EXPR_MAX && r->expr[i].op; i++) {
		netlink_nest(nf, NFTA_LIST_ELEM);
		netlink_put_str(nf, NFTA_EXPR_NAME, ops[r->expr[i].op].name);
		netlink_nest(nf, NFTA_EXPR_DATA);
		ops[r->expr[i].op].put(nf, &r->expr[i]);
		netlink_nest_end(nf);
		netlink_nest_end(nf);
	}
	netlink_nest_end(nf);
}

/* nft's numbers for its types (datatype.h); a concatenation is six bits each. They only matter to `nft list`. */
static uint32_t type_code(const enum nat_type *t)
{
	static const unsigned codes[] = { [NAT_T_IFNAME] = 41, [NAT_T_IP4] = 7, [NAT_T_IP6] = 8, [NAT_T_PROTO] = 12, [NAT_T_PORT] = 13 };
	uint32_t code = 0;

	for (; *t; t++)
		code = code << 6 | codes[*t];
	return code;
}

static void put_set(struct netlink *nf, const char *table, const struct nat_set_def *d, uint32_t id)
{
	bool map = d->data[0] != NAT_END;
	static const uint8_t udata[] = { 0, 4, HOST32(1) };

	netlink_begin(nf, NFT_TYPE(NFT_MSG_NEWSET), NLM_F_CREATE, &inet, sizeof(inet), 0, "firewall set '%s'", d->name);
	netlink_put_str(nf, NFTA_SET_TABLE, table);
	netlink_put_str(nf, NFTA_SET_NAME, d->name);
	netlink_put_be32(nf, NFTA_SET_FLAGS, map ? NFT_SET_MAP : 0);
	netlink_put_be32(nf, NFTA_SET_KEY_TYPE, type_code(d->key));
	netlink_put_be32(nf, NFTA_SET_KEY_LEN, nat_types_size(d->key));
	if (map) {
		netlink_put_be32(nf, NFTA_SET_DATA_TYPE, type_code(d->data));
		netlink_put_be32(nf, NFTA_SET_DATA_LEN, nat_types_size(d->data));
	}
	netlink_put_be32(nf, NFTA_SET_ID, id);
	/* A note for `nft list` (libnftnl's udata: type 0, length 4): names are in host order; without it they print as "". */
	if (d->key[0] == NAT_T_IFNAME && !d->key[1])
		netlink_put(nf, NFTA_SET_USERDATA, udata, sizeof(udata));
}

static void begin_elems(struct netlink *nf, const char *table, const char *set, bool add)
{
	netlink_begin(nf, NFT_TYPE(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM), add ? NLM_F_CREATE : 0, &inet, sizeof(inet), 0,
		      "%s element%s '%s'", add ? "add" : "remove", add ? " to" : " of", set);
	netlink_put_str(nf, NFTA_SET_ELEM_LIST_TABLE, table);
	netlink_put_str(nf, NFTA_SET_ELEM_LIST_SET, set);
	netlink_nest(nf, NFTA_SET_ELEM_LIST_ELEMENTS);
}

/* L is sorted: elements of one set stand together and go into as few messages as they fit. */
static void put_elems(struct netlink *nf, const char *table, const struct nat_elems *l, bool add)
{
	bool open = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct nat_elem *el = &l->v[i];
		const struct nat_set_def *d = &nat_sets[el->set];

		if (open && (l->v[i - 1].set != el->set || netlink_size(nf) > ELEMS_ROOM)) {
			netlink_nest_end(nf);
			open = false;
		}
		if (!open)
			begin_elems(nf, table, d->name, add);
		open = true;
		netlink_nest(nf, NFTA_LIST_ELEM);
		put_value(nf, NFTA_SET_ELEM_KEY, el->key, nat_types_size(d->key));
		if (add && d->data[0])
			put_value(nf, NFTA_SET_ELEM_DATA, el->data, nat_types_size(d->data));
		netlink_nest_end(nf);
	}
	if (open)
		netlink_nest_end(nf);
}

static int flush(struct netlink *nf, const char *table, struct err *e)
{
	int r;

	batch_end(nf);
	r = netlink_flush(nf, e);
	if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT)
		err_hint(e, "the kernel lacks nftables (CONFIG_NF_TABLES, _INET, NFT_NAT, NFT_MASQ, NFT_CT, NFT_FIB_INET)");
	return r < 0 ? r : 0;
}

int nft_write_rules(struct netlink *nf, const char *table, const struct nft_chain *chains, const struct nft_rule *rules, struct err *e)
{
	batch_begin(nf);
	put_table(nf, table, 0);
	for (; chains->name; chains++)
		put_chain(nf, table, chains);
	for (; rules->chain; rules++)
		put_rule(nf, table, rules);
	return flush(nf, table, e);
}

static int write_table(struct netlink *nf, const char *table, const struct nat_elems *l, bool replace, struct err *e)
{
	batch_begin(nf);
	if (replace) { /* made first, so that there is something to remove in every state */
		put_table(nf, table, 0);
		put_delete(nf, table);
	}
	put_table(nf, table, replace ? 0 : NLM_F_EXCL);
	for (const struct nft_chain *c = nat_chains; c->name; c++)
		put_chain(nf, table, c);
	for (uint32_t s = 0; s < NAT_SETS; s++)
		put_set(nf, table, &nat_sets[s], s + 1);
	for (const struct nft_rule *r = nat_rules; r->chain; r++)
		put_rule(nf, table, r);
	put_elems(nf, table, l, true);
	return flush(nf, table, e);
}

/* After a transaction that removes something, closing the socket waits for an RCU grace period (6 ms and more): only where there is a table. */
int nft_write(struct netlink *nf, const char *table, const struct nat_elems *l, struct err *e)
{
	AUTO_ERR(t);
	int r = write_table(nf, table, l, false, &t);

	if (r == -EEXIST)
		return write_table(nf, table, l, true, e);
	return r < 0 ? err_move(e, &t) : r;
}

static int on_any(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e)
{
	return 0;
}

int nft_present(struct netlink *nf, const char *table, struct err *e)
{
	struct nfgenmsg g = inet;
	/* A chain's name is what every kernel can be asked for; userdata of tables came late (5.10). */
	struct netlink_query q = { .type = NFT_TYPE(NFT_MSG_GETCHAIN), .hdr = &g, .hdr_len = sizeof(g), .name = table,
				   .name_attr = NFTA_CHAIN_TABLE, .name2 = NAT_VERSION, .name2_attr = NFTA_CHAIN_NAME, .fn = on_any };

	return netlink_query(nf, &q, "firewall table", e);
}

static int change(struct netlink *nf, const char *table, const struct nat_elems *del, const struct nat_elems *add, struct err *e)
{
	batch_begin(nf);
	if (del)
		put_elems(nf, table, del, false);
	if (add)
		put_elems(nf, table, add, true);
	return flush(nf, table, e);
}

/* Element by element: one that is gone already must not keep the others. */
static int remove_each(struct netlink *nf, const char *table, const struct nat_elems *del, struct err *e)
{
	for (size_t i = 0; i < del->n; i++) {
		struct nat_elems one = { .v = &del->v[i], .n = 1 };
		AUTO_ERR(t);

		if (change(nf, table, &one, NULL, &t) < 0 && t.code != ENOENT)
			return err_move(e, &t);
	}
	return 0;
}

int nft_change(struct netlink *nf, const char *table, const struct nat_elems *del, const struct nat_elems *add, struct err *e)
{
	AUTO_ERR(t);
	int r;

	if (!del->n && !add->n)
		return 0;
	r = change(nf, table, del, add, &t);
	if (r >= 0)
		return 0;
	if (r != -ENOENT && r != -EBUSY && r != -EEXIST)
		return err_move(e, &t);
	r = nft_present(nf, table, e);
	if (r)
		return r < 0 ? r : err_move(e, &t);
	/* Some are gone, or a key to be added stands there with another value. */
	TRY(remove_each(nf, table, del, e));
	TRY(remove_each(nf, table, add, e));
	return change(nf, table, NULL, add, e);
}

int nft_delete(struct netlink *nf, const char *table, struct err *e)
{
	AUTO_ERR(t);
	int r;

	batch_begin(nf);
	put_delete(nf, table);
	r = flush(nf, table, &t);
	if (r == -ENOENT)
		return 1;
	return r < 0 ? err_move(e, &t) : 0;
}

static int on_chain(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e)
{
	const struct nfgenmsg *g = hdr;
	const char *table = netlink_attr_str(attrs, len, NFTA_CHAIN_TABLE), *name = netlink_attr_str(attrs, len, NFTA_CHAIN_NAME);
	const char *family = g->nfgen_family == NFPROTO_INET ? "inet" : g->nfgen_family == NFPROTO_IPV4 ? "ip" :
			     g->nfgen_family == NFPROTO_IPV6 ? "ip6" : NULL;
	uint32_t number = 0, policy = NF_ACCEPT;
	size_t n;
	const void *hook = netlink_attr(attrs, len, NFTA_CHAIN_HOOK, &n);

	if (hook && family && table && name && netlink_attr_be32(hook, n, NFTA_HOOK_HOOKNUM, &number) && number == NF_INET_FORWARD &&
	    netlink_attr_be32(attrs, len, NFTA_CHAIN_POLICY, &policy) && policy == NF_DROP)
		strv_addf(arg, "%s %s %s", family, table, name);
	return 0;
}

static void restart_strv(void *arg)
{
	strv_clear(arg);
}

int nft_forward_drops(struct netlink *nf, struct strv *ret, struct err *e)
{
	struct nfgenmsg g = { .nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0 };
	AUTO_STRV(found);
	struct netlink_query q = { .type = NFT_TYPE(NFT_MSG_GETCHAIN), .hdr = &g, .hdr_len = sizeof(g), .dump = true, .fn = on_chain,
				   .restart = restart_strv, .arg = &found };

	TRY(netlink_query(nf, &q, "list of firewall chains", e));
	strv_copy(ret, &found);
	return 0;
}

/* A flush sends removals of rules, chains and sets before those of tables, several in a datagram: the first one's type decides whether anybody
 * is woken. It stands in host order at offset 4, and BPF loads in network order. */
int nft_listen(struct netlink *nf, struct err *e)
{
	static const uint16_t types[] = { NFT_TYPE(NFT_MSG_DELTABLE), NFT_TYPE(NFT_MSG_DELCHAIN), NFT_TYPE(NFT_MSG_DELRULE),
					  NFT_TYPE(NFT_MSG_DELSET) };
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(types[0]), 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(types[1]), 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(types[2]), 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(types[3]), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = { .len = ARRAY_LEN(f), .filter = f };

	if (setsockopt(netlink_fd(nf), SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return err_sys(e, "filter of the kernel's messages");
	return netlink_join(nf, NFNLGRP_NFTABLES, e);
}

struct removal {
	const char *table;
	bool seen;
};

static int on_event(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e)
{
	struct removal *r = arg;
	const char *name = type == NFT_TYPE(NFT_MSG_DELTABLE) ? netlink_attr_str(attrs, len, NFTA_TABLE_NAME) : NULL;

	r->seen |= name && streq(name, r->table);
	return 0;
}

bool nft_removed(struct netlink *nf, const char *table)
{
	struct removal r = { .table = table };
	AUTO_ERR(t);

	return netlink_events(nf, sizeof(struct nfgenmsg), on_event, &r, &t) != 0 || r.seen;
}
