/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/status_ask.c — the reactor's side is one call and one sem_post: it waits for nobody. */
#include "storaged/status_ask.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct question {
    struct mail mail;
    atomic_bool done; /* what the answer wrote can be seen by who reads this … */
    sem_t answered;   /* … and this wakes him */
    void (*answer)(void *memory);
    void *memory;
    struct list link; /* in asks->late */
};

static void opened(struct mail *mail)
{
    struct question *q = container_of(mail, struct question, mail);

    q->answer(q->memory);
    atomic_store_explicit(&q->done, true, memory_order_release);
    sem_post(&q->answered); /* it may be freed from here on */
}

/* It was answered. */
static void question_free(struct question *q)
{
    bool done = atomic_load_explicit(&q->done, memory_order_acquire);

    assert(done);
    sem_destroy(&q->answered);
    free(q);
}

void asks_open(struct asks *a)
{
    pthread_mutex_init(&a->mutex, NULL);
    list_init(&a->late);
    a->late_count = 0;
}

static void late_free(struct asks *a, struct question *q)
{
    void *memory = q->memory;

    list_remove(&q->link);
    a->late_count--;
    question_free(q);
    free(memory);
}

void asks_close(struct asks *a)
{
    list_for_each_safe(l, &a->late) {
        struct question *q = container_of(l, struct question, link);

        while (sem_wait(&q->answered) != 0)
            ; /* a signal */
        late_free(a, q);
    }
    pthread_mutex_destroy(&a->mutex);
}

/* Gives back what was answered too late; whether one more may be asked. */
static bool late_room(struct asks *a)
{
    bool room;

    pthread_mutex_lock(&a->mutex);
    list_for_each_safe(l, &a->late) {
        struct question *q = container_of(l, struct question, link);

        if (sem_trywait(&q->answered) == 0)
            late_free(a, q);
    }
    room = a->late_count < ASK_LATE_MAX;
    pthread_mutex_unlock(&a->mutex);
    return room;
}

static bool answered_in_time(struct question *q)
{
    struct timespec end;
    int result;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ASK_MS / 1000;
    do
        result = sem_clockwait(&q->answered, CLOCK_MONOTONIC, &end);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

bool ask(struct asks *a, struct env *env, void (*answer)(void *memory), void *memory)
{
    struct question *q = late_room(a) ? calloc(1, sizeof *q) : NULL;

    if (!q) {
        free(memory);
        return false;
    }
    q->mail.opened = opened;
    q->answer = answer;
    q->memory = memory;
    list_init(&q->link);
    sem_init(&q->answered, 0, 0);
    mail_send(env, &q->mail);
    if (answered_in_time(q)) {
        question_free(q);
        return true;
    }
    pthread_mutex_lock(&a->mutex);
    list_append(&a->late, &q->link);
    a->late_count++;
    pthread_mutex_unlock(&a->mutex);
    return false;
}
