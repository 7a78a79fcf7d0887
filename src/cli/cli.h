/* SPDX-License-Identifier: MIT
 *
 * cli/cli.h - the command table, what commands share, exit codes
 *
 * A command is one file cmd_x.c with an option struct, option rows and a `const struct cmd cmd_x`; its row states the preconditions, so that no command
 * repeats them. Adding one: the file, a line in commands[] (cli.c), docs/commands/x.md, a test.
 *
 * Exit codes (docs/exit-codes.md): 0 fine; 1 failed; 14/15/16 are docker compose's for an unknown service, bad file, bad flag
 * where it uses them; 125 the engine could not start the container; 126, 127 its command cannot run, is not there; 130 interrupted;
 * exec and run pass on the status of the process.
 */
#pragma once
#include "base/auto.h"
#include "base/dirs.h"
#include "base/strv.h"
#include "cli/opts.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct arena;
struct db;
struct err;
struct load_opts;
struct notes;
struct project;
struct ctr_rows;
struct ctr_row;

enum cmd_flags {
	CMD_PROJECT = 1,       /* the compose file is loaded; without one the command fails */
	CMD_PROJECT_NAME = 2,  /* a project is meant, the file is loaded when there is one: works by -p NAME alone (down, ps, logs …) */
	CMD_STATE = 4,         /* the database is open for writing */
	CMD_STATE_READ = 8,    /* open for reading; no database yet is an empty one */
	CMD_LOCK = 16,         /* the project is locked until the command ends (or calls app_unlock) */
	CMD_ROOT = 32,         /* needs root */
	CMD_STOP = 64,         /* options end at the first argument */
	CMD_HIDDEN = 128,
	CMD_ENTERS = 1024,     /* enters containers itself: runs from a copy that they cannot write to */
	CMD_STARTS = 512,      /* starts containers: attributes without effect are told, refused ones end it */
	CMD_ONE_SERVICE = 2048, /* the first argument names a service: as args_are_services */
	CMD_ALL_PROFILES = 256, /* services of every profile count as active (down, ps, logs …) */
};
enum ansi_mode { ANSI_AUTO, ANSI_NEVER, ANSI_ALWAYS };
enum progress_mode { PROGRESS_AUTO, PROGRESS_TTY, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_QUIET };

struct global_opts {
	struct strv files, env_files, profiles;
	const char *project_name, *project_dir, *workdir, *ansi, *progress, *root, *run;
	int64_t parallel;
	bool dry_run, debug, version, no_ansi, all_resources;
};

/* One run of the program. Options live here and on the command's stack: no globals. */
struct app {
	char **argv;             /* as main got it */
	struct global_opts g;
	enum ansi_mode ansi;
	enum progress_mode progress;
	struct strv environ;
	struct dirs dirs;
	struct arena *arena;
	struct project *project; /* NULL: none loaded (CMD_PROJECT_NAME without a file) */
	const char *name;        /* the project's name, NULL when no project is meant */
	struct db *db;
	int lock;                /* project lock, -1 */
	const struct cmd *cmd;
	bool no_deps;            /* --no-deps: set before app_load_project */
};

struct cmd {
	const char *name;        /* "up"; in a group: "ls" */
	/* Returns the exit code, or < 0 with e set. ARGS: what is left after options. */
	int (*run)(struct app *app, void *opts, const struct strv *args, struct err *e);
	unsigned flags;
	const struct opt *opts;
	size_t opts_size;
	const char *usage;       /* "[OPTIONS] [SERVICE...]" */
	const char *summary;
	int min_args, max_args;  /* max < 0: any */
	const char *aliases;     /* "convert", blanks between several, NULL */
	const struct cmd *const *sub; /* a group ("image"): its commands, NULL-terminated; run is NULL */
	/* Sets defaults that are not zero before parsing, NULL: none. */
	void (*init)(void *opts);
	/* The arguments name services: they are checked, and activate their profiles. */
	bool args_are_services;
	/* What the options say about loading the project, before that happens (--no-deps). NULL: nothing. */
	void (*before)(struct app *app, const void *opts);
};

int cli_main(int argc, char **argv);
/* Options of the program itself, of struct global_opts. */
extern const struct opt cli_global_rows[];
/* By name or alias, NULL: none. */
const struct cmd *cli_find(const struct cmd *const *list, const char *name);

/* For commands whose project depends on their options: load now (idempotent). SERVICES: named ones, their profiles become active. */
int app_load_project(struct app *app, const struct strv *services, bool required, struct err *e);
/* What app_load_project loads with, for commands that load in their own way (config). The strings are APP's. */
void app_load_opts(const struct app *app, const struct strv *services, struct load_opts *ret);
void app_load_opts_done(struct load_opts *o);
/* Each warning once; what has no effect here only by commands that start something. */
void app_print_notes(const struct app *app, const struct notes *notes);
void app_unlock(struct app *app);
/* "no such service: x" for names that are neither in the file nor among the project's containers. */
int app_check_services(struct app *app, const struct strv *services, struct err *e);
/* ctr_list of one PROJECT, with states that are true: of rows whose writer is dead too. */
int app_rows(struct app *app, const char *project, const char *service, struct ctr_rows *ret, struct err *e);
/* Containers of the project for the named services (none: all), ordered; one-off ones only with ONEOFF. */
int app_containers(struct app *app, const struct strv *services, bool oneoff, struct ctr_rows *ret, struct err *e);
/* The same for commands that change something: without names, services of profiles that are not on are left alone. */
int app_meant_containers(struct app *app, const struct strv *services, bool oneoff, struct ctr_rows *ret, struct err *e);
/* The replica INDEX (0: lowest) of SERVICE: "service \"x\" is not running" when MUST_RUN and it is not. */
int app_replica(struct app *app, const char *service, int64_t index, bool must_run, struct ctr_row *ret, struct err *e);
/* May escape sequences go to FD? */
bool app_ansi(const struct app *app, int fd);
/* Everything that commands print on stdout goes through stdio; this tells a write error (disk full, closed pipe). */
int app_flush(struct err *e);
