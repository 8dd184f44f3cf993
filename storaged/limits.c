/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/limits.c — what follows from the configuration, and the budget printed at start. */
#include "storaged/limits.h"

#include "base/size.h"
#include "env/log_writer.h"
#include "env/rlimits.h"
#include "storaged/operation.h"
#include "storaged/records_http.h"
#include "storaged/status.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB               (UINT64_C(1) << 20)
#define STRANGERS         16u        /* may be logging in, beside all that may have a session */
#define BUFFERS_LEAST     (16 * MIB) /* of one target */
#define SHARDS_A_DISK     256u       /* … at least; one for each 2 GiB beyond (design 7) */
#define BYTES_A_SHARD     (UINT64_C(2) << 30)
#define SHARD_COST        2304u /* replication's shard, its facts, its line in a heartbeat */
#define VOLUME_RECORDS    (UINT64_C(24) << 10) /* head, page, attachments: JSON and decoded */
#define VOLUMES_ELSEWHERE 4u                   /* of the cluster, for each one that is here */
/* Measured (docs/decisions/0019): code and libraries that were touched, stacks, HTTP clients, and
 * what the allocator keeps. */
#define PROCESS_BYTES (18 * MIB)
/* Addresses beside the budget and the stacks: libraries in full, and the ring (measured: 20 MiB).
 * Of what is asked for the allocator takes more: size classes, alignment (measured: a third). */
#define ADDRESSES_BESIDE (64 * MIB)
#define ROUNDED_UP       2u /* … so a half of it once more */
#define THREADS_BESIDE   5u /* for signals, the log, two of the status port, the watchdog's */

static bool is_small(const struct node_config *c)
{
    return strcmp(c->profile, "small") == 0;
}

/* As the store will find it; a disk that cannot be looked at is refused later, and costs nothing.
 */
static uint64_t disk_bytes(const struct node_disk_config *d)
{
    int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    off_t end = -1;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
        end = lseek(fd, 0, SEEK_END); /* a folder has a vast one */
    if (fd >= 0)
        close(fd);
    return end > 0 ? (uint64_t)end : d->bytes;
}

static uint32_t shards_of(const struct node_config *c)
{
    uint64_t shards = 0;

    for (uint32_t i = 0; i < c->disk_count; i++)
        shards += max_u64(SHARDS_A_DISK, div_up(disk_bytes(&c->disks[i]), BYTES_A_SHARD));
    return (uint32_t)min_u64(shards, UINT32_MAX / 8);
}

uint32_t limits_homes(const struct node_config *c)
{
    return max_u32(1, min_u32((uint32_t)c->reactors, c->disk_count));
}

/*
 * What the node may have is divided among its homes: each has the sessions of its volumes.  All of
 * those may log in at once (P14).
 */
static struct iscsi_limits iscsi_of(const struct node_config *c)
{
    struct iscsi_limits l = iscsi_limits_small();
    uint32_t homes = limits_homes(c);

    l.sessions_max = (uint32_t)div_up(c->sessions, homes);
    l.commands_max = max_u32((uint32_t)div_up(c->commands, homes), 2 * l.sessions_max);
    l.window = (uint32_t)c->window;
    l.buffer_bytes = max_u64(c->buffer_bytes / homes, BUFFERS_LEAST);
    l.half_open_max = l.sessions_max + STRANGERS;
    return l;
}

static uint32_t connections_of(const struct iscsi_limits *l)
{
    uint32_t sum = 0;

    sum += l->sessions_max;  /* one a session: MaxConnections=1            */
    sum += l->half_open_max; /* logging in                                  */
    sum += sum;              /* each of them may still be ending            */
    sum += 16;               /* accepted, and turned away at once           */
    return sum;
}

static uint32_t timers_of(const struct limits *l, const struct node_config *c)
{
    uint32_t sum = 0;

    sum += connections_of(&l->iscsi); /* the tick or bound of each connection       */
    sum += l->iscsi.commands_max;     /* the deadline of each command               */
    sum += l->shards_max * 2;         /* each shard's commit word, its reads asked again */
    sum += l->volumes_max;            /* each tenure at the arbiter                 */
    sum += c->disk_count * 6;         /* journal, scrub, opening, its watch, its faults */
    sum += 64;                        /* agent, heartbeat, what comes once          */
    return sum;
}

static uint32_t files_of(const struct limits *l, const struct node_config *c)
{
    uint32_t sum = 0;

    sum += l->homes * (l->reactor.connections_max + 2); /* sockets of initiators; ring and bell */
    sum += c->disk_count * 2;          /* a disk, and its look beforehand           */
    sum += STATUS_CONNECTIONS_MAX + 8; /* whoever reads its numbers; port, wakers   */
    sum += METAD_LANES * 4;            /* HTTP: a socket, its waker, name service   */
    sum += 32; /* portals, ring, bell, log, lock, signals, clock, libraries */
    return sum;
}

