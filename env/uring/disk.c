/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env/uring/disk.c — a raw block device, or a file in its place, past the page cache.
 *
 * The happy path: one request is one entry of the ring, and its completion is the answer.  What
 * somebody waits for goes to the ring at once: reads, and writes that are durable when they are
 * done, like the journal's.  Other writes (what a checkpoint writes home) can wait for the end of
 * the turn, so that a turn's journal group does not queue behind them (design 7, the ring).
 *
 * What can go wrong:
 *   a short transfer            the rest is asked for; a piece that was cut goes alone first
 *   nothing at all transferred  the file is shorter than it was at open: E_DISK
 *   ENOSPC, EDQUOT              E_NO_SPACE
 *   EINTR, EAGAIN               asked for again
 *   any other number            E_DISK
 */
#include "env/uring/parts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct uring_disk {
    struct disk disk;
    struct reactor *reactor;
    int file;
    char path[];
};

static struct uring_disk *disk_of(const struct disk_io *io)
{
    return container_of(io->disk, struct uring_disk, disk);
}

/* ---- requests ---- */

static uint64_t bytes_of(const struct disk_io *io)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < io->piece_count; i++)
        bytes += io->pieces[i].iov_len;
    return bytes;
}

/* What is still to be transferred, as far as one request can say it. */
static const struct iovec *pieces_left(struct disk_io *io, uint32_t *ret_count)
{
    uint64_t skip = io->bytes_done;
    uint32_t first = 0;

    while (skip > 0 && skip >= io->pieces[first].iov_len)
        skip -= io->pieces[first++].iov_len;
    if (skip == 0) {
        *ret_count = io->piece_count - first;
        return &io->pieces[first];
    }
    io->rest.iov_base = (uint8_t *)io->pieces[first].iov_base + skip;
    io->rest.iov_len = io->pieces[first].iov_len - skip;
    *ret_count = 1;
    return &io->rest;
}

static void prepare_transfer(struct io_uring_sqe *sqe, struct disk_io *io, int file)
{
    uint32_t count;
    const struct iovec *pieces = pieces_left(io, &count);
    uint64_t at = io->offset + io->bytes_done;

    if (count == 1 && io->op == DISK_READ)
        io_uring_prep_read(sqe, file, pieces->iov_base, (unsigned)pieces->iov_len, at);
    else if (count == 1)
        io_uring_prep_write(sqe, file, pieces->iov_base, (unsigned)pieces->iov_len, at);
    else if (io->op == DISK_READ)
        io_uring_prep_readv(sqe, file, pieces, count, at);
    else
        io_uring_prep_writev(sqe, file, pieces, count, at);
    if (io->flags & DISK_DSYNC)
        sqe->rw_flags = RWF_DSYNC;
}

static void issue(struct disk_io *io)
{
    struct uring_disk *d = disk_of(io);
    struct io_uring_sqe *sqe = ring_entry(&d->reactor->ring);

    if (io->op == DISK_SYNC)
        io_uring_prep_fsync(sqe, d->file, IORING_FSYNC_DATASYNC);
    else
        prepare_transfer(sqe, io, d->file);
    ring_tag(sqe, RING_DISK, io);
}

static void uring_submit(struct disk *disk, struct disk_io *io)
{
    struct uring_disk *d = container_of(disk, struct uring_disk, disk);

    assert(reactor_here(d->reactor));
    if (io->op == DISK_WRITE && !(io->flags & DISK_DSYNC) && !disk->write_through)
        list_append(&d->reactor->late_writes, &io->link);
    else
        issue(io);
}

void uring_disk_turn_ends(struct reactor *r)
{
    struct list *l;

    while ((l = list_take(&r->late_writes)))
        issue(container_of(l, struct disk_io, link));
}

void uring_disk_answered(const struct completion *c)
{
    struct disk_io *io = c->subject;

    if (c->result == -EINTR || c->result == -EAGAIN) {
        issue(io);
    } else if (c->result < 0) {
        bool full = c->result == -ENOSPC || c->result == -EDQUOT;

        disk_answer(io, full ? E_NO_SPACE : E_DISK);
    } else if (io->op == DISK_SYNC) {
        disk_answer(io, E_OK);
    } else if (c->result == 0) {
        disk_answer(io, E_DISK);
    } else {
        io->bytes_done += (uint32_t)c->result;
        if (io->bytes_done < bytes_of(io))
            issue(io);
        else
            disk_answer(io, E_OK);
    }
}

/* ---- opening and closing ---- */

static void uring_disk_close(struct disk *disk)
{
    struct uring_disk *d = container_of(disk, struct uring_disk, disk);

    assert(disk->answered == disk->submitted);
    d->reactor->disk_count--;
    close(d->file);
    free(d);
}

static const struct disk_ops uring_disk_ops = {.submit = uring_submit, .close = uring_disk_close};

