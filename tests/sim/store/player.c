/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/store/player.c — commands: given to the store and to the model, and their answers. */
#include "tests/sim/store/player.h"

#include "tests/sim/store/contents.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOLUME_BITS UINT64_C(0x0a00000000000000)

void player_tell(const struct player *p, const char *format, ...)
{
    va_list rest;

    if (!p->config.trace)
        return;
    fprintf(stderr, "%10.6f player     ", (double)sim_now_us(p->sim) / 1e6);
    va_start(rest, format);
    vfprintf(stderr, format, rest);
    va_end(rest);
    fputc('\n', stderr);
}

struct store_replica *player_replica(const struct player *p, uint32_t replica)
{
    return store_find(p->store, p->model.replicas[replica].identity);
}

static struct identity volume_of(uint32_t replica)
{
    return (struct identity){VOLUME_BITS + 1 + replica};
}

/* ---- changes ---- */

bool player_can_change(const struct player *p)
{
    return model_in_flight(&p->model) < MODEL_UNANSWERED;
}

static struct player_change *free_change(struct player *p)
{
    struct player_change *c = p->changes;

    while (c->version)
        c++;
    assert(c < p->changes + MODEL_UNANSWERED);
    return c;
}

static void change_free(struct player_change *c)
{
    free(c->bytes);
    free(c->checksums);
    *c = (struct player_change){0};
}

static bool may_need_space(const struct player *p, const struct player_change *c)
{
    return model_may_need_space(&p->model, &p->model.changes[c->version - p->model.first]);
}

bool player_may_be_full(const struct player *p)
{
    struct store_space space = store_space(p->store);
    uint64_t needed = 0;

    for (uint32_t i = 0; i < MODEL_UNANSWERED; i++)
        if (p->changes[i].version && may_need_space(p, &p->changes[i]))
            needed += p->changes[i].change.extent.count / CHUNK_BLOCKS + 2;
    return space.chunks_free <= needed + space.chunks_reserved;
}

/* ---- notes ---- */

#define NOTE_EACH 4u /* writes */

static struct store_note note_of(const struct player *p, const struct player_note *n)
{
    return (struct store_note){.initiator = 1,
                               .session = p->sessions,
                               .unit = (uint32_t)n->blocks.start * (BLOCK_BYTES / 512),
                               .units = (uint32_t)n->blocks.count * (BLOCK_BYTES / 512),
                               .hash = {n->version, ~n->version}};
}

static void note_give(struct player *p, struct player_change *c, uint32_t replica,
                      struct player_note note)
{
    struct player_note *notes = p->notes[replica];

    memmove(notes + 1, notes, (PLAYER_NOTES - 1) * sizeof *notes);
    notes[0] = note;
    c->change.note = note_of(p, &note);
}

/* Its write is durable; half of them are acknowledged at once. */
static void note_done(struct player *p, const struct player_change *c, uint32_t replica)
{
    for (uint32_t i = 0; i < PLAYER_NOTES; i++) {
        struct player_note *n = &p->notes[replica][i];

        if (n->version != c->version)
            continue;
        n->done = true;
        n->acknowledged = c->version / NOTE_EACH % 2;
        if (n->acknowledged)
            store_note_acknowledged(c->change.replica, &c->change.note);
    }
}

/* How many of its blocks show it; where an error may hide that, UINT64_MAX. */
static uint64_t blocks_shown(const struct model_replica *m, const struct player_note *n)
{
    uint64_t shown = 0;

    for (uint64_t b = n->blocks.start; b < extent_end(n->blocks); b++) {
        if (m->may_fail[b] || m->any[b])
            return UINT64_MAX;
        shown += m->versions[b] == n->version;
    }
    return shown;
}

