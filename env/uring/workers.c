/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/workers.c — threads for jobs that block.
 *
 * Jobs wait in one queue; finished ones in another, and one letter (`news`) tells the reactor to
 * look there.  The threads block every signal, so that signals reach the threads that expect them.
 */
#include "env/uring/parts.h"

#include <assert.h>
#include <signal.h>

/* The mutex is held. */
static struct work *job_wait(struct workers *w)
{
    struct list *l;

    while (!(l = list_take(&w->jobs)) && !w->ending)
        pthread_cond_wait(&w->wanted, &w->mutex);
    return l ? container_of(l, struct work, link) : NULL;
}

/* The mutex is held.  True: the reactor must be told. */
static bool job_finish(struct workers *w, struct work *job)
{
    bool tell = !w->told;

    list_append(&w->finished, &job->link);
    w->told = true;
    return tell;
}

static void *work_until_ending(void *argument)
{
    struct workers *w = argument;
    struct work *job;

    pthread_mutex_lock(&w->mutex);
    while ((job = job_wait(w))) {
        pthread_mutex_unlock(&w->mutex);
        job->run(job);
        pthread_mutex_lock(&w->mutex);
        if (job_finish(w, job))
            mailbox_put(w->mailbox, &w->news);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

static void news_opened(struct mail *news)
{
    struct workers *w = container_of(news, struct workers, news);
    struct list finished, *l;

    list_init(&finished);
    pthread_mutex_lock(&w->mutex);
    w->told = false;
    list_move_all(&finished, &w->finished);
    pthread_mutex_unlock(&w->mutex);

    while ((l = list_take(&finished))) {
        struct work *job = container_of(l, struct work, link);

        w->unfinished--;
        job->done(job);
    }
}

static enum err threads_start(struct workers *w, uint32_t count)
{
    sigset_t all, before;
    int failed = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (w->count < count && !failed) {
        failed = pthread_create(&w->threads[w->count], NULL, work_until_ending, w);
        w->count += !failed;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? err_of_errno(failed) : E_OK;
}

enum err workers_open(struct workers *w, uint32_t count, struct mailbox *mailbox)
{
    enum err err;

    *w = (struct workers){.mailbox = mailbox, .news.opened = news_opened};
    list_init(&w->jobs);
    list_init(&w->finished);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->wanted, NULL);
    w->threads = calloc(count ? count : 1, sizeof *w->threads);
    if (!w->threads)
        return E_NO_MEMORY;
    err = threads_start(w, count);
    if (err)
        workers_close(w);
    return err;
}

void workers_close(struct workers *w)
{
    if (!w->threads)
        return;
    assert(w->unfinished == 0);
    pthread_mutex_lock(&w->mutex);
    w->ending = true;
    pthread_cond_broadcast(&w->wanted);
    pthread_mutex_unlock(&w->mutex);
    while (w->count > 0)
        pthread_join(w->threads[--w->count], NULL);
    free(w->threads);
    w->threads = NULL;
    pthread_cond_destroy(&w->wanted);
    pthread_mutex_destroy(&w->mutex);
}

void workers_start(struct workers *w, struct work *work)
{
    assert(w->count > 0);
    assert(work->run);
    assert(work->done);

    w->unfinished++;
    pthread_mutex_lock(&w->mutex);
    list_append(&w->jobs, &work->link);
    pthread_cond_signal(&w->wanted);
    pthread_mutex_unlock(&w->mutex);
}
