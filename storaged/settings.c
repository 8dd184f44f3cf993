/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged/settings.c — the one table of settings, and what is printed from it.
 *
 * A new setting is one row: then it is read, checked, shown by --check-config and stands in the
 * example (`storaged --example-config >deploy/storaged.conf.example`; a test holds the file to it).
 */
#include "storaged/settings.h"

#include "base/size.h"
#include "storaged/limits.h"

#include <inttypes.h>
#include <string.h>

#define MIB      (UINT64_C(1) << 20)
#define GIB      (UINT64_C(1) << 30)
#define PLACE(f) offsetof(struct node_config, f)

/* clang-format off */
const struct setting settings[] = {
    {"dir", SETTING_TEXT, PLACE(dir), .unit = "a folder", .bound = "1 to 511 bytes",
     .needed = true, .read = read_dir, .example = "\"/var/lib/dolmen/node\"",
     .sentence = "Where the node's identity and lock live."},
    {"name", SETTING_TEXT, PLACE(name), .unit = "text",
     .bound = "a-z 0-9 . -, 1 to 64 bytes; not 16 hex digits",
     .needed = true, .read = read_node_name, .example = "\"n1\"",
     .sentence = "What people call this node."},
    {"rack", SETTING_TEXT, PLACE(rack), .unit = "text",
     .bound = "a-z 0-9 . -, 1 to 64 bytes; not 16 hex digits",
     .needed = true, .read = read_rack, .example = "\"r1\"",
     .sentence = "The failure domain it stands in: copies of the same data go to others."},
    {"metad", SETTING_TEXT, PLACE(metad), .unit = "a URL", .bound = "http://address:port",
     .needed = true, .read = read_metad, .example = "\"http://127.0.0.1:7480\"",
     .sentence = "The control plane."},
    {"portals", SETTING_PORTALS, PLACE(portals), .unit = "addresses",
     .bound = "1 to 4, each a number address and a port",
     .needed = true, .read = read_portals, .example = "[\"127.0.0.1:3260\"]",
     .sentence = "Where initiators log in.  They are told these: 0.0.0.0 will not do."},
    {"disks", SETTING_DISKS, PLACE(disks), .unit = "devices or files",
     .bound = "1 to 24; path in UTF-8; size 512M or more",
     .needed = true, .read = read_disks, .example = "({ path = \"/dev/sdb\"; })",
     .sentence = "One store each.  A blank one (zeros, wherever a sample of it is read) is formatted;\n"
                 "what holds anything else is refused.\n"
                 "A file may have a size, with which it is made where it is not there:\n"
                 "{ path = \"/srv/disk0\"; size = \"20G\"; }"},
    {"status", SETTING_TEXT, PLACE(status), .unit = "an address",
     .bound = "loopback only: 127.x.x.x:port or [::1]:port; or \"none\"",
     .fallback = "127.0.0.1:7490", .read = read_status,
     .sentence = "Over HTTP: /metrics, /healthz, and what `dolmen top` reads."},
    {"iqn_prefix", SETTING_TEXT, PLACE(iqn_prefix), .unit = "text",
     .bound = "iqn.yyyy-mm.name of a-z 0-9 . - :, to 79 bytes",
     .fallback = ISCSI_PREFIX, .read = read_iqn_prefix,
     .sentence = "Of every target's name: the same as metad's."},
    {"profile", SETTING_TEXT, PLACE(profile), .unit = "text", .bound = "\"small\" or \"node\"",
     .fallback = "node", .read = read_profile,
     .sentence = "Which defaults the limits below have: small for a first look and tests, node for\n"
                 "a machine that serves.  The budget printed at start is what they cost."},
    {"lock_memory", SETTING_SWITCH, PLACE(lock_memory), .unit = "switch", .bound = "true or false",
     .small = 0, .node = 1,
     .sentence = "Nothing of it is ever swapped out.  Needs LimitMEMLOCK=infinity."},
    {"reactors", SETTING_NUMBER, PLACE(reactors), .unit = "threads",
     .least = 1, .most = HOMES_MAX, .small = 1, .node = 1,
     .sentence = "That move data, each on a core of its own; at most one a disk.  Disks and volumes\n"
                 "are spread over them; sessions, commands and buffer_bytes are divided among them."},
    {"sessions", SETTING_NUMBER, PLACE(sessions), .unit = "iSCSI sessions",
     .least = 1, .most = 4096, .small = 32, .node = 512,
     .sentence = "Logged in at once; a further login is answered \"out of resources\"."},
    {"commands", SETTING_NUMBER, PLACE(commands), .unit = "SCSI commands",
     .least = 64, .most = 65536, .small = 1024, .node = 16384,
     .sentence = "Under way at once, of all sessions; twice as many as sessions at least."},
    {"window", SETTING_NUMBER, PLACE(window), .unit = "SCSI commands",
     .least = 1, .most = 1024, .small = 128, .node = 256,
     .sentence = "Under way at once, of one session: what an initiator's queue depth can reach."},
    {"buffer_bytes", SETTING_BYTES, PLACE(buffer_bytes), .unit = "bytes",
     .least = 16 * MIB, .most = 64 * GIB, .small = 32 * MIB, .node = 512 * MIB,
     .sentence = "Data of all commands under way; commands wait where it is short.\n"
                 "A reactor has 16M of it at least."},
    {"volumes", SETTING_NUMBER, PLACE(volumes), .unit = "volumes",
     .least = 1, .most = 4096, .small = 32, .node = 256,
     .sentence = "Served by this node at once; each takes its memory when it is opened."},
    {"stage_bytes", SETTING_BYTES, PLACE(stage_bytes), .unit = "bytes a disk",
     .least = 8 * MIB, .most = 4 * GIB, .small = 16 * MIB, .node = 128 * MIB,
     .sentence = "Small writes kept in memory until they are written home from the journal."},
    {"cache_bytes", SETTING_BYTES, PLACE(cache_bytes), .unit = "bytes a disk",
     .least = 0, .most = 16 * GIB, .small = 4 * MIB, .node = 0,
     .sentence = "Table pages kept in memory, with the checksums of what is read.\n"
                 "0: what is left of 256 MiB a disk."},
    {"scrub_days", SETTING_NUMBER, PLACE(scrub_days), .unit = "days",
     .least = 1, .most = 365, .small = 7, .node = 7,
     .sentence = "Each disk is read whole once in so long, to find rot ..."},
    {"scrub_mib_per_second", SETTING_NUMBER, PLACE(scrub_mib_per_second), .unit = "MiB a second",
     .least = 1, .most = 4096, .small = 1, .node = 1,
     .sentence = "... and never slower than that."},
};
/* clang-format on */

