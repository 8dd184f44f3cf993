/* SPDX-License-Identifier: Apache-2.0 */
/* control/main.c — metad: reads its configuration, opens, waits for a signal, closes. */
#include "control/control.h"
#include "env/ending.h"
#include "env/log_writer.h"
#include "env/notify.h"

#include <getopt.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

static const char usage[] =
    "metad keeps the records of a Dolmen cluster, serves its REST API and names primaries.\n"
    "\n"
    "usage: metad --config FILE [--check-config]\n"
    "       metad --example-config | --metrics-list\n"
    "\n"
    "  -c, --config FILE    the configuration, in libconfig form\n"
    "      --check-config   only read it: \"ok\" and every setting in effect, or what is wrong\n"
    "      --example-config every setting there is, with unit, default and bound\n"
    "      --metrics-list   what /metrics tells, as a table\n"
    "  -h, --help           this page\n"
    "      --version        print the version\n"
    "\n"
    "Served, as JSON over HTTP/1.1 (control/openapi.yaml has the whole of it):\n"
    "  GET POST         /v1/volumes          GET PATCH DELETE  /v1/volumes/{id or name}\n"
    "  POST             /v1/volumes/{id or name}/salvage\n"
    "  GET POST         /v1/attachments      GET DELETE        /v1/attachments/{id}\n"
    "  GET              /v1/nodes, /v1/disks, /healthz, /metrics\n"
    "  GET DELETE       /v1/nodes/{id or name}, /v1/disks/{id}\n"
    "  /node/v1         heartbeat, range, watch, transaction: for storaged\n"
    "There is no TLS and there are no tokens yet: metad listens on loopback only, and whoever may\n"
    "connect to that port may do everything.\n"
    "\n"
    "The log goes to stderr, one event a line; \"metad ready url=...\" says that it serves.\n"
    "SIGTERM and SIGINT end it.  Exit: 0 ended or right, 1 it could not run (one line says why),\n"
    "2 wrong use.\n";

struct options {
    const char *config;
    bool check;
};

/* -1: go on; else the exit code. */
static int options_read(int argc, char **argv, struct options *ret)
{
    enum { CHECK = 256, EXAMPLE, METRICS, VERSION };
    static const struct option known[] = {{"config", required_argument, NULL, 'c'},
                                          {"check-config", no_argument, NULL, CHECK},
                                          {"example-config", no_argument, NULL, EXAMPLE},
                                          {"help", no_argument, NULL, 'h'},
                                          {"metrics-list", no_argument, NULL, METRICS},
                                          {"version", no_argument, NULL, VERSION},
                                          {0}};
    int option;

    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret->config = optarg;
            break;
        case CHECK:
            ret->check = true;
            break;
        case EXAMPLE:
            control_config_example(stdout);
            return 0;
        case METRICS:
            control_metrics_list(stdout);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case VERSION:
            puts("metad " DOLMEN_VERSION);
            return 0;
        default:
            fputs("metad --help shows the usage\n", stderr);
            return 2;
        }
    }
    if (optind < argc)
        fprintf(stderr, "metad: unexpected \"%s\"; metad --help shows the usage\n", argv[optind]);
    else if (!ret->config)
        fputs("metad: --config FILE is missing; metad --help shows the usage\n", stderr);
    return optind < argc || !ret->config ? 2 : -1;
}

/* Blocked in every thread from the start, so that only the one that waits for them takes them. */
static void signals_block(void)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
}

struct serving {
    struct ending ending;
    sem_t asked; /* to end */
};

static void asked_to_end(struct ending *e)
{
    notify("STOPPING=1");
    sem_post(&container_of(e, struct serving, ending)->asked);
}

static int start_failed(const char *why)
{
    log_event(&log_stderr, LOG_LEVEL_ERROR, "metad", "start_failed", "%s", why);
    log_flush(&log_stderr); /* it has the last word */
    return 1;
}

static int serve(const struct control_config *config)
{
    struct serving s = {.ending = {.log = &log_stderr, .subject = "metad", .asked = asked_to_end}};
    struct control *c;
    char why[CONFIG_WHY];

    if (control_prepare(why) != E_OK)
        return start_failed(why);
    signals_block();
    if (log_writer_start())
        return start_failed("no thread that writes the log");
    sem_init(&s.asked, 0, 0);
    if (ending_start(&s.ending))
        return start_failed("cannot wait for signals: no thread, or no file handle");
    if (control_open(config, &log_stderr, &c, why) != E_OK) {
        ending_done(&s.ending);
        return start_failed(why);
    }
    notify("READY=1\nSTATUS=serves %s", control_url(c));
    while (sem_wait(&s.asked) != 0)
        ;
    control_close(c);
    ending_done(&s.ending);
    log_event(&log_stderr, LOG_LEVEL_INFO, "metad", "ended", NULL);
    log_flush(&log_stderr);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct control_config config;
    char why[CONFIG_WHY];
    int code = options_read(argc, argv, &options);

    if (code >= 0)
        return code;
    if (control_config_read(options.config, &config, why) != E_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    if (!options.check)
        return serve(&config);
    puts("ok");
    control_config_show(&config, stdout);
    return 0;
}
