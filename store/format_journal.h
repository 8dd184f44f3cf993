/* SPDX-License-Identifier: Apache-2.0 */
/* store/format_journal.h — the bytes of the journal (docs/formats/journal.md). */
#ifndef STORE_FORMAT_JOURNAL_H
#define STORE_FORMAT_JOURNAL_H

#include "store/format.h"

/* ---- journal: groups, one behind the other, around a ring ---- */

/*
 * Position counts bytes and never comes back; a group lies at journal_offset + position %
 * journal_bytes and may wrap.  Head, list and records fill whole pages (head.bytes without the
 * padding); payload blocks follow.
 */
struct format_group {
    struct format_head head;
    le64 incarnation;
    le64 sequence;
    le64 predecessor; /* checksum of the group before it                     */
    le64 durable;     /* sequence of the last group known durable (J2)       */
    le32 list_count;  /* what the group before it held                       */
    le32 record_count;
    le32 payload_blocks;
    uint8_t reserve[20];
};
static_assert(sizeof(struct format_group) == 128, "before list and records");

enum record_kind {
    RECORD_WRITE = 1,
    RECORD_UNMAP = 2,
    RECORD_MAKE = 3,
    RECORD_DELETE = 4,
    RECORD_RESIZE = 5,
    RECORD_PROMISE = 6,
    RECORD_SET = 7,
    RECORD_COMMIT = 8,
    RECORD_REDIRECT = 9, /* a run of whole chunks: durable from `chunk` on       */
    RECORD_LOST = 10,    /* reserved: blocks that no member can prove            */
    RECORD_MERGE = 11,   /* reserved: versions of a deleted snapshot are merged  */
    RECORD_NOTE = 12,    /* a note is dropped: its status was acknowledged       */
    RECORD_SALVAGE = 13, /* a damaged replica goes on under the identity `start` */
};

#define RECORD_SEALED 1u
#define RECORD_PART   2u /* not the last piece of a write: its name is not applied yet */
#define RECORD_NOTED  4u /* a note follows the checksums                               */
#define RECORD_AGAIN  8u /* the same bytes again: notes of these blocks stay           */

struct format_list_entry {
    le64 replica;
    le64 start;
    le64 epoch, seq;
    le64 generation; /* the newest its sender knew */
    le32 count;
    uint8_t kind, flags;
    le16 reserve;
};
static_assert(sizeof(struct format_list_entry) == 48, "a list entry");

/*
 * Followed by what its kind needs: WRITE and REDIRECT the checksums (le32 each), and a format_note
 * if flagged so; MAKE, DELETE, RESIZE, PROMISE, UNMAP, COMMIT nothing; SET a format_set; NOTE a
 * format_note.
 */
struct format_record {
    le32 bytes; /* with what follows; a multiple of 8 */
    uint8_t kind, flags;
    le16 reserve;
    le64 replica;
    le64 volume; /* MAKE */
    le64 start;  /* block; MAKE, RESIZE: unused; SALVAGE: its identity from now on */
    le64 count;  /* MAKE, RESIZE: size_blocks   */
    le64 generation, snapshot;
    le64 epoch, seq, commit_seq; /* PROMISE: epoch */
    le64 chunk;                  /* REDIRECT: the first of its run */
    le32 payload;                /* first of its blocks in the group's payload */
    le32 shard;                  /* MAKE */
};
static_assert(sizeof(struct format_record) == 96, "a record");

#define GROUP_META_MAX    65536u /* head, list and records                   */
#define GROUP_RECORDS_MAX 256u
#define GROUP_BLOCKS_MAX  512u
#define GROUP_BYTES_MAX   (GROUP_META_MAX + GROUP_BLOCKS_MAX * PAGE_BYTES)

#endif
