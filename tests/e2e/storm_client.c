/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/e2e/storm_client.c — many initiators at once, each with 32 random writes of 4 KiB in
 * flight.
 *
 *   storm_client ISCSI-URL INITIATOR-NAME [ISCSI-URL INITIATOR-NAME]…
 *
 * Each pair is a session.  It writes onto blocks of its own, one write at a time onto a block, and
 * sends a ping (NOP-Out) a second.  BUSY and TASK SET FULL are counted and tried again a little
 * later; any other answer but GOOD, a lost session, or a ping without answer for PING_MAX_S is a
 * failure: it says so and ends with 1.
 *
 * A line of standard input is the name of a phase that begins.  Five times a second it prints
 *   now NAME writes=N,N,… pings=N,N,…            of each session, since the phase began
 * and when the phase ends
 *   phase NAME ms=N writes=N,N,… busy=N full=N pings=N ahead=N behind=N p50_us=N p99_us=N max_us=N
 *   waited_p99_us=N waited_max_us=N
 * libiscsi's pings are not immediate: each waits in the client until the window has let out the
 * writes before it (waited_), and the other latencies count from there.  Of the pings that went out
 * while at least CLAIM_LEAST writes were under way `behind` were answered after all those, and
 * `ahead` before one of them.
 *
 * When its input ends, it waits for what is in flight, reads every block that was written, and
 * prints "verified N blocks": each holds the last write that was acknowledged.
 */
#include <errno.h>
#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SESSIONS_MAX 64
#define IN_FLIGHT    32
#define BLOCKS       256u /* of each session */
#define BLOCK_BYTES  4096u
#define SECTOR       512u
#define PAUSE_US     100000u /* before what was told BUSY is tried again */
#define TICK_US      200000u
#define PING_US      1000000u
#define CLAIM_LEAST  8u
#define PING_MAX_S   30u
#define SILENCE_S    120u /* without one acknowledged write */
#define SAMPLES_MAX  100000u

struct storm;

struct write {
    struct session *session; /* NULL: free */
    uint32_t block;
    uint64_t number;   /* in its session: which write this is */
    uint64_t again_us; /* when it is tried again; 0: under way */
    uint32_t words[BLOCK_BYTES / 4];
};

struct session {
    struct storm *storm;
    struct iscsi_context *iscsi;
    uint32_t index;
    int lun;
    struct write writes[IN_FLIGHT];
    uint64_t acknowledged[BLOCKS]; /* the last write's number; 0: none */
    bool busy[BLOCKS];
    uint64_t issued; /* writes, ever */
    uint32_t in_flight;
    uint64_t good, pings; /* in this phase */
    bool pinging, ping_is_out;
    bool ping_claims; /* that it overtakes: many writes were under way when it went out */
    uint64_t ping_made_us, ping_out_us;
    uint64_t ping_behind; /* the last write before it */
    uint32_t queued;      /* in the client, since the ping */
};

struct samples {
    uint32_t us[SAMPLES_MAX], count;
};