static bool note_agrees(struct player *p, uint32_t slot, const struct player_note *n)
{
    uint64_t shown = blocks_shown(&p->model.replicas[slot], n);
    struct store_note note = note_of(p, n);
    bool found = store_note_answers(player_replica(p, slot), &note);

    p->notes_found += found;
    if (shown == UINT64_MAX || found == (shown == n->blocks.count))
        return true;
    if (found)
        return model_wrong(&p->model, "replica %u: the note of write %lu is there, its blocks not",
                           slot, (unsigned long)n->version);
    return !n->done || n->acknowledged ||
           model_wrong(&p->model, "replica %u: the note of write %lu is gone", slot,
                       (unsigned long)n->version);
}

bool player_ask_notes(struct player *p)
{
    bool fine = true;

    p->sessions++;
    for (uint32_t slot = 0; slot < MODEL_REPLICAS; slot++)
        for (uint32_t i = 0; i < PLAYER_NOTES; i++)
            if (p->notes[slot][i].version && p->model.replicas[slot].certain.exists &&
                !p->model.replicas[slot].damaged)
                fine = fine && note_agrees(p, slot, &p->notes[slot][i]);
    return fine;
}

/* ---- answers ---- */

static void change_done(struct store_change *change, enum err err)
{
    struct player_change *c = container_of(change, struct player_change, change);
    struct player *p = c->player;
    uint32_t replica = model_change_of(&p->model, c->version)->replica;

    player_tell(p, "change %lu is answered: %s", (unsigned long)c->version, err_text(err));
    if (err == E_NO_SPACE)
        p->model.disk_full = player_may_be_full(p);
    p->refused_space += err == E_NO_SPACE;
    p->refused += err != E_OK;
    if (p->config.answered)
        p->config.answered(p, change->kind, err);
    (void)model_answer(&p->model, c->version, err);
    if (change->kind == STORE_WRITE && !err)
        note_done(p, c, replica);
    if (change->kind == STORE_MAKE && !err && change->replica != player_replica(p, replica))
        (void)model_wrong(&p->model, "the replica just made is not to be found");
    change_free(c);
}

static const char *const kind_names[] = {
    [STORE_MAKE] = "make",       [STORE_DELETE] = "delete",   [STORE_RESIZE] = "resize",
    [STORE_PROMISE] = "promise", [STORE_SET] = "set",         [STORE_WRITE] = "write",
    [STORE_UNMAP] = "unmap",     [STORE_SALVAGE] = "salvage",
};

/* Gives it, its version as well; what a write brings is made here. */
static void give(struct player *p, struct player_change *c, struct model_change m)
{
    c->player = p;
    c->version = model_give(&p->model, m);
    p->commands++;
    player_tell(p, "change %lu: %s replica %u, blocks %lu+%lu", (unsigned long)c->version,
                kind_names[m.kind], model_change_of(&p->model, c->version)->replica,
                (unsigned long)m.extent.start, (unsigned long)m.extent.count);
    c->change.kind = m.kind;
    c->change.extent = m.extent;
    c->change.stamp = m.stamp;
    c->change.epoch = m.epoch;
    c->change.size_blocks = m.size_blocks;
    c->change.done = change_done;
    if (m.kind != STORE_MAKE)
        c->change.replica = player_replica(p, m.replica);
    store_change(p->store, &c->change);
}

static struct identity next_identity(struct player *p)
{
    return (struct identity){UINT64_C(0x0b00000000000000) + ++p->identities};
}

uint32_t player_make(struct player *p, uint64_t blocks)
{
    struct player_change *c = free_change(p);
    uint32_t slot = model_free_slot(&p->model);

    assert(slot < MODEL_REPLICAS && blocks <= MODEL_BLOCKS);
    memset(p->notes[slot], 0, sizeof p->notes[slot]);
    p->epoch[slot] = 1;
    p->seq[slot] = 0;
    c->change.identity = next_identity(p);
    c->change.volume = volume_of(slot);
    c->change.shard = slot;
    give(p, c,
         (struct model_change){
             .kind = STORE_MAKE, .identity = c->change.identity, .size_blocks = blocks});
    return slot;
}

void player_delete(struct player *p, uint32_t replica)
{
    assert(!model_busy(&p->model, replica) && !player_read_busy(p, replica));
    give(p, free_change(p), (struct model_change){.kind = STORE_DELETE, .replica = replica});
}

