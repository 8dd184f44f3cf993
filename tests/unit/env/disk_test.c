/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/env/disk_test.c — a file as a disk: bytes, sync, errors, short transfers, the lock. */
#include "env/uring/parts.h"
#include "tests/unit/env/rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MIB (1u << 20)

static char path[64];

struct request {
    struct disk_io io;
    struct iovec pieces[DISK_PIECES_MAX];
    enum err err;
    bool finished;
};

static struct rig_counter finished;
static bool submitting;

static void request_done(struct disk_io *io, enum err err)
{
    struct request *q = container_of(io, struct request, io);

    assert_false(submitting); /* nothing completes inside its own submission */
    assert_false(q->finished);
    q->finished = true;
    q->err = err;
    rig_count(&finished);
}

static void submit(struct disk *d, struct request *q)
{
    q->io.pieces = q->pieces;
    q->io.done = request_done;
    q->finished = false;
    submitting = true;
    disk_submit(d, &q->io);
    submitting = false;
}

static enum err wait_for(struct disk *d, struct request *q)
{
    finished.count = 0;
    submit(d, q);
    rig_run_until(&finished, 1);
    assert_true(q->finished);
    return q->err;
}

static enum err transfer(struct disk *d, enum disk_op op, uint64_t offset, void *bytes,
                         uint64_t length)
{
    static struct request q;

    memset(&q, 0, sizeof q);
    q.io.op = op;
    q.io.offset = offset;
    q.io.piece_count = 1;
    q.pieces[0] = (struct iovec){.iov_base = bytes, .iov_len = length};
    return wait_for(d, &q);
}

static uint8_t *blocks_of(uint8_t fill, uint64_t length)
{
    uint8_t *bytes = aligned_alloc(DISK_ALIGN, length);

    assert_non_null(bytes);
    memset(bytes, fill, length);
    return bytes;
}

static struct disk *open_disk(uint64_t bytes)
{
    struct disk *d;

    assert_int_equal(disk_open(rig_env, path, bytes, &d), E_OK);
    return d;
}

static int setup(void **state)
{
    snprintf(path, sizeof path, "disk-test-%d.img", (int)getpid()); /* in the build folder */
    unlink(path);
    return rig_setup(state);
}

static int teardown(void **state)
{
    unlink(path);
    return rig_teardown(state);
}

static void a_file_is_made_with_its_size(void **state)
{
    struct disk *d = open_disk(MIB);
    struct stat stat_of_it;

    (void)state;
    assert_int_equal(d->size_bytes, MIB);
    assert_string_equal(d->name, path);
    assert_false(d->write_through);
    assert_int_equal(stat(path, &stat_of_it), 0);
    assert_int_equal(stat_of_it.st_size, MIB);
    assert_int_equal(stat_of_it.st_mode & 0777, 0600);
    disk_close(d);

    d = open_disk(2 * MIB); /* is there already: stays as it is */
    assert_int_equal(d->size_bytes, MIB);
    disk_close(d);
}

static void a_size_is_rounded_down_to_blocks(void **state)
{
    struct disk *d = open_disk(MIB);

    (void)state;
    disk_close(d);
    assert_int_equal(truncate(path, MIB + 4095), 0);
    d = open_disk(0);
    assert_int_equal(d->size_bytes, MIB);
    disk_close(d);
}

static void what_was_written_is_read(void **state)
{
    struct disk *d = open_disk(MIB);
    uint8_t *out = blocks_of(0xa5, 16 * DISK_ALIGN), *in = blocks_of(0, 16 * DISK_ALIGN);

    (void)state;
    assert_int_equal(transfer(d, DISK_WRITE, 8 * DISK_ALIGN, out, 16 * DISK_ALIGN), E_OK);
    assert_int_equal(transfer(d, DISK_READ, 8 * DISK_ALIGN, in, 16 * DISK_ALIGN), E_OK);
    assert_memory_equal(in, out, 16 * DISK_ALIGN);
    assert_int_equal(transfer(d, DISK_READ, 7 * DISK_ALIGN, in, DISK_ALIGN), E_OK);
    assert_int_equal(in[0], 0); /* its neighbour is untouched */
    disk_close(d);
    free(out);
    free(in);
}

