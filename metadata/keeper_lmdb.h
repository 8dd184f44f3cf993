/* SPDX-License-Identifier: Apache-2.0 */
/* metadata/keeper_lmdb.h — what the LMDB keeper and its copies share. */
#ifndef METADATA_KEEPER_LMDB_H
#define METADATA_KEEPER_LMDB_H

#include "metadata/keeper.h"

#include <lmdb.h>

enum err keeper_err_of_lmdb(int rc);

/* Makes the folder where it is not there and locks it against every other process; the lock goes
 * with *ret_fd.  *ret_fd may be open after a failure, too. */
enum err keeper_folder_lock(const char *path, int *ret_fd, char why[160]);

/* The room of lock.mdb in folder `path`, before LMDB maps it: a store to a page that a full file
 * system cannot give is a SIGBUS.  0, or an errno; 0 too where it cannot be opened: LMDB says why.
 */
int keeper_lock_reserve(const char *path);

/* Whether every key can be found where the order of keys leads; else keeper_damaged() says it. */
int keeper_tree_look(MDB_txn *txn, MDB_dbi records, bool *ret_whole);
enum err keeper_damaged(const char *path, char why[160]); /* E_DAMAGED */

/* A keeper of keeper_lmdb_open gets another lineage, on stable media when this returns. */
enum err keeper_lmdb_renew(struct keeper *k, struct identity lineage);

#endif
