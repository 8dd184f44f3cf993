/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/cli.c — takes the command line apart and hands it to its command.
 *
 * Global options may stand anywhere; what is left is noun, verb (where the noun has verbs), words
 * and the command's own options, in any order.  `--` ends the options.
 */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

struct line {
    struct cli *cli;
    char *const *argv;
    int argc, at;
    bool help, version, plain; /* plain: `--` was seen */
    const char *noun, *verb;
    const struct command *command;
    struct arguments arguments;
};

static bool usage_error(const struct line *l, const char *what, const char *which)
{
    char usage[256];

    fprintf(l->cli->err, "dolmen: %s%s%s\n", what, which ? ": " : "", which ? which : "");
    if (l->command) {
        command_usage(l->command, usage);
        fprintf(l->cli->err, "usage: dolmen %s\n", usage);
    } else {
        fprintf(l->cli->err, "`dolmen help` lists what there is\n");
    }
    return false;
}

/* "--name=value" or "--name value"; NULL when the value is missing. */
static const char *option_value(struct line *l, const char *word, const char *name)
{
    size_t length = strlen(name);

    if (word[length] == '=')
        return word + length + 1;
    if (l->at + 1 >= l->argc)
        return NULL;
    return l->argv[++l->at];
}

static bool is_option(const char *word, const char *name)
{
    size_t length = strlen(name);

    return strncmp(word, name, length) == 0 && (word[length] == '\0' || word[length] == '=');
}

/* Whether the word is a global option; *ret_ok: it was taken. */
static bool global_option(struct line *l, const char *word, bool *ret_ok)
{
    const char **value = NULL;

    *ret_ok = true;
    if (strcmp(word, "--json") == 0)
        return l->cli->json = true;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return l->help = true;
    if (strcmp(word, "--version") == 0)
        return l->version = true;
    if (is_option(word, "--url"))
        value = &l->cli->url;
    else if (is_option(word, "--dir"))
        value = &l->cli->dir;
    if (!value)
        return false;
    *value = option_value(l, word, "--url"); /* both names are as long */
    if (!*value || **value == '\0')
        *ret_ok = usage_error(l, "a value is missing after", word);
    return true;
}

static bool command_option(struct line *l, const char *word)
{
    if (!l->command)
        return usage_error(l, "unknown option", word);
    for (uint32_t i = 0; i < CLI_OPTIONS_MAX && l->command->options[i].name; i++) {
        const struct option_spec *o = &l->command->options[i];

        if (!is_option(word, o->name))
            continue;
        if (!o->value && strcmp(word, o->name) != 0)
            return usage_error(l, "this option takes no value", word);
        l->arguments.options[i] = o->value ? option_value(l, word, o->name) : "";
        if (!l->arguments.options[i])
            return usage_error(l, "a value is missing after", word);
        return true;
    }
    return usage_error(l, "unknown option", word);
}

static bool unknown_verb(const struct line *l, const char *verb)
{
    fprintf(l->cli->err, "dolmen: unknown command: %s %s; there are:\n", l->noun, verb);
    help_noun(l->cli->err, l->noun);
    return false;
}

/* The first of the command's words that was not given. */
static bool word_missing(const struct line *l)
{
    const char *word = l->command->words;
    char name[64];

    for (uint32_t i = 0; i < l->arguments.count; i++)
        word += strcspn(word, " ") + 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, " "), word);
    return usage_error(l, "a word is missing", name);
}

static bool word_taken(struct line *l, const char *word)
{
    if (!l->noun) {
        l->noun = word;
        l->command = command_find(word, NULL);
        return command_noun_known(word) || usage_error(l, "unknown command", word);
    }
    if (!l->command) {
        l->verb = word;
        l->command = command_find(l->noun, word);
        return l->command || unknown_verb(l, word);
    }
    if (l->arguments.count == l->command->words_max)
        return usage_error(l, "one word too many", word);
    l->arguments.words[l->arguments.count++] = word;
    return true;
}

static bool take_apart(struct line *l)
{
    for (l->at = 1; l->at < l->argc; l->at++) {
        const char *word = l->argv[l->at];
        bool ok;

        if (!l->plain && strcmp(word, "--") == 0) {
            l->plain = true;
        } else if (l->plain || word[0] != '-' || word[1] == '\0') {
            if (!word_taken(l, word))
                return false;
        } else if (global_option(l, word, &ok)) {
            if (!ok)
                return false;
        } else if (!command_option(l, word)) {
            return false;
        }
    }
    return true;
}

static enum cli_exit help_asked(const struct line *l)
{
    if (l->command)
        help_command(l->cli->out, l->command);
    else if (l->noun)
        help_noun(l->cli->out, l->noun);
    else
        help_all(l->cli->out);
    return CLI_OK;
}

enum cli_exit cli_run(int argc, char *const *argv, FILE *out, FILE *err)
{
    struct cli cli = {.out = out, .err = err};
    struct line l = {.cli = &cli, .argv = argv, .argc = argc};

    if (!take_apart(&l))
        return CLI_USAGE;
    if (l.version) {
        fprintf(out, "dolmen " DOLMEN_VERSION "\n");
        return CLI_OK;
    }
    if (l.help)
        return help_asked(&l);
    if (!l.noun) {
        help_all(err);
        return CLI_USAGE;
    }
    if (!l.command) {
        fprintf(err, "dolmen: %s needs a verb\n", l.noun);
        help_noun(err, l.noun);
        return CLI_USAGE;
    }
    if (l.arguments.count < l.command->words_min) {
        word_missing(&l);
        return CLI_USAGE;
    }
    return l.command->run(&cli, &l.arguments);
}
