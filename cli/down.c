/* SPDX-License-Identifier: Apache-2.0 */
/* cli/down.c — dolmen down: end what `up` started, nodes first, and nothing else. */
#include "cli/cli.h"
#include "cli/process.h"

#include <errno.h>
#include <string.h>

#define END_SECONDS 15u

/* True: it is gone; says what happened. */
static bool end(struct cli *cli, const char *name, struct cluster_process *p, bool ran)
{
    long long pid = p->pid;

    if (!process_end(p, END_SECONDS)) {
        fprintf(cli->err, "dolmen: %s (process %lld) does not end\n", name, pid);
        return false;
    }
    if (!cli->json)
        fprintf(cli->out, "%-6s %s\n", name, ran ? "ended" : "was not running");
    return true;
}

/* False: it is not, which is said. */
static bool known(struct cli *cli, const char *dir, struct cluster *ret)
{
    enum cluster_found found = cluster_read(dir, ret);

    if (found == CLUSTER_NONE)
        fprintf(cli->err, "dolmen: no cluster was started in %s\n", dir);
    else if (found != CLUSTER_KNOWN)
        cluster_say(found, dir, cli->err);
    return found == CLUSTER_KNOWN;
}

enum cli_exit down_run(struct cli *cli, const struct arguments *a)
{
    struct cluster cluster;
    char dir[CLUSTER_PATH_MAX];
    bool ran[CLUSTER_NODES_MAX] = {false}, ok = true;

    (void)a;
    if (!cluster_dir(cli->dir, dir)) {
        fprintf(cli->err, "dolmen: the path of the folder is too long\n");
        return CLI_FAILED;
    }
    if (!known(cli, dir, &cluster))
        return CLI_FAILED;
    if (cluster_lock(dir) < 0) {
        fprintf(cli->err, "dolmen: the cluster in %s cannot be locked: %s\n", dir, strerror(errno));
        return CLI_FAILED;
    }
    if (!known(cli, dir, &cluster)) /* as an `up` beside us left it */
        return CLI_FAILED;
    for (uint32_t i = 0; i < cluster.node_count; i++) { /* all at once, then wait for each */
        ran[i] = process_alive(&cluster.nodes[i].process);
        process_ask(&cluster.nodes[i].process);
    }
    for (uint32_t i = 0; i < cluster.node_count; i++)
        ok = end(cli, cluster.nodes[i].name, &cluster.nodes[i].process, ran[i]) && ok;
    ok = end(cli, "metad", &cluster.metad, process_alive(&cluster.metad)) && ok;
    if (!cluster_write(&cluster)) {
        fprintf(cli->err, "dolmen: %s/cluster.json cannot be written\n", dir);
        ok = false;
    }
    if (ok && !cli->json)
        fprintf(cli->out, "data stay in %s; `dolmen up` goes on with them\n", dir);
    return ok ? CLI_OK : CLI_FAILED;
}