struct limits limits_of(const struct node_config *c)
{
    struct limits l = {
        .homes = limits_homes(c),
        .reactor = reactor_config_default(),
        .volume = volume_limits_default(),
        .iscsi = iscsi_of(c),
        .iscsi_beside = iscsi_of(c),
        .volumes_max = (uint32_t)c->volumes,
        .attachments_max = 4 * (uint32_t)c->volumes,
        .operations_max = PLAN_DISK_MAX * (c->disk_count + 1),
        .shards_max = shards_of(c),
    };

    l.iscsi.half_open_max = (uint32_t)c->sessions + STRANGERS; /* they come to its portals */
    l.volume.requests_max = is_small(c) ? 64 : 256;
    l.reactor.connections_max = connections_of(&l.iscsi);
    l.reactor.timers_max = timers_of(&l, c);
    l.reactor.receive_buffers = is_small(c) ? 256 : 1024;
    l.reactor.workers = METAD_LANES + 1; /* the links to metad, one to spare */
    l.beside = l.reactor;
    l.beside.workers = 0; /* all that blocks is control's */
    l.files_max = files_of(&l, c);
    return l;
}

struct store_limits limits_store(const struct node_config *c, uint64_t device_bytes)
{
    struct store_limits l = store_limits_node(device_bytes);

    l.stage_bytes = c->stage_bytes;
    if (c->cache_bytes > 0)
        l.checksum_pages = (uint32_t)(c->cache_bytes / BLOCK_BYTES);
    return l;
}

/* ---- the budget ---- */

struct budget {
    struct log *log; /* NULL: only the sum is wanted */
    uint64_t sum;
};

static void claim_sum(struct budget *b, const char *who, uint64_t count, uint64_t bytes)
{
    if (b->log)
        log_event(b->log, LOG_LEVEL_INFO, "storaged", "budget",
                  "pool=%s count=%" PRIu64 " bytes=%" PRIu64 " (%s)", who, count, bytes,
                  size_show(bytes).text);
    b->sum += bytes;
}

static void claim(struct budget *b, const char *who, uint64_t count, uint64_t bytes_each)
{
    claim_sum(b, who, count, count * bytes_each);
}

static void claim_all(struct budget *b, const struct limits *l, const struct node_config *c,
                      uint64_t reactor_bytes)
{
    claim(b, "process", 1, PROCESS_BYTES);
    claim(b, "log", 1, LOG_WRITER_BYTES);
    claim_sum(b, "reactors", l->homes, reactor_bytes);
    claim_sum(b, "target", l->homes,
              iscsi_limits_bytes(&l->iscsi) +
                  (l->homes - 1) * iscsi_limits_bytes(&l->iscsi_beside));
    for (uint32_t i = 0; i < c->disk_count; i++) {
        uint64_t bytes = disk_bytes(&c->disks[i]);
        struct store_limits store = limits_store(c, bytes);

        claim(b, "store", bytes > 0, store_limits_bytes(&store));
    }
    if (*c->status)
        claim(b, "status", STATUS_CONNECTIONS_MAX, STATUS_STACK_BYTES + STATUS_HEADER_BYTES);
    claim(b, "volumes", l->volumes_max, volume_limits_bytes(&l->volume));
    claim(b, "tenures", l->volumes_max, sizeof(struct node_volume) + sizeof(struct fact_volume));
    claim(b, "attachments", l->attachments_max,
          sizeof(struct node_attachment) + sizeof(struct fact_attachment));
    claim(b, "operations", l->operations_max, sizeof(struct operation));
    claim(b, "shards", l->shards_max, SHARD_COST);
    claim(b, "records", (uint64_t)l->volumes_max * (1 + VOLUMES_ELSEWHERE), VOLUME_RECORDS);
}

uint64_t limits_print(const struct limits *l, const struct node_config *c, uint64_t reactor_bytes,
                      struct log *log)
{
    struct budget b = {.log = log};

    claim_all(&b, l, c, reactor_bytes);
    log_event(log, LOG_LEVEL_INFO, "storaged", "budget", "pool=all count=1 bytes=%" PRIu64 " (%s)",
              b.sum, size_show(b.sum).text);
    return b.sum;
}

uint64_t limits_bytes(const struct limits *l, const struct node_config *c)
{
    uint64_t buffers = (uint64_t)l->reactor.receive_buffers * l->reactor.receive_bytes;
    struct budget b = {0};

    claim_all(&b, l, c, l->homes * buffers);
    return b.sum;
}

uint64_t limits_addresses(const struct limits *l, const struct node_config *c)
{
    uint64_t threads = l->homes + l->reactor.workers + THREADS_BESIDE, bytes = limits_bytes(l, c);

    return bytes + bytes / ROUNDED_UP + threads * rlimits_stack_bytes() + ADDRESSES_BESIDE;
}
