/* SPDX-License-Identifier: Apache-2.0 */
/* cli/keeper.c — dolmen keeper backup, restore: the records of a cluster, on the machine of metad.
 */
#include "metadata/keeper.h"

#include "base/size.h"
#include "cli/api.h"
#include "cli/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OPTION_KEEPER, OPTION_KEEP_ATTACHMENTS };

/* --keeper, or that of the cluster in --dir. */
static bool folder(struct cli *cli, const struct arguments *a, char ret[CLUSTER_PATH_MAX])
{
    const char *given = a->options[OPTION_KEEPER];
    char dir[CLUSTER_PATH_MAX];

    if (given && snprintf(ret, CLUSTER_PATH_MAX, "%s", given) < (int)CLUSTER_PATH_MAX)
        return true;
    if (!given && cluster_dir(cli->dir, dir) && path_join(ret, dir, "metad"))
        return true;
    fprintf(cli->err, "dolmen: the path of the folder is too long\n");
    return false;
}

/* ---- backup ---- */

static bool no_keeper(const char *path)
{
    char data[CLUSTER_PATH_MAX];

    return path_join(data, path, "data.mdb") && access(data, F_OK) != 0;
}

enum cli_exit keeper_backup(struct cli *cli, const struct arguments *a)
{
    char path[CLUSTER_PATH_MAX], why[160];
    struct stat made;
    enum err err;

    if (!folder(cli, a, path))
        return CLI_FAILED;
    err = keeper_lmdb_backup(path, a->words[0], why);
    if (err) {
        fprintf(cli->err, "dolmen: %s%s\n", why,
                no_keeper(path) && !a->options[OPTION_KEEPER]
                    ? "; --keeper says where metad's folder is"
                    : "");
        return CLI_FAILED;
    }
    if (stat(a->words[0], &made) != 0) {
        fprintf(cli->err, "dolmen: %s was made and cannot be seen: %s\n", a->words[0],
                strerror(errno));
        return CLI_FAILED;
    }
    if (cli->json)
        fprintf(cli->out, "{\"bytes\": %lld}\n", (long long)made.st_size);
    else
        fprintf(cli->out,
                "the records in %s are in %s now, %s; keep it secret: it holds the CHAP secrets\n",
                path, a->words[0], size_show((uint64_t)made.st_size).text);
    return CLI_OK;
}

/* ---- restore ---- */

static const char *chap_kind(const struct chap_record *chap)
{
    if (!chap->user[0])
        return "none";
    return chap->mutual_user[0] ? "mutual" : "one-way";
}

static json_t *attachment_json(const struct keeper_restored *r, const struct attachment_record *a)
{
    const struct record *at = record_list_find(&r->volumes, volume_key(a->volume).text);
    struct identity_text id = identity_show(a->volume);
    struct volume_record volume;
    bool named = at && volume_read(at->value, &volume) == E_OK;

    return json_pack("{ss ss ss sb sb si ss}", "volume", id.text, "volume_name",
                     named ? volume.name : id.text, "initiator", a->initiator, "shared", a->shared,
                     "read_only", a->read_only, "deadline_seconds", (int)a->deadline_seconds,
                     "chap", chap_kind(&a->chap));
}

/* Those of the backup that were not ending. */
static json_t *attachments_json(const struct keeper_restored *r)
{
    json_t *all = json_array();

    for (uint32_t i = 0; i < r->attachments.count; i++) {
        struct attachment_record a;

        if (attachment_read(r->attachments.records[i].value, &a) == E_OK && !a.ending)
            json_array_append_new(all, attachment_json(r, &a));
    }
    return all;
}

/* The command that makes it anew. */
static void print_attachment(FILE *to, const json_t *a)
{
    uint64_t deadline = number_of(a, "deadline_seconds");
    const char *chap = text_of(a, "chap");

    fprintf(to, "  dolmen attachment create %s --initiator %s%s%s", text_of(a, "volume_name"),
            text_of(a, "initiator"), json_is_true(json_object_get(a, "shared")) ? " --shared" : "",
            json_is_true(json_object_get(a, "read_only")) ? " --read-only" : "");
    if (strcmp(chap, "none") != 0)
        fprintf(to, " --chap %s", chap);
    if (deadline == 0)
        fprintf(to, " --deadline none");
    else if (deadline != ATTACHMENT_DEADLINE_S)
        fprintf(to, " --deadline %" PRIu64 "s", deadline);
    fprintf(to, "\n");
}

