/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/hosted.h — a volume at its home, as the control reactor asks for it and hears of it.
 *
 * All functions and callbacks here belong to the control reactor; what is asked is done at the home
 * and answered later.  News of a volume come as copies: the newest, not each.
 *
 * Order: open, then any of resize and drains, then close, then free; each is awaited before the
 * next.  A resize that is under way when the volume is closed ends by that.
 */
#ifndef STORAGED_HOSTED_H
#define STORAGED_HOSTED_H

#include "storaged/errand.h"
#include "storaged/home.h"
#include "volume/volume.h"

struct hosted_news {
    bool serving; /* every shard does */
    uint32_t shards_serving;
    char why[160]; /* it does not; else "" */
};

struct hosted {
    /* the caller's to fill, before hosted_open() */
    struct home *home;
    struct env *control;
    uint64_t epoch;
    struct volume_config config;               /* its shards are the caller's until `opened` */
    void (*opened)(struct hosted *, enum err); /* E_OK: `block` is a name for drains and logins */
    void (*changed)(struct hosted *);          /* `told` has */
    void (*closed)(struct hosted *);
    void (*freed)(struct hosted *); /* last */

    struct block *block;
    struct hosted_news told;

    /* its own */
    struct errand life;      /* open, close, free */
    struct errand news_mail; /* from the home to control, and back for the next */
    struct hosted_news news;
    bool over; /* it is closed: news are not sent back any more */

    /* the home's */
    struct volume *volume;
    struct volume_events events;
    enum err err;
    bool news_under_way, news_again;
    struct list link; /* in home->volumes */
};

void hosted_open(struct hosted *h);
void hosted_close(struct hosted *h);
void hosted_free(struct hosted *h);

struct hosted_resize {
    struct hosted *hosted;
    uint64_t size_bytes;
    uint32_t shard_count;
    const struct rep_config *shards; /* the caller's until done */
    void (*done)(struct hosted_resize *, enum err);

    /* its own */
    struct errand errand;
    struct volume_resize resize;
    enum err err;
};
void hosted_resize(struct hosted_resize *r);

/* Ends sessions at the home's target (iscsi_target_drain()).  Logins that the directory let go
 * there before are among them: they went by the same mail. */
struct hosted_drain {
    struct hosted *hosted;
    struct identity attachment; /* none: all */
    uint16_t logout_seconds;
    void (*done)(struct hosted_drain *);

    /* its own */
    struct errand errand;
    struct iscsi_drain drain;
};
void hosted_drain(struct hosted_drain *d);

#endif
