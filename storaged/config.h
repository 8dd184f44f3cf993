/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/config.h — the node's configuration file (libconfig form).
 *
 *   dir = "/var/lib/dolmen/n1";             its identity and its lock live there
 *   name = "n1";  rack = "r1";
 *   metad = "http://127.0.0.1:7480";
 *   portals = ["127.0.0.1:3260"];           where initiators log in
 *   profile = "node";                       from which the limits have their defaults
 *   disks = ({ path = "/dev/sdb"; }, { path = "/srv/disk0"; size = "20G"; });
 *
 * Every setting, with its unit, default and bound, is a row of the table in settings.c;
 * deploy/storaged.conf.example is written from it (`storaged --example-config`).  A mistake (an
 * unknown key, a wrong type, a value out of bounds) is one line: file:line: what, and the bound.
 */
#ifndef STORAGED_CONFIG_H
#define STORAGED_CONFIG_H

#include "base/err.h"
#include "iscsi-target/iscsi_target.h"
#include "metadata/records.h"

#include <stdint.h>
#include <stdio.h>

#define CONFIG_PATH_MAX    512u
#define CONFIG_DISKS_MAX   24u
#define HOMES_MAX          64u /* reactors */
#define DISK_BYTES_LEAST   (UINT64_C(512) << 20)
#define CONFIG_PROBLEM_MAX 700u

struct node_disk_config {
    char path[CONFIG_PATH_MAX];
    uint64_t bytes; /* 0: it must be there; else a file that is not there is made so large */
};

/* Numbers and sizes are all of one type, so that one row of the table reads and shows each. */
struct node_config {
    char dir[CONFIG_PATH_MAX];
    char name[RECORD_NAME_MAX + 1];
    char rack[RECORD_NAME_MAX + 1];
    char metad[256];
    char iqn_prefix[RECORD_IQN_PREFIX_MAX + 1];
    char profile[16];
    uint64_t lock_memory; /* 0 or 1 */
    uint64_t reactors;
    uint64_t sessions, commands, window, volumes;
    uint64_t buffer_bytes;             /* data of commands           */
    uint64_t stage_bytes, cache_bytes; /* of each disk; cache 0: what design 7 leaves */
    uint64_t scrub_days, scrub_mib_per_second;
    uint32_t portal_count, disk_count;
    char status[64]; /* "": no status port */
    struct net_address portals[NODE_PORTALS_MAX];
    struct node_disk_config disks[CONFIG_DISKS_MAX];
    bool allow_faults; /* never in a file: --allow-faults */
};

struct config_problem {
    char text[CONFIG_PROBLEM_MAX]; /* "file:line: what" */
};

/* Blocking, for start.  E_CONFIG: *reterr says what is wrong and where. */
must_check enum err node_config_read(const char *path, struct node_config *ret,
                                     struct config_problem *reterr);

/* Every setting as it is in effect: a configuration again. */
void node_config_show(const struct node_config *c, FILE *to);
/* The example that documents itself: every setting with sentence, unit, default and bound. */
void node_config_example(FILE *to);

#endif