static void print_attachments(FILE *to, const json_t *all, bool kept)
{
    const json_t *a;
    size_t i;

    if (json_array_size(all) == 0)
        return;
    if (kept) {
        fprintf(to,
                "%zu attachments are kept: who was detached after the backup may log in again\n",
                json_array_size(all));
        return;
    }
    fprintf(to,
            "%zu attachments have ended, for somebody may have been detached after the backup; "
            "make those\nanew that shall be:\n",
            json_array_size(all));
    json_array_foreach(all, i, a)
    {
        print_attachment(to, a);
    }
}

static json_t *records_json(const struct record_census *census)
{
    json_t *all = json_object();

    for (uint32_t i = 0; i < RECORD_KINDS; i++)
        json_object_set_new(all, record_kinds[i], json_integer(census->counts[i]));
    json_object_set_new(all, "unreadable", json_integer(census->unreadable));
    return all;
}

static void print_records(struct cli *cli, const struct record_census *census)
{
    fprintf(cli->out, "they are:");
    for (uint32_t i = 0; i < RECORD_KINDS; i++)
        fprintf(cli->out, "%s %u %s", i ? "," : "", census->counts[i], record_kinds[i]);
    fprintf(cli->out, "\n");
}

/* Whoever checks a backup by a script reads it, too. */
static void warn_of_unreadable(struct cli *cli, const struct record_census *census)
{
    if (census->unreadable > 0)
        fprintf(cli->err,
                "dolmen: %u of the records were damaged before the backup, or are of a newer "
                "version; they are kept as they are: %s%s\n",
                census->unreadable, census->keys,
                census->unreadable > CENSUS_KEYS_SHOWN ? ", …" : "");
}

static void print_restored(struct cli *cli, const char *path, const struct keeper_restored *r,
                           const struct keeper_restore *how)
{
    json_t *attachments = attachments_json(r);
    struct identity_text lineage = identity_show(how->lineage);

    if (cli->json) {
        json_t *all = json_pack("{sI sI ss so sO sb}", "volumes", (json_int_t)r->volumes.count,
                                "revision", (json_int_t)r->revision, "lineage", lineage.text,
                                "records", records_json(&r->census), "attachments", attachments,
                                "attachments_kept", how->keep_attachments);

        api_print(cli, all);
        json_decref(all);
    } else {
        fprintf(cli->out, "%s holds the records of revision %" PRIu64 ": %u volumes\n", path,
                r->revision, r->volumes.count);
        print_records(cli, &r->census);
        fprintf(cli->out,
                "its lineage is %s, no more %s: start metad, then start every storaged again\n",
                lineage.text, identity_show(r->former).text);
        print_attachments(cli->out, attachments, how->keep_attachments);
    }
    json_decref(attachments);
}

static uint64_t time_of_day_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

enum cli_exit keeper_restore(struct cli *cli, const struct arguments *a)
{
    struct keeper_restore how = {.now_us = time_of_day_us(),
                                 .keep_attachments = a->options[OPTION_KEEP_ATTACHMENTS] != NULL};
    char path[CLUSTER_PATH_MAX], why[160];
    struct keeper_restored restored;
    enum err err;

    if (!folder(cli, a, path))
        return CLI_FAILED;
    if (getrandom(&how.lineage.bits, sizeof how.lineage.bits, 0) != sizeof how.lineage.bits) {
        fprintf(cli->err, "dolmen: no random numbers: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    err = keeper_lmdb_restore(a->words[0], path, &how, &restored, why);
    if (err) {
        fprintf(cli->err, "dolmen: %s%s\n", why,
                err == E_BUSY ? "; stop metad first (`dolmen down`)" : "");
        return CLI_FAILED;
    }
    print_restored(cli, path, &restored, &how);
    warn_of_unreadable(cli, &restored.census);
    record_list_free(&restored.volumes);
    record_list_free(&restored.attachments);
    return CLI_OK;
}
