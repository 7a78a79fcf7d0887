/* SPDX-License-Identifier: MIT
 *
 * compose/field.h - one row per attribute of the Compose file, and the verbs that walk the rows
 *
 *   canon   short form -> long form in the tree; unknown keys and wrong types are errors here, with position
 *   merge   a later canonical tree onto an earlier one, each attribute by its rule
 *   unique  one item per key in lists that have one (ports, volumes, …): the last value at the first position
 *   paths   relative paths -> absolute, in the tree
 *   decode  tree -> struct (durations, sizes, numbers, words)
 *   emit    struct -> canonical output, to an emitter (YAML, JSON, hash)
 *   notes   what is known and has no effect here
 *
 * The type (ftypes_*.c) knows how, the row (fields_*.c) knows where. Adding an attribute: a member in project.h, a row, a case
 * folder. Scalars stay text until decode, so interpolation needs no casts.
 */
#pragma once
#include "base/auto.h"
#include "compose/node.h"
#include "compose/project.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct emitter;
struct faults;
struct field;
struct map;
struct trace;

/* One step of the path to the node at hand; lives on the walker's stack. */
struct fpath {
	const struct fpath *up;
	const char *key;        /* NULL: an item of a list */
	size_t index;
};
/* What the verbs need beside the tree. One per load; load.c fills it. */
struct fctx {
	struct arena *arena;
	const char *dir;        /* absolute: what relative paths start from (fields_paths) */
	const char *home;       /* of `~`; NULL: not set */
	const struct map *env;  /* loading environment: bare `environment` list items of included files */
	struct notes *notes;    /* warnings go here */
	unsigned flags;         /* FCTX_* */
	const struct fpath *at; /* internal: where the walk is, for messages */
	struct faults *faults;  /* internal: mistakes so far; NULL outside of canon and decode */
	struct trace *trace;    /* what replaced what (trace.h); NULL: nobody asks */
};
enum {
	FCTX_DRIVES = 1 << 1,   /* "v:/x" is a path of Windows, as docker compose prints it, and no volume of one letter */
	FCTX_RAW = 1 << 0,      /* not interpolated (--no-interpolate): values that hold a `$` are not parsed */
};

/* What lies below a value; detail is a struct object_type (ftypes.h) for all but SHAPE_LEAF. */
enum shape { SHAPE_LEAF, SHAPE_OBJECT, SHAPE_LIST, SHAPE_MAP };

struct ftype {                  /* NULL: nothing to do; for merge: the later file wins */
	const char *name;       /* for "must be a …" */
	enum shape shape;
	int (*canon)(struct fctx *c, const struct field *f, struct node **n, struct err *e);
	int (*merge)(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e);
	int (*unique)(struct fctx *c, const struct field *f, struct node **n, struct err *e);
	int (*paths)(struct fctx *c, const struct field *f, struct node **n, struct err *e);
	int (*decode)(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e);
	/* false: nothing was written (not set) */
	bool (*emit)(const struct field *f, const void *member, struct emitter *out);
};

enum support { SUPPORT_FULL, SUPPORT_PARTIAL, SUPPORT_NONE /* accepted, no effect */, SUPPORT_REFUSED };

enum {
	F_HASH = 1 << 0,        /* part of the service's hash */
	F_RESET = 1 << 1,       /* a null of the later file wins (command, entrypoint, healthcheck.test) */
	F_REQUIRED = 1 << 2,
	F_UNIQUE = 1 << 3,      /* list: one item per text */
	F_UNIQUE_KEY = 1 << 4,  /* list: one item per text before '=' */
	F_DISTINCT = 1 << 5,    /* list: equal items are an error (uniqueItems without a merge rule) */
	F_PATH = 1 << 6,        /* joined to the project directory */
	F_PATH_CONTEXT = 1 << 7,/* as F_PATH unless it is a URL */
	F_PATH_LINKS = 1 << 8,  /* as F_PATH, links resolved */
	F_NULL = 1 << 9,        /* null is a value of its own; over another value it changes nothing */
	F_SCALAR_LIST = 1 << 10,/* list: one string stands for a list of one */
	F_NUMBERS = 1 << 11,    /* list items and map values may be numbers */
	F_NUMBER_ONLY = 1 << 12,/* no string form */
	F_STRING_ONLY = 1 << 13,/* no number form */
	F_JSON_NULL = 1 << 14,  /* JSON prints null when it is not set */
	F_JSON_EMPTY = 1 << 15, /* JSON prints {} when it is empty */
	F_KEEP = 1 << 16,       /* printed although it is the zero value */
	F_GONE = 1 << 17,       /* read, never printed (env_file, extends, version) */
	F_NEWER = 1 << 18,      /* newer than the recorded docker compose */
	F_INLINE = 1 << 19,     /* x-*: emits keys of its own */
	F_CAPITAL = 1 << 20,    /* JSON writes the key with a capital letter (blkio), so that is read too */
	F_STRICT_BOOL = 1 << 21,/* no words for a boolean */
	F_FRACTION = 1 << 26,   /* whole number: a fraction is cut off */
	F_DROP_EMPTY = 1 << 24, /* list: empty items are left out */
	F_PATH_UNIX = 1 << 25,  /* F_PATH: an empty one is the project directory; drive letters are absolute */
	F_REPLACE = 1 << 22,    /* maps: an entry of the later file replaces the whole entry */
	F_RESOURCE_HASH = 1 << 23, /* part of the hash of a network or volume */
};

