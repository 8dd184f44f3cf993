/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/check.h — looks at everything that is on a disk, and changes nothing.
 *
 * For `dolmen disk check` on a disk that no storaged uses, and for the simulation on what its
 * stores leave: at a point before every opening and at the end, in a storm after every life and at
 * the end.  It follows the formats on its own from the superblocks down (docs/formats), then opens
 * the store read-only, so that what the journal holds counts, and holds both against each other.
 * What it finds it tells at once, one finding after the other, without keeping a list.
 *
 * Promises: K1  not a single write, whatever the disk holds.
 *           K2  a disk that only a crash has touched has no finding, but for a copy of the root
 * that was torn: it looks like one that rotted, and costs as little. K3  whatever an opened store
 * would refuse or call damaged is a finding.
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "store/store.h"

/* Kind, its word, what it costs, what to do. */
/* clang-format off */
#define FINDING_LIST(X)                                                                            \
    X(SUPERBLOCK, "superblock", "nothing while the other copy stands",                             \
      "move its replicas to another disk and format it anew before the other copy goes too")       \
    X(SUPERBLOCKS, "superblocks", "the whole disk: it does not open",                              \
      "restore its volumes from other copies or a backup, then `storaged --format PATH --force`")  \
    X(CUT_SHORT, "cut-short", "the whole disk: it does not open",                                  \
      "give it the length it had, or put back a whole copy of the image")                          \
    X(ROOT, "root", "nothing: the other copy stands",                                              \
      "start storaged: it writes both copies anew")                                                \
    X(ROOTS, "roots", "the whole disk: it does not open",                                          \
      "restore its volumes from other copies or a backup, then `storaged --format PATH --force`")  \
    X(ROOT_LOST, "root-lost", "every replica of the disk: nobody knows what it missed",            \
      "let other copies repair them; the last copy of a shard: `dolmen volume salvage`")           \
    X(INDEX_PAGE, "index-page", "all that the table pages it names describe",                      \
      "let other copies repair the replicas named below")                                          \
    X(MAP_PAGE, "map-page", "the replicas that had chunks in it, named below",                     \
      "let other copies repair them; the last copy of a shard: `dolmen volume salvage`")           \
    X(MAP_RECORD, "map-record", "the chunk, and the replica whose sum does not come out",          \
      "let other copies repair it; the last copy of a shard: `dolmen volume salvage`")             \
    X(MAP_SUM, "map-sum", "this replica: nobody knows what its map lost",                          \
      "let other copies repair it; the last copy of a shard: `dolmen volume salvage`")             \
    X(CHECKSUM_PAGE, "checksum-page", "the blocks of its chunks that the journal does not hold",   \
      "let other copies repair them, or write them again")                                         \
    X(CHECKSUM_RECORD, "checksum-record", "the blocks of this chunk",                              \
      "let other copies repair them, or write them again")                                         \
    X(LOG_PAGE, "log-page", "nothing but time: the next resync reads its whole replica",           \
      "start storaged: it goes on with that")                                                      \
    X(JOURNAL_GROUP, "journal-group", "what the group held, as far as the next one names it",      \
      "let other copies repair what is named below")                                               \
    X(JOURNAL_BLOCK, "journal-block", "these blocks",                                              \
      "let other copies repair them, or write them again")                                         \
    X(JOURNAL_RECORD, "journal-record", "this record, and its replica",                            \
      "let other copies repair it; the last copy of a shard: `dolmen volume salvage`")             \
    X(DAMAGED, "replica", "this replica: it is no copy that counts",                               \
      "let other copies repair it; the last copy of a shard: `dolmen volume salvage`")             \
    X(LOST, "lost", "these blocks: a read of them is refused",                                     \
      "let other copies repair them, or write them again")                                         \
    X(DATA, "data", "these blocks: a read of them is refused",                                     \
      "let other copies repair them, or write them again")                                         \
    X(CROSSED, "crossed", "one of two replicas' data: both claim the chunk",                       \
      "keep the image and report it: no crash and no rot does this")                               \
    X(LEAKED, "leaked", "the space of the chunk",                                                  \
      "keep the image and report it: no crash and no rot does this")                               \
    X(UNREADABLE, "unreadable", "what was there",                                                  \
      "look at the health of the drive; read it again")                                            \
    X(REFUSED, "refused", "the whole disk: it does not open",                                      \
      "restore its volumes from other copies or a backup, then `storaged --format PATH --force`")  \
    X(DISAGREED, "disagreed", "unknown: two readers of the disk do not agree",                     \
      "keep the image and report it: one of them is wrong")
/* clang-format on */

#define FINDING_ENUM(name, word, costs, what_to_do) FINDING_##name,
enum store_finding_kind { FINDING_LIST(FINDING_ENUM) };
#undef FINDING_ENUM

#define FINDING_NOWHERE UINT64_MAX

struct store_finding {
    enum store_finding_kind kind;
    uint64_t offset;         /* byte on the disk; FINDING_NOWHERE: no single place */
    struct identity replica; /* none: of no single one …                           */
    struct identity volume;
    struct extent blocks; /* … of the volume; count 0: no single ones              */
    char what[160];       /* what is wrong, without the fields above               */
};

const char *store_finding_word(enum store_finding_kind kind);  /* "map-page"      */
const char *store_finding_costs(enum store_finding_kind kind); /* what is lost    */
const char *store_finding_to_do(enum store_finding_kind kind); /* … and what to do */

/* What was looked at. */
struct store_check_counts {
    uint64_t findings;
    uint64_t replicas, chunks; /* with what the journal holds               */
    uint64_t chunks_all;       /* that the disk has                         */
    uint64_t pages;            /* of index and tables, that are in use      */
    uint64_t groups, records;  /* of the journal, up to where it ends       */
    uint64_t journal_end;      /* position behind the last group that holds */
    uint64_t blocks_lost;      /* known to be lost                          */
    uint64_t blocks_read;      /* with `data`: and proved; zeros of a chunk   */
    uint64_t blocks_bad;       /* with `data`: not proved, not known before */
};

struct store_check {
    struct env *env;
    struct disk *disk; /* nobody changes what it holds meanwhile */
    bool data;         /* every block of data is read and held against its checksum */
    void (*found)(struct store_check *, const struct store_finding *); /* may be NULL */
    void (*done)(struct store_check *, enum err);
    void *own; /* the caller's */

    struct identity identity;         /* of the disk; none: no superblock was proved */
    struct store_check_counts counts; /* grow as it goes                             */
    uint64_t bytes_done, bytes_total; /* progress                                    */
    char why[160];                    /* not E_OK: why it cannot be told, one line   */

    /* the store's own */
    struct task task;
    struct checking *checking;
};

/*
 * Looks at the whole disk.  E_OK: it did, and counts.findings says what that came to, be it that
 * the disk does not open.  Else it cannot be told: E_NOT_FOUND no Dolmen store here; E_UNSUPPORTED
 * a feature or version that this one does not know; E_DISK tables or journal cannot be read (the
 * pages were findings); E_NO_MEMORY.
 */
void store_check(struct store_check *c);

#endif
