/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/records_http.c — libcurl, in lanes.
 *
 * A lane is one curl handle and one job at a time: it is prepared on the loop, performed and
 * decoded on a worker, and answered on the loop.  Handles keep their connection; a transaction
 * takes a fresh one, because curl repeats a request by itself when a kept connection turns out to
 * be dead, and a transaction must not be sent twice unseen.
 *
 * metad_stop() shuts the sockets of the jobs under way, so that a long poll ends at once.
 */
#include "storaged/records_http.h"

#include "storaged/records_json.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX   (64u << 20)
#define CONNECT_MS_MAX     1000
#define HEARTBEAT_MS_MAX   2000
#define CALL_MS_MAX        10000
#define WATCH_MS_MORE      5000 /* beyond what metad may wait */
#define RECORDS_PATH_BYTES 1024u

struct lane {
    struct metad *metad;
    CURL *curl;
    struct work work;
    struct list link; /* in metad->idle */

    /* the job: one of the two */
    struct records_call *call;
    struct metad_post *post;
    enum err err;

    char *body; /* sent */
    char *bytes;
    size_t length; /* received */
    int socket;    /* under metad->lock; -1: none */
};

struct metad {
    struct records records;
    struct env *env;
    struct identity node;
    char url[256];
    struct curl_slist *headers;
    atomic_bool stopping;
    pthread_mutex_t lock; /* of the lanes' sockets */
    struct list idle, calls, posts;
    struct lane lanes[METAD_LANES];
};

/* ---- on a worker ---- */

static size_t received(char *bytes, size_t size, size_t count, void *arg)
{
    struct lane *l = arg;
    size_t more = size * count;
    char *grown;

    if (l->length + more > ANSWER_BYTES_MAX)
        return 0; /* curl calls it a write error */
    grown = realloc(l->bytes, l->length + more);
    if (!grown)
        return 0;
    memcpy(grown + l->length, bytes, more);
    l->bytes = grown;
    l->length += more;
    return more;
}

static curl_socket_t socket_opened(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct lane *l = arg;
    int fd = -1;

    (void)purpose;
    pthread_mutex_lock(&l->metad->lock);
    if (!atomic_load(&l->metad->stopping)) /* curl would try once more where one was shut */
        fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    l->socket = fd;
    pthread_mutex_unlock(&l->metad->lock);
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int socket_closed(void *arg, curl_socket_t fd)
{
    struct lane *l = arg;

    pthread_mutex_lock(&l->metad->lock);
    if (l->socket == fd)
        l->socket = -1;
    pthread_mutex_unlock(&l->metad->lock);
    return close(fd);
}

static int asked_to_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct lane *l = arg;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&l->metad->stopping); /* not 0: curl ends the transfer */
}

static bool transacts(const struct lane *l)
{
    return l->call && l->call->op == RECORDS_TRANSACT;
}

/* What a failure of the way there or back means for this job. */
static enum err err_of_curl(const struct lane *l, CURLcode code)
{
    if (code == CURLE_OK)
        return E_OK;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return E_UNREACHABLE; /* nothing was sent */
    if (transacts(l))
        return E_IN_DOUBT;
    return code == CURLE_OPERATION_TIMEDOUT ? E_TIMED_OUT : E_UNREACHABLE;
}

static enum err err_of_status(const struct lane *l, long status)
{
    switch (status) {
    case 200:
        return E_OK;
    case 400:
        return E_INVALID;
    case 403:
        return E_FORBIDDEN;
    case 409:
        return E_CONFLICT;
    case 410:
        return E_COMPACTED;
    case 413:
        return E_TOO_LARGE;
    default:
        return transacts(l) ? E_IN_DOUBT : E_UNREACHABLE;
    }
}

static enum err heartbeat_answer(const struct lane *l)
{
    json_t *answer = json_loadb(l->bytes ? l->bytes : "", l->length, 0, NULL);
    const char *lineage = json_string_value(json_object_get(answer, "lineage"));
    enum err err = lineage && identity_parse(lineage, &l->post->lineage) ? E_OK : E_DAMAGED;

    json_decref(answer);
    return err;
}

static enum err decode(struct lane *l, long status)
{
    const char *bytes = l->bytes ? l->bytes : "";
    enum err err = err_of_status(l, status);

    if (err) {
        records_problem_read(bytes, l->length, l->call ? l->call->why : l->post->why);
        return err;
    }
    if (l->post)
        return heartbeat_answer(l);
    if (l->call->op != RECORDS_TRANSACT)
        return records_list_read(bytes, l->length, &l->call->list);
    /* it was applied, whatever the body says; an unreadable one is an answer lost */
    return records_revision_read(bytes, l->length, &l->call->revision) ? E_IN_DOUBT : E_OK;
}

static void lane_run(struct work *work)
{
    struct lane *l = container_of(work, struct lane, work);
    long status = 0;

    if (atomic_load(&l->metad->stopping)) {
        l->err = E_CLOSED;
        return;
    }
    l->err = err_of_curl(l, curl_easy_perform(l->curl));
    curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!l->err)
        l->err = decode(l, status);
    if (l->err && atomic_load(&l->metad->stopping))
        l->err = E_CLOSED;
}

/* ---- on the loop ---- */

static void start(struct metad *m);

static void lane_answered(struct work *work)
{
    struct lane *l = container_of(work, struct lane, work);
    struct records_call *call = l->call;
    struct metad_post *post = l->post;
    struct metad *m = l->metad;

    free(l->body);
    free(l->bytes);
    l->body = l->bytes = NULL;
    l->length = 0;
    l->call = NULL;
    l->post = NULL;
    list_append(&m->idle, &l->link);
    if (call)
        call->done(call, l->err);
    else
        post->done(post, l->err);
    start(m);
}

