/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/cluster.h — the cluster that `dolmen up` keeps in one folder, and its file cluster.json.
 *
 * The file outlives the processes: ports are taken once and used again.  A process is named by its
 * id and its start time, so that another one that got the same id later is never mistaken for it.
 */
#ifndef CLI_CLUSTER_H
#define CLI_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CLUSTER_PATH_MAX  512u
#define CLUSTER_NODES_MAX 32u

struct cluster_process {
    int64_t pid;         /* 0: none */
    uint64_t start_time; /* field 22 of /proc/PID/stat */
    char config[CLUSTER_PATH_MAX];
    char log[CLUSTER_PATH_MAX];
};

struct cluster_node {
    char name[24]; /* n1, n2 … in racks r1, r2 … */
    char portal[64];
    char status[64]; /* of its metrics; "": it was made before there were any */
    struct cluster_process process;
};

struct cluster {
    char dir[CLUSTER_PATH_MAX];
    char url[64]; /* "http://127.0.0.1:7480"; "" before its port was taken */
    struct cluster_process metad;
    uint32_t node_count;
    struct cluster_node nodes[CLUSTER_NODES_MAX];
};

/* --dir, DOLMEN_DIR, or the default of this user; false: the path is too long. */
bool cluster_dir(const char *option, char ret[CLUSTER_PATH_MAX]);

enum cluster_found {
    CLUSTER_KNOWN,
    CLUSTER_NONE,       /* there is no cluster.json in `dir` …                              */
    CLUSTER_UNREADABLE, /* … or it cannot be read: it may name processes that run           */
    CLUSTER_LOST,       /* there is none, and processes run that only it could have named   */
};
/* What it is; *ret has the folder's name in any case, and all else with CLUSTER_KNOWN alone. */
enum cluster_found cluster_read(const char *dir, struct cluster *ret);
/* One line of what is wrong with it, and what to do; of the last two. */
void cluster_say(enum cluster_found found, const char *dir, FILE *to);
/* The package's services are configured here, their state is in `dir`, and no cluster is. */
bool cluster_of_services(const char *dir);
/* In one piece: the old file or the new one.  False: errno says why. */
bool cluster_write(const struct cluster *c);
/* Waits for `up` or `down` of the same folder; the lock goes with the file, or the process.  -1:
 * errno says why. */
int cluster_lock(const char *dir);
/* What `up --json` prints and cluster.json holds; the caller's. */
json_t *cluster_json(const struct cluster *c);

/* Paths of folder + name that fit, else false. */
bool path_join(char ret[CLUSTER_PATH_MAX], const char *folder, const char *name);

/* Whether nobody listens at that port of 127.0.0.1. */
bool port_bindable(uint16_t port);

/*
 * The next TCP port from `first` on that nobody has on 127.0.0.1, this cluster neither; 0: none
 * below 65536.  It is reserved while *ret_held is open (the caller's to close): whoever else looks
 * for one passes it over, and a daemon may listen there (it sets SO_REUSEADDR).
 */
uint16_t port_reserve(const struct cluster *c, uint16_t first, int *ret_held);

#endif
