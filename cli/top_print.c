/* SPDX-License-Identifier: Apache-2.0 */
/* cli/top_print.c — a page for people, a line for machines. */
#include "cli/top.h"

#include <string.h>

#define NAME_LEAST  12u
#define NAME_MOST   44u
#define LINES_FIXED 9u /* heads, sums, blanks */

#define MIB         1048576.0

/* ---- for people ---- */

static uint32_t longer(uint32_t width, const char *text)
{
    size_t length = strlen(text);

    return length > width ? (uint32_t)(length > NAME_MOST ? NAME_MOST : length) : width;
}

static uint32_t name_width(const struct top_page *p)
{
    uint32_t width = NAME_LEAST;

    for (uint32_t i = 0; i < p->volume_count; i++)
        width = longer(width, p->volumes[i].row->name);
    for (uint32_t i = 0; i < p->session_count; i++)
        width = longer(width, p->sessions[i].row->name);
    return width;
}

/* An initiator's name says most at its end. */
static const char *name_of(const char *name)
{
    size_t length = strlen(name);

    return length > NAME_MOST ? name + length - NAME_MOST : name;
}

static void print_rates(FILE *to, const struct top_rates *r)
{
    fprintf(to, "%9.1f %9.1f %8.2f %8.2f %7.1f %8.2f %8.2f %8.2f %6.0f", r->reads, r->writes,
            r->read_bytes / MIB, r->write_bytes / MIB, r->request_bytes / 1024, r->read_ms,
            r->write_ms, r->p99_ms, r->queue);
}

static void print_head(FILE *to, uint32_t width, const char *what, const char *where)
{
    fprintf(to, "%-*s %-10s %9s %9s %8s %8s %7s %8s %8s %8s %6s", (int)width, what, where, "R/S",
            "W/S", "RMIB/S", "WMIB/S", "REQ-KIB", "RWAIT-MS", "WWAIT-MS", "P99-MS", "QUEUE");
}

static void print_session_rates(FILE *to, const struct top_rates *r)
{
    print_rates(to, r);
    fprintf(to, " %6.0f %5.0f%% %7.1f\n", r->window, 100 * r->shut_share, r->again);
}

static void print_more(FILE *to, uint32_t left_out)
{
    if (left_out > 0)
        fprintf(to, "… and %u more\n", left_out);
}

static void print_volumes(FILE *to, const struct top_page *p, uint32_t width, uint32_t most)
{
    uint32_t shown = p->volume_count < most ? p->volume_count : most;

    print_head(to, width, "VOLUME", "NODE");
    fputc('\n', to);
    for (uint32_t i = 0; i < shown; i++) {
        const struct top_row *row = p->volumes[i].row;

        fprintf(to, "%-*s %-10.10s ", (int)width, name_of(row->name), row->node);
        print_rates(to, &p->volumes[i]);
        fputc('\n', to);
    }
    print_more(to, p->volume_count - shown);
    fprintf(to, "%-*s %-10s ", (int)width, "all volumes", "");
    print_rates(to, &p->volume_sum);
    fputc('\n', to);
}

static void print_sessions(FILE *to, const struct top_page *p, uint32_t width, uint32_t most)
{
    uint32_t shown = p->session_count < most ? p->session_count : most;

    print_head(to, width, "SESSION", "VOLUME");
    fprintf(to, " %6s %6s %7s\n", "WINDOW", "SHUT", "AGAIN/S");
    for (uint32_t i = 0; i < shown; i++) {
        const struct top_row *row = p->sessions[i].row;

        fprintf(to, "%-*s %-10.10s ", (int)width, name_of(row->name), row->volume);
        print_session_rates(to, &p->sessions[i]);
    }
    print_more(to, p->session_count - shown);
    fprintf(to, "%-*s %-10s ", (int)width, "all sessions", "");
    print_rates(to, &p->session_sum);
    fprintf(to, " %6.0f %6s %7.1f\n", p->session_sum.window, "", p->session_sum.again);
}

void top_print(FILE *to, const struct top_page *p, uint32_t lines_max)
{
    uint32_t room = lines_max > LINES_FIXED + 4 ? lines_max - LINES_FIXED : 4;
    uint32_t volumes = lines_max == 0 ? UINT32_MAX : room / 2, sessions = volumes;
    uint32_t width = name_width(p);

    if (lines_max > 0 && p->volume_count < volumes)
        sessions = room - p->volume_count; /* what one does not need the other may have */
    else if (lines_max > 0 && p->session_count < sessions)
        volumes = room - p->session_count;
    print_volumes(to, p, width, volumes);
    fputc('\n', to);
    print_sessions(to, p, width, sessions);
}

/* ---- for machines ---- */

static json_t *rates_json(const struct top_rates *r)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "reads_per_second",
                     r->reads, "writes_per_second", r->writes, "read_bytes_per_second",
                     r->read_bytes, "write_bytes_per_second", r->write_bytes, "request_bytes",
                     r->request_bytes, "read_wait_ms", r->read_ms, "write_wait_ms", r->write_ms,
                     "wait_ms", r->wait_ms, "p99_ms", r->p99_ms, "queue", r->queue);
}

static json_t *session_rates_json(const struct top_rates *r)
{
    json_t *object = rates_json(r);

    json_object_set_new(object, "window", json_real(r->window));
    json_object_set_new(object, "told_again_per_second", json_real(r->again));
    return object;
}

static json_t *volumes_json(const struct top_page *p)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < p->volume_count; i++) {
        json_t *object = rates_json(&p->volumes[i]);

        json_object_set_new(object, "name", json_string(p->volumes[i].row->name));
        json_object_set_new(object, "volume", json_string(p->volumes[i].row->volume));
        json_object_set_new(object, "node", json_string(p->volumes[i].row->node));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *sessions_json(const struct top_page *p)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < p->session_count; i++) {
        const struct top_row *row = p->sessions[i].row;
        json_t *object = session_rates_json(&p->sessions[i]);

        json_object_set_new(object, "initiator", json_string(row->name));
        json_object_set_new(object, "volume_name", json_string(row->volume));
        json_object_set_new(object, "address", json_string(row->address));
        json_object_set_new(object, "node", json_string(row->node));
        json_object_set_new(object, "shut_share", json_real(p->sessions[i].shut_share));
        json_object_set_new(object, "received_seconds_ago", json_real(row->received_seconds_ago));
        json_array_append_new(list, object);
    }
    return list;
}

json_t *top_json(const struct top_page *p)
{
    json_t *sums = json_pack("{s:o, s:o}", "volumes", rates_json(&p->volume_sum), "sessions",
                             session_rates_json(&p->session_sum));

    return json_pack("{s:f, s:o, s:o, s:o, s:O}", "interval_seconds", p->interval_seconds,
                     "volumes", volumes_json(p), "sessions", sessions_json(p), "sums", sums,
                     "unasked", p->sample->unasked);
}
