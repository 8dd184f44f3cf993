/* SPDX-License-Identifier: Apache-2.0 */
/* store/record.c — a fact as a journal record, and back.  Layout: format.h. */
#include "store/inside.h"

void set_encode(struct format_set *ret, const struct store_set *set)
{
    memset(ret, 0, sizeof *ret);
    ret->epoch = le64_of(set->epoch);
    ret->generation = le64_of(set->generation);
    ret->snapshot = le64_of(set->snapshot);
    ret->member_count = le32_of(set->member_count);
    for (uint32_t i = 0; i < set->member_count; i++)
        ret->members[i] = le64_of(set->members[i].bits);
}

void set_decode(const struct format_set *set, struct store_set *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->epoch = le64_get(set->epoch);
    ret->generation = le64_get(set->generation);
    ret->snapshot = le64_get(set->snapshot);
    ret->member_count = min_u32(le32_get(set->member_count), REPLICAS_PER_SHARD);
    for (uint32_t i = 0; i < ret->member_count; i++)
        ret->members[i].bits = le64_get(set->members[i]);
}

static bool has_checksums(const struct fact *f)
{
    return f->kind == RECORD_WRITE || f->kind == RECORD_REDIRECT;
}

bool record_has_note(const struct fact *f)
{
    return f->kind == RECORD_NOTE || (has_checksums(f) && (f->flags & RECORD_NOTED));
}

/* What follows the fixed part … */
static uint32_t body_bytes(const struct fact *f)
{
    if (has_checksums(f))
        return (uint32_t)round_up(f->extent.count * sizeof(le32), 8);
    return f->kind == RECORD_SET ? (uint32_t)sizeof(struct format_set) : 0;
}

/* … and a note behind that. */
static uint32_t tail_bytes(const struct fact *f)
{
    return body_bytes(f) + (record_has_note(f) ? (uint32_t)sizeof(struct format_note) : 0);
}

uint32_t record_bytes(const struct fact *f)
{
    return (uint32_t)sizeof(struct format_record) + tail_bytes(f);
}

void record_encode(uint8_t *at, const struct fact *f)
{
    bool sized = f->kind == RECORD_MAKE || f->kind == RECORD_RESIZE;
    struct format_record r = {
        .bytes = le32_of(record_bytes(f)),
        .kind = (uint8_t)f->kind,
        .flags = f->flags,
        .replica = le64_of(f->replica.bits),
        .volume = le64_of(f->volume.bits),
        .start = le64_of(f->extent.start),
        .count = le64_of(sized ? f->size_blocks : f->extent.count),
        .generation = le64_of(f->stamp.generation),
        .snapshot = le64_of(f->stamp.snapshot),
        .epoch = le64_of(f->kind == RECORD_PROMISE ? f->epoch : f->stamp.epoch),
        .seq = le64_of(f->stamp.seq),
        .commit_seq = le64_of(f->stamp.commit_seq),
        .chunk = le64_of(f->chunk),
        .payload = le32_of(f->payload),
        .shard = le32_of(f->shard),
    };

    memset(at, 0, record_bytes(f));
    memcpy(at, &r, sizeof r);
    at += sizeof r;
    if (has_checksums(f)) {
        for (uint64_t i = 0; i < f->extent.count; i++) {
            le32 crc = le32_of(f->checksums[i]);

            memcpy(at + i * sizeof crc, &crc, sizeof crc);
        }
    } else if (f->kind == RECORD_SET) {
        struct format_set set;

        set_encode(&set, f->set);
        memcpy(at, &set, sizeof set);
    }
    if (record_has_note(f)) {
        struct format_note note;

        note_encode(&note, &f->note);
        memcpy(at + body_bytes(f), &note, sizeof note);
    }
}

void list_entry_encode(struct format_list_entry *ret, const struct fact *f)
{
    *ret = (struct format_list_entry){
        .replica = le64_of(f->replica.bits),
        .start = le64_of(f->extent.start),
        .epoch = le64_of(f->stamp.epoch),
        .seq = le64_of(f->stamp.seq),
        .generation = le64_of(f->stamp.generation),
        .count = le32_of((uint32_t)f->extent.count),
        .kind = (uint8_t)f->kind,
        .flags = f->flags,
    };
}

/* The fixed part; says of which length the rest must be. */
static void fixed_decode(const struct format_record *r, struct fact *ret)
{
    uint64_t count = le64_get(r->count);

    *ret = (struct fact){
        .kind = (enum record_kind)r->kind,
        .flags = r->flags,
        .replica = {le64_get(r->replica)},
        .volume = {le64_get(r->volume)},
        .shard = le32_get(r->shard),
        .extent = {le64_get(r->start), count},
        .stamp = {.generation = le64_get(r->generation),
                  .snapshot = le64_get(r->snapshot),
                  .epoch = le64_get(r->epoch),
                  .seq = le64_get(r->seq),
                  .commit_seq = le64_get(r->commit_seq),
                  .sealed = r->flags & RECORD_SEALED},
        .epoch = le64_get(r->epoch),
        .size_blocks = count,
        .chunk = le64_get(r->chunk),
        .payload = le32_get(r->payload),
    };
}

/* Whether its blocks can be those of such a record at all. */
static bool counts_make_sense(const struct fact *f)
{
    if (has_checksums(f) && f->extent.count > GROUP_BLOCKS_MAX)
        return false;
    return f->kind != RECORD_REDIRECT ||
           (f->extent.count > 0 && f->extent.count % CHUNK_BLOCKS == 0 &&
            f->extent.start % CHUNK_BLOCKS == 0);
}

static bool is_known(uint8_t kind)
{
    return (kind >= RECORD_WRITE && kind <= RECORD_REDIRECT) || kind == RECORD_NOTE ||
           kind == RECORD_SALVAGE;
}

enum err record_decode(const uint8_t *at, size_t room, struct fact *ret, struct record_scratch *x)
{
    struct format_record r;
    uint32_t bytes;

    if (room < sizeof r)
        return E_DAMAGED;
    memcpy(&r, at, sizeof r);
    bytes = le32_get(r.bytes);
    if (bytes < sizeof r || bytes > room || bytes % 8)
        return E_DAMAGED;
    if (!is_known(r.kind))
        return E_UNSUPPORTED;
    fixed_decode(&r, ret);
    if (!counts_make_sense(ret))
        return E_DAMAGED;
    if (bytes != record_bytes(ret))
        return E_DAMAGED;
    at += sizeof r;
    if (has_checksums(ret)) {
        for (uint64_t i = 0; i < ret->extent.count; i++) {
            le32 crc;

            memcpy(&crc, at + i * sizeof crc, sizeof crc);
            x->checksums[i] = le32_get(crc);
        }
        ret->checksums = x->checksums;
    } else if (ret->kind == RECORD_SET) {
        struct format_set set;

        memcpy(&set, at, sizeof set);
        set_decode(&set, &x->set);
        ret->set = &x->set;
    }
    if (record_has_note(ret)) {
        struct format_note note;

        memcpy(&note, at + body_bytes(ret), sizeof note);
        note_decode(&note, &ret->note);
    }
    return E_OK;
}
