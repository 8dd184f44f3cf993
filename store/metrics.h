/* SPDX-License-Identifier: Apache-2.0 */
/* store/metrics.h — what a store counts of its disk. */
#ifndef STORE_METRICS_H
#define STORE_METRICS_H

#include "base/metric.h"

/* clang-format off */
#define STORE_METRICS(X)                                                                          \
    X(COUNTER,   groups,             "Groups that the journal made durable.")                     \
    X(HISTOGRAM, group_seconds,      "Groups, from the disk's being asked to their being answered in their turn.") \
    X(COUNTER,   journal_bytes,      "Written to the journal.")                                   \
    X(COUNTER,   around_bytes,       "Whole chunks that were written around the journal.")        \
    X(COUNTER,   acknowledged_bytes, "Data of writes that were answered as durable.")             \
    X(HISTOGRAM, read_seconds,       "Reads, from their being asked to their answer.")            \
    X(COUNTER,   read_bytes,         "Data of reads.")                                            \
    X(COUNTER,   medium_errors,      "Reads that met a block which is not what was written.")     \
    X(COUNTER,   refused_reads,      "Blocks, pages of tables and journal, that were not read.")  \
    X(COUNTER,   checkpoints,        "Checkpoints that ended.")                                   \
    X(HISTOGRAM, checkpoint_seconds, "Checkpoints, from freeze to root.")                         \
    X(GAUGE,     journal_used,       "Bytes of the journal that no checkpoint has freed yet.")    \
    X(GAUGE,     journal_size,       "Bytes of the journal.")                                     \
    X(GAUGE,     staged_blocks,      "Blocks in memory that are not home yet.")                   \
    X(GAUGE,     stage_size,         "Blocks for which there is memory.")                         \
    X(GAUGE,     free_bytes,         "Chunks that writes may take: what is left but for the reserve, and what is being freed.") \
    X(GAUGE,     size_bytes,         "All chunks.")                                               \
    X(GAUGE,     map_used_bytes,     "Memory of the chunk maps in use: 1 KiB for each 8 MiB of a volume that hold anything.") \
    X(GAUGE,     map_size_bytes,     "Memory for chunk maps.")                                    \
    X(GAUGE,     broken,             "1: the disk refused a write, and takes no more changes.")
/* clang-format on */
METRICS_STRUCT(store_metrics, STORE_METRICS);
extern const struct metric_table store_metric_table;

struct store;

/* Read by any thread, while the store is open. */
const struct store_metrics *store_metrics(const struct store *s);

#endif
