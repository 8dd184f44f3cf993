/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/storm/storm.h — random workloads and random faults on one store, held to the model.
 *
 * A seed is a *mood* (which commands, how many at once, where: workload.c) and a *weather* (what
 * goes wrong: weather.c), played in a few lives with a death and a recovery between them.  What a
 * fault may cost is derived from the bytes that it hit (cost.c); everything else must be right.
 * watch.c looks at what the store asks of its disk, and counts what it is about.
 */
#ifndef TESTS_SIM_STORM_STORM_H
#define TESTS_SIM_STORM_STORM_H

#include "store/inside.h"
#include "tests/sim/store/player.h"

/* ---- what the seeds reached: each must be reached by the fixed ones ---- */

/* clang-format off */
#define TALLY_LIST(X)                                                            \
    X(WRITES,          "small writes")                                           \
    X(CHUNK_WRITES,    "writes of whole chunks")                                 \
    X(LARGE_WRITES,    "large writes with ragged ends")                          \
    X(UNMAPS,          "unmaps")                                                 \
    X(CHUNK_UNMAPS,    "unmaps of whole chunks")                                 \
    X(READS,           "reads")                                                  \
    X(MAKES,           "replicas made")                                          \
    X(DELETES,         "replicas deleted")                                       \
    X(SALVAGES,        "replicas salvaged")                                      \
    X(RESIZES,         "replicas grown")                                         \
    X(PROMISES,        "promises")                                               \
    X(SETS,            "sets stored")                                            \
    X(COMMITS,         "commit words")                                           \
    X(SEALS,           "epochs sealed")                                          \
    X(REFUSED_SPACE,   "changes refused: no space")                              \
    X(REFUSED_RANGE,   "changes refused: out of range")                          \
    X(REFUSED_EPOCH,   "changes refused: stale epoch")                           \
    X(REFUSED_SHRINK,  "changes refused: shrinking")                             \
    X(GROUPS,          "journal groups")                                         \
    X(IDLE_GROUPS,     "journal groups without a change")                        \
    X(GROUPS_MORE,     "journal groups sent while others were under way")        \
    X(GROUPS_BESIDE,   "journal groups sent beside a checkpoint")                \
    X(REDIRECTS,       "journal groups with chunks written around the journal")  \
    X(WRAPS,           "journal groups that wrap around the ring")               \
    X(MENDED,          "pages of the ring, refused before, that were mended")    \
    X(CHECKPOINTS,     "roots written")                                          \
    X(HOME_WRITES,     "writes home")                                            \
    X(PAGE_WRITES,     "table and index pages written")                          \
    X(AMID_REPLAY,     "checkpoints amid a replay")                              \
    X(WAITED_SPACE,    "checkpoints that a write waited for, to find space")     \
    X(EMPTIED,         "chunks found empty, and freed by the next checkpoint")   \
    X(READ_AHEAD,      "reads of data ahead of their table page")                \
    X(LOG_OVER,        "activity logs that say everything")                      \
    X(NOTES,           "notes found again when a store was opened")              \
    X(SCRUB_ROUNDS,    "whole rounds of a scrub")                                \
    X(SCRUB_FOUND,     "findings of a scrub")                                    \
    X(CHECKS,          "checks of a disk at rest")                               \
    X(STOPS,           "stops in good order")                                    \
    X(KILLS,           "processes killed")                                       \
    X(POWER_LOSSES,    "losses of power")                                        \
    X(DIED_GROUP,      "deaths at a journal write")                              \
    X(DIED_HOME,       "deaths at a write home")                                 \
    X(DIED_PAGE,       "deaths at a page of table or index")                     \
    X(DIED_ROOT,       "deaths at a root")                                       \
    X(DIED_SYNC,       "deaths at a sync")                                       \
    X(DIED_OPENING,    "deaths in a recovery")                                   \
    X(DIED_IDLE,       "deaths with nothing under way")                          \
    X(DIED_GROWING,    "deaths while a replica grew")                            \
    X(DIED_SALVAGING,  "deaths while a replica was salvaged")                    \
    X(DIED_SCRUBBING,  "deaths amid a round of a scrub")                         \
    X(RECOVERIES,      "recoveries")                                             \
    X(READ_ERRORS,     "blocks that could not be read")                          \
    X(HEALED,          "bad blocks written anew")                                \
    X(DAMAGED,         "replicas that lost something that they cannot name")     \
    X(READ_ONLY,       "stores that took no more changes")                       \
    X(HARM_DATA,       "chunks harmed at rest")                                  \
    X(HARM_MAP,        "map pages harmed at rest")                               \
    X(HARM_CHECKSUMS,  "checksum pages harmed at rest")                          \
    X(HARM_LOG,        "log pages harmed at rest")                               \
    X(HARM_INDEX,      "index pages harmed at rest")                             \
    X(HARM_ROOT,       "root copies harmed at rest")                             \
    X(HARM_SUPERBLOCK, "superblock copies harmed at rest")                       \
    X(HEAD_REFUSED,    "root and superblock copies that the disk did not read")  \
    X(HEAD_BACK,       "root and superblock copies unread by one opening")       \
    X(HEAD_STRAY,      "root and superblock copies under data written astray")   \
    X(ROOT_LOST,       "root copies whose newest write was lost")                \
    X(HARM_GROUP,      "journal groups harmed at rest")                          \
    X(GROUP_LOST,      "journal groups whose write was lost")                    \
    X(GROUP_STRAY,     "journal groups under another one written astray")        \
    X(GROUP_REFUSED,   "journal groups that the disk did not read")              \
    X(END_REFUSED,     "openings refused, as the journal's end was not read")    \
    X(HARM_PAYLOAD,    "journaled blocks harmed at rest")                        \
    X(PAYLOAD_LOST,    "journaled blocks whose write was lost")                  \
    X(PAYLOAD_REFUSED, "journaled blocks that the disk did not read")            \
    X(HIT_INDEX,       "faults at the index, while it ran")                      \
    X(MISREAD_MAP,     "misreads of map pages, while it was opened")             \
    X(HIT_JOURNAL,     "errors at the journal, while it was opened")             \
    X(MISREAD_JOURNAL, "misreads of the journal, while it was opened")           \
    X(HIT_ROOT,        "faults at roots, while it ran")                          \
    X(HIT_SUPERBLOCK,  "faults at superblocks, while it ran")                    \
    X(STRAY_TABLES,    "table pages under writes gone astray")                   \
    X(STRAY_INDEX,     "index pages under writes gone astray")
