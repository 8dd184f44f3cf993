/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/sim/world/inside.h — what the files of the world share.
 *
 * Everything that will happen is a `struct sim_event` in one list ordered by time.  An event
 * belongs to the process that hears of it and dies with it.
 */
#ifndef TESTS_SIM_WORLD_INSIDE_H
#define TESTS_SIM_WORLD_INSIDE_H

#include "tests/sim/world/world.h"

struct sim_process;

/* Memory is the user's; zeroed and list_init'ed link: not scheduled. */
struct sim_event {
    struct list link;
    uint64_t due_us;
    struct sim_process *process; /* NULL: the world's */
    void (*fire)(struct sim_event *);
    void (*drop)(struct sim_event *); /* its process is dead; optional */
};

struct sim_chance {
    struct chance chance;
    uint64_t state;
};

struct sim_log {
    struct log log;
    struct sim_process *process;
};

/* A thread of a process, with an env of its own; most have only one. */
struct sim_process {
    struct env env;
    struct sim_process *whole; /* the first one: it counts and dies for all */
    struct sim *sim;
    struct list link; /* in the world's living, or in the graveyard */
    char name[32];
    struct sim_chance chance;
    struct sim_log log;
    struct list handles; /* disks it has open */
    struct list ends;    /* its connections */
    struct list listeners;
    struct mail *mail_first, *mail_last;
    struct sim_event mail_event;
    bool dead;
    uint64_t io_count, crash_at; /* these are of the whole; crash_at 0: never */
    enum sim_death death;
    enum sim_moment moment;
    bool dying;
};

struct sim {
    uint64_t now_us;
    struct sim_chance chance, test_chance;
    struct list events;
    struct list living;
    struct list disks;
    struct list pairs; /* of connections */
    uint32_t next_port;
    uint64_t still; /* turns since the clock last moved */
    bool trace;
};

static inline struct sim_process *process_of(struct env *e)
{
    return container_of(e, struct sim_process, env);
}

static inline bool process_dying(const struct sim_process *p)
{
    return p->whole->dying;
}

void sim_trace(struct sim *s, const char *who, const char *text);

/* A number below `below`, from the world's chance. */
uint64_t world_draw(struct sim *s, uint64_t below);

/* A delay between least and most; one time in 64 up to sixteen times as long. */
uint64_t world_delay(struct sim *s, uint64_t least_us, uint64_t most_us);

/* Fires after `delay_us`; an event that is scheduled already is moved. */
void event_schedule(struct sim *s, struct sim_event *e, uint64_t delay_us);
void event_cancel(struct sim_event *e);

/*
 * An I/O that changes something outside is about to be issued by `p`: counts it.  False: it comes
 * to nothing, the process is dying.
 */
bool process_issues(struct sim_process *thread);

/* It has been issued.  True: the process is to die when it is performed, without hearing of it. */
bool process_has_issued(struct sim_process *thread);

/* Within a call of it: buried when the turn ends. */
void process_dies(struct sim_process *p);

/* env_ops, by file. */
enum err world_disk_open(struct env *e, const char *path, uint64_t create_bytes, struct disk **ret);
enum err world_listen(struct env *e, const struct net_address *at, struct net_listener *l);
void world_unlisten(struct env *e, struct net_listener *l);
enum err world_connect(struct env *e, const struct net_address *to, const struct net_events *events,
                       void *owner, struct net_conn **ret);
enum err world_adopt(struct env *e, struct net_parcel *p, const struct net_events *events,
                     void *owner, struct net_conn **ret);
void world_discard(struct env *e, struct net_parcel *p);

/* Its process died: what becomes of what it had under way. */
void disks_of_dead(struct sim_process *p, enum sim_death death);
void net_of_dead(struct sim_process *p);

void disks_free(struct sim *s);
void net_free(struct sim *s);

#endif
