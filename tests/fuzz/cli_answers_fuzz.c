/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/cli_answers_fuzz.c — what `dolmen` hears from metad.
 *
 * First byte: which command, and whether with --json; then a line for each call, in their order:
 * the JSON of its answer, or of its refusal where the line begins with '!'.  Calls beyond that find
 * nobody.  Whatever it says, the command ends, with an exit code of its own and a line on stderr
 * where it failed.
 */
#include "cli/cli.h"
#include "cli/http.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static const char *const commands_tried[][5] = {
    {"volume", "list"},
    {"volume", "show", "v"},
    {"volume", "resize", "v", "2G"},
    {"attachment", "list"},
    {"attachment", "list", "v"},
    {"attachment", "show", "0123456789abcdef"},
    {"node", "list"},
    {"disk", "list"},
    {"disk", "show", "0123456789abcdef"},
    {"status"},
};

static struct input answers;

bool __wrap_http_call(const char *url, const char *method, const char *path, const json_t *body,
                      struct http_answer *ret);

bool __wrap_http_call(const char *url, const char *method, const char *path, const json_t *body,
                      struct http_answer *ret)
{
    struct input line = input_until(&answers, '\n');
    bool refused = line.left > 0 && *line.at == '!';

    (void)url;
    (void)method;
    (void)path;
    (void)body;
    *ret = (struct http_answer){.title = "nobody answers"};
    if (refused)
        (void)input_part(&line, 1);
    if (line.left > 0)
        ret->body = json_loadb((const char *)line.at, line.left, JSON_DECODE_ANY, NULL);
    if (ret->body)
        ret->status = refused ? 409 : 200;
    return ret->status == 200;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *argv[12] = {(char *)(uintptr_t) "dolmen", (char *)(uintptr_t) "--url",
                      (char *)(uintptr_t) "http://127.0.0.1:1"};
    char *out_text = NULL, *err_text = NULL;
    size_t out_length, err_length;
    FILE *out = open_memstream(&out_text, &out_length);
    FILE *err = open_memstream(&err_text, &err_length);
    enum cli_exit result;
    uint64_t which;
    int argc = 3;

    answers = (struct input){bytes, length};
    which = input_number(&answers, 1);
    if (which & 128)
        argv[argc++] = (char *)(uintptr_t) "--json";
    which = (which & 127) % array_length(commands_tried);
    for (uint32_t i = 0; i < 5 && commands_tried[which][i]; i++)
        argv[argc++] = (char *)(uintptr_t)commands_tried[which][i];
    result = cli_run(argc, argv, out, err);
    fclose(out);
    fclose(err);
    assert(result == CLI_OK || result == CLI_FAILED || result == CLI_USAGE);
    assert(result == CLI_OK || err_length > 0 || out_length > 0);
    free(out_text);
    free(err_text);
    return 0;
}
