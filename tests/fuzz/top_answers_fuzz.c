/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/top_answers_fuzz.c — what `dolmen top` hears from status ports.
 *
 * Three lines of JSON: volumes at one moment, volumes and sessions at the next.  Whatever they say,
 * there is a page without a byte that a terminal would obey, and an object for machines.
 */
#include "cli/top.h"
#include "tests/fuzz/fuzz.h"

static void read_line(struct input *in, struct top_sample *s,
                      void (*read)(struct top_sample *, const char *, const json_t *))
{
    struct input line = input_until(in, '\n');
    json_t *answer = NULL;

    if (line.left > 0)
        answer = json_loadb((const char *)line.at, line.left, JSON_DECODE_ANY, NULL);
    read(s, "n1", answer);
    json_decref(answer);
}

static void print(const struct top_page *p, uint32_t lines)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    top_print(to, p, lines);
    fclose(to);
    for (size_t i = 0; i < length; i++)
        assert((unsigned char)text[i] >= ' ' || text[i] == '\n');
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};
    struct top_sample before, now;
    struct top_page p = {.sample = &now, .interval_seconds = 1};
    json_t *page;

    top_sample_init(&before);
    top_sample_init(&now);
    read_line(&in, &before, top_read_volumes);
    read_line(&in, &now, top_read_volumes);
    read_line(&in, &now, top_read_sessions);
    p.volume_count =
        top_compare(&before.volumes, before.asked, &now.volumes, &p.volumes, &p.volume_sum);
    p.session_count =
        top_compare(&before.sessions, before.asked, &now.sessions, &p.sessions, &p.session_sum);
    assert(p.volume_count == now.volumes.count && p.session_count == now.sessions.count);
    print(&p, 0);
    print(&p, 24);
    page = top_json(&p);
    assert(page);
    json_decref(page);
    free(p.volumes);
    free(p.sessions);
    top_sample_done(&before);
    top_sample_done(&now);
    return 0;
}
