/* SPDX-License-Identifier: MIT
 *
 * compose/ftypes.h - the types that rows of attributes are made of, and what their `detail` is; for fields_*.c and ftypes_*.c
 */
#pragma once
#include "compose/field.h"

/* Of SHAPE_OBJECT, SHAPE_LIST and SHAPE_MAP: what one object is. */
struct object_type {
	const char *what;            /* "port" */
	size_t size;
	const struct field *fields;
	int node, name, null;        /* offsets of members: const struct node *, const char * (maps), bool; -1: none */
	bool any_name;               /* docker compose takes any; what is used is checked in values.c */
	/* A short form (anything but a map) -> a map. NULL: there is none. *N is replaced. */
	int (*shorthand)(struct fctx *c, struct node **n, struct err *e);
	/* A short form that may stand for several items (ports): appends to LIST. */
	int (*expand)(struct fctx *c, const struct node *n, struct node *list, struct err *e);
	/* The long form as a whole, after its fields. */
	int (*check)(struct fctx *c, struct node *n, struct err *e);
	/* Two items with one key are one: the last value, at the first place. In the arena; NULL: this item has no key. */
	const char *(*key)(struct fctx *c, const struct node *n);
	/* A later list replaces an earlier one, but items with one such key become one, field by field. */
	const char *(*merge_key)(struct fctx *c, const struct node *n);
	/* Paths that depend on a field beside them. N may be changed. */
	int (*paths)(struct fctx *c, struct node *n, struct err *e);
	/* What decode cannot do field by field. */
	int (*finish)(struct fctx *c, const struct node *n, void *obj, struct err *e);
};
#define OBJECT(what_, type_, fields_) .what = what_, .size = sizeof(type_), .fields = fields_
#define NO_MEMBER -1

/* detail of ft_int, ft_optint: struct range or NULL */
struct range {
	int64_t min, max;
};
extern const struct range range_unsigned, range_percent, range_weight, range_oom, range_port;

/* ftypes_scalar.c: member type, detail */
extern const struct ftype ft_string;   /* const char * */
extern const struct ftype ft_text;     /* const char *; numbers and booleans are taken as text */
extern const struct ftype ft_word;     /* const char *; detail: const char *const[], NULL-terminated */
extern const struct ftype ft_pattern;  /* const char *; detail: struct pattern */
extern const struct ftype ft_bool;     /* bool */
extern const struct ftype ft_true;     /* bool that is true unless it is said to be false */
extern const struct ftype ft_tri;      /* enum tri */
extern const struct ftype ft_int;      /* int64_t */
extern const struct ftype ft_optint;   /* struct opt_int */
extern const struct ftype ft_count;    /* struct opt_int; "all" is -1 */
extern const struct ftype ft_double;   /* double */
extern const struct ftype ft_float;    /* double, printed with the precision of a float32 */
extern const struct ftype ft_bytes;    /* int64_t, printed as a string */
extern const struct ftype ft_duration; /* struct opt_int, ns */
extern const struct ftype ft_mode;     /* struct opt_int, from 0440, "0440" */
extern const struct ftype ft_tmpfs_mode; /* int64_t, numbers only */
extern const struct ftype ft_path;     /* const char *; F_PATH* say how */
extern const struct ftype ft_external; /* bool; also the old {name: x} */
extern const struct ftype ft_version;  /* a string, nothing kept */
extern const struct ftype ft_any;      /* nothing kept */
extern const struct ftype ft_extends; /* extends.c has read it before, and left what is printed again */
extern const struct ftype ft_include; /* nothing kept: include.c has read it before */
struct pattern {
	bool (*match)(const char *s);
	const char *want;
	const char *regex; /* the same for the JSON schema */
};

/* ftypes_list.c */
extern const struct ftype ft_strings;  /* struct strs; F_UNIQUE* F_DISTINCT F_SCALAR_LIST F_NUMBERS F_PATH */
extern const struct ftype ft_command;  /* struct strs; a string is split into words, null clears */
extern const struct ftype ft_test;     /* struct strs of healthcheck.test */
extern const struct ftype ft_list;     /* LIST_OF(struct x); detail: struct object_type */
extern const struct ftype ft_option_lists; /* struct node *: map of lists of strings (provider.options) */