struct field {
	const char *key;
	const struct ftype *type;
	size_t offset;          /* of the member in the object */
	const void *detail;     /* what the type wants: rows below, enum words, an item description */
	unsigned flags;
	enum support support;
	const char *reason;     /* for anything but SUPPORT_FULL: what the user should know */
};
#define FIELD(key_, type_, struct_, member_, detail_, flags_)                                      \
	{ key_, &type_, offsetof(struct_, member_), detail_, flags_, SUPPORT_FULL, NULL }
#define FIELD_S(key_, type_, struct_, member_, detail_, flags_, support_, reason_)                 \
	{ key_, &type_, offsetof(struct_, member_), detail_, flags_, SUPPORT_##support_, reason_ }
/* Read and forgotten: there is nothing behind it. */
#define FIELD_IGNORED(key_, reason_) { key_, &ft_any, 0, NULL, F_GONE, SUPPORT_NONE, reason_ }
/* All x-* keys of an object. */
#define FIELD_EXT(struct_) { "x-", &ft_ext, offsetof(struct_, ext), NULL, F_INLINE, SUPPORT_FULL, NULL }
#define FIELD_END { NULL, NULL, 0, NULL, 0, SUPPORT_FULL, NULL }

/* Root tables. */
extern const struct field project_fields[]; /* the top level */
extern const struct field service_fields[];
extern const struct field network_fields[];
extern const struct field volume_fields[];
extern const struct field secret_fields[];
extern const struct field config_fields[];
extern const struct field model_fields[];

/* All verbs take the table that describes MAP's keys. `extends` and `include` entries are left alone by canon (load.c reads and
 * removes them first; include.c and extends.c call fields_canon on what they load). */
int fields_canon(struct fctx *c, const struct field *table, struct node *map, struct err *e);
int fields_merge(struct fctx *c, const struct field *table, struct node *base, const struct node *over, struct err *e);
int fields_unique(struct fctx *c, const struct field *table, struct node *map, struct err *e);
int fields_paths(struct fctx *c, const struct field *table, struct node *map, struct err *e);
/* Several mistakes are one error (faults.h). 1, only for types: a mistake below was kept, the object is not whole. */
int fields_decode(struct fctx *c, const struct field *table, const struct node *map, void *obj, struct err *e);
/* Rows that have one of out->only's flags; 0: all that are printed. */
void fields_emit(const struct field *table, const void *obj, struct emitter *out);
/* Adds to P's notes each given attribute of active services and used resources that is not fully supported. */
void fields_notes(struct project *p);
/* May S be the name of a service, network, volume, …? */
bool field_is_name(const char *s);
/* Row of KEY, NULL: none. */
const struct field *field_find(const struct field *table, const char *key);
/* Rows below F (of an object, list of objects, map of objects), NULL: it has none. */
const struct field *field_below(const struct field *f);
const char *support_name(int s);
/* "compose.yaml:3:7: services.web.image: TEXT" with source line and caret. Returns -EINVAL. */
int field_err(struct fctx *c, const struct node *n, struct err *e, const char *fmt, ...) PRINTF(4, 5);
void field_warn(struct fctx *c, const struct node *n, const char *fmt, ...) PRINTF(3, 4);

/* The whole tree -> P: decode of everything, P->arena, dir, env, name set by the caller before. */
int project_decode(struct fctx *c, const struct node *tree, struct project *p, struct err *e);