const uint32_t setting_count = array_length(settings);

/* ---- values, as the file has them ---- */

static void show_text(const char *text, FILE *to)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

/* "16M" where it is whole, else the number: what is printed reads back as the same. */
static void show_bytes(uint64_t bytes, FILE *to)
{
    static const char *const units[] = {"", "K", "M", "G", "T"};
    uint32_t unit = 0;

    while (unit + 1 < array_length(units) && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    fprintf(to, "\"%" PRIu64 "%s\"", bytes, units[unit]);
}

static void show_number(const struct setting *s, uint64_t value, FILE *to)
{
    if (s->form == SETTING_SWITCH)
        fputs(value ? "true" : "false", to);
    else if (s->form == SETTING_BYTES)
        show_bytes(value, to);
    else
        fprintf(to, "%" PRIu64, value);
}

static void show_portals(const struct node_config *c, FILE *to)
{
    fputc('[', to);
    for (uint32_t i = 0; i < c->portal_count; i++)
        fprintf(to, "%s\"%s\"", i ? ", " : "", c->portals[i].text);
    fputc(']', to);
}

static void show_disks(const struct node_config *c, FILE *to)
{
    fputc('(', to);
    for (uint32_t i = 0; i < c->disk_count; i++) {
        fprintf(to, "%s{ path = ", i ? ", " : "");
        show_text(c->disks[i].path, to);
        if (c->disks[i].bytes) {
            fputs("; size = ", to);
            show_bytes(c->disks[i].bytes, to);
        }
        fputs("; }", to);
    }
    fputc(')', to);
}

void node_config_show(const struct node_config *c, FILE *to)
{
    struct node_config copy = *c;

    for (uint32_t i = 0; i < setting_count; i++) {
        const struct setting *s = &settings[i];

        fprintf(to, "%s = ", s->name);
        if (s->form == SETTING_PORTALS)
            show_portals(c, to);
        else if (s->form == SETTING_DISKS)
            show_disks(c, to);
        else if (s->form == SETTING_TEXT)
            show_text((const char *)c + s->place, to);
        else
            show_number(s, *setting_number(s, &copy), to);
        fputc(';', to);
        if (s->place == PLACE(reactors) && c->reactors > limits_homes(c))
            fprintf(to, " # %u run: at most one for each disk", limits_homes(c));
        fputc('\n', to);
    }
}

/* ---- the example ---- */

static void example_sentence(const char *sentence, FILE *to)
{
    fputs("# ", to);
    for (; *sentence; sentence++) {
        fputc(*sentence, to);
        if (*sentence == '\n')
            fputs("# ", to);
    }
    fputc('\n', to);
}

static void example_numbers(const struct setting *s, FILE *to)
{
    fprintf(to, "# Unit: %s.  Default: ", s->unit);
    show_number(s, s->node, to);
    if (s->small != s->node) {
        fputs(" (profile small: ", to);
        show_number(s, s->small, to);
        fputc(')', to);
    }
    fputs(".  Bound: ", to);
    if (s->form == SETTING_SWITCH) {
        fputs(s->bound, to);
    } else {
        show_number(s, s->least, to);
        fputs(" to ", to);
        show_number(s, s->most, to);
    }
    fprintf(to, ".\n#%s = ", s->name);
    show_number(s, s->node, to);
    fputs(";\n\n", to);
}

static void example_text(const struct setting *s, FILE *to)
{
    fprintf(to, "# Unit: %s.  ", s->unit);
    if (s->needed) {
        fprintf(to, "Must be given.  Bound: %s.\n%s = %s;\n\n", s->bound, s->name, s->example);
        return;
    }
    fprintf(to, "Default: \"%s\".  Bound: %s.\n#%s = \"%s\";\n\n", s->fallback, s->bound, s->name,
            s->fallback);
}

void node_config_example(FILE *to)
{
    fputs("# The configuration of storaged, one storage node: every setting there is.\n"
          "# What must be given stands with an example, the rest as a comment with its default.\n"
          "# `storaged --check-config --config FILE` says whether a file is right, and what is in\n"
          "# effect with it.  Sizes are powers of 1024: \"512M\", \"20G\", \"1.5T\".\n\n",
          to);
    for (uint32_t i = 0; i < setting_count; i++) {
        example_sentence(settings[i].sentence, to);
        if (setting_numeric(&settings[i]))
            example_numbers(&settings[i], to);
        else
            example_text(&settings[i], to);
    }
}
