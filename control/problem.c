/* SPDX-License-Identifier: Apache-2.0 */
/* control/problem.c — the one table from our errors to HTTP's statuses. */
#include "control/problem.h"

#include "control/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
static const unsigned http_status_of[] = {
    [E_OK]          = 200,
    [E_NOT_PRIMARY] = 409, [E_STALE_EPOCH] = 409, [E_NO_QUORUM]   = 503, [E_NOT_READY]   = 503,
    [E_BUSY]        = 503, [E_TIMED_OUT]   = 503, [E_UNREACHABLE] = 503, [E_IN_DOUBT]    = 503,
    [E_CONFLICT]    = 409, [E_COMPACTED]   = 410, [E_CLOSED]      = 503, [E_MEDIUM]      = 500,
    [E_DAMAGED]     = 500, [E_NO_SPACE]    = 507, [E_NO_MEMORY]   = 503, [E_TOO_LARGE]   = 413,
    [E_LBA_RANGE]   = 400, [E_INVALID]     = 400, [E_UNSUPPORTED] = 501, [E_NOT_FOUND]   = 404,
    [E_EXISTS]      = 409, [E_FORBIDDEN]   = 403, [E_READ_ONLY]   = 403, [E_MISCOMPARE]  = 409,
    [E_FOREIGN]     = 409, [E_CONFIG]      = 400, [E_DISK]        = 500, [E_SYSTEM]      = 500,
};
/* clang-format on */

/* Of a cluster, this is also said where a count is reached, or a node is held. */
static const char *title_of(enum err err)
{
    return err == E_NO_SPACE ? "there is no place for it now" : err_text(err);
}

static char slug_letter(char c)
{
    if (c == '_')
        return '-';
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static void slug_write(struct problem *p, const char *name)
{
    size_t i = 0;

    for (; name[i] && i < sizeof p->slug - 1; i++)
        p->slug[i] = slug_letter(name[i]);
    p->slug[i] = '\0';
}

/* A detail may quote foreign bytes: what is not plain ASCII becomes a question mark. */
static void detail_clean(struct problem *p)
{
    for (char *c = p->detail; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
}

void problem_fill(struct problem *p, enum err err, const char *detail, ...)
{
    va_list args;

    p->status = http_status_of[err];
    p->title = title_of(err);
    slug_write(p, err_name(err));
    va_start(args, detail);
    vsnprintf(p->detail, sizeof p->detail, detail, args);
    va_end(args);
    detail_clean(p);
}

bool problem_method(struct problem *p, const char *method, const char *path)
{
    p->status = 405;
    p->title = "the resource does not know this method";
    slug_write(p, "method-not-allowed");
    snprintf(p->detail, sizeof p->detail, "%.20s is not for %.200s", method, path);
    detail_clean(p);
    return false;
}

bool problem_length(struct problem *p)
{
    p->status = 411;
    p->title = "a body needs its length";
    slug_write(p, "length-required");
    snprintf(p->detail, sizeof p->detail,
             "send Content-Length; Transfer-Encoding is not for requests");
    return false;
}

void answer_problem(struct http_answer *a, const struct problem *p)
{
    char type[64];

    snprintf(type, sizeof type, "/problems/%s", p->slug);
    answer_json(a, p->status,
                json_pack("{ss ss sI ss}", "type", type, "title", p->title, "status",
                          (json_int_t)p->status, "detail", p->detail));
    a->type = "application/problem+json";
}
