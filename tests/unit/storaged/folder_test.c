/* SPDX-License-Identifier: Apache-2.0 */
/* The node's folder: one process, one identity. */
#include "storaged/folder.h"
#include "tests/sim/world/world.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
    struct sim *sim;
    struct chance *chance;
    char dir[64], id[96];
};

static int each_new(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    s->sim = sim_open(1);
    s->chance = sim_env(s->sim, "node")->chance;
    snprintf(s->dir, sizeof s->dir, "/tmp/storaged-folder-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->id, sizeof s->id, "%s/node.id", s->dir);
    *state = s;
    return 0;
}

static int each_done(void **state)
{
    struct scene *s = *state;
    char lock[96];

    snprintf(lock, sizeof lock, "%s/lock", s->dir);
    unlink(lock);
    unlink(s->id);
    rmdir(s->dir);
    sim_close(s->sim);
    free(s);
    return 0;
}

static void an_identity_is_minted_once(void **state)
{
    struct scene *s = *state;
    struct folder first, again;
    char why[700];

    assert_int_equal(folder_open(s->dir, s->chance, 0, &first, why), E_OK);
    assert_false(identity_none(first.node));
    folder_close(&first);
    assert_int_equal(folder_open(s->dir, s->chance, 0, &again, why), E_OK);
    assert_int_equal(again.node.bits, first.node.bits);
    folder_close(&again);
}

static void two_processes_never_share_a_folder(void **state)
{
    struct scene *s = *state;
    struct folder first, second;
    char why[700];

    assert_int_equal(folder_open(s->dir, s->chance, 0, &first, why), E_OK);
    assert_int_equal(folder_open(s->dir, s->chance, 0, &second, why), E_BUSY);
    assert_non_null(strstr(why, "is used by another storaged"));
    folder_close(&first);
    assert_int_equal(folder_open(s->dir, s->chance, 0, &second, why), E_OK);
    folder_close(&second);
}

struct holder {
    struct scene *scene;
    struct folder folder;
    atomic_bool lets_go;
};

static void *hold_a_while(void *arg)
{
    struct holder *h = arg;

    while (!atomic_load(&h->lets_go))
        sched_yield();
    folder_close(&h->folder);
    return NULL;
}

/* As of a process that was killed, and whose last thread is not gone yet. */
static void a_lock_that_is_let_go_is_waited_for(void **state)
{
    struct holder h = {.scene = *state};
    struct folder next;
    pthread_t thread;
    char why[700];

    assert_int_equal(folder_open(h.scene->dir, h.scene->chance, 0, &h.folder, why), E_OK);
    assert_int_equal(folder_open(h.scene->dir, h.scene->chance, 0, &next, why), E_BUSY);
    assert_int_equal(pthread_create(&thread, NULL, hold_a_while, &h), 0);
    atomic_store(&h.lets_go, true);
    assert_int_equal(folder_open(h.scene->dir, h.scene->chance, 60000, &next, why), E_OK);
    pthread_join(thread, NULL);
    folder_close(&next);
}

/* A damaged identity is not replaced: the node's replicas belong to the old one. */
static void a_damaged_identity_is_refused(void **state)
{
    struct scene *s = *state;
    FILE *file = fopen(s->id, "w");
    struct folder f;
    char why[700];

    fputs("not an identity\n", file);
    fclose(file);
    assert_int_equal(folder_open(s->dir, s->chance, 0, &f, why), E_DAMAGED);
    assert_non_null(strstr(why, "node.id holds no identity"));
}

static void a_folder_that_cannot_be_made_is_said(void **state)
{
    struct scene *s = *state;
    struct folder f;
    char why[700];

    assert_int_equal(folder_open("/nonexistent/n1", s->chance, 0, &f, why), E_SYSTEM);
    assert_string_equal(why, "cannot make /nonexistent/n1: No such file or directory");
}

#define each(test) cmocka_unit_test_setup_teardown(test, each_new, each_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        each(an_identity_is_minted_once),           each(two_processes_never_share_a_folder),
        each(a_lock_that_is_let_go_is_waited_for),  each(a_damaged_identity_is_refused),
        each(a_folder_that_cannot_be_made_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
