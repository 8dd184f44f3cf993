/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/completion.c — a completion for bash, written out from the table of commands.
 *
 * First word: nouns.  Second: the noun's verbs.  After a dash: the options of what stands there.
 */
#include "cli/cli.h"

#include <string.h>

static void nouns(FILE *to)
{
    const char *last = "";

    for (uint32_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].noun, last) != 0)
            fprintf(to, "%s%s", *last ? " " : "", commands[i].noun);
        last = commands[i].noun;
    }
}

static void verbs_of(FILE *to, uint32_t first)
{
    fprintf(to, "            %s) words=\"", commands[first].noun);
    for (uint32_t i = first; i < command_count; i++)
        if (strcmp(commands[i].noun, commands[first].noun) == 0)
            fprintf(to, "%s%s", i > first ? " " : "", commands[i].verb);
    fputs("\" ;;\n", to);
}

static void options_of(FILE *to, const struct command *c)
{
    if (!c->options[0].name)
        return;
    fprintf(to, "            \"%s%s%s\"*) words=\"$words", c->noun, c->verb ? " " : "",
            c->verb ? c->verb : "");
    for (uint32_t i = 0; i < CLI_OPTIONS_MAX && c->options[i].name; i++)
        fprintf(to, " %s", c->options[i].name);
    fputs("\" ;;\n", to);
}

enum cli_exit completion_run(struct cli *cli, const struct arguments *a)
{
    FILE *to = cli->out;

    if (strcmp(a->words[0], "bash") != 0) {
        fprintf(cli->err, "dolmen: completion is written for bash only, not for %s\n", a->words[0]);
        return CLI_USAGE;
    }
    fputs("# source <(dolmen completion bash)\n"
          "_dolmen()\n{\n"
          "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
          "    if [[ \"$word\" == -* ]]; then\n"
          "        words=\"--json --url --dir --help\"\n"
          "        case \"${COMP_WORDS[*]:1:2}\" in\n",
          to);
    for (uint32_t i = 0; i < command_count; i++)
        options_of(to, &commands[i]);
    fputs("        esac\n"
          "    elif (( COMP_CWORD == 1 )); then\n"
          "        words=\"",
          to);
    nouns(to);
    fputs("\"\n"
          "    elif (( COMP_CWORD == 2 )); then\n"
          "        case \"${COMP_WORDS[1]}\" in\n",
          to);
    for (uint32_t i = 0; i < command_count; i++)
        if (commands[i].verb && (i == 0 || strcmp(commands[i - 1].noun, commands[i].noun) != 0))
            verbs_of(to, i);
    fputs("            completion) words=\"bash\" ;;\n"
          "        esac\n"
          "    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "}\n"
          "complete -o default -F _dolmen dolmen\n",
          to);
    return CLI_OK;
}
