/* SPDX-License-Identifier: Apache-2.0 */
/* tests/iscsi/fixture.c — see fixture.h. */
#include "tests/iscsi/fixture.h"

#include "base/util.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void lab_open(struct lab *w, struct iscsi_limits limits)
{
    lab_open_from(w, limits, 1);
}

static struct iscsi_target *open_target(struct env *env, const struct iscsi_config *config,
                                        struct directory *directory)
{
    struct iscsi_target *target;
    uint32_t portal;
    enum err err = iscsi_target_open(env, config, directory, &target, &portal);

    assert(!err);
    return target;
}

static void open_as(struct lab *w, struct iscsi_limits limits, uint64_t seed, bool apart)
{
    struct iscsi_config config = {
        .portals = {{"10.0.0.1:3260"}}, .portal_count = 1, .portal_group_tag = 1, .limits = limits};
    enum err err;

    memset(w, 0, sizeof *w);
    w->limits = limits;
    w->sim = sim_open(seed);
    w->target_env = sim_env(w->sim, "target");
    w->initiator_env = sim_env(w->sim, "initiator");
    w->home_env = apart ? sim_env(w->sim, "home") : w->target_env;
    err = ram_block_open(w->home_env, LAB_DISK_BYTES, &w->ram);
    assert(!err);
    ram_directory_init(&w->directory, &w->ram, LAB_TARGET);
    w->target = w->home = open_target(w->target_env, &config, &w->directory.directory);
    if (!apart)
        return;
    config.portal_count = 0;
    w->home = open_target(w->home_env, &config, NULL);
    w->directory.answer.home = w->home;
}

void lab_open_from(struct lab *w, struct iscsi_limits limits, uint64_t seed)
{
    open_as(w, limits, seed, lab_all_apart());
}

void lab_open_apart(struct lab *w, struct iscsi_limits limits, uint64_t seed)
{
    open_as(w, limits, seed, true);
}

bool lab_all_apart(void)
{
    return getenv("LAB_APART") != NULL;
}

bool lab_is_apart(const struct lab *w)
{
    return w->home != w->target;
}

void lab_begin(struct lab *w)
{
    struct iscsi_limits limits = iscsi_limits_small();

    limits.buffer_bytes = 24u << 20;
    lab_open(w, limits);
}

static void note_done(struct iscsi_close *c)
{
    c->done = NULL;
}

static bool is_noted(void *arg)
{
    return ((struct iscsi_close *)arg)->done == NULL;
}

static bool ram_over(void *arg)
{
    return !task_living(&((struct ram_block *)arg)->task);
}

void lab_close_begin(struct lab *w, struct iscsi_close *closing)
{
    if (w->ram.stalled)
        ram_block_go_on(&w->ram);
    closing->done = note_done;
    iscsi_target_close(w->target, closing);
}

void lab_close(struct lab *w)
{
    struct iscsi_close closing = {.logout_seconds = 0};

    lab_close_begin(w, &closing);
    lab_close_end(w, &closing);
}

static void home_close(struct lab *w)
{
    struct iscsi_close closing = {.done = note_done};

    iscsi_target_close(w->home, &closing);
    lab_until(w, is_noted, &closing);
    iscsi_target_free(w->home);
}

void lab_close_end(struct lab *w, struct iscsi_close *closing)
{
    lab_until(w, is_noted, closing);
    if (lab_is_apart(w))
        home_close(w);
    iscsi_target_free(w->target);
    assert(w->ram.block.in_flight == 0);
    assert(list_empty(&w->ram.block.watchers));
    for (uint32_t n = 0; n < w->initiator_count; n++) {
        initiator_close(w->initiators[n]);
        lab_until(w, initiator_closed, w->initiators[n]);
        initiator_free(w->initiators[n]);
    }
    ram_block_close(&w->ram);
    lab_until(w, ram_over, &w->ram);
    sim_close(w->sim);
}

void lab_until(struct lab *w, bool (*is_true)(void *), void *arg)
{
    bool became = sim_run_until(w->sim, is_true, arg, 100 * LAB_BOUND_US);

    assert(became);
}

/* ---- initiators ---- */

struct initiator *lab_connect(struct lab *w, const struct initiator_config *config)
{
    struct initiator *i =
        initiator_open(w->initiator_env, config, iscsi_target_portal(w->target, 0));

    assert(w->initiator_count < LAB_INITIATORS);
    w->initiators[w->initiator_count++] = i;
    if (!config->raw)
        lab_until(w, initiator_settled, i);
    return i;
}

void lab_part(struct lab *w, struct initiator *i)
{
    uint32_t n = 0;

    initiator_close(i);
    lab_until(w, initiator_closed, i);
    while (w->initiators[n] != i)
        n++;
    w->initiators[n] = w->initiators[--w->initiator_count];
    initiator_free(i);
}

