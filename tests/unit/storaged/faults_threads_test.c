/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/storaged/faults_threads_test.c — documents that are refused, and one that is done. */
#include "env/faulty_disk.h"
#include "storaged/faults.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 120

static struct scene {
    struct reactor *reactor;
    pthread_t thread;
    struct node_config config;
    struct home home;
    struct status_node node;
    struct disk *plain;
} scene;

static void *turn(void *arg)
{
    reactor_run(arg);
    return NULL;
}

static void open_disk(struct scene *s)
{
    struct env *e = reactor_env(s->reactor);

    unlink("faults-test.img");
    assert_int_equal(disk_open(e, "faults-test.img", 1u << 20, &s->plain), E_OK);
    s->home.env = e;
    s->home.disks = (struct node_disks){.env = e, .config = &s->config, .count = 1};
    s->home.disks.disks[0].path = "faults-test.img";
    s->home.disks.disks[0].store = (struct store *)s; /* that it is open; named by its path only */
    assert_int_equal(faulty_disk_open(e, s->plain, &s->home.disks.disks[0].disk), E_OK);
}

static int scene_open(void **state)
{
    struct reactor_config config = reactor_config_default();
    const char *text = "";

    alarm(PATIENCE_S);
    scene = (struct scene){.config.allow_faults = true};
    assert_int_equal(reactor_open(&config, &log_stderr, &scene.reactor, &text), E_OK);
    open_disk(&scene);
    scene.node.homes = &scene.home;
    scene.node.home_count = 1;
    asks_open(&scene.node.asks);
    assert_int_equal(pthread_create(&scene.thread, NULL, turn, scene.reactor), 0);
    *state = &scene;
    return 0;
}

static void close_here(void *memory)
{
    struct scene *s = memory;

    disk_close(s->home.disks.disks[0].disk);
    reactor_stop(s->reactor);
}

static int scene_close(void **state)
{
    struct scene *s = *state;

    assert_true(ask(&s->node.asks, s->home.disks.env, close_here, s));
    pthread_join(s->thread, NULL);
    asks_close(&s->node.asks);
    reactor_close(s->reactor);
    unlink("faults-test.img");
    alarm(0);
    return 0;
}

/* The status that comes back; bodies are not NUL-terminated. */
static unsigned put(struct scene *s, const char *text, size_t bytes)
{
    char *body = malloc(bytes ? bytes : 1);
    struct http_request r = {
        .method = "PUT", .path = "/v1/faults", .body = body, .body_bytes = bytes};
    struct http_answer a = {0};

    assert_non_null(body);
    memcpy(body, text, bytes);
    faults_change(&s->node, &r, &a);
    free(body);
    assert_true(a.status == 204 || a.body_bytes > 0);
    free(a.body);
    return a.status;
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"hang_ms\": 1}",
        "{\"disk\": 7}",
        "{\"disk\": \"faults-test.img\", \"hang_ms\": -1}",
        "{\"disk\": \"faults-test.img\", \"hang_ms\": 3600001}",
        "{\"disk\": \"faults-test.img\", \"hang_ms\": 1.5}",
        "{\"disk\": \"faults-test.img\", \"hang_ms\": \"1\"}",
        "{\"disk\": \"faults-test.img\", \"hang_ms\": 1, \"hang_ms\": 2}",
        "{\"disk\": \"faults-test.img\", \"hang\": 1}",
        "{\"disk\": \"faults-test.img\", \"errors\": \"some\"}",
        "{\"disk\": \"faults-test.img\", \"errors\": true}",
        "{\"disk\": \"faults-test.img\", \"vanished\": \"yes\"}",
        "{\"disk\": \"faults-test.img\\u0000\"}",
    };

    for (size_t i = 0; i < array_length(cases); i++)
        if (put(*state, cases[i], strlen(cases[i])) != 400)
            fail_msg("not refused: %s", cases[i]);
}

static void another_disk_is_not_found(void **state)
{
    struct scene *s = *state;
    static const char body[] = "{\"disk\": \"faults-test.im\", \"hang_ms\": 1}";

    s->home.disks.count = 0; /* no store here that has an identity */
    assert_int_equal(put(s, body, sizeof body - 1), 404);
    s->home.disks.count = 1;
}

static void without_the_option_all_is_refused(void **state)
{
    struct scene *s = *state;
    static const char body[] = "{\"disk\": \"faults-test.img\"}";

    s->config.allow_faults = false;
    assert_int_equal(put(s, body, sizeof body - 1), 403);
    assert_int_equal(put(s, "", 0), 403);
}

/* ---- and done ---- */

struct reading {
    struct scene *scene;
    struct disk_io io;
    struct iovec piece;
    sem_t finished;
    enum err err;
};
static _Alignas(4096) uint8_t memory[DISK_ALIGN];

static void read_done(struct disk_io *io, enum err err)
{
    struct reading *r = container_of(io, struct reading, io);

    r->err = err;
    sem_post(&r->finished);
}

static void read_here(void *arg)
{
    struct reading *r = arg;

    r->piece = (struct iovec){memory, sizeof memory};
    r->io =
        (struct disk_io){.op = DISK_READ, .pieces = &r->piece, .piece_count = 1, .done = read_done};
    disk_submit(r->scene->home.disks.disks[0].disk, &r->io);
}

static enum err read_block(struct scene *s)
{
    struct reading r = {.scene = s};

    sem_init(&r.finished, 0, 0);
    assert_true(ask(&s->node.asks, s->home.disks.env, read_here, &r));
    sem_wait(&r.finished);
    sem_destroy(&r.finished);
    return r.err;
}

static void what_is_asked_for_is_done(void **state)
{
    static const char errors[] = "{\"disk\": \"faults-test.img\", \"errors\": \"reads\", "
                                 "\"errors_after_requests\": 1, \"errors_ms\": 3600000}";
    static const char none[] = "{\"disk\": \"faults-test.img\"}";

    assert_int_equal(read_block(*state), E_OK);
    assert_int_equal(put(*state, errors, sizeof errors - 1), 204);
    assert_int_equal(read_block(*state), E_OK);
    assert_int_equal(read_block(*state), E_DISK);
    assert_int_equal(put(*state, none, sizeof none - 1), 204);
    assert_int_equal(read_block(*state), E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused, scene_open, scene_close),
        cmocka_unit_test_setup_teardown(another_disk_is_not_found, scene_open, scene_close),
        cmocka_unit_test_setup_teardown(without_the_option_all_is_refused, scene_open, scene_close),
        cmocka_unit_test_setup_teardown(what_is_asked_for_is_done, scene_open, scene_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
