/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/config.h — the node's configuration file (libconfig form).
 *
 *   dir = "/var/lib/dolmen/n1";             its identity and its lock live there
 *   name = "n1";  rack = "r1";
 *   metad = "http://127.0.0.1:7480";
 *   portals = ["127.0.0.1:3260"];           where initiators log in
 *   status = "127.0.0.1:7490";              metrics and health, on loopback (this is the default);
 *                                           "none": no such port
 *   iqn_prefix = "iqn.2026-11.internal.dolmen";  as metad has it (this is the default)
 *   profile = "small";                      which limits (limits.h)
 *   scrub_days = 7;                         each disk is read whole once in so long (1 to 365) …
 *   scrub_mib_per_second = 1;               … and never slower than that (1 to 4096)
 *   disks = ({ path = "/dev/sdb"; }, { path = "/srv/disk0"; size = "20G"; });
 *
 * A mistake (an unknown key, a wrong type, a value out of bounds) is one line: file:line: what, and
 * the bound.
 */
#ifndef STORAGED_CONFIG_H
#define STORAGED_CONFIG_H

#include "base/err.h"
#include "iscsi-target/iscsi_target.h"
#include "metadata/records.h"

#include <stdint.h>

#define CONFIG_PATH_MAX    512u
#define CONFIG_DISKS_MAX   24u
#define DISK_BYTES_LEAST   (UINT64_C(512) << 20)
#define IQN_PREFIX_MAX     200u
#define SCRUB_DAYS_MOST    365u
#define SCRUB_MIB_MOST     4096u
#define CONFIG_PROBLEM_MAX 700u

struct node_disk_config {
    char path[CONFIG_PATH_MAX];
    uint64_t bytes; /* 0: it must be there; else a file that is not there is made so large */
};

struct node_config {
    char dir[CONFIG_PATH_MAX];
    char name[RECORD_NAME_MAX + 1];
    char rack[RECORD_NAME_MAX + 1];
    char metad[256];
    char iqn_prefix[IQN_PREFIX_MAX];
    char profile[16];
    uint32_t portal_count, disk_count;
    char status[64]; /* "": no status port */
    uint32_t scrub_days, scrub_mib_per_second;
    struct net_address portals[NODE_PORTALS_MAX];
    struct node_disk_config disks[CONFIG_DISKS_MAX];
};

struct config_problem {
    char text[CONFIG_PROBLEM_MAX]; /* "file:line: what" */
};

/* Blocking, for start.  E_CONFIG: *reterr says what is wrong and where. */
must_check enum err node_config_read(const char *path, struct node_config *ret,
                                     struct config_problem *reterr);

#endif