struct initiator *lab_raw(struct lab *w)
{
    struct initiator_config config = {.raw = true};

    return lab_connect(w, &config);
}

struct initiator *lab_login(struct lab *w, const char *name, uint8_t isid)
{
    struct initiator_config config = {
        .name = name, .target = LAB_TARGET, .isid = {0x80, 0, 0, 0, 0, isid}};

    return lab_connect(w, &config);
}

static void take_attention(struct lab *w, struct initiator *i)
{
    struct initiator_request r = {.length = 0}; /* TEST UNIT READY */

    assert(i->full);
    lab_run(w, i, &r);
    assert(r.status == 2 && sense_code(&r) == 0x062900);
}

struct initiator *lab_ready_with(struct lab *w, struct initiator_config config)
{
    struct initiator *i;

    config.target = LAB_TARGET;
    i = lab_connect(w, &config);
    take_attention(w, i);
    return i;
}

struct initiator *lab_ready(struct lab *w, const char *name, uint8_t isid)
{
    struct initiator *i = lab_login(w, name, isid);

    take_attention(w, i);
    return i;
}

/* ---- requests ---- */

static uint8_t settle(struct lab *w, struct initiator_request *r)
{
    lab_until(w, initiator_answered, r);
    assert(r->err == E_OK);
    return r->status;
}

uint8_t lab_run(struct lab *w, struct initiator *i, struct initiator_request *r)
{
    initiator_command(i, r);
    return settle(w, r);
}

uint8_t lab_read(struct lab *w, struct initiator *i, uint64_t lba, void *bytes, uint32_t length)
{
    struct initiator_request r = {0};

    initiator_read(i, &r, lba, bytes, length);
    return settle(w, &r);
}

uint8_t lab_write(struct lab *w, struct initiator *i, uint64_t lba, const void *bytes,
                  uint32_t length)
{
    struct initiator_request r = {0};

    initiator_write(i, &r, lba, bytes, length);
    return settle(w, &r);
}

struct initiator_pdu *lab_pdu(struct lab *w, struct initiator *i)
{
    lab_until(w, initiator_has_pdu, i);
    return initiator_take(i);
}

void lab_expect_reject(struct lab *w, struct initiator *i, uint8_t reason, uint8_t opcode)
{
    struct initiator_pdu *p = lab_pdu(w, i);

    assert(p);
    assert(p->bhs.any.opcode == REJECT);
    assert(p->bhs.reject.reason == reason);
    assert(p->length >= BHS_BYTES);
    assert(p->data[0] == opcode);
    free(p);
}

void lab_raw_write(struct initiator *i, union bhs *h, struct extent blocks, const void *data,
                   uint32_t length)
{
    h->any.opcode |= SCSI_COMMAND;
    initiator_stamp(i, h);
    h->scsi_command.cdb[0] = 0x8a;
    be64_put(h->scsi_command.cdb, 2, blocks.start);
    be32_put(h->scsi_command.cdb, 10, (uint32_t)blocks.count);
    initiator_pdu(i, h, data, length);
}

uint32_t lab_response(struct lab *w, struct initiator *i, const union bhs *to)
{
    struct initiator_pdu *p = lab_pdu(w, i);
    struct initiator_request r = {.sense_bytes = 0};
    uint8_t status;

    assert(p);
    assert(p->bhs.any.opcode == SCSI_RESPONSE);
    assert(bhs_itt(&p->bhs) == bhs_itt(to));
    status = p->bhs.scsi_response.status;
    if (p->length > 2) {
        r.sense_bytes = p->length - 2;
        memcpy(r.sense, p->data + 2, r.sense_bytes);
    }
    free(p);
    return status == 0 ? 0 : r.sense_bytes ? sense_code(&r) : status;
}

void lab_alive(struct lab *w, struct initiator *i)
{
    static uint8_t wrote[8192], read[8192];
    uint8_t status;

    fill(wrote, sizeof wrote, (uint32_t)sim_now_us(w->sim));
    status = lab_write(w, i, 4096, wrote, sizeof wrote);
    assert(status == 0);
    status = lab_read(w, i, 4096, read, sizeof read);
    assert(status == 0);
    assert(memcmp(wrote, read, sizeof read) == 0);
}

uint32_t sense_code(const struct initiator_request *r)
{
    assert(r->sense_bytes >= 14);
    return (uint32_t)(r->sense[2] & 0x0f) << 16 | (uint32_t)r->sense[12] << 8 | r->sense[13];
}

void fill(uint8_t *bytes, uint32_t length, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (uint32_t n = 0; n < length; n++) {
        x = x * 1664525u + 1013904223u;
        bytes[n] = (uint8_t)(x >> 24);
    }
}
