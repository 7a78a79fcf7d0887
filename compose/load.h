/* SPDX-License-Identifier: MIT
 *
 * compose/load.h - from options and environment to a project: which files, which variables, which name, then the pipeline
 *
 *   files      -f, COMPOSE_FILE, or found here or in a parent folder (compose.md §19)
 *   variables  process environment, then --env-file, COMPOSE_ENV_FILES or .env (§21)
 *   name       -p, COMPOSE_PROJECT_NAME, `name:`, the folder's name (§20)
 *   each file  yaml - interp - include - extends - canon - merge - unique
 *   once       normalize - paths - decode - profiles - select - validate - env files
 *
 * Everything that a load makes lives in the caller's arena.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "compose/project.h"
#include <stdbool.h>

struct arena;
struct err;
struct map;
struct trace;

struct load_opts {
	struct strv files;        /* -f in order, "-" is standard input; none: COMPOSE_FILE, then the search */
	struct strv env_files;    /* --env-file; none: COMPOSE_ENV_FILES, then .env */
	struct strv profiles;     /* --profile; none: COMPOSE_PROFILES; "*" is all */
	struct strv services;     /* named on the command line: kept with their dependencies; none: all */
	const char *project_dir;  /* --project-directory, NULL: folder of the first file */
	const char *project_name; /* -p, NULL: derived */
	const char *cwd;          /* NULL: the process's */
	char *const *environ;     /* "KEY=VALUE", NULL-terminated: the process's environment */
	struct trace *trace;      /* remembers where values come from (trace.h); arena set by the caller. NULL: nobody asks */
	bool every_profile;       /* no service is disabled; SERVICES only say which profiles are on (struct service .off) */
	bool no_deps;             /* services without their dependencies */
	bool all_resources;       /* networks, volumes, … that no active service uses count as used */
	bool unselected_resources; /* `config SERVICE`: what other active services use counts as used too */
	bool drive_letters;       /* `config`: "v:/x" is printed as docker compose does; for all else it is a volume with a name of one letter */
	bool no_interpolate, no_normalize, no_path_resolution, no_consistency, no_env_resolution;
};

/* What the files are loaded with; compose_env() alone answers `config --environment`, and `ps -p NAME` needs no more. */
struct load_env {
	const char *cwd, *dir;    /* absolute; dir: project directory */
	struct strs files;        /* absolute paths or "-" */
	struct strs env_files;    /* given with --env-file or COMPOSE_ENV_FILES: absolute */
	const struct map *env;    /* name -> value (const char *), in the arena */
	const char *name;         /* -p or COMPOSE_PROJECT_NAME, checked; NULL: the files decide */
};

/* Loads everything. NOTES gets the warnings, also when it fails; the same list is then in the project. A problem of a file
 * is an error with err.positioned set. err.exit is set to the exit code that docker compose has for it (14 for a file that is
 * not there, 15 for a wrong one). */
int compose_load(const struct load_opts *o, struct arena *a, struct notes *notes, struct project **ret, struct err *e);
/* The merged canonical tree alone: `config --no-interpolate`, which has no typed form. With "name" as its first key. */
int compose_load_tree(const struct load_opts *o, struct arena *a, struct notes *notes, struct node **ret, struct err *e);
/* Files, variables, name; opens nothing but env files. FILES_OPTIONAL: no compose file at all is fine (files.n is 0 then), for
 * commands that can work by the project's name. */
int compose_env(const struct load_opts *o, struct arena *a, bool files_optional, struct notes *notes,
		struct load_env *ret, struct err *e);

/* Every variable that the files name (`config --variables`), sorted by name. */
struct load_variable {
	const char *name;
	bool required;
	const char *dflt, *alternate; /* NULL: none */
};
struct load_variables {
	LIST_OF(struct load_variable) list;
};
int compose_variables(const struct load_opts *o, struct arena *a, struct notes *notes, struct load_variables *ret,
		      struct err *e);

/* "My App.v2" -> "myappv2"; "" when nothing is left. In the arena. */
const char *project_name_normalize(struct arena *a, const char *s);
/* -EINVAL and docker compose's text unless NAME is a valid project name. */
int project_name_check(const char *name, struct err *e);