/* Its notes are gone with its name. */
void player_salvage(struct player *p, uint32_t replica)
{
    struct player_change *c = free_change(p);

    assert(!model_busy(&p->model, replica) && !player_read_busy(p, replica));
    memset(p->notes[replica], 0, sizeof p->notes[replica]);
    c->change.identity = next_identity(p);
    give(p, c,
         (struct model_change){
             .kind = STORE_SALVAGE, .replica = replica, .identity = c->change.identity});
}

void player_resize(struct player *p, uint32_t replica, uint64_t blocks)
{
    assert(blocks <= MODEL_BLOCKS);
    give(p, free_change(p),
         (struct model_change){.kind = STORE_RESIZE, .replica = replica, .size_blocks = blocks});
}

void player_promise(struct player *p, uint32_t replica, uint64_t epoch)
{
    give(p, free_change(p),
         (struct model_change){.kind = STORE_PROMISE, .replica = replica, .epoch = epoch});
}

void player_set(struct player *p, uint32_t replica)
{
    struct player_change *c = free_change(p);
    uint64_t generation = p->model.first + p->model.change_count; /* rises with every change */

    c->change.set = (struct store_set){.epoch = p->epoch[replica],
                                       .generation = generation,
                                       .member_count = 1,
                                       .members = {p->model.replicas[replica].identity}};
    give(p, c,
         (struct model_change){.kind = STORE_SET, .replica = replica, .generation = generation});
}

/* ---- writes and unmaps ---- */

/* Nothing is told complete that may not be: the newest answered, less a few. */
static struct store_stamp stamp_of(struct player *p, uint32_t replica)
{
    const struct model_replica *r = &p->model.replicas[replica];
    uint64_t done = r->certain.last_epoch == p->epoch[replica] ? r->certain.last_seq : 0;

    return (struct store_stamp){.generation = max_u64(1, r->certain.set_generation),
                                .epoch = p->epoch[replica],
                                .seq = ++p->seq[replica],
                                .commit_seq = done > 5 ? done - 5 : 0};
}

/* Three pieces of odd sizes. */
static void cut(struct player *p, struct player_change *c, uint64_t bytes)
{
    uint64_t first = sim_draw(p->sim, bytes + 1), second = sim_draw(p->sim, bytes - first + 1);

    c->pieces[0] = (struct iovec){c->bytes, first};
    c->pieces[1] = (struct iovec){c->bytes + first, second};
    c->pieces[2] = (struct iovec){c->bytes + first + second, bytes - first - second};
    c->change.piece_count = 3;
    if (sim_draw(p->sim, 2)) { /* or as they come from an initiator that aligns */
        c->pieces[0] = (struct iovec){c->bytes, bytes};
        c->change.piece_count = 1;
    }
    c->change.pieces = c->pieces;
}

void player_write(struct player *p, uint32_t replica, struct extent e)
{
    const struct model_replica *r = &p->model.replicas[replica];
    struct player_change *c = free_change(p);
    uint64_t version = p->model.first + p->model.change_count;

    c->bytes = aligned_alloc(BLOCK_BYTES, e.count * BLOCK_BYTES);
    c->checksums = malloc(e.count * sizeof *c->checksums);
    assert(c->bytes && c->checksums);
    for (uint64_t i = 0; i < e.count; i++) {
        uint8_t *at = c->bytes + i * BLOCK_BYTES;

        contents_fill(at, r->born, e.start + i, version);
        c->checksums[i] =
            block_checksum(volume_of(replica), replica * SHARD_BLOCKS + e.start + i, at);
    }
    cut(p, c, e.count * BLOCK_BYTES);
    c->change.checksums = c->checksums;
    if (version % NOTE_EACH == 0)
        note_give(p, c, replica, (struct player_note){.version = version, .blocks = e});
    give(p, c,
         (struct model_change){
             .kind = STORE_WRITE, .replica = replica, .extent = e, .stamp = stamp_of(p, replica)});
}