static void many_pieces_are_one_request(void **state)
{
    static struct request q;
    struct disk *d = open_disk((uint64_t)DISK_PIECES_MAX * DISK_ALIGN);
    uint8_t *out = blocks_of(0, DISK_PIECES_MAX * DISK_ALIGN);
    uint8_t *in = blocks_of(0, DISK_PIECES_MAX * DISK_ALIGN);

    (void)state;
    for (uint32_t i = 0; i < DISK_PIECES_MAX; i++) /* the last block of memory comes first */
        q.pieces[i] = (struct iovec){out + (DISK_PIECES_MAX - 1 - i) * DISK_ALIGN, DISK_ALIGN};
    for (uint32_t i = 0; i < DISK_PIECES_MAX; i++)
        memset(out + i * DISK_ALIGN, (int)(i % 251), DISK_ALIGN);
    q.io.op = DISK_WRITE;
    q.io.flags = DISK_DSYNC;
    q.io.piece_count = DISK_PIECES_MAX;
    assert_int_equal(wait_for(d, &q), E_OK);

    assert_int_equal(transfer(d, DISK_READ, 0, in, DISK_PIECES_MAX * DISK_ALIGN), E_OK);
    for (uint32_t i = 0; i < DISK_PIECES_MAX; i++)
        assert_memory_equal(in + i * DISK_ALIGN, out + (DISK_PIECES_MAX - 1 - i) * DISK_ALIGN,
                            DISK_ALIGN);
    disk_close(d);
    free(out);
    free(in);
}

static void a_sync_is_answered(void **state)
{
    struct disk *d = open_disk(MIB);
    struct request *q = calloc(1, sizeof *q);

    (void)state;
    q->io.op = DISK_SYNC;
    assert_int_equal(wait_for(d, q), E_OK);
    disk_close(d);
    free(q);
}

/* More than the ring has entries: a full submission queue loses nothing. */
static void a_thousand_requests_at_once(void **state)
{
    enum { COUNT = 1000 };
    struct disk *d = open_disk((uint64_t)COUNT * DISK_ALIGN);
    struct request *q = calloc(COUNT, sizeof *q);
    uint8_t *bytes = blocks_of(0x33, DISK_ALIGN);

    (void)state;
    finished.count = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        q[i].io.op = i % 2 ? DISK_WRITE : DISK_READ;
        q[i].io.offset = (uint64_t)i * DISK_ALIGN;
        q[i].io.piece_count = 1;
        q[i].pieces[0] = (struct iovec){bytes, DISK_ALIGN};
        submit(d, &q[i]);
    }
    rig_run_until(&finished, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(q[i].err, E_OK);
    assert_int_equal(finished.count, COUNT);
    disk_close(d);
    free(q);
    free(bytes);
}

static uint32_t ready_in_ring(void)
{
    return io_uring_sq_ready(&reactor_of(rig_env)->ring.uring);
}

/* Within a turn: what somebody waits for goes to the ring at once, other writes behind it. */
static void a_durable_write_goes_before_writes_that_can_wait(void **state)
{
    enum { LATE = 20 };
    struct disk *d = open_disk((uint64_t)(LATE + 2) * DISK_ALIGN);
    struct request *q = calloc(LATE + 2, sizeof *q);
    uint8_t *bytes = blocks_of(0x44, DISK_ALIGN);

    (void)state;
    finished.count = 0;
    for (uint32_t i = 0; i < LATE + 2; i++) {
        q[i].io.op = i == LATE + 1 ? DISK_READ : DISK_WRITE;
        q[i].io.flags = i == LATE ? DISK_DSYNC : 0;
        q[i].io.offset = (uint64_t)i * DISK_ALIGN;
        q[i].io.piece_count = 1;
        q[i].pieces[0] = (struct iovec){bytes, DISK_ALIGN};
    }
    for (uint32_t i = 0; i < LATE; i++)
        submit(d, &q[i]);
    assert_int_equal(ready_in_ring(), 0);
    submit(d, &q[LATE]);
    assert_int_equal(ready_in_ring(), 1);
    submit(d, &q[LATE + 1]);
    assert_int_equal(ready_in_ring(), 2);
    rig_run_until(&finished, LATE + 2);
    for (uint32_t i = 0; i < LATE + 2; i++)
        assert_int_equal(q[i].err, E_OK);
    disk_close(d);
    free(q);
    free(bytes);
}

