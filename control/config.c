/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/config.c — one row per key; each value checked for its type and its bounds.
 *
 * A new setting is one row: then it is read, checked, shown by --check-config and stands in the
 * example (`metad --example-config >deploy/metad.conf.example`; a test holds the file to it).
 */
#include "control/config.h"

#include "base/util.h"
#include "http/http.h"

#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct key {
    const char *name, *fallback; /* NULL: must be given */
    size_t place, size;
    bool (*valid)(const char *value, char why[160]);
    const char *unit, *bound, *example, *sentence; /* '\n' between its lines */
};

static bool dir_valid(const char *value, char why[160])
{
    if (value[0] != '\0')
        return true;
    snprintf(why, 160, "must name a folder");
    return false;
}

static bool listen_valid(const char *value, char why[160])
{
    return http_listen_check(value, why) == E_OK;
}

static bool iqn_valid(const char *value, char why[160])
{
    if (record_iqn_prefix_valid(value))
        return true;
    snprintf(why, 160, "\"%s\" must be iqn.yyyy-mm.name of a-z 0-9 . - :", value);
    return false;
}

/* clang-format off */
#define FIELD(f) offsetof(struct control_config, f), sizeof(((struct control_config *)0)->f)
static const struct key keys[] = {
    {"dir",        NULL,                            FIELD(dir),        dir_valid,
     "a folder", "1 to 511 bytes", "/var/lib/dolmen/metad",
     "Where the records of the cluster are kept; made when missing.  Back it up."},
    {"listen",     "127.0.0.1:7480",                FIELD(listen),     listen_valid,
     "an address", "loopback only: 127.x.x.x:port or [::1]:port", NULL,
     "The REST API.  There is no TLS and there are no tokens yet: whoever may connect may do\n"
     "everything.  Port 0 asks for a free one."},
    {"iqn_prefix", "iqn.2026-11.internal.dolmen",   FIELD(iqn_prefix), iqn_valid,
     "text", "iqn.yyyy-mm.name of a-z 0-9 . - :, to 79 bytes", NULL,
     "Of every target's name, prefix:volume: the same as each storaged's."},
};
/* clang-format on */

static const struct key *key_find(const char *name)
{
    for (size_t i = 0; i < array_length(keys); i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static enum err refuse(const char *path, const config_setting_t *at, const char *what,
                       char why[CONFIG_WHY])
{
    snprintf(why, CONFIG_WHY, "%s:%u: %s: %s", path, config_setting_source_line(at),
             config_setting_name(at), what);
    return E_CONFIG;
}

static enum err setting_read(const char *path, const config_setting_t *at,
                             struct control_config *ret, char why[CONFIG_WHY])
{
    const struct key *key = key_find(config_setting_name(at));
    const char *value = config_setting_get_string(at);
    char what[160];

    if (!key)
        return refuse(path, at, "unknown key; known are dir, listen, iqn_prefix", why);
    if (!value)
        return refuse(path, at, "must be a string in quotes", why);
    if (strlen(value) >= key->size) {
        snprintf(what, sizeof what, "longer than %zu bytes", key->size - 1);
        return refuse(path, at, what, why);
    }
    if (!key->valid(value, what))
        return refuse(path, at, what, why);
    memcpy((char *)ret + key->place, value, strlen(value) + 1);
    return E_OK;
}

static enum err settings_read(const char *path, config_t *file, struct control_config *ret,
                              char why[CONFIG_WHY])
{
    config_setting_t *root = config_root_setting(file);
    struct control_config config = {0};

    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *at = config_setting_get_elem(root, (unsigned)i);
        enum err err = setting_read(path, at, &config, why);

        if (err)
            return err;
    }
    for (size_t i = 0; i < array_length(keys); i++) {
        char *field = (char *)&config + keys[i].place;

        if (*field == '\0' && !keys[i].fallback) {
            snprintf(why, CONFIG_WHY, "%s:1: %s: must be given", path, keys[i].name);
            return E_CONFIG;
        }
        if (*field == '\0')
            snprintf(field, keys[i].size, "%s", keys[i].fallback);
    }
    *ret = config;
    return E_OK;
}

enum err control_config_read(const char *path, struct control_config *ret, char why[CONFIG_WHY])
{
    config_t file;
    enum err err;

    config_init(&file);
    if (config_read_file(&file, path)) {
        err = settings_read(path, &file, ret, why);
    } else if (config_error_type(&file) == CONFIG_ERR_FILE_IO) {
        err = E_NOT_FOUND;
        snprintf(why, CONFIG_WHY, "%s: cannot be read: %s", path, strerror(errno_of_file(path)));
    } else {
        err = E_CONFIG;
        snprintf(why, CONFIG_WHY, "%s:%d: %s", path, config_error_line(&file),
                 config_error_text(&file));
    }
    config_destroy(&file);
    return err;
}

void control_config_show(const struct control_config *c, FILE *to)
{
    for (size_t i = 0; i < array_length(keys); i++) {
        fprintf(to, "%s = \"", keys[i].name);
        for (const char *at = (const char *)c + keys[i].place; *at; at++) {
            if (*at == '"' || *at == '\\')
                fputc('\\', to);
            fputc(*at, to);
        }
        fputs("\";\n", to);
    }
}

static void example_row(const struct key *key, FILE *to)
{
    fputs("# ", to);
    for (const char *at = key->sentence; *at; at++) {
        fputc(*at, to);
        if (*at == '\n')
            fputs("# ", to);
    }
    if (key->fallback)
        fprintf(to, "\n# Unit: %s.  Default: \"%s\".  Bound: %s.\n#%s = \"%s\";\n\n", key->unit,
                key->fallback, key->bound, key->name, key->fallback);
    else
        fprintf(to, "\n# Unit: %s.  Must be given.  Bound: %s.\n%s = \"%s\";\n\n", key->unit,
                key->bound, key->name, key->example);
}

void control_config_example(FILE *to)
{
    fputs("# The configuration of metad, the control plane: every setting there is.\n"
          "# What must be given stands with an example, the rest as a comment with its default.\n"
          "# `metad --check-config --config FILE` says whether a file is right, and what is in\n"
          "# effect with it.\n\n",
          to);
    for (size_t i = 0; i < array_length(keys); i++)
        example_row(&keys[i], to);
}
