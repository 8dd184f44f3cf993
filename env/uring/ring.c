/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/ring.c — opens the ring, submits, waits, collects.
 *
 * The ring is made disabled and belongs to the thread that enables it (SINGLE_ISSUER), so that a
 * reactor may be opened on one thread and run on another.  With DEFER_TASKRUN completions are
 * produced only when we enter the kernel for them: never between two lines of a handler.
 *
 * What can go wrong:
 *   the submission queue is full    it is submitted, then there is room: nothing is dropped
 *   the completion queue is full    the kernel keeps the rest and hands it over when there is room
 *                                   (NODROP, probed at open)
 *   the kernel lacks memory now     entries stay queued and go with the next submission
 *
 * A request that cannot wait (a send that takes what the socket has room for) is over when its
 * entry was taken, so one that succeeds needs no completion: `taken`, `withheld`.
 */
#include "env/uring/ring.h"

#include "base/util.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMPLETIONS_PER_ENTRY 16u /* multishot requests have many completions */

static const uint8_t opcodes_needed[] = {
    IORING_OP_READ,    IORING_OP_WRITE,    IORING_OP_READV,        IORING_OP_WRITEV,
    IORING_OP_FSYNC,   IORING_OP_ACCEPT,   IORING_OP_CONNECT,      IORING_OP_RECV,
    IORING_OP_SENDMSG, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
};

static const char *text_of_setup(int number)
{
    switch (number) {
    case ENOSYS:
        return "io_uring: this kernel has none; Linux 6.1 or newer is needed";
    case EINVAL:
        return "io_uring: no SINGLE_ISSUER or DEFER_TASKRUN; Linux 6.1 or newer is needed";
    case EPERM:
    case EACCES:
        return "io_uring: forbidden here (sysctl kernel.io_uring_disabled, or a seccomp filter)";
    case ENOMEM:
        return "io_uring: not enough memory for the ring (see RLIMIT_MEMLOCK)";
    default:
        return "io_uring: the ring cannot be made";
    }
}

/* NULL: all is there.  Multishot receive has no mark of its own; it is older than DEFER_TASKRUN. */
static const char *missing_from(struct io_uring *uring)
{
    struct io_uring_probe *probe;
    const char *missing = NULL;

    if (!(uring->features & IORING_FEAT_NODROP))
        return "io_uring: completions may be dropped (no NODROP)";
    if (!(uring->features & IORING_FEAT_CQE_SKIP))
        return "io_uring: no completion can be left out (no CQE_SKIP)";
    if (!(uring->features & IORING_FEAT_EXT_ARG))
        return "io_uring: cannot wait with a time-out (no EXT_ARG)";
    if (!(uring->features & IORING_FEAT_FAST_POLL))
        return "io_uring: sockets would need kernel threads (no FAST_POLL)";
    probe = io_uring_get_probe_ring(uring);
    if (!probe)
        return "io_uring: the kernel does not say which operations it has";
    for (size_t i = 0; i < array_length(opcodes_needed); i++)
        if (!io_uring_opcode_supported(probe, opcodes_needed[i]))
            missing = "io_uring: an operation is missing; Linux 6.1 or newer is needed";
    io_uring_free_probe(probe);
    return missing;
}

enum err ring_open(struct ring *g, uint32_t entries, const char **reterr_text)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = COMPLETIONS_PER_ENTRY * entries,
    };
    const char *missing;
    int result;

    *g = (struct ring){0};
    result = io_uring_queue_init_params(entries, &g->uring, &params);
    if (result < 0) {
        *reterr_text = text_of_setup(-result);
        return result == -ENOMEM ? E_NO_MEMORY : E_UNSUPPORTED;
    }
    g->opened = true;
    missing = missing_from(&g->uring);
    if (missing) {
        *reterr_text = missing;
        ring_close(g);
        return E_UNSUPPORTED;
    }
    g->completions_max = params.cq_entries;
    g->completions = calloc(g->completions_max, sizeof *g->completions);
    if (!g->completions) {
        *reterr_text = "io_uring: not enough memory for the queue of completions";
        ring_close(g);
        return E_NO_MEMORY;
    }
    return E_OK;
}