static void lane_begin(struct lane *l, const char *path, long ms_max)
{
    char url[sizeof l->metad->url + RECORDS_PATH_BYTES];

    snprintf(url, sizeof url, "%s%s", l->metad->url, path);
    curl_easy_setopt(l->curl, CURLOPT_URL, url);
    curl_easy_setopt(l->curl, CURLOPT_TIMEOUT_MS, ms_max);
    curl_easy_setopt(l->curl, CURLOPT_FRESH_CONNECT, transacts(l) ? 1L : 0L);
    if (l->body) {
        curl_easy_setopt(l->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(l->curl, CURLOPT_POSTFIELDS, l->body);
        curl_easy_setopt(l->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(l->body));
    } else {
        curl_easy_setopt(l->curl, CURLOPT_HTTPGET, 1L);
    }
    l->work = (struct work){.run = lane_run, .done = lane_answered};
    work_start(l->metad->env, &l->work);
}

static void call_begin(struct lane *l, struct records_call *call)
{
    char path[RECORDS_PATH_BYTES] = "/node/v1/transaction";
    char *prefix = curl_easy_escape(l->curl, call->prefix, 0);
    long ms_max = CALL_MS_MAX;

    l->call = call;
    switch (call->op) {
    case RECORDS_RANGE:
        snprintf(path, sizeof path, "/node/v1/range?prefix=%s", prefix ? prefix : "");
        break;
    case RECORDS_WATCH:
        snprintf(path, sizeof path, "/node/v1/watch?prefix=%s&revision=%" PRIu64 "&wait_ms=%u",
                 prefix ? prefix : "", call->revision, call->wait_ms);
        ms_max = (long)call->wait_ms + WATCH_MS_MORE;
        break;
    case RECORDS_TRANSACT:
        l->body = records_transaction_write(l->metad->node, call->transaction);
        break;
    }
    curl_free(prefix);
    lane_begin(l, path, ms_max);
}

static void post_begin(struct lane *l, struct metad_post *post)
{
    l->post = post;
    l->body = post->body;
    post->body = NULL;
    lane_begin(l, "/node/v1/heartbeat", HEARTBEAT_MS_MAX);
}

/* Heartbeats go first: they are small, and metad judges by them. */
static void start(struct metad *m)
{
    while (!list_empty(&m->idle) && (!list_empty(&m->posts) || !list_empty(&m->calls))) {
        struct lane *l = container_of(list_take(&m->idle), struct lane, link);
        struct list *post = list_take(&m->posts);

        if (post)
            post_begin(l, container_of(post, struct metad_post, link));
        else
            call_begin(l, container_of(list_take(&m->calls), struct records_call, link));
    }
}

static void records_call(struct records *records, struct records_call *call)
{
    struct metad *m = container_of(records, struct metad, records);

    list_append(&m->calls, &call->link);
    start(m);
}

void metad_heartbeat(struct metad *m, struct metad_post *p)
{
    list_append(&m->posts, &p->link);
    start(m);
}

struct records *metad_records(struct metad *m)
{
    return &m->records;
}

static enum err lane_open(struct metad *m, struct lane *l)
{
    l->metad = m;
    l->socket = -1;
    l->curl = curl_easy_init();
    if (!l->curl)
        return E_NO_MEMORY;
    curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, m->headers);
    curl_easy_setopt(l->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(l->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(l->curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(l->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS_MAX);
    curl_easy_setopt(l->curl, CURLOPT_WRITEFUNCTION, received);
    curl_easy_setopt(l->curl, CURLOPT_WRITEDATA, l);
    curl_easy_setopt(l->curl, CURLOPT_OPENSOCKETFUNCTION, socket_opened);
    curl_easy_setopt(l->curl, CURLOPT_OPENSOCKETDATA, l);
    curl_easy_setopt(l->curl, CURLOPT_CLOSESOCKETFUNCTION, socket_closed);
    curl_easy_setopt(l->curl, CURLOPT_CLOSESOCKETDATA, l);
    curl_easy_setopt(l->curl, CURLOPT_XFERINFOFUNCTION, asked_to_stop);
    curl_easy_setopt(l->curl, CURLOPT_XFERINFODATA, l);
    curl_easy_setopt(l->curl, CURLOPT_NOPROGRESS, 0L);
    list_append(&m->idle, &l->link);
    return E_OK;
}

enum err metad_open(struct env *env, const char *url, struct identity node, struct metad **ret)
{
    struct metad *m = calloc(1, sizeof *m);
    enum err err = E_OK;

    if (!m)
        return E_NO_MEMORY;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    m->records.call = records_call;
    m->env = env;
    m->node = node;
    snprintf(m->url, sizeof m->url, "%s", url);
    pthread_mutex_init(&m->lock, NULL);
    list_init(&m->idle);
    list_init(&m->calls);
    list_init(&m->posts);
    m->headers = curl_slist_append(NULL, "Content-Type: application/json");
    for (uint32_t i = 0; i < METAD_LANES && !err; i++)
        err = lane_open(m, &m->lanes[i]);
    if (err) {
        metad_close(m);
        return err;
    }
    *ret = m;
    return E_OK;
}

void metad_stop(struct metad *m)
{
    atomic_store(&m->stopping, true);
    pthread_mutex_lock(&m->lock);
    for (uint32_t i = 0; i < METAD_LANES; i++)
        if (m->lanes[i].socket >= 0)
            shutdown(m->lanes[i].socket, SHUT_RDWR);
    pthread_mutex_unlock(&m->lock);
}

void metad_close(struct metad *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < METAD_LANES; i++)
        curl_easy_cleanup(m->lanes[i].curl);
    curl_slist_free_all(m->headers);
    pthread_mutex_destroy(&m->lock);
    free(m);
}
