/* SPDX-License-Identifier: Apache-2.0 */
/* cli/keeper.c — dolmen keeper backup, restore: the records of a cluster, on the machine of metad.
 */
#include "metadata/keeper.h"

#include "base/size.h"
#include "cli/cli.h"
#include "cli/cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { OPTION_KEEPER };

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

enum cli_exit keeper_backup(struct cli *cli, const struct arguments *a)
{
    char path[CLUSTER_PATH_MAX], why[160];
    struct stat made;

    if (!folder(cli, a, path))
        return CLI_FAILED;
    if (keeper_lmdb_backup(path, a->words[0], why) || stat(a->words[0], &made) != 0) {
        fprintf(cli->err, "dolmen: %s\n", why);
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

static void print_restored(struct cli *cli, const char *path, const struct keeper_restored *r,
                           struct identity fresh)
{
    if (cli->json) {
        fprintf(cli->out, "{\"volumes\": %u, \"revision\": %" PRIu64 ", \"lineage\": \"%s\"}\n",
                r->volumes, r->revision, identity_show(fresh).text);
        return;
    }
    fprintf(cli->out, "%s holds the records of revision %" PRIu64 ": %u volumes\n", path,
            r->revision, r->volumes);
    fprintf(cli->out,
            "its lineage is %s, no more %s: start metad, then start every storaged again\n",
            identity_show(fresh).text, identity_show(r->former).text);
}

enum cli_exit keeper_restore(struct cli *cli, const struct arguments *a)
{
    char path[CLUSTER_PATH_MAX], why[160];
    struct keeper_restored restored = {0};
    struct identity fresh;
    enum err err;

    if (!folder(cli, a, path))
        return CLI_FAILED;
    if (getrandom(&fresh.bits, sizeof fresh.bits, 0) != sizeof fresh.bits) {
        fprintf(cli->err, "dolmen: no random numbers: %s\n", strerror(errno));
        return CLI_FAILED;
    }
    err = keeper_lmdb_restore(a->words[0], path, fresh, &restored, why);
    if (err) {
        fprintf(cli->err, "dolmen: %s%s\n", why,
                err == E_BUSY ? "; stop metad first (`dolmen down`)" : "");
        return CLI_FAILED;
    }
    print_restored(cli, path, &restored, fresh);
    return CLI_OK;
}