/* Sixty-four completions fit; the kernel keeps the other nine hundred until there is room. */
static void a_small_ring_loses_nothing(void **state)
{
    struct reactor_config small = reactor_config_default();

    reactor_close(rig_reactor);
    small.ring_entries = 4;
    rig_open(&small);
    a_thousand_requests_at_once(state);
}

static void a_file_that_became_shorter_is_a_broken_disk(void **state)
{
    struct disk *d = open_disk(MIB);
    uint8_t *bytes = blocks_of(1, 4 * DISK_ALIGN);

    (void)state;
    assert_int_equal(truncate(path, 2 * DISK_ALIGN), 0);
    assert_int_equal(transfer(d, DISK_READ, 16 * DISK_ALIGN, bytes, DISK_ALIGN), E_DISK);
    /* two blocks come, the two after them do not: a short transfer and then nothing */
    assert_int_equal(transfer(d, DISK_READ, 0, bytes, 4 * DISK_ALIGN), E_DISK);
    assert_int_equal(bytes[DISK_ALIGN], 0);
    disk_close(d);
    free(bytes);
}

/* The limit cuts the first transfer short and refuses the rest of it. */
static void a_write_that_is_cut_and_then_refused_fails(void **state)
{
    struct disk *d = open_disk(MIB);
    uint8_t *bytes = blocks_of(7, 4 * DISK_ALIGN);
    struct rlimit before, low;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){.rlim_cur = 6 * DISK_ALIGN, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_int_equal(transfer(d, DISK_WRITE, 4 * DISK_ALIGN, bytes, 4 * DISK_ALIGN), E_DISK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

    assert_int_equal(transfer(d, DISK_READ, 4 * DISK_ALIGN, bytes, 4 * DISK_ALIGN), E_OK);
    assert_int_equal(bytes[0], 7);
    assert_int_equal(bytes[2 * DISK_ALIGN], 0);
    disk_close(d);
    free(bytes);
}

/*
 * Linux moves at most 2 GiB less a page with one request, so the kernel itself cuts a larger one:
 * here one page before the end of piece 511, which has memory of its own; the others share theirs.
 */
static void a_short_transfer_is_continued(void **state)
{
    static struct request q;
    const uint64_t piece_bytes = 4 * MIB, count = 514, cut = 511;
    struct disk *d = open_disk(count * piece_bytes);
    uint8_t *out = blocks_of(0, piece_bytes), *in = blocks_of(0, piece_bytes);
    uint8_t *shared = blocks_of(0, piece_bytes);

    (void)state;
    for (uint64_t i = 0; i < piece_bytes; i++)
        out[i] = (uint8_t)(i / DISK_ALIGN + 1);
    assert_int_equal(transfer(d, DISK_WRITE, cut * piece_bytes, out, piece_bytes), E_OK);
    assert_int_equal(transfer(d, DISK_WRITE, (count - 1) * piece_bytes, out, piece_bytes), E_OK);
    q.io.op = DISK_READ;
    q.io.piece_count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++)
        q.pieces[i] = (struct iovec){i == cut ? in : shared, piece_bytes};
    assert_int_equal(wait_for(d, &q), E_OK);
    assert_int_equal(q.io.bytes_done, count * piece_bytes);
    assert_memory_equal(in, out, piece_bytes);
    assert_memory_equal(shared, out, piece_bytes); /* the last piece came last */
    disk_close(d);
    free(out);
    free(in);
    free(shared);
}

static void a_disk_in_use_is_busy(void **state)
{
    struct disk *d = open_disk(MIB), *second;

    (void)state;
    assert_int_equal(disk_open(rig_env, path, 0, &second), E_BUSY);
    disk_close(d);
    assert_int_equal(disk_open(rig_env, path, 0, &second), E_OK);
    disk_close(second);
}