struct storm {
    struct session sessions[SESSIONS_MAX];
    uint32_t count;
    char phase[32];
    uint64_t phase_us, tick_us, last_good_us;
    uint64_t busy, full, ahead, behind;
    struct samples waited, answered; /* pings, in the client and from there */
    bool ending, failed;
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void fail(struct session *s, const char *what)
{
    if (!s->storm->failed)
        fprintf(stderr, "storm_client: session %" PRIu32 ": %s: %s\n", s->index, what,
                iscsi_get_error(s->iscsi));
    s->storm->failed = true;
}

/* ---- writes ---- */

static void fill(uint32_t *words, const struct session *s, uint32_t block, uint64_t number)
{
    for (uint32_t i = 0; i < BLOCK_BYTES / 4; i += 4) {
        words[i] = s->index;
        words[i + 1] = block;
        words[i + 2] = (uint32_t)number;
        words[i + 3] = i;
    }
}

static uint64_t lba_of(const struct session *s, uint32_t block)
{
    return ((uint64_t)s->index * BLOCKS + block) * (BLOCK_BYTES / SECTOR);
}

static void written(struct iscsi_context *iscsi, int status, void *data, void *private);

static void send_write(struct write *w)
{
    struct session *s = w->session;

    w->again_us = 0;
    s->queued++;
    if (!iscsi_write16_task(s->iscsi, s->lun, lba_of(s, w->block), (unsigned char *)w->words,
                            BLOCK_BYTES, SECTOR, 0, 0, 0, 0, 0, written, w))
        fail(s, "a write could not be sent");
}

static void write_ended(struct write *w)
{
    struct session *s = w->session;

    s->acknowledged[w->block] = w->number;
    s->busy[w->block] = false;
    s->good++;
    s->in_flight--;
    s->storm->last_good_us = now_us();
    w->session = NULL;
}

static void written(struct iscsi_context *iscsi, int status, void *data, void *private)
{
    struct write *w = private;
    struct session *s = w->session;
    struct scsi_task *task = data;

    (void)iscsi;
    if (status == SCSI_STATUS_GOOD) {
        write_ended(w);
    } else if (status == SCSI_STATUS_BUSY || status == SCSI_STATUS_TASK_SET_FULL) {
        s->storm->busy += status == SCSI_STATUS_BUSY;
        s->storm->full += status == SCSI_STATUS_TASK_SET_FULL;
        w->again_us = now_us() + PAUSE_US;
    } else {
        fail(s, "a write was answered with an error");
    }
    if (task)
        scsi_free_scsi_task(task);
}

static void start_write(struct session *s, struct write *w)
{
    uint32_t block = (uint32_t)random() % BLOCKS;

    while (s->busy[block])
        block = (block + 1) % BLOCKS;
    *w = (struct write){.session = s, .block = block, .number = ++s->issued};
    fill(w->words, s, block, w->number);
    s->busy[block] = true;
    s->in_flight++;
    send_write(w);
}

static void start_writes(struct session *s, uint64_t now)
{
    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        struct write *w = &s->writes[i];

        if (w->session && w->again_us > 0 && w->again_us <= now)
            send_write(w);
        else if (!w->session && !s->storm->ending)
            start_write(s, w);
    }
}

/* ---- pings ---- */

/* Of the writes before it, those that wait for their answer. */
static uint32_t under_way(const struct session *s)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < IN_FLIGHT; i++) {
        const struct write *w = &s->writes[i];

        count += w->session && w->again_us == 0 && w->number <= s->ping_behind;
    }
    return count;
}

/* Has the ping left the client?  What is queued leaves in order, so it has when no more is there
 * than came after it. */
static void look_for_ping(struct session *s)
{
    if (!s->pinging || s->ping_is_out || (uint32_t)iscsi_out_queue_length(s->iscsi) > s->queued)
        return;
    s->ping_is_out = true;
    s->ping_out_us = now_us();
    s->ping_claims = under_way(s) >= CLAIM_LEAST;
}

static void sample(struct samples *a, uint64_t us)
{
    if (a->count < SAMPLES_MAX)
        a->us[a->count++] = (uint32_t)us;
}

static void ponged(struct iscsi_context *iscsi, int status, void *data, void *private)
{
    struct session *s = private;
    struct storm *m = s->storm;

    (void)iscsi, (void)data;
    look_for_ping(s); /* it may have gone out and been answered in one turn */
    s->pinging = false;
    if (status != SCSI_STATUS_GOOD) {
        fail(s, "a ping failed");
        return;
    }
    if (s->ping_made_us < m->phase_us)
        return; /* it belongs to another phase */
    s->pings++;
    m->ahead += s->ping_claims && under_way(s) > 0;
    m->behind += s->ping_claims && under_way(s) == 0;
    sample(&m->waited, s->ping_out_us - s->ping_made_us);
    sample(&m->answered, now_us() - s->ping_out_us);
}

