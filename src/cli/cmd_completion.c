/* SPDX-License-Identifier: MIT
 *
 * gantry completion bash|zsh|fish: a few lines for the shell, which ask `gantry complete -- WORD...` at each TAB. That walks the commands' own tables, so
 * what is offered is what there is: commands, options, values, services of the project.
 *
 *   answer   "CANDIDATE<TAB>what it is" a line; ":files" alone: names of files
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "cli/commands.h"
#include "compose/load.h"
#include "compose/project.h"
#include <errno.h>

static const char bash_script[] =
	"# bash: source <(gantry completion bash)\n"
	"_gantry() {\n"
	"	local line\n"
	"	COMPREPLY=()\n"
	"	while IFS= read -r line; do\n"
	"		if [ \"$line\" = :files ]; then compopt -o default; else COMPREPLY+=(\"${line%%$'\\t'*}\"); fi\n"
	"	done < <(\"${COMP_WORDS[0]}\" complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	"}\n"
	"complete -F _gantry gantry\n";
static const char zsh_script[] =
	"#compdef gantry\n"
	"# zsh: source <(gantry completion zsh), or this text as the file _gantry in a folder of $fpath\n"
	"_gantry() {\n"
	"	local line\n"
	"	local -a items\n"
	"	for line in \"${(@f)$(\"${words[1]}\" complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
	"		if [[ $line == :files ]]; then _files; return; fi\n"
	"		[[ -n $line ]] && items+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
	"	done\n"
	"	_describe gantry items\n"
	"}\n"
	"if [ \"$funcstack[1]\" = _gantry ]; then _gantry; else compdef _gantry gantry; fi\n";
static const char fish_script[] =
	"# fish: gantry completion fish | source\n"
	"function __gantry_complete\n"
	"	set -l words (commandline -opc) (commandline -ct)\n"
	"	set -l current $words[-1]\n"
	"	set -l program $words[1]\n"
	"	set -e words[1]\n"
	"	for line in ($program complete -- $words 2>/dev/null)\n"
	"		if test \"$line\" = :files\n"
	"			__fish_complete_path $current\n"
	"		else\n"
	"			echo $line\n"
	"		end\n"
	"	end\n"
	"end\n"
	"complete -c gantry -f -a '(__gantry_complete)'\n";
static const struct {
	const char *shell, *script;
} scripts[] = { { "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script } };

static int completion_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	(void)app;
	(void)opts;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		if (streq(scripts[i].shell, args->v[0])) {
			fputs(scripts[i].script, stdout);
			return 0;
		}
	return err_set(e, EINVAL, "no completion for shell '%s': there are bash, zsh and fish", args->v[0]);
}

const struct cmd cmd_completion = { "completion", completion_run, 0, NULL, 0, "bash|zsh|fish", "Print what makes a shell complete gantry's words", 1, 1 };

/* ---- what may come next ---- */

struct walk {
	struct app *app;
	const struct strv *words; /* the last one is what is being typed */
	size_t at;
	const struct cmd *const *list; /* of the commands that may come, NULL: one was found */
	const struct cmd *cmd;
	size_t nargs;             /* arguments of CMD so far */
	const struct opt *value_of; /* the word being typed is this option's value */
	bool no_options;          /* behind "--", or behind the first argument of exec and run */
};

static void offer(const char *prefix, const char *word, const char *what)
{
	if (str_starts(word, prefix))
		printf("%s\t%s\n", word, what);
}

static const struct opt *find_option(const struct opt *rows, const char *word)
{
	const char *name = str_after(word, "--");
	size_t n = name ? strcspn(name, "=") : 0;

	for (const struct opt *o = rows; o && !OPT_IS_END(o); o++)
		if (name ? strlen(o->name) == n && strncmp(o->name, name, n) == 0 : o->letter && o->letter == word[strlen(word) - 1])
			return o;
	return NULL;
}

/* The program's own options choose the project whose services are offered. What is wrong with them is told when the command runs. */
static void set_global(struct walk *w, const char *word, const char *value)
{
	char *argv[] = { (char *)"gantry", (char *)word, (char *)value, NULL };
	AUTO_ERR(ignored);
	AUTO_STRV(rest);

	(void)opts_parse(cli_global_rows, &w->app->g, NULL, value ? 3 : 2, argv, OPTS_STOP, &rest, &ignored);
}

