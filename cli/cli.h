/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/cli.h — dolmen, the command line: what every command is given, and the table of them.
 *
 * A command is a row of `commands` (commands.c): its words, its options, its help and the function
 * that runs it.  Help, usage errors and the shell's completion all come from that table.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* refused or failed: stderr says why */
    CLI_USAGE = 2,  /* not understood: stderr says what   */
    CLI_UNTOLD = 2, /* `disk check`: it cannot be told    */
};

/* What the global options say. */
struct cli {
    const char *url;  /* --url; NULL: not given */
    const char *dir;  /* --dir; NULL: not given */
    const char *list; /* "volume list": where what the command names is found; NULL: nowhere */
    bool json;
    FILE *out, *err;
};

#define CLI_WORDS_MAX   4u
#define CLI_OPTIONS_MAX 6u

/* The words of one command, and its options in the order of its table row. */
struct arguments {
    const char *words[CLI_WORDS_MAX];
    uint32_t count;
    const char *options[CLI_OPTIONS_MAX]; /* NULL: not given; a flag that is given: "" */
};

struct option_spec {
    const char *name;  /* "--initiator"; NULL ends the list */
    const char *value; /* "IQN"; NULL: a flag               */
    const char *help;  /* ends with "(needed)" where it is */
};

struct command {
    const char *noun, *verb; /* verb NULL: the noun alone */
    const char *words;       /* "NAME SIZE", for usage    */
    uint32_t words_min, words_max;
    struct option_spec options[CLI_OPTIONS_MAX];
    const char *summary; /* one line */
    const char *details; /* paragraphs and examples; ends with a newline */
    enum cli_exit (*run)(struct cli *, const struct arguments *);
};

extern const struct command commands[];
extern const uint32_t command_count;

/* The whole program: argv as main() has it. */
enum cli_exit cli_run(int argc, char *const *argv, FILE *out, FILE *err);

/* "volume create NAME SIZE [--block BYTES]", into ret (256 bytes). */
void command_usage(const struct command *c, char ret[256]);

/* NULL: there is none.  verb may be NULL. */
const struct command *command_find(const char *noun, const char *verb);
bool command_noun_known(const char *noun);

/* ---- the commands, one file per noun ---- */

enum cli_exit up_run(struct cli *cli, const struct arguments *a);
enum cli_exit down_run(struct cli *cli, const struct arguments *a);
enum cli_exit status_run(struct cli *cli, const struct arguments *a);
enum cli_exit top_run(struct cli *cli, const struct arguments *a);
enum cli_exit volume_create(struct cli *cli, const struct arguments *a);
enum cli_exit volume_list(struct cli *cli, const struct arguments *a);
enum cli_exit volume_show(struct cli *cli, const struct arguments *a);
enum cli_exit volume_resize(struct cli *cli, const struct arguments *a);
enum cli_exit volume_salvage(struct cli *cli, const struct arguments *a);
enum cli_exit volume_delete(struct cli *cli, const struct arguments *a);
enum cli_exit attachment_create(struct cli *cli, const struct arguments *a);
enum cli_exit attachment_list(struct cli *cli, const struct arguments *a);
enum cli_exit attachment_show(struct cli *cli, const struct arguments *a);
enum cli_exit attachment_delete(struct cli *cli, const struct arguments *a);
enum cli_exit node_list(struct cli *cli, const struct arguments *a);
enum cli_exit node_remove(struct cli *cli, const struct arguments *a);
enum cli_exit disk_list(struct cli *cli, const struct arguments *a);
enum cli_exit disk_check(struct cli *cli, const struct arguments *a);
enum cli_exit disk_show(struct cli *cli, const struct arguments *a);
enum cli_exit disk_remove(struct cli *cli, const struct arguments *a);
enum cli_exit keeper_backup(struct cli *cli, const struct arguments *a);
enum cli_exit keeper_restore(struct cli *cli, const struct arguments *a);
enum cli_exit help_run(struct cli *cli, const struct arguments *a);
enum cli_exit completion_run(struct cli *cli, const struct arguments *a);

/* Help of one command, of all commands of a noun, of everything. */
void help_command(FILE *to, const struct command *c);
void help_noun(FILE *to, const char *noun);
void help_all(FILE *to);

#endif
