/* SPDX-License-Identifier: Apache-2.0 */
/* tests/sim/crash/remote.c — requests of a block as READ(16) and WRITE(16). */
#include "tests/sim/crash/remote.h"

#include "tests/sim/crash/node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BOUND_US (UINT64_C(600) * 1000 * 1000)

struct wire_request {
    struct initiator_request request;
    struct block_request *up;
    struct remote *remote;
    struct list link;
    uint8_t *bytes;
};

static size_t bytes_of(const struct block_request *r)
{
    return (size_t)r->extent.count * UNIT_BYTES;
}

static void gather(const struct block_request *r, uint8_t *to)
{
    for (uint32_t i = 0; i < r->piece_count; to += r->pieces[i++].iov_len)
        memcpy(to, r->pieces[i].iov_base, r->pieces[i].iov_len);
}

static void scatter(const struct block_request *r, const uint8_t *from)
{
    for (uint32_t i = 0; i < r->piece_count; from += r->pieces[i++].iov_len)
        memcpy(r->pieces[i].iov_base, from, r->pieces[i].iov_len);
}

static void wire_free(struct wire_request *w)
{
    free(w->bytes);
    free(w);
}

static void issue_backlog(struct remote *r);

static void answered(struct initiator_request *request)
{
    struct wire_request *w = container_of(request, struct wire_request, request);
    struct remote *r = w->remote;

    if (request->err) /* the connection ended first: remote_cut() frees it */
        return;
    assert(request->status == 0);
    assert(request->residual == 0);
    if (w->up->op == BLOCK_READ)
        scatter(w->up, w->bytes);
    list_remove(&w->link);
    block_answer(w->up, E_OK);
    wire_free(w);
    issue_backlog(r);
}

static void issue(struct wire_request *w)
{
    struct initiator *i = w->remote->initiator;
    uint32_t length = (uint32_t)bytes_of(w->up);

    list_append(&w->remote->under_way, &w->link);
    w->request.done = answered;
    if (w->up->op == BLOCK_READ)
        initiator_read(i, &w->request, w->up->extent.start, w->bytes, length);
    else
        initiator_write(i, &w->request, w->up->extent.start, w->bytes, length);
}

static void issue_backlog(struct remote *r)
{
    while (!list_empty(&r->backlog) && r->initiator->net && initiator_window(r->initiator) > 0)
        issue(container_of(list_take(&r->backlog), struct wire_request, link));
}

static void submit(struct block *b, struct block_request *up)
{
    struct remote *r = container_of(b, struct remote, block);
    struct wire_request *w = calloc(1, sizeof *w);

    assert(up->op == BLOCK_READ || up->op == BLOCK_WRITE);
    assert(w);
    w->up = up;
    w->remote = r;
    w->bytes = malloc(bytes_of(up));
    assert(w->bytes);
    if (up->op == BLOCK_WRITE)
        gather(up, w->bytes);
    list_append(&r->backlog, &w->link);
    issue_backlog(r);
}

static const struct block_ops remote_ops = {.submit = submit};

void remote_init(struct remote *r, struct sim *s, uint64_t size_units)
{
    *r = (struct remote){.sim = s, .env = sim_env(s, "initiator")};
    block_init(&r->block, &remote_ops);
    r->block.size_units = size_units;
    list_init(&r->under_way);
    list_init(&r->backlog);
}

/* ---- sessions ---- */

struct wish {
    bool (*is_true)(void *);
    void *arg;
    const struct env *served_by;
};

static bool wish_is_true(void *arg)
{
    const struct wish *w = arg;

    return w->is_true(w->arg) || sim_dead(w->served_by);
}

static bool until(struct remote *r, struct env *served_by, bool (*is_true)(void *), void *arg)
{
    struct wish wish = {is_true, arg, served_by};
    bool over = sim_run_until(r->sim, wish_is_true, &wish, BOUND_US);

    assert(over);
    return !sim_dead(served_by);
}

bool remote_login(struct remote *r, struct env *served_by)
{
    struct net_address portal = {NODE_PORTAL};
    struct initiator_request attention = {.length = 0}; /* TEST UNIT READY takes it */
    struct initiator_config config = {.name = "iqn.client", .isid = {0x80, 0, 0, 0, 0, 1}};
    static char target[ISCSI_NAME_MAX];

    node_target_name(target);
    config.target = target;
    config.no_immediate_data = sim_draw(r->sim, 2);
    r->initiator = initiator_open(r->env, &config, &portal);
    if (!until(r, served_by, initiator_settled, r->initiator))
        return false;
    assert(r->initiator->full);
    initiator_command(r->initiator, &attention);
    if (until(r, served_by, initiator_answered, &attention))
        return true;
    remote_cut(r); /* before `attention` goes */
    return false;
}

void remote_ping(struct remote *r)
{
    if (!r->initiator->net)
        return;
    initiator_nop(r->initiator, "ping", 4);
    r->pings++;
}

bool remote_is_quiet(void *remote)
{
    struct remote *r = remote;
    struct initiator_pdu *p;

    while ((p = initiator_take(r->initiator)) != NULL) {
        assert((p->bhs.bytes[0] & 0x3f) == NOP_IN);
        assert(p->length == 4 && memcmp(p->data, "ping", 4) == 0);
        r->pongs++;
        free(p);
    }
    return r->pings == r->pongs;
}

static void forget(struct list *requests)
{
    struct list *l;

    while ((l = list_take(requests)) != NULL)
        wire_free(container_of(l, struct wire_request, link));
}

void remote_cut(struct remote *r)
{
    bool over;

    if (!r->initiator)
        return;
    initiator_close(r->initiator);
    over = sim_run_until(r->sim, initiator_closed, r->initiator, BOUND_US);
    assert(over);
    initiator_free(r->initiator);
    r->initiator = NULL;
    forget(&r->under_way);
    forget(&r->backlog);
    r->pings = r->pongs = 0;
    r->block.in_flight = 0;
}
