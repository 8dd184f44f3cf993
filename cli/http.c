/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/http.c — libcurl, and nothing else of the command line knows it.
 *
 * An answer is bounded (16 MiB); a problem document fills title and detail; an answer that is
 * neither becomes a title of our own, so that the caller always has a sentence to print.
 */
#include "cli/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX (16u << 20)

struct text {
    char *bytes;
    size_t length;
};

static size_t received(char *bytes, size_t size, size_t count, void *arg)
{
    struct text *t = arg;
    size_t more = size * count;
    char *grown;

    if (t->length + more > ANSWER_BYTES_MAX)
        return 0; /* curl calls it a write error */
    grown = realloc(t->bytes, t->length + more + 1);
    if (!grown)
        return 0;
    memcpy(grown + t->length, bytes, more);
    t->bytes = grown;
    t->length += more;
    t->bytes[t->length] = '\0';
    return more;
}

/* What somebody else wrote goes to a terminal: no signs that it would act upon. */
static void keep_plain(char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            *text = '?';
}

static void say(struct http_answer *a, const char *title, const char *detail)
{
    snprintf(a->title, sizeof a->title, "%s", title);
    snprintf(a->detail, sizeof a->detail, "%s", detail ? detail : "");
    keep_plain(a->title);
    keep_plain(a->detail);
}

static void problem_read(struct http_answer *a)
{
    const char *title = json_string_value(json_object_get(a->body, "title"));
    const char *detail = json_string_value(json_object_get(a->body, "detail"));
    char status[64];

    snprintf(status, sizeof status, "metad answered with status %ld", a->status);
    say(a, title ? title : status, detail);
}

struct call {
    const char *url, *method, *path;
    const json_t *body; /* NULL: none */
    long timeout_ms;
};

static void prepare(CURL *curl, const struct call *c, struct text *out, struct text *in)
{
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, c->method);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* metad is ours: no stranger in between */
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 3000L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, c->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, received);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, in);
    if (!out->bytes)
        return;
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, out->bytes);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)out->length);
}

static void perform(CURL *curl, const char *url, struct text *in, struct http_answer *ret)
{
    char why[CURL_ERROR_SIZE] = "", detail[512];
    CURLcode code;

    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK) {
        snprintf(detail, sizeof detail, "%s: %s", url, *why ? why : curl_easy_strerror(code));
        say(ret, "metad did not answer", detail);
        return;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
    if (in->length > 0)
        ret->body = json_loadb(in->bytes, in->length, 0, NULL);
    if (ret->status < 200 || ret->status > 299) {
        problem_read(ret);
    } else if (in->length > 0 && !ret->body) {
        snprintf(detail, sizeof detail, "%s", url);
        say(ret, "what answers is not metad: no JSON came", detail);
        ret->status = 0;
    }
}

static bool call(const struct call *c, struct http_answer *ret)
{
    struct text out = {0}, in = {0};
    struct curl_slist *headers;
    char whole[2048];
    CURL *curl;

    memset(ret, 0, sizeof *ret);
    if ((size_t)snprintf(whole, sizeof whole, "%s%s", c->url, c->path) >= sizeof whole) {
        say(ret, "the address is too long", c->url);
        return false;
    }
    if (c->body) {
        out.bytes = json_dumps(c->body, JSON_COMPACT);
        out.length = out.bytes ? strlen(out.bytes) : 0;
    }
    headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl = curl_easy_init();
    if (curl) {
        prepare(curl, c, &out, &in);
        curl_easy_setopt(curl, CURLOPT_URL, whole);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        perform(curl, c->url, &in, ret);
    } else {
        say(ret, "no memory for an HTTP call", NULL);
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    free(out.bytes);
    free(in.bytes);
    return ret->status >= 200 && ret->status <= 299;
}

bool http_call(const char *url, const char *method, const char *path, const json_t *body,
               struct http_answer *ret)
{
    return call(&(struct call){url, method, path, body, 70000}, ret);
}

bool http_get(const char *url, const char *path, uint32_t timeout_ms, struct http_answer *ret)
{
    return call(&(struct call){url, "GET", path, NULL, (long)timeout_ms}, ret);
}

void http_answer_done(struct http_answer *a)
{
    json_decref(a->body);
    a->body = NULL;
}

char *http_segment(const char *text)
{
    char *escaped = malloc(strlen(text) * 3 + 1), *to = escaped;

    if (!escaped)
        return NULL;
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text))
            *to++ = *text;
        else
            to += snprintf(to, 4, "%%%02X", (unsigned)(unsigned char)*text);
    }
    *to = '\0';
    return escaped;
}
