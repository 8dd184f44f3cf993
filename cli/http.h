/* SPDX-License-Identifier: Apache-2.0 */
/* cli/http.h — one call to metad, or to a node: JSON there, JSON or a problem back (RFC 9457). */
#ifndef CLI_HTTP_H
#define CLI_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct http_answer {
    long status;  /* 0: no answer came */
    json_t *body; /* NULL: none; the caller's reference */
    /* when it is no success: what a person needs */
    char title[160], detail[512];
};

/*
 * Blocks, at most 70 s (metad answers a waiting call within 30).  True: a 2xx.  `body` may be NULL
 * and stays the caller's.  http_answer_done() in every case.
 */
bool http_call(const char *url, const char *method, const char *path, const json_t *body,
               struct http_answer *ret);
/* A GET that takes so long at most: of a node, which may stand still. */
bool http_get(const char *url, const char *path, uint32_t timeout_ms, struct http_answer *ret);
void http_answer_done(struct http_answer *a);

/* One path segment, with everything but unreserved characters escaped; free() it. */
char *http_segment(const char *text);

#endif