void ring_close(struct ring *g)
{
    if (g->opened)
        io_uring_queue_exit(&g->uring);
    free(g->completions);
    *g = (struct ring){0};
}

uint64_t ring_bytes(const struct ring *g)
{
    return g->completions_max * (sizeof *g->completions + sizeof(struct io_uring_cqe)) +
           (uint64_t)*g->uring.sq.kring_entries * (sizeof(struct io_uring_sqe) + sizeof(unsigned));
}

/* io_uring_enable_rings() by hand: Debian 12's liburing declares it and does not export it. */
static void enable(struct ring *g)
{
    long result =
        syscall(SYS_io_uring_register, g->uring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

    assert(result == 0);
    g->uring.flags &= ~IORING_SETUP_R_DISABLED;
    g->enabled = true;
}

void ring_enter_thread(struct ring *g)
{
    if (!g->enabled)
        enable(g);
    io_uring_register_ring_fd(&g->uring); /* only spares a look-up: without it, all works */
}

void ring_leave_thread(struct ring *g)
{
    io_uring_unregister_ring_fd(&g->uring);
}

struct io_uring_sqe *ring_entry(struct ring *g)
{
    struct io_uring_sqe *sqe;

    if (g->enabled && g->unsubmitted >= RING_SUBMIT_EACH)
        ring_submit(g);
    while (!(sqe = io_uring_get_sqe(&g->uring)))
        ring_submit(g);
    g->unsubmitted++;
    g->prepared++;
    return sqe;
}

void ring_tag(struct io_uring_sqe *sqe, enum ring_kind kind, void *subject)
{
    uint64_t address = (uint64_t)(uintptr_t)subject;

    assert((address & ((1u << RING_TAG_BITS) - 1)) == 0);
    io_uring_sqe_set_data64(sqe, address | kind);
}

/* EEXIST would mean another thread than the ring's, EINVAL a request that cannot be: our mistakes.
 */
static void check_entered(int result)
{
    assert(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY ||
           result == -ETIME);
}

void ring_submit(struct ring *g)
{
    if (!g->enabled)
        enable(g);
    g->enters++;
    check_entered(io_uring_submit(&g->uring));
    g->unsubmitted = io_uring_sq_ready(&g->uring);
}

void ring_wait(struct ring *g, uint64_t wait_us)
{
    struct __kernel_timespec bound = {
        .tv_sec = (int64_t)(wait_us / 1000000),
        .tv_nsec = (long long)(wait_us % 1000000) * 1000,
    };
    struct io_uring_cqe *first;

    g->enters++;
    if (wait_us == 0)
        check_entered(io_uring_submit_and_get_events(&g->uring));
    else
        check_entered(io_uring_submit_and_wait_timeout(
            &g->uring, &first, 1, wait_us == UINT64_MAX ? NULL : &bound, NULL));
    g->unsubmitted = io_uring_sq_ready(&g->uring);
    g->taken = g->prepared - g->unsubmitted;
}

void ring_collect(struct ring *g)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;

    assert(g->next == g->count); /* what came before was run */
    g->next = g->count = 0;
    io_uring_for_each_cqe(&g->uring, head, cqe)
    {
        uint64_t tag = cqe->user_data & ((1u << RING_TAG_BITS) - 1);

        if (g->count == g->completions_max)
            break;
        g->completions[g->count++] = (struct completion){
            .subject = (void *)(uintptr_t)(cqe->user_data - tag), /* as ring_tag() made it */
            .kind = (enum ring_kind)tag,
            .result = cqe->res,
            .flags = cqe->flags,
        };
        seen++;
    }
    g->withheld = g->count == g->completions_max ||
                  (IO_URING_READ_ONCE(*g->uring.sq.kflags) & IORING_SQ_CQ_OVERFLOW);
    io_uring_cq_advance(&g->uring, seen);
}

const struct completion *ring_next(struct ring *g)
{
    return g->next < g->count ? &g->completions[g->next++] : NULL;
}