static void ping(struct session *s, uint64_t now)
{
    if (s->pinging && now - s->ping_made_us > PING_MAX_S * 1000000)
        fail(s, "no answer to a ping");
    if (s->pinging || s->storm->ending || now - s->ping_made_us < PING_US)
        return;
    s->pinging = true;
    s->ping_is_out = false;
    s->ping_made_us = now;
    s->ping_claims = false;
    s->ping_behind = s->issued;
    s->queued = 0;
    if (iscsi_nop_out_async(s->iscsi, ponged, NULL, 0, s) != 0)
        fail(s, "a ping could not be sent");
}

/* ---- what is told ---- */

static void print_counts(const struct storm *m)
{
    printf(" writes=");
    for (uint32_t i = 0; i < m->count; i++)
        printf("%s%" PRIu64, i > 0 ? "," : "", m->sessions[i].good);
}

static void tell(struct storm *m, uint64_t now)
{
    if (now - m->tick_us < TICK_US)
        return;
    m->tick_us = now;
    printf("now %s", m->phase);
    print_counts(m);
    printf(" pings=");
    for (uint32_t i = 0; i < m->count; i++)
        printf("%s%" PRIu64, i > 0 ? "," : "", m->sessions[i].pings);
    printf("\n");
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static uint32_t percentile(const struct samples *a, uint32_t share)
{
    uint64_t at = (uint64_t)a->count * share / 100;

    if (a->count == 0)
        return 0;
    return a->us[at < a->count ? at : a->count - 1];
}

static void end_phase(struct storm *m)
{
    struct samples *a = &m->answered, *w = &m->waited;

    qsort(a->us, a->count, sizeof a->us[0], by_value);
    qsort(w->us, w->count, sizeof w->us[0], by_value);
    printf("phase %s ms=%" PRIu64, m->phase, (now_us() - m->phase_us) / 1000);
    print_counts(m);
    printf(" busy=%" PRIu64 " full=%" PRIu64 " pings=%" PRIu32 " ahead=%" PRIu64 " behind=%" PRIu64,
           m->busy, m->full, a->count, m->ahead, m->behind);
    printf(" p50_us=%" PRIu32 " p99_us=%" PRIu32 " max_us=%" PRIu32, percentile(a, 50),
           percentile(a, 99), percentile(a, 100));
    printf(" waited_p99_us=%" PRIu32 " waited_max_us=%" PRIu32 "\n", percentile(w, 99),
           percentile(w, 100));
}

static void begin_phase(struct storm *m, const char *name)
{
    snprintf(m->phase, sizeof m->phase, "%s", name);
    m->phase_us = now_us();
    m->busy = m->full = m->ahead = m->behind = 0;
    m->waited.count = m->answered.count = 0;
    for (uint32_t i = 0; i < m->count; i++)
        m->sessions[i].good = m->sessions[i].pings = 0;
}

/* One line, or the end. */
static void hear(struct storm *m)
{
    char line[sizeof m->phase];
    ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);

    if (length <= 0) {
        end_phase(m);
        m->ending = true;
        return;
    }
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    end_phase(m);
    begin_phase(m, line);
}

/* ---- the loop ---- */

static void turn(struct storm *m)
{
    struct pollfd fds[SESSIONS_MAX + 1];

    for (uint32_t i = 0; i < m->count; i++)
        fds[i] = (struct pollfd){
            .fd = iscsi_get_fd(m->sessions[i].iscsi),
            .events = (short)iscsi_which_events(m->sessions[i].iscsi),
        };
    fds[m->count] = (struct pollfd){.fd = m->ending ? -1 : STDIN_FILENO, .events = POLLIN};
    if (poll(fds, m->count + 1, 20) < 0 && errno != EINTR)
        fail(&m->sessions[0], "poll");
    for (uint32_t i = 0; i < m->count; i++)
        if (iscsi_service(m->sessions[i].iscsi, fds[i].revents) < 0)
            fail(&m->sessions[i], "the session is lost");
    for (uint32_t i = 0; i < m->count; i++)
        look_for_ping(&m->sessions[i]);
    if (fds[m->count].revents)
        hear(m);
    if (now_us() - m->last_good_us > SILENCE_S * UINT64_C(1000000))
        fail(&m->sessions[0], "no write was acknowledged for two minutes");
}

