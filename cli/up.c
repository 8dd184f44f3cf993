/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/up.c — dolmen up: a whole cluster on this machine, or what has died of it.
 *
 * The order: folder and lock; ports and configuration of what is new, written to cluster.json
 * before anything starts; metad, until it answers; the nodes, until metad has heard a heartbeat of
 * each process that was just started; the volumes, until they are served, as long as that goes on.
 *
 * What can go wrong: a process ends or is not ready in time: its log's last lines are shown, what
 * runs stays, and the next `up` goes on from there.  A volume that waits is named, and why; one
 * whose record is damaged is not: `dolmen status` has those.
 */
#include "base/size.h"
#include "base/util.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/http.h"
#include "cli/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define METAD_PORT       7480
#define ISCSI_PORT       3260
#define STATUS_PORT      7490
#define READY_MS         30000u  /* without a word in its log */
#define READY_MS_MAX     300000u /* a large disk is being formatted */
#define REFUSES_MS       2000u   /* it is held: that does not go away by waiting */
#define SERVED_MS        3000u   /* without one more volume that is served … */
#define SERVED_MS_MAX    60000u  /* … and in all */
#define ANSWER_MS        5000u   /* of metad, which answered just now */
#define POLL_MS          50u
#define LOG_LINES        10u
#define VOLUMES_SAID     8u
#define DISK_BYTES_LEAST (UINT64_C(512) << 20)
#define DISKS_MAX        24u
#define REACTORS_MAX     64u

struct up {
    struct cli *cli;
    struct cluster cluster;
    uint32_t nodes; /* wanted */
    const char *size;
    uint32_t disks, reactors; /* of a new node */
    bool allow_faults;
    bool started[CLUSTER_NODES_MAX];     /* by this call */
    char former[CLUSTER_NODES_MAX][20];  /* incarnation that metad knew before */
    int held[2 * CLUSTER_NODES_MAX + 1]; /* new ports, until their daemons listen */
    uint32_t held_count;
    uint32_t refuses_ms; /* since when the node that is waited for is held */
};

static bool failed(struct up *u, const char *what, const char *which)
{
    fprintf(u->cli->err, "dolmen: %s %s: %s\n", what, which, strerror(errno));
    return false;
}

static bool folder_make(struct up *u, const char *path)
{
    char part[CLUSTER_PATH_MAX];

    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return failed(u, "cannot make", part);
        *slash = '/';
    }
    if (mkdir(part, 0755) != 0 && errno != EEXIST)
        return failed(u, "cannot make", part);
    return true;
}

/* Beside another `up` that looks for one at this moment.  At most one for each held[]. */
static uint16_t new_port(struct up *u, uint16_t first)
{
    int held;
    uint16_t port = port_reserve(&u->cluster, first, &held);

    if (port != 0)
        u->held[u->held_count++] = held;
    return port;
}

enum up_option { OPTION_NODES, OPTION_SIZE, OPTION_DISKS, OPTION_REACTORS, OPTION_FAULTS };
static const char *const option_names[] = {[OPTION_NODES] = "--nodes",
                                           [OPTION_SIZE] = "--size",
                                           [OPTION_DISKS] = "--disks",
                                           [OPTION_REACTORS] = "--reactors",
                                           [OPTION_FAULTS] = "--allow-faults"};

/* A number from 1 to the most, and nothing else, where it is given; false: said. */
static bool count_option(struct up *u, const struct arguments *a, enum up_option which,
                         uint32_t most, uint32_t *ret)
{
    const char *text = a->options[which];
    char *end;
    unsigned long number;

    if (!text)
        return true;
    number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number < 1 || number > most) {
        fprintf(u->cli->err, "dolmen: %s is a number from 1 to %u\n", option_names[which], most);
        return false;
    }
    *ret = (uint32_t)number;
    return true;
}

/* What a node was made with stays: an option that would change nothing is told so. */
static void say_of_new_only(struct up *u, const struct arguments *a)
{
    static const enum up_option of_new[] = {OPTION_SIZE, OPTION_DISKS, OPTION_REACTORS};

    for (size_t i = 0; u->nodes == u->cluster.node_count && i < array_length(of_new); i++)
        if (a->options[of_new[i]])
            fprintf(u->cli->err,
                    "dolmen: %s is for new nodes: those that are there stay as they are\n",
                    option_names[of_new[i]]);
}

