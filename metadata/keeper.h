/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/keeper.h — what stores the records: LMDB on one machine, memory in simulation; etcd
 * comes with a cluster (design 10).
 *
 * A keeper is blocking and may be called from any thread (metad's are ordinary threads; the one in
 * memory is used from one, and its watch does not wait).  Revisions count transactions: 1 is the
 * keeper's founding, 0 is "nothing seen".  A lineage is an identity that a restore renews (design
 * 6.7).
 *
 * Promises: K1  a transaction that was answered E_OK is on stable media; one that was refused has
 *               changed nothing; none is ever seen in part.
 *           K2  a watch after revision R yields every change after R, in order, or E_COMPACTED;
 *               what it yields at once is cut at the end of a transaction.
 */
#ifndef METADATA_KEEPER_H
#define METADATA_KEEPER_H

#include "env/env.h"
#include "metadata/records.h"

#define KEEPER_FIRST_REVISION 1u
#define KEEPER_CHANGES_MAX    100000u /* kept for watches */
#define KEEPER_WATCH_MAX      4096u   /* records in one answer, but for the end of a transaction */

struct keeper;

struct keeper_ops {
    enum err (*range)(struct keeper *, const char *prefix, struct record_list *ret);
    enum err (*transact)(struct keeper *, const struct record_transaction *,
                         uint64_t *ret_revision);
    /* Blocks up to wait_ms; see RECORDS_WATCH. */
    enum err (*watch)(struct keeper *, const char *prefix, uint64_t revision, uint32_t wait_ms,
                      struct record_list *ret);
    /* For the end of the process: watches under way answer, later ones do not wait. */
    void (*stop)(struct keeper *);
    void (*close)(struct keeper *);
};

struct keeper {
    const struct keeper_ops *ops;
    struct identity lineage;
};

/* keeper_ops say what they do. */
must_check static inline enum err keeper_range(struct keeper *k, const char *prefix,
                                               struct record_list *ret)
{
    return k->ops->range(k, prefix, ret);
}
must_check static inline enum err
keeper_transact(struct keeper *k, const struct record_transaction *t, uint64_t *ret_revision)
{
    return k->ops->transact(k, t, ret_revision);
}
must_check static inline enum err keeper_watch(struct keeper *k, const char *prefix,
                                               uint64_t revision, uint32_t wait_ms,
                                               struct record_list *ret)
{
    return k->ops->watch(k, prefix, revision, wait_ms, ret);
}
static inline void keeper_stop(struct keeper *k)
{
    k->ops->stop(k);
}
static inline void keeper_close(struct keeper *k) /* NULL: nothing to do */
{
    if (k)
        k->ops->close(k);
}

#define KEEPER_MAP_BYTES (UINT64_C(16) << 30) /* address space; the file grows as it is filled */

/* The data file lives in folder `path` (made if it is not there); the last 100 000 changes are kept
 * for watches.  `fresh` becomes the lineage of a new keeper.  why: one line on failure. */
must_check enum err keeper_lmdb_open(const char *path, struct identity fresh, struct keeper **ret,
                                     char why[160]);

/* The keeper in folder `path` as it is at one moment, into a new file (mode 0600: it holds the CHAP
 * secrets); by another process than the one that has it open, or when none has.  why: on failure.
 */
must_check enum err keeper_lmdb_backup(const char *path, const char *file, char why[160]);

struct keeper_restore {
    struct identity lineage; /* of the keeper that it becomes */
    uint64_t now_us;         /* the time of day: no head's epoch is below it */
    bool keep_attachments;   /* else they end: who was detached after the backup stays out */
};
struct keeper_restored {                     /* what the backup held */
    struct identity former;                  /* its lineage               */
    uint64_t revision;                       /* at which the backup stood */
    struct record_census census;             /* of all its records        */
    struct record_list volumes, attachments; /* the caller's to free      */
};
#define KEEPER_RESTORE_EPOCHS (UINT64_C(1) << 20) /* that every head goes on at the least */

/*
 * A backup becomes the keeper of folder `path`, which has none: with the lineage given, without
 * attachments where they are not kept, and with later epochs (see keeper_lmdb_copy.c).  *ret is set
 * on success.  E_EXISTS, E_BUSY: there is one, or a process uses the folder; E_DAMAGED: the backup
 * does not prove itself; nothing changed.
 */
must_check enum err keeper_lmdb_restore(const char *file, const char *path,
                                        const struct keeper_restore *how,
                                        struct keeper_restored *ret, char why[160]);

must_check enum err keeper_memory_open(struct identity fresh, struct keeper **ret);

/* Told after every transaction that changed the keeper in memory. */
struct keeper_listener {
    void (*changed)(struct keeper_listener *);
    struct list link;
};
void keeper_memory_listen(struct keeper *k, struct keeper_listener *l); /* of keeper_memory_open */
void keeper_memory_unlisten(struct keeper_listener *l);

/*
 * `struct records` over the keeper in memory, for the simulation: a call is done `delay_us` later,
 * from the env's loop; watches wait on its clock.  Belongs to the env's thread.  Closing it ends
 * every call that is under way with E_CLOSED.
 */
must_check enum err records_of_keeper_open(struct env *env, struct keeper *memory,
                                           uint32_t delay_us, struct records **ret);
void records_of_keeper_close(struct records *r);

#endif
