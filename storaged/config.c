/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/config.c — reads the file against the table of settings, strictly.
 *
 * Every key of the file must be in the table, and each is read by its row, which checks type and
 * bounds.  The first mistake ends the reading.  What was not given has the default of its row.
 */
#include "storaged/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static const struct setting *setting_find(const char *name)
{
    for (uint32_t i = 0; i < setting_count; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static bool read_given(struct config_reader *r, const config_t *file)
{
    const config_setting_t *root = config_root_setting(file);

    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *s = config_setting_get_elem(root, (unsigned)i);
        const struct setting *row = setting_find(config_setting_name(s));

        if (!row)
            return config_wrong(r, config_setting_source_line(s), "there is no setting \"%s\"",
                                config_setting_name(s));
        if (setting_numeric(row) ? !setting_read_number(r, s, row) : !row->read(r, s))
            return false;
    }
    return true;
}

static bool default_rest(struct config_reader *r, const config_t *file)
{
    bool small = strcmp(r->config->profile, "small") == 0;

    for (uint32_t i = 0; i < setting_count; i++) {
        const struct setting *s = &settings[i];

        if (config_lookup(file, s->name))
            continue;
        if (s->needed)
            return config_wrong(r, 0, "the setting \"%s\" is missing", s->name);
        if (setting_numeric(s))
            *setting_number(s, r->config) = small ? s->small : s->node;
    }
    return true;
}

/* What no row can see alone. */
static bool fits_together(struct config_reader *r, const config_t *file)
{
    const struct node_config *c = r->config;
    const config_setting_t *s = config_lookup(file, "commands");

    if (c->commands < 2 * c->sessions) {
        s = s ? s : config_lookup(file, "sessions");
        return config_wrong(r, s ? config_setting_source_line(s) : 0,
                            "commands (%" PRIu64 ") are twice as many as sessions (%" PRIu64
                            ") at least",
                            c->commands, c->sessions);
    }
    return true;
}

static void default_texts(struct node_config *c)
{
    for (uint32_t i = 0; i < setting_count; i++)
        if (settings[i].fallback)
            memcpy((char *)c + settings[i].place, settings[i].fallback,
                   strlen(settings[i].fallback) + 1);
}

enum err node_config_read(const char *path, struct node_config *ret, struct config_problem *reterr)
{
    struct node_config config = {0};
    struct config_reader r = {.path = path, .config = &config, .problem = reterr};
    config_t file;
    bool ok;

    default_texts(&config);
    config_init(&file);
    if (config_read_file(&file, path) == CONFIG_TRUE)
        ok = read_given(&r, &file) && default_rest(&r, &file) && fits_together(&r, &file);
    else if (config_error_type(&file) == CONFIG_ERR_FILE_IO)
        ok = config_wrong(&r, 0, "it cannot be read: %s", strerror(errno_of_file(path)));
    else
        ok = config_wrong(&r, (unsigned)config_error_line(&file), "%s", config_error_text(&file));
    config_destroy(&file);
    if (ok)
        *ret = config;
    return ok ? E_OK : E_CONFIG;
}