/* For all new disk files; what cannot be counted is as much as can. */
static uint64_t bytes_of_all(const struct up *u, uint64_t bytes)
{
    uint64_t all, files = (uint64_t)(u->nodes - u->cluster.node_count) * u->disks;

    return __builtin_mul_overflow(bytes, files, &all) ? UINT64_MAX : all;
}

/* Each new node's disk files are written in full: what cannot fit is refused before it fills the
 * file system for everybody. */
static bool room_for(struct up *u, uint64_t bytes)
{
    uint64_t all = bytes_of_all(u, bytes), there;
    struct statvfs fs;

    if (all == 0 || statvfs(u->cluster.dir, &fs) != 0)
        return true;
    there = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (all <= there)
        return true;
    fprintf(u->cli->err,
            "dolmen: --size %s for %u new nodes does not fit: %s has %s free, and %s are needed; "
            "%s\n",
            u->size, u->nodes - u->cluster.node_count, u->cluster.dir, size_show(there).text,
            size_show(all).text,
            bytes_of_all(u, DISK_BYTES_LEAST) <= there
                ? "say a smaller --size, or another --dir"
                : "a --size of 512M, the least, does not fit either: free some, or say another "
                  "--dir");
    return false;
}

static bool options(struct up *u, const struct arguments *a)
{
    uint64_t bytes;

    u->nodes = u->cluster.node_count > 0 ? u->cluster.node_count : 1;
    u->disks = u->reactors = 1;
    if (!count_option(u, a, OPTION_NODES, CLUSTER_NODES_MAX, &u->nodes) ||
        !count_option(u, a, OPTION_DISKS, DISKS_MAX, &u->disks) ||
        !count_option(u, a, OPTION_REACTORS, REACTORS_MAX, &u->reactors))
        return false;
    if (u->nodes < u->cluster.node_count) {
        fprintf(u->cli->err, "dolmen: the cluster in %s has %u nodes already; it does not shrink\n",
                u->cluster.dir, u->cluster.node_count);
        return false;
    }
    say_of_new_only(u, a);
    u->allow_faults = a->options[OPTION_FAULTS] != NULL;
    u->size = a->options[OPTION_SIZE] ? a->options[OPTION_SIZE] : "4G";
    if (size_parse(u->size, &bytes) && bytes >= DISK_BYTES_LEAST)
        return room_for(u, bytes);
    fprintf(u->cli->err, "dolmen: --size is 512M or more, not %s\n", u->size);
    return false;
}

/* ---- configuration: written once, then it is the operator's ---- */