/* An option; its value is the next word, unless it is in this one. */
static void walk_option(struct walk *w, const char *word)
{
	const struct opt *o = find_option(w->cmd ? w->cmd->opts : cli_global_rows, word);
	bool takes = o && o->type != OPT_BOOL && o->type != OPT_UNBOOL && !strchr(word, '=');
	const char *value = takes && w->at + 1 < w->words->n ? w->words->v[w->at + 1] : NULL;

	if (takes && w->at + 2 >= w->words->n) {
		w->value_of = o;
		return;
	}
	if (!w->cmd)
		set_global(w, word, value);
	w->at += takes;
}

static void walk_word(struct walk *w, const char *word)
{
	const struct cmd *c;

	if (!w->no_options && streq(word, "--")) {
		w->no_options = true;
	} else if (!w->no_options && word[0] == '-' && word[1]) {
		walk_option(w, word);
	} else if (w->cmd) {
		w->nargs++;
		w->no_options |= (w->cmd->flags & CMD_STOP) != 0;
	} else {
		c = cli_find(w->list, word);
		w->list = c ? c->sub : NULL;
		w->cmd = c && !c->sub ? c : NULL;
	}
}

static void offer_options(const struct opt *rows, const char *prefix)
{
	for (const struct opt *o = rows; o && !OPT_IS_END(o); o++) {
		auto_free char *name = xasprintf("--%s", o->name);

		if (!o->flags)
			offer(prefix, name, o->help);
	}
}

static void offer_services(struct walk *w, const char *prefix)
{
	struct app *app = w->app;
	struct notes notes = { 0 };
	struct load_opts o;
	AUTO_ERR(ignored);

	app->cmd = w->cmd;
	app->arena = arena_new();
	app_load_opts(app, NULL, &o);
	strv_clear(&o.profiles);
	strv_add(&o.profiles, "*");
	if (compose_load(&o, app->arena, &notes, &app->project, &ignored) >= 0)
		for (size_t i = 0; i < app->project->services.n; i++)
			offer(prefix, app->project->services.v[i].name, str0(app->project->services.v[i].image));
	app_load_opts_done(&o);
}

static void offer_value(const struct opt *o, const char *prefix)
{
	if (!o->choices)
		printf(":files\n");
	for (const char *const *c = o->choices; c && *c; c++)
		offer(prefix, *c, o->help);
}

/* As the usage says: "SERVICE …" one, "[SERVICE...]" or "SERVICE [SERVICE...]" any number. */
static bool takes_service(const struct cmd *c, size_t nargs)
{
	const char *usage = str0(c->usage), *options = str_after(usage, "[OPTIONS] ");

	usage = options ? options : usage;
	if (strstr(usage, "[SERVICE...]"))
		return true;
	return !nargs && str_starts(usage, "SERVICE") && (usage[7] == ' ' || !usage[7]);
}

static void offer_next(struct walk *w, const char *prefix)
{
	const struct cmd *c = w->cmd;

	if (w->value_of) {
		offer_value(w->value_of, prefix);
	} else if (!w->no_options && prefix[0] == '-') {
		offer_options(c ? c->opts : w->list == commands ? cli_global_rows : NULL, prefix);
	} else if (w->list) {
		for (const struct cmd *const *l = w->list; *l; l++)
			if (!((*l)->flags & CMD_HIDDEN))
				offer(prefix, (*l)->name, (*l)->summary);
	} else if (c == &cmd_completion) {
		for (size_t i = 0; i < ARRAY_LEN(scripts) && !w->nargs; i++)
			offer(prefix, scripts[i].shell, "shell");
	} else if (c && takes_service(c, w->nargs)) {
		offer_services(w, prefix);
	} else if (c && c->max_args && !(c->flags & CMD_STOP)) {
		printf(":files\n");
	}
}

static int complete_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct walk w = { .app = app, .words = args, .list = commands };

	(void)opts;
	(void)e;
	for (; w.at + 1 < args->n; w.at++)
		walk_word(&w, args->v[w.at]);
	offer_next(&w, args->v[args->n - 1]);
	return 0;
}

const struct cmd cmd_complete = { "complete", complete_run, CMD_HIDDEN | CMD_STOP, NULL, 0, "-- WORD...",
				  "What may stand where the last word is, for shells", 1, -1 };