/* ftypes_pairs.c, ftypes_map.c */
extern const struct ftype ft_kvs;      /* struct kvs; list of K=V or map; null is "" */
extern const struct ftype ft_env;      /* struct kvs; null is NULL, a bare item of a list comes from the loading environment */
extern const struct ftype ft_args;     /* struct kvs; null is NULL */
extern const struct ftype ft_options;  /* struct kvs; maps only; detail: the kinds of values in the schema's words, NULL: "string number" */
extern const struct ftype ft_contexts; /* struct kvs; as ft_kvs, every item has a `=`, values are contexts */
extern const struct ftype ft_ssh;      /* struct kvs; "default" or "id=path" */
extern const struct ftype ft_object;   /* struct x *; detail: struct object_type */
extern const struct ftype ft_embed;    /* struct x */
extern const struct ftype ft_map;      /* LIST_OF(struct x) with .name, sorted; detail: struct object_type */
extern const struct ftype ft_ulimit;   /* LIST_OF(struct ulimit) */
extern const struct ftype ft_logging;  /* struct logging *; another driver replaces the whole */
extern const struct ftype ft_ext;      /* struct node * */

/* ftypes_net.c */
extern const struct ftype ft_extra_hosts; /* struct strs of "host=ip" */
extern const struct object_type port_item, ipam_pool_item;

/* ftypes_mount.c */
extern const struct object_type mount_item, device_item, secret_item, config_item, build_secret_item, env_file_item;

/* fields_*.c: objects shared between them */
extern const struct object_type service_object;
extern const struct object_type build_object, deploy_object, develop_object, hook_item, pre_start_item, device_request_item, gpu_item;
extern const struct field ulimit_fields[];
extern const struct object_type ulimit_item;

/* ---- helpers ---- */

/* field.c: enters KEY or item INDEX of the path for one call. */
#define AT_KEY(c, key_) struct fpath at_ = { (c)->at, (key_), 0 }; (c)->at = &at_
#define AT_ITEM(c, i_) struct fpath at_ = { (c)->at, NULL, (i_) }; (c)->at = &at_
#define AT_END(c) ((c)->at = at_.up)
/* "services.web.ports[0]", in the arena. */
const char *field_path(struct fctx *c);
/* "must be a string, not a list" */
int field_type_err(struct fctx *c, const struct node *n, const char *want, struct err *e);
/* N to be changed: itself, or a copy of this one level where the tree is only looked at (FCTX_RAW). */
struct node *field_own(struct fctx *c, const struct node *n);
/* A list, map or string at the place of N, with its tag. */
struct node *field_list_at(struct fctx *c, const struct node *n);
struct node *field_map_at(struct fctx *c, const struct node *n);
struct node *field_str_at(struct fctx *c, const struct node *n, const char *text);
/* map[WORD] = value, without a key node of its own. */
#define FIELD_SET(c, map, word, value)                                                             \
	do {                                                                                       \
		static struct node key_ = { .kind = NODE_SCALAR, .type = SCALAR_STR, .text = word }; \
		node_set_key((c)->arena, map, &key_, value);                                       \
	} while (0)
/* N is not interpolated and holds a variable: it is left as it is. */
bool field_raw(const struct fctx *c, const struct node *n);
/* Member of OBJ. */
static inline void *member_at(const void *obj, size_t offset)
{
	return (char *)(uintptr_t)obj + offset;
}

/* ftypes_pairs.c: what the values of F, of ft_options, may be: "string number null" and parts of it. */
const char *options_kinds(const struct field *f);
/* ftypes_scalar.c. Values of SCALAR_INT / SCALAR_FLOAT nodes. false: it is none. */
bool scalar_int(const struct node *n, int64_t *ret);
bool scalar_double(const struct node *n, double *ret);
bool scalar_true(const struct node *n); /* of SCALAR_BOOL */
/* Boolean by the words that compose takes: < 0 error. */
int scalar_bool(struct fctx *c, const struct node *n, bool strict, bool *ret, struct err *e);
/* ~ and relative PATH -> absolute, cleaned; in the arena. */
const char *path_resolve(struct fctx *c, const char *path, unsigned flags);
/* As Go's filepath.Clean / Join, in the arena. */
const char *path_clean_in(struct fctx *c, const char *path);