/* A string as libconfig reads it. */
static void quoted(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void setting(FILE *to, const char *name, const char *value)
{
    fprintf(to, "%s = ", name);
    quoted(to, value);
    fputs(";\n", to);
}

/* Written beside its place, and moved there when it is whole: what is there is never touched. */
struct config {
    const char *path;
    char fresh[CLUSTER_PATH_MAX + 4];
    FILE *file;
};

/* Opens it for writing only where it is not there; ->file NULL: it is.  `path` stays the caller's,
 * until config_end(). */
static bool config_begin(struct up *u, const char *path, struct config *ret)
{
    *ret = (struct config){.path = path};
    if (access(path, F_OK) == 0)
        return true;
    snprintf(ret->fresh, sizeof ret->fresh, "%s.new", path);
    ret->file = fopen(ret->fresh, "we");
    return ret->file || failed(u, "cannot write", ret->fresh);
}

static bool config_end(struct up *u, struct config *c)
{
    bool whole = fflush(c->file) == 0 && !ferror(c->file) && fsync(fileno(c->file)) == 0;

    if (fclose(c->file) == 0 && whole && rename(c->fresh, c->path) == 0)
        return true;
    failed(u, "cannot write", c->path);
    unlink(c->fresh);
    return false;
}

static bool metad_configure(struct up *u)
{
    struct cluster *c = &u->cluster;
    char dir[CLUSTER_PATH_MAX];
    struct config config;

    if (!*c->url) {
        uint16_t port = new_port(u, METAD_PORT);

        snprintf(c->url, sizeof c->url, "http://127.0.0.1:%u", port);
    }
    if (!path_join(dir, c->dir, "metad") || !path_join(c->metad.config, c->dir, "metad.conf") ||
        !path_join(c->metad.log, c->dir, "metad.log"))
        return false;
    if (!folder_make(u, dir) || !config_begin(u, c->metad.config, &config))
        return false;
    if (!config.file)
        return true;
    setting(config.file, "dir", dir);
    setting(config.file, "listen", c->url + strlen("http://"));
    return config_end(u, &config);
}

static void disk_settings(FILE *file, const struct up *u, const char *dir)
{
    char disk[CLUSTER_PATH_MAX + 16];

    fputs("disks = (", file);
    for (uint32_t i = 0; i < u->disks; i++) {
        snprintf(disk, sizeof disk, "%s/disk%u", dir, i);
        fputs(i > 0 ? ",\n         { path = " : "{ path = ", file);
        quoted(file, disk);
        fputs("; size = ", file);
        quoted(file, u->size);
        fputs("; }", file);
    }
    fputs(");\n", file);
}

static void node_settings(FILE *file, const struct up *u, uint32_t index, const char *dir)
{
    const struct cluster_node *n = &u->cluster.nodes[index];
    char rack[24];

    snprintf(rack, sizeof rack, "r%u", index + 1);
    setting(file, "dir", dir);
    setting(file, "name", n->name);
    setting(file, "rack", rack);
    setting(file, "metad", u->cluster.url);
    fputs("portals = [", file);
    quoted(file, n->portal);
    fputs("];\n", file);
    setting(file, "status", n->status);
    setting(file, "profile", "small");
    if (u->reactors > 1)
        fprintf(file, "reactors = %u;\n", u->reactors);
    disk_settings(file, u, dir);
}

static bool node_configure(struct up *u, uint32_t index)
{
    struct cluster *c = &u->cluster;
    struct cluster_node *n = &c->nodes[index];
    char dir[CLUSTER_PATH_MAX], log[32];
    struct config config;

    if (index == c->node_count) {
        uint16_t port = new_port(u, ISCSI_PORT);

        snprintf(n->name, sizeof n->name, "n%u", index + 1);
        snprintf(n->portal, sizeof n->portal, "127.0.0.1:%u", port);
        c->node_count++; /* the port is ours from here on */
        port = new_port(u, STATUS_PORT);
        snprintf(n->status, sizeof n->status, "127.0.0.1:%u", port);
    }
    snprintf(log, sizeof log, "%s.log", n->name);
    if (!path_join(dir, c->dir, n->name) || !path_join(n->process.config, dir, "storaged.conf") ||
        !path_join(n->process.log, c->dir, log))
        return false;
    if (!folder_make(u, dir) || !config_begin(u, n->process.config, &config))
        return false;
    if (!config.file)
        return true;
    node_settings(config.file, u, index, dir);
    return config_end(u, &config);
}

static bool configure(struct up *u)
{
    if (!metad_configure(u))
        return false;
    for (uint32_t i = 0; i < u->nodes; i++)
        if (!node_configure(u, i))
            return false;
    return cluster_write(&u->cluster) || failed(u, "cannot write cluster.json in", u->cluster.dir);
}

/* ---- starting ---- */

static bool start(struct up *u, const char *name, const char *option, struct cluster_process *p)
{
    char binary[CLUSTER_PATH_MAX];

    if (!process_binary(name, binary)) {
        fprintf(u->cli->err, "dolmen: %s is not there or cannot be run\n", binary);
        return false;
    }
    if (!process_start(binary, option, p))
        return failed(u, "cannot start", binary);
    return cluster_write(&u->cluster) || failed(u, "cannot write cluster.json in", u->cluster.dir);
}

/* What is started, and how it is known to be ready. */
struct starting {
    const char *name, *address; /* ends with ":PORT" */
    const struct cluster_process *process;
    bool (*ready)(struct up *, uint32_t);
    uint32_t index;
};

static bool not_ready(struct up *u, const struct starting *s)
{
    const char *colon = strrchr(s->address, ':');
    uint32_t port = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
    bool alive = process_alive(s->process);

    if (!alive && port != 0 && !port_bindable((uint16_t)port)) {
        fprintf(u->cli->err, "dolmen: %s has ended: another process has port %u; its log says:\n",
                s->name, port);
        process_log_tail(s->process->log, 1, u->cli->err);
        return false;
    }
    if (alive && u->refuses_ms >= REFUSES_MS) {
        fprintf(u->cli->err, "dolmen: %s runs, but it is held: `dolmen status` says why\n",
                s->name);
        return false;
    }
    fprintf(u->cli->err, "dolmen: %s %s; the last lines of %s:\n", s->name,
            alive ? "runs but is not ready" : "has ended", s->process->log);
    process_log_tail(s->process->log, LOG_LINES, u->cli->err);
    return false;
}

/* Asks `ready` until it says so, the process has ended, or it stood still for too long. */
static bool wait_ready(struct up *u, const struct starting *s)
{
    const struct cluster_process *p = s->process;
    uint64_t bytes = process_log_bytes(p->log);
    uint32_t waited = 0, quiet = 0;

    u->refuses_ms = 0;
    while (process_alive(p)) {
        uint64_t now = process_log_bytes(p->log);

        if (s->ready(u, s->index) && process_alive(p))
            return true;
        if (quiet >= READY_MS || waited >= READY_MS_MAX || u->refuses_ms >= REFUSES_MS)
            break;
        quiet = now == bytes ? quiet + POLL_MS : 0;
        bytes = now;
        waited += POLL_MS;
        pause_ms(POLL_MS);
    }
    return not_ready(u, s);
}

/* That metad answers, and that it is ours: another one may have the port. */
static bool metad_ready(struct up *u, uint32_t index)
{
    struct http_answer answer;
    bool ok = http_call(u->cluster.url, "GET", "/healthz", NULL, &answer);
    const json_t *pid = json_object_get(answer.body, "pid");

    (void)index;
    ok = ok && (!pid || json_integer_value(pid) == u->cluster.metad.pid);
    http_answer_done(&answer);
    return ok;
}

/* metad's view of node `name`, of the one that speaks if two have it (a node that lost its identity
 * is another one); NULL: none.  The caller's reference. */
static json_t *node_seen(struct up *u, const char *name)
{
    struct http_answer answer;
    json_t *n, *found = NULL;
    size_t i;

    if (http_call(u->cluster.url, "GET", "/v1/nodes?limit=1000", NULL, &answer)) {
        json_array_foreach(json_object_get(answer.body, "items"), i, n)
        {
            if (strcmp(text_of(n, "name"), name) != 0 ||
                (found && strcmp(text_of(n, "state"), "silent") == 0))
                continue;
            json_decref(found);
            found = json_incref(n);
        }
    }
    http_answer_done(&answer);
    return found;
}

static bool node_ready(struct up *u, uint32_t index)
{
    json_t *n = node_seen(u, u->cluster.nodes[index].name);
    bool ok = n && strcmp(text_of(n, "state"), "up") == 0 &&
              (!u->started[index] || strcmp(text_of(n, "incarnation"), u->former[index]) != 0);

    u->refuses_ms = n && strcmp(text_of(n, "state"), "held") == 0 ? u->refuses_ms + POLL_MS : 0;
    json_decref(n);
    return ok;
}

static bool start_nodes(struct up *u)
{
    struct cluster *c = &u->cluster;

    for (uint32_t i = 0; i < c->node_count; i++) {
        json_t *n;

        if (process_alive(&c->nodes[i].process))
            continue;
        n = node_seen(u, c->nodes[i].name);
        snprintf(u->former[i], sizeof u->former[i], "%s", n ? text_of(n, "incarnation") : "");
        json_decref(n);
        u->started[i] = true;
        if (!start(u, "storaged", u->allow_faults ? "--allow-faults" : NULL, &c->nodes[i].process))
            return false;
    }
    for (uint32_t i = 0; i < c->node_count; i++) {
        const struct cluster_node *n = &c->nodes[i];

        if (!wait_ready(u, &(struct starting){n->name, n->portal, &n->process, node_ready, i}))
            return false;
    }
    return true;
}

static bool start_metad(struct up *u)
{
    struct cluster_process *p = &u->cluster.metad;

    if (!process_alive(p) && !start(u, "metad", NULL, p))
        return false;
    return wait_ready(u, &(struct starting){"metad", u->cluster.url, p, metad_ready, 0});
}

/* ---- the volumes that there were before ---- */

/* The first thousand; NULL: metad does not answer. */
static json_t *volumes_seen(struct up *u)
{
    struct http_answer answer;
    json_t *items = NULL;

    if (http_get(u->cluster.url, "/v1/volumes?limit=1000", ANSWER_MS, &answer))
        items = json_incref(json_object_get(answer.body, "items"));
    http_answer_done(&answer);
    return items;
}

static bool waits(const json_t *volume)
{
    return strcmp(text_of(volume, "state"), "waiting") == 0;
}

static size_t count_waiting(const json_t *volumes)
{
    size_t count = 0, i;
    json_t *v;

    json_array_foreach(volumes, i, v) count += waits(v);
    return count;
}

static void say_of_waiting(struct up *u, const json_t *volumes)
{
    size_t i, said = 0;
    json_t *v;

    json_array_foreach(volumes, i, v)
    {
        if (!waits(v))
            continue;
        if (said++ == VOLUMES_SAID) {
            fprintf(u->cli->err, "dolmen: and more: `dolmen volume list` shows them\n");
            return;
        }
        fprintf(u->cli->err, "dolmen: volume %s waits: %s\n", text_of(v, "name"),
                text_of(v, "why"));
    }
}

/* Who connects when `up` has ended is not sent away.  What still waits is no failure of it. */
static void wait_served(struct up *u)
{
    uint32_t least = UINT32_MAX, waited = 0, quiet = 0;

    for (;;) {
        json_t *volumes = volumes_seen(u);
        uint32_t waiting = (uint32_t)count_waiting(volumes);

        if (!volumes) {
            fprintf(u->cli->err, "dolmen: metad has ceased to answer; its log is %s\n",
                    u->cluster.metad.log);
            return;
        }
        quiet = waiting < least ? 0 : quiet + POLL_MS;
        least = min_u32(least, waiting);
        if (waiting == 0 || quiet >= SERVED_MS || waited >= SERVED_MS_MAX) {
            say_of_waiting(u, volumes);
            json_decref(volumes);
            return;
        }
        json_decref(volumes);
        waited += POLL_MS;
        pause_ms(POLL_MS);
    }
}

/* ---- the whole ---- */

static void print_cluster(struct up *u)
{
    const struct cluster *c = &u->cluster;
    FILE *to = u->cli->out;

    fprintf(to, "a cluster runs in %s\n", c->dir);
    fprintf(to, "  metad  %-24s process %" PRId64 "\n", c->url, c->metad.pid);
    for (uint32_t i = 0; i < c->node_count; i++)
        fprintf(to, "  %-6s %-24s process %" PRId64 "%s\n", c->nodes[i].name, c->nodes[i].portal,
                c->nodes[i].process.pid, u->started[i] ? "" : ", ran already");
    fputs("go on with `dolmen volume create first 1G`; `dolmen help` lists the rest\n", to);
}

/* A process that runs is not asked to be another one. */
static void say_of_started_only(struct up *u)
{
    for (uint32_t i = 0; u->allow_faults && i < u->cluster.node_count; i++)
        if (!u->started[i])
            fprintf(u->cli->err,
                    "dolmen: --allow-faults is for nodes that are started: %s ran already, and "
                    "stays as it is\n",
                    u->cluster.nodes[i].name);
}

static void print_json(struct up *u)
{
    json_t *cluster = cluster_json(&u->cluster);

    api_print(u->cli, cluster);
    json_decref(cluster);
}

static enum cli_exit up_locked(struct up *u, const struct arguments *a)
{
    char dir[CLUSTER_PATH_MAX];
    enum cluster_found found;

    snprintf(dir, sizeof dir, "%s", u->cluster.dir);
    found = cluster_read(dir, &u->cluster);
    if (found == CLUSTER_UNREADABLE || found == CLUSTER_LOST) {
        cluster_say(found, dir, u->cli->err);
        return CLI_FAILED;
    } /* none yet: zeros and the folder's name */
    if (!options(u, a))
        return CLI_USAGE;
    if (!configure(u) || !start_metad(u) || !start_nodes(u))
        return CLI_FAILED;
    wait_served(u);
    say_of_started_only(u);
    if (u->cli->json)
        print_json(u);
    else
        print_cluster(u);
    return CLI_OK;
}

enum cli_exit up_run(struct cli *cli, const struct arguments *a)
{
    struct up u = {.cli = cli};
    char dir[CLUSTER_PATH_MAX];
    enum cli_exit result;
    int lock;

    if (!cluster_dir(cli->dir, dir)) {
        fprintf(cli->err, "dolmen: the path of the folder is too long\n");
        return CLI_FAILED;
    }
    if (cluster_of_services(dir)) {
        fprintf(
            cli->err,
            "dolmen: %s is of the services here: `systemctl start metad storaged` starts them, "
            "DOLMEN_URL says where their metad answers; a cluster of your own wants a folder of "
            "its own: --dir or DOLMEN_DIR\n",
            dir);
        return CLI_FAILED;
    }
    snprintf(u.cluster.dir, sizeof u.cluster.dir, "%s", dir);
    if (!folder_make(&u, dir))
        return CLI_FAILED;
    lock = cluster_lock(dir);
    if (lock < 0) {
        failed(&u, "cannot lock cluster.lock in", dir);
        return CLI_FAILED;
    }
    result = up_locked(&u, a);
    for (uint32_t i = 0; i < u.held_count; i++)
        close(u.held[i]);
    close(lock);
    return result;
}
