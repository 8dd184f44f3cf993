/* SPDX-License-Identifier: Apache-2.0 */
/* store/replay_window.c — part of the ring in memory, and the groups and records in it. */
#include "store/replay.h"

void replay_read_window(struct replay *r, uint64_t position)
{
    struct store *s = r->store;
    uint64_t start = position % s->geo.journal_bytes;

    r->window_at = position;
    r->refused = r->io.refused;
    r->asked_again = r->head_refused = false;
    open_io_read(&r->io, r->window, s->geo.journal_offset + start,
                 min_u64(r->window_bytes, s->geo.journal_bytes - start));
}

bool replay_read_rest(struct replay *r)
{
    const struct geometry *g = &r->store->geo;
    uint64_t first = min_u64(r->window_bytes, g->journal_bytes - r->window_at % g->journal_bytes);

    if (first == r->window_bytes)
        return false;
    open_io_read(&r->io, r->window + first, g->journal_offset, r->window_bytes - first);
    return true;
}

void replay_heed(struct replay *r)
{
    const struct open_io *io = &r->io;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < r->unread_count; i++)
        if (r->unread[i] < io->offset || r->unread[i] >= io->offset + io->bytes)
            r->unread[kept++] = r->unread[i];
    for (uint32_t i = 0; i < io->place_count && kept < UNREAD_MOST; i++)
        r->unread[kept++] = io->places[i];
    r->unread_count = kept;
}

bool replay_unread_at(const struct replay *r, uint64_t position)
{
    const struct geometry *g = &r->store->geo;

    for (uint32_t i = 0; i < r->unread_count; i++) {
        uint64_t behind = r->unread[i] - g->journal_offset + g->journal_bytes;

        if ((behind - position % g->journal_bytes) % g->journal_bytes < GROUP_META_MAX)
            return true;
    }
    return r->unread_count == UNREAD_MOST; /* there may be more */
}

const struct format_group *replay_group_at(const struct replay *r, uint64_t position)
{
    return (const void *)(r->window + (position - r->window_at));
}

uint64_t replay_window_left(const struct replay *r, uint64_t position)
{
    return r->window_at + r->window_bytes - position;
}

uint64_t replay_meta_bytes(const struct format_group *h)
{
    return round_up(le32_get(h->head.bytes), PAGE_BYTES);
}

uint64_t replay_group_bytes(const struct format_group *h)
{
    return replay_meta_bytes(h) + (uint64_t)le32_get(h->payload_blocks) * PAGE_BYTES;
}

bool replay_group_proved(const struct replay *r, const struct format_group *h, uint64_t position)
{
    struct format_name name = {GROUP_MAGIC, r->store->identity, le64_get(h->head.page), 0};
    uint64_t left = replay_window_left(r, position);

    return le32_get(h->head.magic) == GROUP_MAGIC && le32_get(h->head.bytes) >= sizeof *h &&
           le32_get(h->head.bytes) <= GROUP_META_MAX &&
           format_prove(h, (size_t)left, &name) == E_OK && le64_get(h->sequence) < COUNTS_MOST &&
           le64_get(h->head.checkpoint) < COUNTS_MOST &&
           le32_get(h->list_count) <= GROUP_RECORDS_MAX &&
           le32_get(h->record_count) <= GROUP_RECORDS_MAX &&
           le32_get(h->payload_blocks) <= GROUP_BLOCKS_MAX &&
           sizeof *h + le32_get(h->list_count) * sizeof(struct format_list_entry) <=
               le32_get(h->head.bytes);
}

void replay_hear_root(struct replay *r, const struct format_group *h, uint64_t position)
{
    uint64_t page = le64_get(h->head.page);

    if (page >= position && (page - position) % r->store->geo.journal_bytes == 0)
        r->root_named = max_u64(r->root_named, le64_get(h->head.checkpoint));
}

const struct format_list_entry *replay_list(const struct format_group *h)
{
    return (const void *)(h + 1);
}

struct replay_records replay_records(const struct format_group *h)
{
    const uint8_t *bytes = (const void *)h;

    return (struct replay_records){(const void *)(replay_list(h) + le32_get(h->list_count)),
                                   bytes + le32_get(h->head.bytes), le32_get(h->record_count)};
}

enum err replay_next_record(struct replay_records *c, struct fact *ret, struct record_scratch *x)
{
    struct format_record r;
    enum err err;

    if (c->left == 0)
        return E_NOT_FOUND;
    err = record_decode(c->at, (size_t)(c->end - c->at), ret, x);
    if (err)
        return err;
    memcpy(&r, c->at, sizeof r);
    c->at += le32_get(r.bytes);
    c->left--;
    return E_OK;
}
