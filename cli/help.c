/* SPDX-License-Identifier: Apache-2.0 */
/* cli/help.c — help from the table of commands: all, one noun, one command. */
#include "cli/cli.h"

#include <string.h>

static const char global_help[] =
    "  --url URL    where metad answers (or DOLMEN_URL); else the cluster that `up` started here\n"
    "  --dir DIR    where `up` keeps its cluster (or DOLMEN_DIR); default /var/lib/dolmen for "
    "root,\n"
    "               ~/.local/state/dolmen for others\n"
    "  --json       print what metad answered, as JSON\n"
    "  --help       of everything, a noun, or a command\n"
    "  --version\n";

static void summary_line(FILE *to, const struct command *c)
{
    char name[64];

    snprintf(name, sizeof name, "%s%s%s %s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
             c->words);
    fprintf(to, "  %-28s %s\n", name, c->summary);
}

void help_command(FILE *to, const struct command *c)
{
    char usage[256];

    command_usage(c, usage);
    fprintf(to, "usage: dolmen %s\n\n%s\n", usage, c->summary);
    if (c->options[0].name)
        fputc('\n', to);
    for (uint32_t i = 0; i < CLI_OPTIONS_MAX && c->options[i].name; i++) {
        char option[48];

        snprintf(option, sizeof option, "%s %s", c->options[i].name,
                 c->options[i].value ? c->options[i].value : "");
        fprintf(to, "  %-24s %s\n", option, c->options[i].help);
    }
    fprintf(to, "\n%s\nglobal options:\n%s", c->details, global_help);
}

void help_noun(FILE *to, const char *noun)
{
    for (uint32_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].noun, noun) == 0)
            summary_line(to, &commands[i]);
}

void help_all(FILE *to)
{
    fputs("dolmen: block storage for your own racks\n\nusage: dolmen [options] COMMAND …\n\n", to);
    for (uint32_t i = 0; i < command_count; i++)
        summary_line(to, &commands[i]);
    fprintf(to,
            "\noptions:\n%s\nexit codes: 0 done, 1 refused or failed (stderr says why), 2 not "
            "understood\n\nfirst steps:\n"
            "  dolmen up\n"
            "  dolmen volume create first 1G\n"
            "  dolmen attachment create first --initiator iqn.2026-11.example:me\n",
            global_help);
}

enum cli_exit help_run(struct cli *cli, const struct arguments *a)
{
    const struct command *c;

    if (a->count == 0) {
        help_all(cli->out);
        return CLI_OK;
    }
    c = command_find(a->words[0], a->count > 1 ? a->words[1] : NULL);
    if (c) {
        help_command(cli->out, c);
        return CLI_OK;
    }
    if (a->count > 1 || !command_noun_known(a->words[0])) {
        fprintf(cli->err, "dolmen: there is no command: %s %s\n", a->words[0],
                a->count > 1 ? a->words[1] : "");
        return CLI_USAGE;
    }
    help_noun(cli->out, a->words[0]);
    return CLI_OK;
}