/* clang-format on */

#define TALLY_ENUM(name, sentence) TALLY_##name,
enum tally_item { TALLY_LIST(TALLY_ENUM) TALLY_FAULTS }; /* behind them by sim_fault_kind */
#undef TALLY_ENUM
#define TALLY_ITEMS (TALLY_FAULTS + FAULT_KINDS)

struct tally {
    uint64_t seeds, commands, virtual_us, count[TALLY_ITEMS];
};
const char *tally_sentence(uint32_t item);

/* Whether the design promises to survive it, so that the fixed seeds must meet it. */
bool tally_is_demanded(uint32_t item);

/* ---- one seed ---- */

struct mood;
struct weather;

struct storm {
    struct player *p;
    struct tally tally;
    struct geometry geo;
    const struct mood *mood;
    const struct weather *weather;
    bool doomed[MODEL_REPLICAS]; /* a DELETE was given */
    bool ailing;                 /* the disk may refuse writes: the store may turn read-only */
    bool settled;                /* it is open, and the model knows */
    bool head_harmed;            /* a superblock: it is never written again */
    bool end_refused;            /* a page at the end of the journal, until weather_ends() */
    uint8_t *root_before[2];     /* each copy, as it was before it was last written */
    struct identity identity;
    uint32_t faults_seen; /* of sim_disk_faults() */
#define EMPTIED_MOST 64u
    uint64_t emptied[EMPTIED_MOST]; /* chunks that the last checkpoint found to be empty */
    uint32_t emptied_count;
#define MAP_PAGES_MOST 8u
    uint32_t mapped[2][MAP_PAGES_MOST]; /* by place: the slots that each map page names */
    struct disk watched;                /* stands between the store and its disk */
    struct disk *real;
};

/* Plays it; false: *ret says what is wrong in p->model.wrong … */
bool storm_play(uint64_t seed, bool trace, struct tally *ret, char wrong[256]);

static inline void tell(struct storm *s, enum tally_item item)
{
    s->tally.count[item]++;
}

/* ---- workload.c ---- */

const struct mood *mood_of(uint64_t seed);
const char *mood_name(const struct mood *m);
void workload_begin(struct storm *s); /* the first replicas */
/* Gives and awaits commands until so many were given, or it is dead, or something is wrong. */
void workload_live(struct storm *s, uint64_t commands);
/* What lost something is deleted, what is bad is written anew. */
void workload_mend(struct storm *s);

/* ---- weather.c ---- */

const struct weather *weather_of(uint64_t seed);
const char *weather_name(const struct weather *w);
bool weather_stops(const struct weather *w); /* in good order instead of a crash */
bool weather_is_write_through(const struct weather *w);
bool weather_is_clear(const struct weather *w); /* nothing is harmed, ever */
bool weather_is_scrubbed(const struct weather *w);
bool weather_is_at_rest(const struct weather *w); /* nothing goes wrong while it runs */
void weather_rises(struct storm *s, bool last);   /* before a life: rules; the last life? */
void weather_ends(struct storm *s);               /* no rules; what is harmed stays so */
void weather_at_rest(struct storm *s);            /* nobody has the disk: harm */

/* ---- cost.c ---- */

/* Tells the model what the faults so far may have cost. */
void cost_tell(struct storm *s);
/* … and what harm there is now, which may come to light later. */
void cost_of_harm(struct storm *s);

/* A page of the tables is about to be written. */
void cost_note_page(struct storm *s, uint64_t offset, const uint8_t *bytes);

/* ---- state.c ---- */

void state_at_root(struct storm *s, uint32_t copy);      /* it is about to be written */
void state_at_read(struct storm *s, struct disk_io *io); /* it is about to be asked for */
void state_when_open(struct storm *s);                   /* it was just recovered       */
void state_when_quiet(struct storm *s);                  /* everything is answered      */
void state_scrub(struct storm *s);                       /* the scrub begins …          */
bool state_scrubs(const struct storm *s);                /* it is in the middle of a round */
void state_of_scrub(struct storm *s); /* … and what it found is held against the model */

/* ---- watch.c ---- */

void watch_begin(struct storm *s); /* a new process has the disk */
void watch_end(struct storm *s);   /* the seed is over */

#endif
