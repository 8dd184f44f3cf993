/* SPDX-License-Identifier: Apache-2.0 */
/* cli/commands.c — the table of all commands. */
#include "cli/cli.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
const struct command commands[] = {
    {"up", NULL, "", 0, 0,
     {{"--nodes", "N", "how many storage nodes (default: as many as there are; at first 1)"},
      {"--size", "SIZE", "a disk file of each new node (default 4G; it is written in full)"},
      {"--disks", "N", "how many of these a new node has (default 1)"},
      {"--reactors", "N", "threads that move data in a new node, at most one a disk (default 1)"},
      {"--allow-faults", NULL, "for tests: the nodes it starts let their disks fail on purpose"}},
     "start a cluster on this machine, or what has died of it",
     "Starts metad on the embedded keeper and N storage nodes, each with disk files and a rack of\n"
     "its own.  Everything lives in --dir: configuration, data, logs (*.log) and cluster.json, which\n"
     "keeps ports and process ids.  Started again, it starts what has died, on its old ports.\n\n"
     "  dolmen up\n"
     "  dolmen up --nodes 3 --size 50G\n"
     "  dolmen up --disks 2 --reactors 2\n"
     "  dolmen up --dir /srv/dolmen --json\n",
     up_run},
    {"down", NULL, "", 0, 0, {{NULL, NULL, NULL}},
     "end what `up` started; data stay",
     "Ends the processes named in cluster.json (SIGTERM, after 15 s SIGKILL) and no other.\n"
     "Attached initiators wait and go on after the next `dolmen up`.\n",
     down_run},
    {"status", NULL, "", 0, 0, {{NULL, NULL, NULL}},
     "is everything well?",
     "Nodes and volumes in a few lines, and what is wrong.  Exit code 1 when something is.\n",
     status_run},
    {"top", NULL, "", 0, 0,
     {{"--interval", "SECONDS", "how long a page looks at (default 1)"},
      {"--count", "N", "end after so many pages; 0: never (default: never on a terminal, else 1)"}},
     "what volumes and sessions do now",
     "A page a second: requests and bytes a second, mean time to answer, 99th percentile, what is\n"
     "outstanding, for each volume and each session, the busiest first, and sums.  On a terminal a\n"
     "page replaces the one before; --json prints one object a line.  WAIT and P99 are of all that\n"
     "was answered in that time; P99 is exact within its power of two.  A node that cannot be asked\n"
     "is named.  docs/metrics.md tells where the numbers come from.\n\n"
     "  VOLUME   WAIT from the request at the volume to its answer; QUEUE: requests under way\n"
     "  SESSION  WAIT from the command's PDU to its status; QUEUE: commands outstanding, of WINDOW;\n"
     "           SHUT: how much of the time the window was shut; AGAIN: told BUSY or TASK SET FULL\n\n"
     "  dolmen top\n  dolmen top --interval 10 --json | jq .sums\n",
     top_run},
    {"volume", "create", "NAME SIZE", 2, 2,
     {{"--block", "512|4096", "logical block an initiator sees (default 512)"}},
     "make a volume",
     "NAME: lower-case letters, digits, dots and dashes.  SIZE: 10G, 512MiB, 1.5T or bytes, a\n"
     "multiple of 4096, 32T at most; space is taken as it is written.  Answered when the volume\n"
     "is served.  Nobody may log in to it before there is an attachment.\n\n"
     "  dolmen volume create web01 20G\n",
     volume_create},
    {"volume", "list", "", 0, 0, {{NULL, NULL, NULL}},
     "all volumes",
     "Name, size, state, primary node and how many shards are served.\n",
     volume_list},
    {"volume", "show", "NAME", 1, 1, {{NULL, NULL, NULL}},
     "one volume in full",
     "NAME may be a name or an id.\n",
     volume_show},
    {"volume", "resize", "NAME SIZE", 2, 2, {{NULL, NULL, NULL}},
     "make a volume larger",
     "SIZE is the new size; a volume never shrinks.  Attached initiators see the new size after a\n"
     "rescan.  What its node has not done after 30 s is recorded, and done as soon as it can be:\n"
     "`dolmen volume show` says what it waits for.\n\n"
     "  dolmen volume resize web01 40G\n",
     volume_resize},
    {"volume", "salvage", "NAME", 1, 1,
     {{"--yes", NULL, "give up what was lost (needed)"}},
     "serve again what is left of a volume whose last copy was damaged",
     "A disk that lost part of its map cannot say which blocks it lost, so the volume stays down and\n"
     "says so.  This lets it go on: blocks that can be proved are served, lost ones answer MEDIUM\n"
     "ERROR until they are written or unmapped, and some may be older than the newest write.  Only\n"
     "damaged shards change; the command is recorded.  There is no way back.\n\n"
     "  dolmen volume show web01\n  dolmen volume salvage web01 --yes\n",
     volume_salvage},
    {"volume", "delete", "NAME", 1, 1, {{NULL, NULL, NULL}},
     "delete a volume and its data",
     "Refused while it is attached.  There is no way back.\n",
     volume_delete},
    {"attachment", "create", "VOLUME", 1, 1,
     {{"--initiator", "IQN", "who may log in: the initiator's name (needed)"},
      {"--shared", NULL, "others may be attached at the same time"},
      {"--read-only", NULL, "writes are refused"},
      {"--chap", "one-way|mutual", "it has to prove who it is; mutual: the target, too"},
      {"--deadline", "SECONDS|none", "a command not answered by then is told BUSY (25s)"}},
     "let an initiator log in to a volume",
     "Prints what a hypervisor needs: portals, target, LUN, and ready-made forms for QEMU, libvirt\n"
     "and open-iscsi.  An attachment is exclusive unless all of the volume's are shared.  Names and\n"
     "secrets of --chap are made here and told once, in this answer.\n"
     "A disk may be slow: after --deadline a command is told BUSY, and a kernel initiator (open-iscsi,\n"
     "ESXi, Windows) asks again, before its own timer of 30 s.  QEMU has no timer and gives up after\n"
     "seven BUSY: attach it with none.\n\n"
     "  dolmen attachment create web01 --initiator iqn.2026-11.example:hypervisor7\n"
     "  dolmen attachment create web01 --initiator iqn.2026-11.example:qemu7 --deadline none\n",
     attachment_create},
    {"attachment", "list", "[VOLUME]", 0, 1, {{NULL, NULL, NULL}},
     "all attachments, or those of one volume",
     "VOLUME may be a name or an id.\n",
     attachment_list},
    {"attachment", "show", "ID", 1, 1, {{NULL, NULL, NULL}},
     "one attachment with its ready-made forms",
     "`dolmen attachment list` shows the ids.\n",
     attachment_show},
    {"attachment", "delete", "ID", 1, 1, {{NULL, NULL, NULL}},
     "detach: end its sessions, let nobody in again",
     "Answered when its sessions have ended and their writes are done.\n",
     attachment_delete},
    {"node", "list", "", 0, 0, {{NULL, NULL, NULL}},
     "all storage nodes",
     "State `silent`: its heartbeat is missing.\n",
     node_list},
    {"node", "remove", "NAME", 1, 1, {{NULL, NULL, NULL}},
     "forget a node that does not come back",
     "NAME may be a name or an id.  Refused while the node speaks, and while a disk is recorded in\n"
     "it: move the disk to another node, or `dolmen disk remove` it, first.\n\n"
     "  dolmen node remove n2\n",
     node_remove},
    {"disk", "list", "", 0, 0, {{NULL, NULL, NULL}},
     "all disks",
     "Orphans are replicas that no record names: kept, never read, never deleted by themselves.\n",
     disk_list},
    {"disk", "show", "ID", 1, 1, {{NULL, NULL, NULL}},
     "one disk in full, with its scrub",
     "The scrub reads all that is stored, slowly and for ever, and holds it against the checksums:\n"
     "how far this round has come, its pace, and what this round or the one before found.\n"
     "`dolmen disk list` shows the ids.\n",
     disk_show},
    {"disk", "remove", "ID", 1, 1, {{NULL, NULL, NULL}},
     "forget a disk that does not come back",
     "For a disk that is `silent` for good.  Refused while a node has it open, and while a volume\n"
     "lies on it that is not being deleted: a volume is given up by its own delete alone.  Should\n"
     "the disk come back, it is listed again, and what is on it are orphans.\n\n"
     "  dolmen disk list\n"
     "  dolmen disk remove 323568e3f02b34f0\n",
     disk_remove},
    {"disk", "check", "PATH", 1, 1,
     {{"--data", NULL, "read all data too, and hold every block against its checksum"}},
     "look at a disk that no storaged uses",
     "Reads what lies on a disk, or the file in its place, without writing a byte: superblocks,\n"
     "roots, tables, journal, and what a store that opens from it would make of them.  Each finding\n"
     "is one line: where, what, what it costs, what to do.  Progress goes to stderr.  Refused while\n"
     "a storaged has the disk.\n\n"
     "Exit status: 0 clean, 1 findings, 2 it cannot be told (stderr says why).\n\n"
     "  dolmen disk check /dev/sdb\n"
     "  dolmen disk check --data --json /srv/disk0\n",
     disk_check},
    {"keeper", "backup", "FILE", 1, 1,
     {{"--keeper", "FOLDER", "metad's folder (default: that of the cluster in --dir)"}},
     "copy the cluster's records into a new file",
     "For the machine of metad, which may run meanwhile.  The records say which volumes there are and\n"
     "where their replicas lie; without them the disks are full of data that nobody finds.  The file\n"
     "holds the CHAP secrets.\n\n"
     "  dolmen keeper backup /srv/backup/records-$(date +%F)\n"
     "  dolmen keeper backup FILE --keeper /var/lib/dolmen/metad\n",
     keeper_backup},
    {"keeper", "restore", "FILE", 1, 1,
     {{"--keeper", "FOLDER", "metad's folder (default: that of the cluster in --dir)"},
      {"--keep-attachments", NULL, "nobody was detached after the backup: all stay as they were"}},
     "make a backup the cluster's records again",
     "For a metad that does not run and a folder without records (data.mdb): move old ones away, they\n"
     "are never overwritten.  The records begin a new lineage, so that nodes act on them only after\n"
     "they were started again.  What was made after the backup is an orphan then: kept, never read.\n\n"
     "Attachments end: an initiator that was detached after the backup must not get in again.  What is\n"
     "printed makes them anew; do so for the living only.\n\n"
     "  dolmen down\n"
     "  mv DIR/metad/data.mdb DIR/metad/data.mdb.old\n"
     "  dolmen keeper restore FILE\n"
     "  dolmen up\n",
     keeper_restore},
    {"help", NULL, "[COMMAND]", 0, 2, {{NULL, NULL, NULL}},
     "how a command is used",
     "  dolmen help\n  dolmen help volume\n  dolmen help volume create\n",
     help_run},
    {"completion", NULL, "bash", 1, 1, {{NULL, NULL, NULL}},
     "completion for the shell",
     "  source <(dolmen completion bash)\n",
     completion_run},
};
/* clang-format on */
const uint32_t command_count = sizeof commands / sizeof *commands;

const struct command *command_find(const char *noun, const char *verb)
{
    for (uint32_t i = 0; i < command_count; i++) {
        const struct command *c = &commands[i];

        if (strcmp(c->noun, noun) != 0 || !c->verb != !verb)
            continue;
        if (!verb || strcmp(c->verb, verb) == 0)
            return c;
    }
    return NULL;
}

bool command_noun_known(const char *noun)
{
    for (uint32_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].noun, noun) == 0)
            return true;
    return false;
}

static void append(char ret[256], const char *a, const char *b, const char *c)
{
    size_t used = strlen(ret);

    snprintf(ret + used, 256 - used, "%s%s%s", a, b, c);
}

void command_usage(const struct command *c, char ret[256])
{
    ret[0] = '\0';
    append(ret, c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
    if (*c->words)
        append(ret, " ", c->words, "");
    for (uint32_t i = 0; i < CLI_OPTIONS_MAX && c->options[i].name; i++) {
        const struct option_spec *o = &c->options[i];
        bool needed = strstr(o->help, "(needed)") != NULL;

        append(ret, needed ? " " : " [", o->name, o->value ? " " : "");
        append(ret, o->value ? o->value : "", needed ? "" : "]", "");
    }
}
