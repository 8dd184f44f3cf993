/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/format.h — the bytes on a disk.  Each has its page in docs/formats.
 *
 *   superblock 1 | root 1 | journal | table pages, first places | second places
 *   | index pages, first places | second places | data chunks | root 2 | superblock 2
 *
 * Everything is little-endian, begins with a `struct format_head`, and is a multiple of 4 KiB long
 * on the disk.  What a structure does not use is zero.  Feature words: an unknown bit in `compat`
 * means nothing to us, in `ro_compat` that we must not write, in `incompat` that we must not open.
 */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include "base/crc64.h"
#include "base/wire.h"
#include "store/store.h"

#include <assert.h>
#include <stddef.h>

#define FORMAT_VERSION    1u
#define PAGE_BYTES        4096u
#define FORMAT_COMPAT     0u /* what this version knows of each word */
#define FORMAT_RO         0u
#define INCOMPAT_REDIRECT 1u /* journal records of kind 9  */
#define INCOMPAT_SALVAGE  2u /* journal records of kind 13 */
#define INCOMPAT_NOTES    4u /* … of kind 12, or with flag 4 or 8; notes in the root */
#define FORMAT_INCOMPAT   (INCOMPAT_REDIRECT | INCOMPAT_SALVAGE | INCOMPAT_NOTES)

#define SUPERBLOCK_MAGIC  UINT32_C(0x42534c44) /* "DLSB" */
#define ROOT_MAGIC        UINT32_C(0x54524c44) /* "DLRT" */
#define GROUP_MAGIC       UINT32_C(0x524a4c44) /* "DLJR" */
#define MAP_MAGIC         UINT32_C(0x504d4c44) /* "DLMP" */
#define CHECKSUM_MAGIC    UINT32_C(0x53434c44) /* "DLCS" */
#define LOG_MAGIC         UINT32_C(0x474c4c44) /* "DLLG" */
#define INDEX_MAGIC       UINT32_C(0x58494c44) /* "DLIX" */

struct format_head {
    le64 checksum; /* CRC-64 (ECMA-182, reflected) of what follows, up to `bytes` */
    le32 magic;
    le32 version;
    le32 compat, ro_compat, incompat;
    le32 bytes;      /* of the structure, this head included                        */
    le64 disk;       /* identity of the disk                                        */
    le64 page;       /* which one of its kind; of a group: its position             */
    le64 checkpoint; /* that wrote it; of a group: the newest durable root (J5)     */
    uint8_t reserve[8];
};
static_assert(sizeof(struct format_head) == 64, "every structure begins alike");
static_assert(offsetof(struct format_head, disk) == 32, "after lengths and words");

/* ---- superblock: two copies, in the first and the last whole page of the device ---- */

struct format_superblock {
    struct format_head head;
    le64 size_bytes; /* of the device when it was formatted */
    le64 journal_offset, journal_bytes;
    le64 table_offset; /* page p, place q: table_offset + (q × table pages + p) × 4096 */
    le64 index_offset; /* the same with index pages */
    le64 root_offset[2];
    le64 root_bytes;                           /* room for one copy */
    le64 data_offset;                          /* of chunk 0 */
    le64 chunks;                               /* of 64 KiB */
    le64 map_pages, checksum_pages, log_pages; /* table pages, numbered in this order */
    le64 index_pages;
    le32 block_bytes, chunk_bytes;
    le32 replicas_max;
    uint8_t reserve[3908];
};
static_assert(sizeof(struct format_superblock) == PAGE_BYTES, "one page");
static_assert(offsetof(struct format_superblock, replicas_max) == 184, "fields in order");

/* ---- chunk table ---- */

enum map_kind {
    MAP_FREE = 0,
    MAP_CHUNK = 1, /* a version of a chunk                                           */
    MAP_DELTA = 2, /* reserved: the chunk holds delta runs of checksums              */
};

/* What a chunk is taken for; its place in the table is its chunk number. */
struct format_map_record {
    le32 check; /* crc32c of chunk number (le64) and what follows */
    uint8_t kind;
    uint8_t flags; /* reserved */
    le16 reserve;
    le32 slot;       /* of the replica in the root */
    le32 index;      /* of the chunk in the replica */
    le64 generation; /* at which this version was begun */
    uint8_t reserve2[8];
};
static_assert(sizeof(struct format_map_record) == 32, "design 7");

#define MAP_RECORDS 126u
struct format_map_page {
    struct format_head head;
    struct format_map_record records[MAP_RECORDS];
};
static_assert(sizeof(struct format_map_page) == PAGE_BYTES, "one page");

/* Two bits a block, block 0 in the lowest. */
enum block_state {
    BLOCK_ELSEWHERE = 0, /* an older version, else zeros; in memory: not staged */
    BLOCK_DATA = 1,
    BLOCK_ZERO = 2,
    BLOCK_LOST = 3,
};

struct format_checksum_record {
    le64 stamp;
    le32 states;
    le32 reserve;
    le32 checksums[CHUNK_BLOCKS]; /* crc32c, seeded with volume and block (design 4) */
};
static_assert(sizeof(struct format_checksum_record) == 80, "stamp, states, 16 checksums");

#define CHECKSUM_RECORDS 50u
struct format_checksum_page {
    struct format_head head;
    struct format_checksum_record records[CHECKSUM_RECORDS];
    uint8_t reserve[32];
};
static_assert(sizeof(struct format_checksum_page) == PAGE_BYTES, "one page");

