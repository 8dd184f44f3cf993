/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata/keeper.h — what stores the records: LMDB on one machine, memory in simulation; etcd
 * comes with a cluster (design 10).
 *
 * A keeper is blocking and may be called from any thread (metad's are ordinary threads; the one in
 * memory is used from one).  Revisions count transactions, from 1.  A lineage is an identity that
 * a restore renews (design 6.7).
 */
#ifndef METADATA_KEEPER_H
#define METADATA_KEEPER_H

#include "metadata/records.h"

struct keeper;

struct keeper_ops {
    enum err (*range)(struct keeper *, const char *prefix, struct record_list *ret);
    enum err (*transact)(struct keeper *, const struct record_transaction *,
                         uint64_t *ret_revision);
    /* Blocks up to wait_ms; see RECORDS_WATCH. */
    enum err (*watch)(struct keeper *, const char *prefix, uint64_t revision, uint32_t wait_ms,
                      struct record_list *ret);
    void (*close)(struct keeper *);
};

struct keeper {
    const struct keeper_ops *ops;
    struct identity lineage;
};

/* The data file lives in folder `path` (made if it is not there); the last 100 000 changes are kept
 * for watches.  `fresh` becomes the lineage of a new keeper.  why: one line on failure. */
must_check enum err keeper_lmdb_open(const char *path, struct identity fresh, struct keeper **ret,
                                     char why[160]);
must_check enum err keeper_memory_open(struct identity fresh, struct keeper **ret);

#endif
