/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/main.c — arguments and signals.
 *
 * Exit codes: 0 ended as asked, 1 refused or failed (stderr says why), 2 not understood.
 */
#include "base/log.h"
#include "base/size.h"
#include "storaged/format_disk.h"
#include "storaged/node.h"
#include "storaged/status_metrics.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "storaged: one storage node: iSCSI target, volumes, disks\n\n"
    "usage: storaged --config FILE [--check-config] [--allow-faults]\n"
    "       storaged --format PATH [--size SIZE] [--force]\n"
    "       storaged --example-config | --metrics-list\n\n"
    "  --config FILE    run the node that FILE describes, until SIGTERM\n"
    "  --check-config   only read it: \"ok\" and every setting in effect, or what is wrong\n"
    "  --example-config every setting there is, with unit, default and bound\n"
    "  --allow-faults   for tests: disks can be made slow, hang and fail (PUT /v1/faults)\n"
    "  --format PATH    make an empty store on a disk or file, and end\n"
    "  --size SIZE      … on a file that is not there yet: make it so large (20G)\n"
    "  --force          … whatever the disk holds: it is lost\n"
    "  --metrics-list   print what the status port counts, as a table\n"
    "  --help, --version\n\n"
    "The log goes to stderr, one event a line; \"storaged ready portal=...\" says that it serves.\n"
    "SIGTERM and SIGINT end it.  Exit: 0 ended or right, 1 it could not run (one line says why),\n"
    "2 wrong use.\n";

struct arguments {
    const char *config, *format, *size;
    bool check, example, allow_faults, force, help, metrics, version;
};

static int usage(const char *what)
{
    fprintf(stderr, "storaged: %s; `storaged --help` says how\n", what);
    return 2;
}

static bool parse(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"format", required_argument, NULL, 'f'},
        {"size", required_argument, NULL, 's'},
        {"force", no_argument, NULL, 'F'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {"example-config", no_argument, NULL, 'e'},
        {"allow-faults", no_argument, NULL, 'a'},
        {"metrics-list", no_argument, NULL, 'm'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            ret->config = optarg;
            break;
        case 'k':
            ret->check = true;
            break;
        case 'e':
            ret->example = true;
            break;
        case 'a':
            ret->allow_faults = true;
            break;
        case 'f':
            ret->format = optarg;
            break;
        case 's':
            ret->size = optarg;
            break;
        case 'F':
            ret->force = true;
            break;
        case 'h':
            ret->help = true;
            break;
        case 'v':
            ret->version = true;
            break;
        case 'm':
            ret->metrics = true;
            break;
        default:
            return false; /* getopt has said why */
        }
    }
    return optind == argc;
}

static int format(const struct arguments *a)
{
    uint64_t bytes = 0;

    if (a->size && (!size_parse(a->size, &bytes) || bytes < DISK_BYTES_LEAST))
        return usage("--size is 512M or more");
    return format_disk(a->format, bytes & ~(uint64_t)(DISK_ALIGN - 1), a->force);
}

static int run(const struct arguments *a)
{
    static struct node_config config;
    struct config_problem problem;
    sigset_t set;
    int result;

    if (node_config_read(a->config, &config, &problem)) {
        fprintf(stderr, "storaged: %s\n", problem.text);
        return 1;
    }
    if (a->check) {
        puts("ok");
        node_config_show(&config, stdout);
        return 0;
    }
    config.allow_faults = a->allow_faults;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set); /* every thread leaves these to the one that waits for them */
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    result = node_run(&config);
    log_flush(&log_stderr);
    return result;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};

    if (!parse(argc, argv, &a))
        return usage("not understood");
    if (a.help) {
        fputs(help, stdout);
        return 0;
    }
    if (a.version) {
        puts("storaged " DOLMEN_VERSION);
        return 0;
    }
    if (a.example) {
        node_config_example(stdout);
        return 0;
    }
    if (a.metrics) {
        metrics_page(stdout);
        return 0;
    }
    if (!a.config == !a.format)
        return usage("either --config or --format is needed");
    return a.format ? format(&a) : run(&a);
}
