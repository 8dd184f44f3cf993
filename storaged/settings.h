/* SPDX-License-Identifier: Apache-2.0 */
/* storaged/settings.h — the one table of settings: read, shown and documented from it.  Private. */
#ifndef STORAGED_SETTINGS_H
#define STORAGED_SETTINGS_H

#include "storaged/config.h"

#include <libconfig.h>

struct config_reader {
    const char *path;
    struct node_config *config;
    struct config_problem *problem;
};

enum setting_form {
    SETTING_TEXT,    /* a string; `read` checks it                  */
    SETTING_NUMBER,  /* `least` to `most`                            */
    SETTING_BYTES,   /* the same, written "16M" or as a number      */
    SETTING_SWITCH,  /* true or false                                */
    SETTING_PORTALS, /* a list; `read` checks it                    */
    SETTING_DISKS,
};

struct setting {
    const char *name;
    enum setting_form form;
    size_t place;                      /* in struct node_config */
    const char *unit, *bound;          /* bound NULL: least and most */
    uint64_t least, most, small, node; /* the last two: defaults, by profile */
    const char *fallback;              /* of a text; NULL and `needed`: it must be given */
    const char *example;               /* what the example file has where there is no default */
    bool needed;
    bool (*read)(struct config_reader *, const config_setting_t *);
    const char *sentence; /* '\n' between its lines */
};

extern const struct setting settings[];
extern const uint32_t setting_count;

static inline uint64_t *setting_number(const struct setting *s, struct node_config *c)
{
    return (uint64_t *)(void *)((char *)c + s->place);
}

static inline bool setting_numeric(const struct setting *s)
{
    return s->form == SETTING_NUMBER || s->form == SETTING_BYTES || s->form == SETTING_SWITCH;
}

/* Says what is wrong, with file and line (0: no line); false, so that a reader can return it. */
bool config_wrong(struct config_reader *r, unsigned line, const char *what, ...) printf_like(3, 4);

/* Readers: settings_read.c.  The numbers' is the same for each. */
bool setting_read_number(struct config_reader *r, const config_setting_t *s,
                         const struct setting *row);
bool read_dir(struct config_reader *r, const config_setting_t *s);
bool read_node_name(struct config_reader *r, const config_setting_t *s);
bool read_rack(struct config_reader *r, const config_setting_t *s);
bool read_metad(struct config_reader *r, const config_setting_t *s);
bool read_status(struct config_reader *r, const config_setting_t *s);
bool read_iqn_prefix(struct config_reader *r, const config_setting_t *s);
bool read_profile(struct config_reader *r, const config_setting_t *s);
bool read_portals(struct config_reader *r, const config_setting_t *s);
bool read_disks(struct config_reader *r, const config_setting_t *s);

#endif