void player_unmap(struct player *p, uint32_t replica, struct extent e)
{
    give(p, free_change(p),
         (struct model_change){
             .kind = STORE_UNMAP, .replica = replica, .extent = e, .stamp = stamp_of(p, replica)});
}

void player_commit(struct player *p, uint32_t replica, uint64_t seq, bool sealed)
{
    struct store_stamp word = {.epoch = p->epoch[replica], .commit_seq = seq, .sealed = sealed};

    player_tell(p, "commit replica %u: %lu/%lu", replica, (unsigned long)word.epoch,
                (unsigned long)seq);
    model_commit(&p->model, replica, &word);
    store_commit(player_replica(p, replica), word.epoch, seq, sealed);
    p->commands++;
}

void player_raise_epoch(struct player *p, uint32_t replica, uint64_t epoch)
{
    assert(epoch > p->epoch[replica]);
    p->epoch[replica] = epoch;
    p->seq[replica] = 0;
}

/* ---- reads ---- */

bool player_can_read(const struct player *p)
{
    return p->reads_busy < PLAYER_READS;
}

bool player_read_busy(const struct player *p, uint32_t replica)
{
    for (uint32_t i = 0; i < PLAYER_READS; i++)
        if (p->reads[i].busy && p->reads[i].view.replica == replica)
            return true;
    return false;
}

/* Where one block is bad, those before it are held against the model. */
static void read_done(struct store_read *read, enum err err)
{
    struct player_read *r = container_of(read, struct player_read, read);
    struct player *p = r->player;
    struct identity identity = p->model.replicas[r->view.replica].born;
    struct extent e = r->view.extent;
    uint64_t whole = err == E_MEDIUM ? read->bad_block - e.start : err ? 0 : e.count;

    if (err && p->config.judging)
        p->config.judging(p);
    player_tell(p, "read of replica %u, blocks %lu+%lu: %s", r->view.replica,
                (unsigned long)e.start, (unsigned long)e.count, err_text(err));
    p->read_errors += err != E_OK;
    if (err && err != E_MEDIUM && !(err == E_DISK && p->model.disk_ails))
        (void)model_wrong(&p->model, "a read failed with \"%s\"", err_text(err));
    else if (whole > e.count)
        (void)model_wrong(&p->model, "a read says that a block outside it is bad");
    for (uint64_t i = 0; i < min_u64(whole, e.count); i++)
        (void)model_may_show(&p->model, &r->view, e.start + i,
                             contents_version(r->bytes + i * BLOCK_BYTES, identity, e.start + i));
    if (err == E_MEDIUM && whole < e.count)
        (void)model_may_show(&p->model, &r->view, read->bad_block, SHOWN_ERROR);
    free(r->bytes);
    r->busy = false;
    p->reads_busy--;
}

void player_read(struct player *p, uint32_t replica, struct extent e)
{
    struct player_read *r = p->reads;

    while (r->busy)
        r++;
    assert(r < p->reads + PLAYER_READS);
    r->busy = true;
    r->player = p;
    r->bytes = malloc(e.count * BLOCK_BYTES);
    assert(r->bytes);
    r->piece = (struct iovec){r->bytes, e.count * BLOCK_BYTES};
    model_view(&p->model, replica, e, &r->view);
    r->read = (struct store_read){.replica = player_replica(p, replica),
                                  .extent = e,
                                  .pieces = &r->piece,
                                  .piece_count = 1,
                                  .done = read_done};
    p->reads_busy++;
    p->commands++;
    store_read(&r->read);
}

/* ---- time ---- */

static bool quiet_or_dead(void *arg)
{
    const struct player *p = arg;

    return sim_dead(p->env) || (model_in_flight(&p->model) == 0 && p->reads_busy == 0);
}

bool player_settle_down(struct player *p)
{
    return sim_run_until(p->sim, quiet_or_dead, p, 0) ||
           sim_run_until(p->sim, quiet_or_dead, p, PLAYER_BOUND_US) ||
           model_wrong(&p->model, "%u changes and %u reads are never answered",
                       model_in_flight(&p->model), p->reads_busy);
}