static void work(struct storm *m)
{
    uint32_t in_flight;

    do {
        uint64_t now = now_us();

        in_flight = 0;
        for (uint32_t i = 0; i < m->count && !m->failed; i++) {
            struct session *s = &m->sessions[i];

            start_writes(s, now);
            ping(s, now);
            in_flight += s->in_flight + s->pinging;
        }
        if (!m->ending)
            tell(m, now);
        if (in_flight > 0 || !m->ending)
            turn(m);
    } while (!m->failed && (!m->ending || in_flight > 0));
}

/* ---- the end: is everything there? ---- */

static bool block_is_there(struct session *s, uint32_t block)
{
    static uint32_t expected[BLOCK_BYTES / 4];
    struct scsi_task *task =
        iscsi_read16_sync(s->iscsi, s->lun, lba_of(s, block), BLOCK_BYTES, SECTOR, 0, 0, 0, 0, 0);
    bool same;

    fill(expected, s, block, s->acknowledged[block]);
    same = task && task->status == SCSI_STATUS_GOOD && task->datain.size == (int)BLOCK_BYTES &&
           memcmp(task->datain.data, expected, BLOCK_BYTES) == 0;
    if (task)
        scsi_free_scsi_task(task);
    return same;
}

static void verify(struct storm *m)
{
    uint32_t verified = 0;

    for (uint32_t i = 0; i < m->count && !m->failed; i++) {
        struct session *s = &m->sessions[i];

        for (uint32_t block = 0; block < BLOCKS && !m->failed; block++) {
            if (s->acknowledged[block] == 0)
                continue;
            if (!block_is_there(s, block))
                fail(s, "an acknowledged write is not there");
            verified++;
        }
        iscsi_logout_sync(s->iscsi);
    }
    if (!m->failed)
        printf("verified %" PRIu32 " blocks\n", verified);
}

static bool log_in(struct session *s, const char *url_text, const char *initiator)
{
    struct iscsi_url *url;
    bool in;

    s->iscsi = iscsi_create_context(initiator);
    url = s->iscsi ? iscsi_parse_full_url(s->iscsi, url_text) : NULL;
    if (!url)
        return false;
    iscsi_set_noautoreconnect(s->iscsi, 1); /* a session that is lost is a failure */
    iscsi_set_targetname(s->iscsi, url->target);
    iscsi_set_session_type(s->iscsi, ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(s->iscsi,
                            s->index % 2 ? ISCSI_HEADER_DIGEST_CRC32C : ISCSI_HEADER_DIGEST_NONE);
    s->lun = url->lun;
    in = iscsi_full_connect_sync(s->iscsi, url->portal, url->lun) == 0;
    iscsi_destroy_url(url);
    return in;
}

int main(int argc, char **argv)
{
    static struct storm storm;
    struct storm *m = &storm;

    m->count = (uint32_t)(argc - 1) / 2;
    if (argc % 2 == 0 || m->count < 1 || m->count > SESSIONS_MAX) {
        fprintf(stderr, "usage: storm_client ISCSI-URL INITIATOR-NAME …\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    for (uint32_t i = 0; i < m->count; i++) {
        struct session *s = &m->sessions[i];

        s->storm = m;
        s->index = i;
        if (!log_in(s, argv[1 + 2 * i], argv[2 + 2 * i])) {
            fprintf(stderr, "storm_client: no login %" PRIu32 ": %s\n", i,
                    s->iscsi ? iscsi_get_error(s->iscsi) : "");
            return 1;
        }
    }
    m->last_good_us = now_us();
    begin_phase(m, "calm");
    work(m);
    verify(m);
    return m->failed;
}