/* Looking shares with looking; a write through it is refused, and nobody writes meanwhile. */
static void a_disk_that_is_looked_at_is_not_written(void **state)
{
    struct disk *d = open_disk(MIB), *look, *second;
    uint8_t *bytes = blocks_of(0x5a, DISK_ALIGN), *read = blocks_of(0, DISK_ALIGN);

    (void)state;
    assert_int_equal(reactor_disk_look(rig_reactor, path, &look), E_BUSY);
    assert_int_equal(transfer(d, DISK_WRITE, 0, bytes, DISK_ALIGN), E_OK);
    disk_close(d);
    assert_int_equal(reactor_disk_look(rig_reactor, path, &look), E_OK);
    assert_int_equal(reactor_disk_look(rig_reactor, path, &second), E_OK);
    assert_int_equal(disk_open(rig_env, path, 0, &d), E_BUSY);
    assert_int_equal(transfer(look, DISK_WRITE, 0, read, DISK_ALIGN), E_DISK);
    assert_int_equal(transfer(look, DISK_READ, 0, read, DISK_ALIGN), E_OK);
    assert_memory_equal(read, bytes, DISK_ALIGN);
    disk_close(second);
    disk_close(look);
    assert_int_equal(reactor_disk_look(rig_reactor, "no-such-file", &look), E_NOT_FOUND);
    free(read);
    free(bytes);
}

static void what_is_no_disk_is_refused(void **state)
{
    struct disk *d;

    (void)state;
    assert_int_equal(disk_open(rig_env, "no-such-file", 0, &d), E_NOT_FOUND);
    assert_int_equal(disk_open(rig_env, "no-such-folder/file", MIB, &d), E_NOT_FOUND);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_not_equal(disk_open(rig_env, path, 0, &d), E_OK);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(disk_open(rig_env, path, 0, &d), E_OK);
    assert_int_equal(rmdir(path), 0);
}

static uint64_t end_of(const char *device)
{
    int file = open(device, O_RDONLY | O_CLOEXEC);
    off_t end = lseek(file, 0, SEEK_END);

    assert_true(end > 0);
    close(file);
    return (uint64_t)end;
}

/*
 * A block device whose content nobody misses is named by the environment, with what its kernel says
 * of its cache: tests/guest/units.sh has one, most machines that build do not.
 */
static void a_block_device_is_a_disk(void **state)
{
    const char *device = getenv("DOLMEN_TEST_DEVICE");
    const char *cache = getenv("DOLMEN_TEST_DEVICE_CACHE");
    uint8_t *out, *in;
    struct disk *d, *second;

    (void)state;
    if (!device || !cache)
        skip();
    out = blocks_of(0x77, 16 * DISK_ALIGN);
    in = blocks_of(0, 16 * DISK_ALIGN);
    assert_int_equal(disk_open(rig_env, device, 0, &d), E_OK);
    assert_int_equal(d->size_bytes, round_down(end_of(device), DISK_ALIGN));
    assert_false(d->is_file);
    assert_string_equal(d->write_through ? "write through" : "write back", cache);
    assert_int_equal(disk_open(rig_env, device, 0, &second), E_BUSY);
    assert_int_equal(transfer(d, DISK_WRITE, d->size_bytes - 16 * DISK_ALIGN, out, 16 * DISK_ALIGN),
                     E_OK);
    assert_int_equal(transfer(d, DISK_READ, d->size_bytes - 16 * DISK_ALIGN, in, 16 * DISK_ALIGN),
                     E_OK);
    assert_memory_equal(in, out, 16 * DISK_ALIGN);
    disk_close(d);
    free(out);
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_file_is_made_with_its_size),
        TEST(a_size_is_rounded_down_to_blocks),
        TEST(what_was_written_is_read),
        TEST(many_pieces_are_one_request),
        TEST(a_sync_is_answered),
        TEST(a_thousand_requests_at_once),
        TEST(a_durable_write_goes_before_writes_that_can_wait),
        TEST(a_small_ring_loses_nothing),
        TEST(a_file_that_became_shorter_is_a_broken_disk),
        TEST(a_write_that_is_cut_and_then_refused_fails),
        TEST(a_short_transfer_is_continued),
        TEST(a_disk_in_use_is_busy),
        TEST(a_disk_that_is_looked_at_is_not_written),
        TEST(what_is_no_disk_is_refused),
        TEST(a_block_device_is_a_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