/* For a block device: is what a finished write wrote on stable media? */
static bool writes_through(dev_t device)
{
    char path[80], word[32] = "";
    FILE *file;

    /* a partition has no queue of its own: its disk, one folder up, has */
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/queue/write_cache", major(device),
             minor(device));
    if (access(path, R_OK) != 0)
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u/../queue/write_cache", major(device),
                 minor(device));
    file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(word, sizeof word, file))
        word[0] = 0;
    fclose(file);
    return strcmp(word, "write through\n") == 0;
}

static enum err measure_device(struct uring_disk *d, dev_t device)
{
    int sector_bytes;

    if (ioctl(d->file, BLKGETSIZE64, &d->disk.size_bytes) < 0 ||
        ioctl(d->file, BLKSSZGET, &sector_bytes) < 0)
        return err_of_errno(errno);
    if (sector_bytes > (int)DISK_ALIGN)
        return E_UNSUPPORTED;
    d->disk.write_through = writes_through(device);
    return E_OK;
}

static enum err measure(struct uring_disk *d)
{
    struct stat stat;
    enum err err;

    if (fstat(d->file, &stat) < 0)
        return err_of_errno(errno);
    if (S_ISBLK(stat.st_mode)) {
        err = measure_device(d, stat.st_rdev);
        if (err)
            return err;
    } else if (S_ISREG(stat.st_mode)) {
        d->disk.size_bytes = (uint64_t)stat.st_size;
        d->disk.is_file = true;
    } else {
        return E_INVALID;
    }
    d->disk.size_bytes = round_down(d->disk.size_bytes, DISK_ALIGN);
    return E_OK;
}

/* Makes the file, and its name, durable; a file half made goes away again. */
static enum err create(const char *path, uint64_t bytes)
{
    char folder[4096];
    int file, parent, failed = 0;

    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return E_INVALID;
    file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return errno == EEXIST ? E_OK : err_of_errno(errno);
    if (ftruncate(file, (off_t)bytes) < 0 || fsync(file) < 0)
        failed = errno;
    close(file);
    if (failed) {
        unlink(path);
        return err_of_errno(failed);
    }
    parent = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) < 0)
        failed = errno;
    if (parent >= 0)
        close(parent);
    return err_of_errno(failed);
}

/*
 * O_EXCL without O_CREAT: a block device that is mounted, or opened like this by another, is busy;
 * for a file it says nothing, there the lock does.
 */
static enum err open_exclusively(const char *path, int *ret)
{
    int file = open(path, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);

    if (file < 0)
        return errno == EINVAL ? E_UNSUPPORTED : err_of_errno(errno); /* EINVAL: no O_DIRECT */
    if (flock(file, LOCK_EX | LOCK_NB) < 0) {
        enum err err = err_of_errno(errno);

        close(file);
        return err;
    }
    *ret = file;
    return E_OK;
}

/* Nobody may write it meanwhile; others may look too.  Without O_DIRECT where the file system has
 * none: what is only read may pass the cache. */
static enum err open_to_look(const char *path, int *ret)
{
    int file = open(path, O_RDONLY | O_DIRECT | O_EXCL | O_CLOEXEC);

    if (file < 0 && errno == EINVAL)
        file = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
    if (file < 0)
        return err_of_errno(errno);
    if (flock(file, LOCK_SH | LOCK_NB) < 0) {
        enum err err = err_of_errno(errno);

        close(file);
        return err;
    }
    *ret = file;
    return E_OK;
}

static enum err disk_of_path(struct reactor *r, const char *path,
                             enum err (*open_file)(const char *, int *), struct disk **ret)
{
    struct uring_disk *d = calloc(1, sizeof *d + strlen(path) + 1);
    enum err err;

    if (!d)
        return E_NO_MEMORY;
    memcpy(d->path, path, strlen(path) + 1);
    d->disk = (struct disk){.ops = &uring_disk_ops, .name = d->path};
    d->reactor = r;
    d->file = -1;

    err = open_file(path, &d->file);
    if (!err)
        err = measure(d);
    if (err) {
        if (d->file >= 0)
            close(d->file);
        free(d);
        return err;
    }
    r->disk_count++;
    *ret = &d->disk;
    return E_OK;
}

enum err uring_disk_open(struct env *e, const char *path, uint64_t create_bytes, struct disk **ret)
{
    struct reactor *r = reactor_of(e);
    enum err err;

    assert(reactor_here(r));
    err = create_bytes > 0 ? create(path, create_bytes) : E_OK;
    return err ? err : disk_of_path(r, path, open_exclusively, ret);
}

enum err reactor_disk_look(struct reactor *r, const char *path, struct disk **ret)
{
    assert(reactor_here(r));
    return disk_of_path(r, path, open_to_look, ret);
}
