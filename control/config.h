/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/config.h — metad's configuration file; an unknown key is a mistake, never ignored.
 *
 * Every setting is a row of the table in config.c; deploy/metad.conf.example is written from it
 * (`metad --example-config`).
 */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include "base/err.h"
#include "metadata/records.h"

#include <stdio.h>

#define CONFIG_WHY 320u

struct control_config {
    char dir[512];                              /* the keeper's folder                */
    char listen[64];                            /* "127.0.0.1:7480"; loopback only    */
    char iqn_prefix[RECORD_IQN_PREFIX_MAX + 1]; /* of every target's name             */
};

/* E_CONFIG, or E_NOT_FOUND …: `why` is one line, file:line: what, and the bound. */
must_check enum err control_config_read(const char *path, struct control_config *ret,
                                        char why[CONFIG_WHY]);

/* Every setting as it is in effect: a configuration again. */
void control_config_show(const struct control_config *c, FILE *to);
/* The example that documents itself: every setting with sentence, unit, default and bound. */
void control_config_example(FILE *to);

#endif