/* ---- log pages: the activity logs; hole records later ---- */

enum log_kind {
    LOG_ACTIVITY = 1,
    LOG_HOLES = 2, /* reserved: what was unmapped over a snapshot (range, generation) */
};

struct format_open_write {
    le64 start;
    le64 epoch, seq, generation;
    le32 count;
    le32 flags; /* reserved */
};
static_assert(sizeof(struct format_open_write) == 40, "an open write");

#define LOG_ENTRIES 98u
struct format_log_page {
    struct format_head head;
    le64 replica;
    le32 kind;
    le32 count;
    struct format_open_write entries[LOG_ENTRIES];
    uint8_t reserve[96];
};
static_assert(sizeof(struct format_log_page) == PAGE_BYTES, "one page");

/* ---- index: place and checksum of every table page; of the index pages: in the root ---- */

#define PAGE_PLACE   1u /* 0: the first place is current, 1: the second */
#define PAGE_WRITTEN 2u /* never written: all its records are zero      */

struct format_page_entry {
    le64 checksum; /* as in its head */
    le32 flags;
    le32 reserve;
};
static_assert(sizeof(struct format_page_entry) == 16, "checksum and place");

#define INDEX_ENTRIES 252u
struct format_index_page {
    struct format_head head;
    struct format_page_entry entries[INDEX_ENTRIES];
};
static_assert(sizeof(struct format_index_page) == PAGE_BYTES, "one page");

/* ---- root: two copies of the same ---- */

/* The trace of a COMPARE AND WRITE (design 8), in the root and in journal records. */
struct format_note {
    le64 initiator; /* hash of its name */
    le32 unit;      /* of the replica, of 512 bytes: the first … */
    le32 units;     /* … of so many */
    le64 epoch, seq;
    le64 hash[2]; /* of its data */
};
static_assert(sizeof(struct format_note) == 48, "a note");
#define NOTES_MAX 8u

struct format_set {
    le64 epoch, generation, snapshot;
    le32 member_count;
    le32 reserve;
    le64 members[REPLICAS_PER_SHARD];
};
static_assert(sizeof(struct format_set) == 96, "a SET");

#define REPLICA_DAMAGED    1u
#define REPLICA_EMPTY      2u
#define REPLICA_EVERYTHING 4u  /* its activity log overflowed */
#define REPLICA_OLDER      8u  /* … with writes of epochs before everything_epoch */
#define REPLICA_SIZE_LOST  16u /* damaged, and may have held something behind its end */

struct format_replica {
    le64 identity, volume;
    le32 shard;
    le32 slot;
    le64 size_blocks;
    le64 promised;
    le64 last_epoch, last_seq;
    le64 commit_epoch, commit_seq;
    le32 flags;
    le32 open_extents; /* in the log pages */
    le64 everything_epoch, everything_seq;
    le64 floor_generation, floor_snapshot; /* a stamp above the second counts as the first */
    le64 map_sum;
    le32 note_count;
    le32 reserve;
    struct format_set set;
    le64 unsure_chunks; /* below: a chunk that the map does not have was perhaps lost */
    uint8_t reserve2[152];
    struct format_note notes[NOTES_MAX];
};
static_assert(offsetof(struct format_replica, set) == 128, "fields in order");
static_assert(offsetof(struct format_replica, notes) == 384, "notes last");
static_assert(sizeof(struct format_replica) == 768, "a replica");

/* Followed by index_count entries, then replica_count replicas; head.checkpoint is its number. */
struct format_root {
    struct format_head head;
    le64 tail_position; /* of the first group that is not in the tables */
    le64 tail_sequence; /* which that group will have                   */
    le64 predecessor;   /* … and what it will name as such              */
    le64 incarnation;   /* … and its journal's incarnation              */
    le32 index_count;
    le32 replica_count;
    le32 log_pages;  /* in use, from the first */
    le32 delta_runs; /* reserved */
    uint8_t reserve[144];
};
static_assert(sizeof(struct format_root) == 256, "before index and replicas");

/* ---- sealing and proving (format.c) ---- */

/* Fills the head's common fields and, last, the checksum over `bytes`. */
struct format_name {
    uint32_t magic;
    struct identity disk;
    uint64_t page, checkpoint;
};
void format_seal(void *structure, uint32_t bytes, const struct format_name *name);
/* … and incompat feature bits. */
void format_seal_with(void *structure, uint32_t bytes, const struct format_name *name,
                      uint32_t incompat);

/* Whether the `room` bytes at hand begin with a whole structure of that magic, disk and page. */
enum err format_prove(const void *structure, size_t room, const struct format_name *name);

/* The feature words: E_UNSUPPORTED for an incompat bit or a later version; sets *ret_read_only. */
enum err format_features(const struct format_head *h, bool *ret_read_only);

/* check of a map record that stands for `chunk` */
uint32_t map_record_check(const struct format_map_record *r, uint64_t chunk);

static inline enum block_state state_of(uint32_t states, uint32_t block)
{
    return (enum block_state)(states >> 2 * block & 3u);
}
static inline uint32_t state_with(uint32_t states, uint32_t block, enum block_state state)
{
    return (states & ~(3u << 2 * block)) | (uint32_t)state << 2 * block;
}

#endif
