/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol-model.c: a random explorer of the replication protocol of one shard (see docs/design.md 5 and 6, docs/protocol-notes.md).
 *
 * Three replicas, three primaries, a keeper, FIFO connections that break and leave bytes behind, cut links, crashes,
 * stopped processes, time. Each block has one sequential client whose writes carry rising numbers, so "stale" is "<".
 * Checked at every step: in-sync replicas alike on every block without a write in flight; nothing acknowledged or read
 * is ever older again; a snapshot never changes and is the same on all copies.
 *
 * cc -O2 -o protocol-model protocol-model.c
 * ./protocol-model [N]            the corrected protocol, then every planted bug until it is caught, N histories each
 * ./protocol-model BUG N          one of them
 * ./protocol-model BUG 1 HISTORY  replays one history with its trace
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>

enum { NR = 3, NP = 3, NB = 3, W = 4, MAXQ = 24, MAXL = 512, NK = 8, NZ = 24 };

enum bug {
    NONE,
    RLIST,          /* a returning replica's own open writes are not re-copied                      */
    RESTAMP,        /* writes in flight at an exclusion keep their old stamp                         */
    ALIKE_UNLOGGED, /* take-over copies are not journaled as writes                                   */
    ALIKE_MULTI,    /* each open extent is copied from whoever reported it, all at once              */
    NO_EPOCH_SEQ,   /* commit_seq clears open writes of any epoch                                    */
    ABORT_REFUSE,   /* an abort un-sends: replicas refuse the write by its number, commit passes it  */
    INCL_DOUBT,     /* an inclusion in doubt counts as failed                                        */
    INCL_LAG,       /* inclusion asked while the joiner still lacks mirrored writes                   */
    LIST_EARLY,     /* the list of changed chunks is read before earlier writes are complete         */
    STALE_CONN,     /* bytes left in a dead connection are still applied                             */
    SAME_EPOCH,     /* a restarted primary goes on in its old epoch                                  */
    FREED,          /* a chunk freed while a replica was away leaves no trace                         */
    NO_GRANT,       /* reads without a lease                                                         */
    READ_INFLIGHT,  /* a read does not wait for a write in flight                                    */
    SNAP_NODRAIN,   /* a snapshot is taken while writes are in flight                                */
    EXCL_DOUBT,     /* an exclusion in doubt counts as done                                          */
    GRANT_RESTART,  /* a restarted replica promises at once                                          */
    LOG_VOLATILE,   /* a restart forgets the open writes                                             */
    EARLY_ANSWER,   /* answered by min_copies instead of the whole in-sync set                       */
    STAMP_COPY,     /* resync does not carry the source's stamps                                     */
    OFF_BY_ONE,     /* excluded replica recorded as in sync up to the new generation                 */
    SEAL_EARLY,     /* old open writes are forgotten before take-over copies are complete            */
    NO_MIRROR,      /* writes during resync are not mirrored                                         */
    RLIST_ONCE,     /* a returning replica forgets its open writes when the resync starts            */
    LATE_ACCEPT,    /* the promise is answered before accepted writes are in the report             */
    SNAP_EAGER,     /* a generation is used before it is recorded                                    */
    COPY_UNLOCKED,  /* resync reads a chunk without its lock                                         */
    RESTAMP_FROZEN, /* an exclusion re-stamps chunks that a snapshot froze                            */
    COPY_CLOSED,    /* a chunk open at its source is not open at the copy (exchange)                  */
    SEAL_ALL,       /* a replica that is not a member is told that older epochs are settled           */
    NO_FENCE,       /* a replica does not look at the epoch                                           */
    PROMISE_LOST,   /* a restarted replica has forgotten its promise                                  */
    NBUGS
};
static const char *bug_name[NBUGS] = {
    "none", "rlist", "restamp", "alike-unlogged", "alike-multi", "no-epoch-seq", "abort-refuse", "incl-doubt",
    "incl-lag", "list-early", "stale-conn", "same-epoch", "freed", "no-grant", "read-inflight",
    "snap-nodrain", "excl-doubt", "grant-restart", "log-volatile", "early-answer", "stamp-copy", "off-by-one",
    "seal-early", "no-mirror", "rlist-once", "late-accept", "snap-eager", "copy-unlocked",
    "restamp-frozen", "copy-closed", "seal-all", "no-fence", "promise-lost",
};
static int bug, trace, MIN, LEASE, use_unmap, use_snap, use_xchg;

/* ---- chance ---- */
static uint64_t rs;
static uint32_t rnd(void) { rs ^= rs << 13; rs ^= rs >> 7; rs ^= rs << 17; return (uint32_t)(rs >> 16); }
static int below(int n) { return (int)(rnd() % (uint32_t)n); }
static int one_in(int n) { return below(n) == 0; }
static int pop(int m) { return __builtin_popcount((unsigned)m); }

#define T(...) do { if (trace) { printf("%4d t%-3d ", step, now); printf(__VA_ARGS__); putchar('\n'); } } while (0)

/* ---- state ---- */
struct chunk { int val, has, stamp, fz, tag; }; /* fz: what snapshot `tag` sees; val kept as a ghost when freed */
struct open_write { int e, s, b; };
struct replica {
    int promised, gen, nlog, ce, cs, le, ls;
    struct chunk c[NB];
    struct open_write log[MAXL];
    int up, start, grant, cur[NP]; /* volatile */
} R[NR];

enum { PROMISE, WRITE, COPY, SET, PING };
struct msg { int seal, type, epoch, conn, seq, b, val, un, stamp, gen, snap, fz, tag, ce, cs, t; };
struct rep { int type, epoch, conn, seq, b, t, logm, le, ls; };
static struct msg Q[NP][NR][MAXQ]; static int qn[NP][NR];
static struct rep B[NP][NR][MAXQ]; static int bn[NP][NR];
static struct { struct msg m; int p, r; } Z[NZ]; static int zn, cut[NP][NR], burst[NP][NR], paused[NP];

struct inflight { int used, seq, b, val, un, ack, client, aborted; };
enum { IDLE, PROMISING, ALIKE, SERVING };
enum { C_NONE, C_EXCL, C_INCL, C_XCHG, C_SNAP };
struct primary {
    int up, role, epoch, rev, set, gen, snap, behind[NR], conn[NR];
    int seq, lock[NB];
    struct inflight f[W];
    int cas, cas_r, cas_set, nonce, cas_wait;      /* one change of the record at a time */
    int setneed;                                    /* members that have not stored the new set yet */
    int replied, logm[NR], pl[NR], ps[NR], src, todo; /* take-over */
    int jr, jst, jneed, jbar, jb, jlast, jack;      /* a joining replica */
    int drain;
    int pg[NR];
    struct { int used, b, floor, st, v, has; } rd;
    int assigned;
} P[NP];

static struct { int rev, epoch, prim, gen, snap, set, behind[NR], nonce, nonce_hist[64], nh; } K;
static struct { int used, p, rev, epoch, set, gen, snap, behind[NR], nonce; } kq[NK];
static struct { int used, nonce, ok, rev; } kr[NP];

static struct { int id, busy, p, epoch, un; } C[NB]; /* client of block b: id of the write in flight */
static int floor_[NB], next_id[NB], last_unmap[NB], snapfloor[64][NB], snapseen[64][NB];
static int now, step, conns, nonces, violated;
static long acked, takeovers, joins, reads_done, snaps, xchgs;
static char why[200];

static void fail(const char *s) { if (!violated) { violated = 1; snprintf(why, sizeof why, "%s", s); T("VIOLATION %s", s); } }

/* ---- connections ---- */
static void post(int p, int r, struct msg m) {
    if (qn[p][r] == MAXQ) { burst[p][r] = 1; return; } /* a full connection is broken, never thinned out */
    m.epoch = P[p].epoch; m.conn = P[p].conn[r]; m.t = now; m.gen = P[p].gen; m.snap = P[p].snap;
    int cs = P[p].seq;
    for (int i = 0; i < W; i++) if (P[p].f[i].used && P[p].f[i].seq - 1 < cs) cs = P[p].f[i].seq - 1;
    m.ce = P[p].epoch; m.cs = cs;
    m.seal = (P[p].role == SERVING || (bug == SEAL_EARLY && P[p].role == ALIKE)) && ((P[p].set >> r & 1) || bug == SEAL_ALL);
    Q[p][r][qn[p][r]++] = m;
}
static void answer(int p, int r, struct msg *m, int type) {
    if (bn[p][r] == MAXQ) { burst[p][r] = 1; return; }
    struct rep a = {.type = type, .epoch = m->epoch, .conn = m->conn, .seq = m->seq, .b = m->b, .t = m->t, .le = R[r].le, .ls = R[r].ls};
    for (int i = 0; i < R[r].nlog; i++) a.logm |= 1 << R[r].log[i].b;
    B[p][r][bn[p][r]++] = a;
}
static void zombie(struct msg m, int p, int r) { if (zn < NZ && one_in(2)) { Z[zn].m = m; Z[zn].p = p; Z[zn++].r = r; } }
static void flush_conn(int p, int r, int keep) {
    for (int i = 0; i < qn[p][r]; i++) if (keep) zombie(Q[p][r][i], p, r);
    qn[p][r] = bn[p][r] = 0;
}

/* ---- replica ---- */
static void log_add(struct replica *x, int e, int s, int b) {
    if (x->nlog == MAXL) { fputs("model: log too small\n", stderr); exit(2); }
    x->log[x->nlog++] = (struct open_write){e, s, b};
}
static void log_commit(struct replica *x, int e, int s) {
    int n = 0;
    for (int i = 0; i < x->nlog; i++) {
        int drop = bug == NO_EPOCH_SEQ ? x->log[i].s <= s : x->log[i].e == e && x->log[i].s <= s;
        if (!drop) x->log[n++] = x->log[i];
    }
    x->nlog = n;
    if (e > x->ce || (e == x->ce && s > x->cs)) { x->ce = e; x->cs = s; }
}
static void freeze(struct chunk *c, int snap) {
    if (c->tag < snap && c->stamp <= snap) { c->fz = c->val; c->tag = snap; }
}
/* returns 0 when the message must wait (a promise under a running grant) */
static int deliver(int p, int r, struct msg *m) {
    struct replica *x = &R[r];
    if (!x->up) return 1;
    if (bug != STALE_CONN) { if (m->conn < x->cur[p]) return 1; }
    if (m->conn > x->cur[p]) x->cur[p] = m->conn;
    if (m->type == PROMISE) {
        if (m->epoch < x->promised) return 1;
        if (m->epoch > x->promised) {
            if (now < x->grant) return 0;
            if (bug != GRANT_RESTART && now < x->start + LEASE) return 0;
            x->promised = m->epoch;
        }
        if (bug == RLIST_ONCE && !(K.set >> r & 1)) x->nlog = 0;
        answer(p, r, m, PROMISE);
        if (bug == LATE_ACCEPT) { /* writes already in the socket of other primaries slip in after the report */
            for (int q = 0; q < NP; q++) if (q != p)
                for (int i = 0; i < qn[q][r]; i++) if (Q[q][r][i].type == WRITE && Q[q][r][i].epoch < m->epoch && one_in(3)) {
                    struct msg *w = &Q[q][r][i];
                    x->c[w->b].val = w->val; x->c[w->b].has = !w->un; x->c[w->b].stamp = w->gen; log_add(x, w->epoch, w->seq, w->b);
                }
        }
        x->grant = now + LEASE;
        T("r%d promises e%d to p%d, open %x", r, m->epoch, p, B[p][r][bn[p][r] ? bn[p][r] - 1 : 0].logm);
        return 1;
    }
    if (m->epoch != x->promised && bug != NO_FENCE) return 1; /* refused */
    log_commit(x, m->ce, m->cs);
    if (m->seal) { /* member, made alike: older epochs are settled */
        int n = 0;
        for (int i = 0; i < x->nlog; i++) if (x->log[i].e >= m->epoch) x->log[n++] = x->log[i];
        x->nlog = n;
    }
    x->grant = now + LEASE;
    switch (m->type) {
    case WRITE: {
        int dup = 0;
        if (bug != STALE_CONN) {
            dup = x->ce == m->epoch && m->seq <= x->cs;
            for (int i = 0; i < x->nlog; i++) dup |= x->log[i].e == m->epoch && x->log[i].s == m->seq;
        }
        if (!dup) {
            struct chunk *c = &x->c[m->b];
            if (use_snap) freeze(c, m->snap);
            int g = m->gen > x->gen ? m->gen : x->gen;
            c->val = m->val; c->has = !m->un; c->stamp = m->un ? 0 : g;
            log_add(x, m->epoch, m->seq, m->b);
            x->le = m->epoch; x->ls = m->seq;
            T("r%d writes b%d=%d%s e%d s%d g%d", r, m->b, m->val, m->un ? " (unmap)" : "", m->epoch, m->seq, g);
        }
        answer(p, r, m, WRITE);
        break;
    }
    case COPY: {
        struct chunk *c = &x->c[m->b];
        if (m->seq == -2) { /* take-over copy, unlogged */
            if (use_snap) freeze(c, m->snap);
            c->val = m->val; c->has = !m->un; c->stamp = m->un ? 0 : m->gen;
        } else {
            c->val = m->val; c->has = !m->un; c->stamp = bug == STAMP_COPY ? 1 : m->stamp; c->fz = m->fz; c->tag = m->tag;
            if (m->un) c->stamp = 0;
        }
        T("r%d copies b%d=%d", r, m->b, m->val);
        answer(p, r, m, COPY);
        break;
    }
    case SET:
        if (m->gen > x->gen) x->gen = m->gen;
        if (bug != RESTAMP)
            for (int i = 0; i < x->nlog; i++) { struct chunk *c = &x->c[x->log[i].b]; if (c->has && c->stamp < x->gen && (c->stamp > m->snap || bug == RESTAMP_FROZEN)) c->stamp = x->gen; }
        T("r%d stores set g%d", r, x->gen);
        answer(p, r, m, SET);
        break;
    default: answer(p, r, m, m->type);
    }
    return 1;
}

/* ---- primary ---- */
static int may_read(int p, int r) { return R[r].up && !cut[p][r] && R[r].promised == P[p].epoch; } /* a request answered at once */

static void demote(int p) {
    struct primary *x = &P[p];
    for (int b = 0; b < NB; b++) if (C[b].busy && C[b].p == p && C[b].epoch == x->epoch) C[b].busy = 0;
    int up = x->up, as = x->assigned, conn[NR];
    memcpy(conn, x->conn, sizeof conn);
    memset(x, 0, sizeof *x);
    x->up = up; x->assigned = as; x->jr = -1;
    memcpy(x->conn, conn, sizeof conn);
}
static int need_of(int p) {
    struct primary *x = &P[p];
    int n = x->set;
    if (x->cas == C_INCL && bug != INCL_DOUBT) n |= 1 << x->cas_r;
    if (x->cas == C_XCHG) n |= x->cas_set;
    return n;
}
static int mirrored(int p, int r) { return P[p].jr == r && P[p].jst >= 2 && bug != NO_MIRROR; }
static void send_write(int p, int r, struct inflight *f) {
    struct msg m = {.type = WRITE, .seq = f->seq, .b = f->b, .val = f->val, .un = f->un};
    post(p, r, m);
    if (mirrored(p, r)) P[p].jlast = f->seq;
}
static struct inflight *issue(int p, int b, int val, int un, int client) {
    struct primary *x = &P[p];
    for (int i = 0; i < W; i++) if (!x->f[i].used) {
        struct inflight *f = &x->f[i];
        *f = (struct inflight){.used = 1, .seq = ++x->seq, .b = b, .val = val, .un = un, .client = client};
        x->lock[b] = 1;
        for (int r = 0; r < NR; r++) if (((need_of(p) >> r) & 1) || mirrored(p, r)) send_write(p, r, f);
        return f;
    }
    return NULL;
}
static void join_stop(int p) {
    struct primary *x = &P[p];
    if (x->jr >= 0) { if (x->jst == 4 && x->jb >= 0 && x->lock[x->jb] == 2) x->lock[x->jb] = 0; x->jr = -1; x->jst = 0; }
}
static void new_conn(int p, int r) { /* the old connection is gone; what must be said is said again */
    struct primary *x = &P[p];
    flush_conn(p, r, 1);
    x->conn[r] = ++conns;
    if (!x->up || x->role == IDLE) return;
    struct msg m = {0};
    if (x->role == PROMISING && !(x->replied >> r & 1)) { m.type = PROMISE; post(p, r, m); return; }
    if (x->jr == r && !(x->cas == C_INCL && x->cas_r == r) && x->cas != C_XCHG) { join_stop(p); return; }
    if (x->setneed >> r & 1) { m.type = SET; post(p, r, m); }
    if (((need_of(p) >> r) & 1)) {
        int order[W], n = 0;
        for (int i = 0; i < W; i++) if (x->f[i].used && !(x->f[i].ack >> r & 1)) order[n++] = i;
        for (int i = 0; i < n; i++) for (int j = i + 1; j < n; j++) if (x->f[order[j]].seq < x->f[order[i]].seq) { int t = order[i]; order[i] = order[j]; order[j] = t; }
        for (int i = 0; i < n; i++) send_write(p, r, &x->f[order[i]]);
    }
}
static void cas_send(int p, int kind, int r, int set, int gen, int snap, int excl) {
    struct primary *x = &P[p];
    x->cas = kind; x->cas_r = r; x->cas_set = set; x->nonce = ++nonces; x->cas_wait = 0;
    for (int i = 0; i < NK; i++) if (!kq[i].used) {
        kq[i].used = 1; kq[i].p = p; kq[i].rev = x->rev; kq[i].epoch = x->epoch; kq[i].set = set; kq[i].gen = gen; kq[i].snap = snap;
        memcpy(kq[i].behind, x->behind, sizeof x->behind);
        for (int q = 0; q < NR; q++) if (excl >> q & 1) kq[i].behind[q] = bug == OFF_BY_ONE ? gen : x->gen;
        kq[i].nonce = x->nonce;
        return;
    }
    x->cas = C_NONE;
}
static void cas_done(int p) { /* the keeper holds our change: make it ours */
    struct primary *x = &P[p];
    int kind = x->cas, old = x->set;
    x->cas = C_NONE;
    x->set = K.set; x->gen = K.gen; x->snap = K.snap; x->rev = K.rev;
    memcpy(x->behind, K.behind, sizeof K.behind);
    T("p%d e%d record now set %x g%d", p, x->epoch, x->set, x->gen);
    if (kind != C_SNAP) { /* every new set: members store it and re-stamp what is open, before anything is answered */
        x->setneed = x->set;
        if (x->src >= 0 && x->role == ALIKE && !(x->set >> x->src & 1)) x->src = -1;
        struct msg m = {.type = SET};
        for (int r = 0; r < NR; r++) if (x->set >> r & 1) post(p, r, m);
        for (int i = 0; i < W; i++) if (x->f[i].used) x->f[i].ack &= x->set | ~old;
    }
    if (kind == C_INCL || kind == C_XCHG) {
        if (kind == C_INCL && x->jr >= 0) joins++;
        x->jr = -1; x->jst = 0;
        if (kind == C_XCHG) xchgs++;
    }
    if (kind == C_SNAP) x->drain = 0;
}

static void complete_writes(int p) {
    struct primary *x = &P[p];
    if (pop(x->set) < MIN) return;
    int need = need_of(p);
    for (int i = 0; i < W; i++) {
        struct inflight *f = &x->f[i];
        if (!f->used) continue;
        int ok = (f->ack & need) == need;
        if (bug == EARLY_ANSWER) ok = pop(f->ack & need) >= MIN;
        if (x->setneed && bug != RESTAMP) ok = 0;
        if (!ok) continue;
        f->used = 0; x->lock[f->b] = 0;
        if (f->client) {
            if (!f->aborted && C[f->b].busy && C[f->b].id == f->val) {
                C[f->b].busy = 0; acked++;
                if (f->val > floor_[f->b]) floor_[f->b] = f->val;
                T("p%d e%d answers b%d=%d", p, x->epoch, f->b, f->val);
            }
        }
    }
}
static int busy_slots(int p) { int n = 0; for (int i = 0; i < W; i++) n += P[p].f[i].used; return n; }

static void receive(int p, int r, struct rep *a) {
    struct primary *x = &P[p];
    if (!x->up || a->conn != x->conn[r] || a->epoch != x->epoch || x->role == IDLE) return;
    if (a->t + LEASE > x->pg[r]) x->pg[r] = a->t + LEASE;
    switch (a->type) {
    case PROMISE:
        if (x->role == PROMISING) { x->replied |= 1 << r; x->logm[r] = a->logm; x->pl[r] = a->le; x->ps[r] = a->ls; }
        if (x->jr == r && x->jst == 1) {
            x->logm[r] = a->logm; x->jst = 2; x->jbar = x->seq; x->jlast = x->jack = 0;
            T("p%d mirrors to r%d, its open %x", p, r, a->logm);
        }
        break;
    case WRITE:
        for (int i = 0; i < W; i++) if (x->f[i].used && x->f[i].seq == a->seq) x->f[i].ack |= 1 << r;
        if (x->jr == r && a->seq > x->jack) x->jack = a->seq;
        break;
    case SET: x->setneed &= ~(1 << r); break;
    case COPY:
        if (x->jr == r && x->jst == 4 && x->jb == a->b && a->seq != -2) { x->lock[x->jb] = x->lock[x->jb] == 2 ? 0 : x->lock[x->jb]; x->jneed &= ~(1 << x->jb); x->jb = -1; }
        if (a->seq == -2) for (int i = 0; i < W; i++) if (x->f[i].used && x->f[i].seq == -2 - a->b) x->f[i].ack |= 1 << r;
        break;
    }
    complete_writes(p);
}

static void takeover_begin(int p) {
    struct primary *x = &P[p];
    demote(p);
    x->assigned = 0;
    if (K.prim != p) return;
    x->role = PROMISING; x->epoch = K.epoch; x->rev = K.rev; x->set = K.set; x->gen = K.gen; x->snap = K.snap;
    memcpy(x->behind, K.behind, sizeof K.behind);
    x->src = -1; x->jr = -1;
    takeovers++;
    T("p%d takes e%d set %x g%d", p, x->epoch, x->set, x->gen);
    for (int r = 0; r < NR; r++) { flush_conn(p, r, 1); x->conn[r] = ++conns; if (x->set >> r & 1 || use_xchg) { struct msg m = {.type = PROMISE}; post(p, r, m); } }
}
static void alike_begin(int p) {
    struct primary *x = &P[p];
    x->role = ALIKE; x->todo = 0;
    for (int r = 0; r < NR; r++) if (x->set >> r & 1) x->todo |= x->logm[r];
    if (bug == ALIKE_MULTI) {
        for (int b = 0; b < NB; b++) for (int r = 0; r < NR; r++)
            if ((x->set >> r & 1) && (x->logm[r] >> b & 1) && may_read(p, r))
                for (int q = 0; q < NR; q++) if (q != r && (x->set >> q & 1)) {
                    struct msg m = {.type = COPY, .seq = -2, .b = b, .val = R[r].c[b].val, .un = !R[r].c[b].has};
                    post(p, q, m);
                }
        x->todo = 0;
    }
    T("p%d e%d makes alike %x", p, x->epoch, x->todo);
}
static void alike_step(int p) {
    struct primary *x = &P[p];
    if (x->setneed) return;
    if (x->todo) {
        if (x->src < 0 || !may_read(p, x->src)) {
            int c[NR], n = 0;
            for (int r = 0; r < NR; r++) if ((x->set >> r & 1) && may_read(p, r) && (x->replied >> r & 1)) c[n++] = r;
            if (!n) return;
            x->src = c[below(n)];
        }
        int b; do b = below(NB); while (!(x->todo >> b & 1));
        if (x->lock[b]) return;
        struct chunk *c = &R[x->src].c[b];
        if (bug == ALIKE_UNLOGGED) {
            for (int i = 0; i < W; i++) if (!x->f[i].used) {
                x->f[i] = (struct inflight){.used = 1, .seq = -2 - b, .b = b, .val = c->val, .un = !c->has};
                x->lock[b] = 1; x->todo &= ~(1 << b);
                for (int r = 0; r < NR; r++) if (x->set >> r & 1) { struct msg m = {.type = COPY, .seq = -2, .b = b, .val = c->val, .un = !c->has}; post(p, r, m); }
                return;
            }
            return;
        }
        if (issue(p, b, c->val, !c->has, 0)) x->todo &= ~(1 << b);
        return;
    }
    if (busy_slots(p)) return;
    if (pop(x->set) < MIN) return;
    x->role = SERVING;
    T("p%d e%d serves, set %x g%d", p, x->epoch, x->set, x->gen);
}

static void join_step(int p) {
    struct primary *x = &P[p];
    int r = x->jr;
    if (x->jst == 2) {
        int wait = 0;
        for (int i = 0; i < W; i++) wait |= x->f[i].used && x->f[i].seq <= x->jbar;
        if (wait && bug != LIST_EARLY) return;
        int s = below(NR);
        if (!(x->set >> s & 1) || !may_read(p, s) || !may_read(p, r)) return;
        x->jneed = bug == RLIST || bug == RLIST_ONCE ? 0 : x->logm[r];
        for (int b = 0; b < NB; b++) {
            if (R[s].c[b].has && R[s].c[b].stamp > x->behind[r]) x->jneed |= 1 << b;
            if (!R[s].c[b].has && R[r].c[b].has && bug != FREED) x->jneed |= 1 << b;
        }
        x->jst = 4; x->jb = -1;
        T("p%d r%d behind g%d needs %x", p, r, x->behind[r], x->jneed);
        return;
    }
    if (x->jst == 4) {
        if (x->jb >= 0) return;
        if (!x->jneed) { x->jst = 5; return; }
        int b; do b = below(NB); while (!(x->jneed >> b & 1));
        int s = below(NR);
        if (!(x->set >> s & 1) || !may_read(p, s)) return;
        if (x->lock[b] && bug != COPY_UNLOCKED) return;
        struct chunk *c = &R[s].c[b];
        if (!x->lock[b]) x->lock[b] = 2;
        x->jb = b;
        struct msg m = {.type = COPY, .seq = 0, .b = b, .val = c->val, .un = !c->has, .stamp = c->stamp, .fz = c->fz, .tag = c->tag};
        post(p, r, m);
        return;
    }
    if (x->jst == 5 && x->cas == C_NONE && !x->setneed) {
        if (x->jack != x->jlast && bug != INCL_LAG) return;
        T("p%d asks to include r%d", p, r);
        x->jst = 6;
        cas_send(p, C_INCL, r, x->set | 1 << r, x->gen + 1, x->snap, 0);
        if (bug == INCL_DOUBT) { x->jst = 7; }
    }
}

/* an exchange: fewer than min_copies answer; copy a reachable one whole, then swap in one change */
static void exchange(int p) {
    struct primary *x = &P[p];
    int have = x->replied & x->set, s, r;
    if (!have || pop(have) >= MIN || x->cas) return;
    for (s = 0; s < NR && !((have >> s & 1) && may_read(p, s)); s++) ;
    if (s == NR) return;
    for (r = 0; r < NR && !((x->replied >> r & 1) && !(x->set >> r & 1) && may_read(p, r)); r++) ;
    if (r == NR || pop(have | 1 << r) < MIN) return;
    for (int b = 0; b < NB; b++) { /* no client is served; one step here, interruptions add nothing: r is recorded behind */
        struct chunk *c = &R[s].c[b], *d = &R[r].c[b];
        if ((c->has && c->stamp > x->behind[r]) || (x->logm[r] >> b & 1) || (d->has && !c->has)) {
            *d = *c; /* the open mark travels with the chunk */
            for (int i = 0, n = R[s].nlog; i < n && bug != COPY_CLOSED; i++) if (R[s].log[i].b == b) log_add(&R[r], R[s].log[i].e, R[s].log[i].s, b);
        }
        if (one_in(20)) return;
    }
    T("p%d e%d exchanges: copied r%d from r%d", p, x->epoch, r, s);
    cas_send(p, C_XCHG, r, have | 1 << r, x->gen + 1, x->snap, x->set & ~have);
}

/* ---- checks ---- */
/* zeros are right when some unmap is at least as new as what was acknowledged or read */
static int stale(int b, int val, int has, int floor) { return has ? val < floor : (val > last_unmap[b] ? val : last_unmap[b]) < floor; }
static int snap_content(struct chunk *c, int snap) { return c->stamp <= snap ? c->val : c->tag == snap ? c->fz : -1; }
static void check(void) {
    int p = K.prim;
    struct primary *x = &P[p];
    if (!x->up || x->role != SERVING || x->epoch != K.epoch || x->cas || x->rev != K.rev) return;
    for (int b = 0; b < NB; b++) {
        if (x->lock[b] == 1) continue;
        int first = -1;
        for (int r = 0; r < NR; r++) if (K.set >> r & 1) {
            if (first < 0) first = r;
            struct chunk *c = &R[r].c[b], *d = &R[first].c[b];
            if (c->has != d->has || (c->has && c->val != d->val)) { fail("in-sync replicas differ"); if (trace) printf("   b%d r%d=%d r%d=%d\n", b, first, d->val, r, c->val); }
            if (stale(b, c->val, c->has, floor_[b])) { fail("an acknowledged write is gone"); if (trace) printf("   b%d r%d=%d floor %d\n", b, r, c->val, floor_[b]); }
            if (use_snap && K.snap) {
                if (snap_content(c, K.snap) != snap_content(d, K.snap)) { fail("snapshots differ"); if (trace) printf("   b%d snap %d r%d: %d r%d: %d\n", b, K.snap, first, snap_content(d, K.snap), r, snap_content(c, K.snap)); }
                if (K.snap < 64 && snap_content(c, K.snap) < snapfloor[K.snap][b]) fail("snapshot lost an acknowledged write");
                if (K.snap < 64) { int *sn = &snapseen[K.snap][b]; int v = snap_content(c, K.snap); if (*sn < 0) *sn = v; else if (*sn != v) fail("a snapshot changed"); }
            }
        }
    }
}

/* ---- the world moves ---- */
static void keeper_step(void) {
    int c[NK], n = 0;
    for (int i = 0; i < NK; i++) if (kq[i].used) c[n++] = i;
    if (!n) return;
    int i = c[below(n)], p = kq[i].p;
    int ok = kq[i].rev == K.rev;
    if (ok) {
        if (kq[i].snap != K.snap && kq[i].snap < 64) for (int b = 0; b < NB; b++) snapfloor[kq[i].snap][b] = floor_[b];
        K.rev++; K.set = kq[i].set; K.gen = kq[i].gen; K.snap = kq[i].snap; K.nonce = kq[i].nonce;
        memcpy(K.behind, kq[i].behind, sizeof K.behind);
        T("keeper: set %x g%d (p%d e%d)", K.set, K.gen, p, kq[i].epoch);
    }
    kq[i].used = 0;
    if (kr[p].used == 0 || kr[p].nonce < kq[i].nonce) { kr[p].used = !one_in(6); kr[p].nonce = kq[i].nonce; kr[p].ok = ok; kr[p].rev = K.rev; }
}
static void cas_answer(int p) {
    struct primary *x = &P[p];
    if (!kr[p].used) return;
    kr[p].used = 0;
    if (!x->up || !x->cas || kr[p].nonce != x->nonce) return;
    if (!kr[p].ok || K.epoch != x->epoch || K.nonce != x->nonce) { /* somebody else changed it */
        if (kr[p].ok && K.epoch == x->epoch) { return; }
        T("p%d e%d superseded", p, x->epoch); demote(p); return;
    }
    int was7 = x->jst == 7;
    if (was7) { x->jst = 6; }
    cas_done(p);
}
static void cas_resolve(int p) { /* no answer came: force one */
    struct primary *x = &P[p];
    if (!x->cas) return;
    if (bug == EXCL_DOUBT && x->cas == C_EXCL) {
        int set = x->cas_set, g = x->gen + 1;
        x->cas = C_NONE; x->set = set; x->gen = g; x->setneed = set;
        struct msg m = {.type = SET};
        for (int r = 0; r < NR; r++) if (set >> r & 1) post(p, r, m);
        T("p%d believes the exclusion, set %x", p, set);
        return;
    }
    if (bug == INCL_DOUBT && x->cas == C_INCL) { x->cas = C_NONE; x->jr = -1; x->jst = 0; T("p%d believes the inclusion failed", p); return; }
    if (K.epoch != x->epoch) { demote(p); return; }
    if (K.nonce == x->nonce) { cas_done(p); return; }
    if (K.rev != x->rev && bug != EXCL_DOUBT && bug != INCL_DOUBT) { fail("model: two writers of one epoch"); return; }
    K.rev++; K.nonce = ++nonces; x->rev = K.rev; /* our own empty change: the lost one can no longer win */
    T("p%d resolves: change did not happen", p);
    if (x->cas == C_SNAP) x->drain = 0;
    int k = x->cas; x->cas = C_NONE;
    if (k == C_INCL || k == C_XCHG) { x->jr = -1; x->jst = 0; }
}

static void history(uint64_t seed, int steps) {
    rs = seed * 0x9E3779B97F4A7C15ull + 0x1234567; for (int i = 0; i < 8; i++) rnd();
    memset(R, 0, sizeof R); memset(P, 0, sizeof P); memset(qn, 0, sizeof qn); memset(bn, 0, sizeof bn); memset(&K, 0, sizeof K);
    memset(kq, 0, sizeof kq); memset(kr, 0, sizeof kr); memset(C, 0, sizeof C); memset(floor_, 0, sizeof floor_); memset(next_id, 0, sizeof next_id); memset(last_unmap, 0, sizeof last_unmap);
    memset(snapfloor, 0, sizeof snapfloor); memset(snapseen, -1, sizeof snapseen);
    zn = now = conns = nonces = violated = 0; memset(cut, 0, sizeof cut); memset(burst, 0, sizeof burst); memset(paused, 0, sizeof paused);
    MIN = 1 + below(2); LEASE = one_in(2) ? 6 : one_in(4) ? 150 : 6 + below(40);
    use_unmap = one_in(2); use_snap = !use_unmap; use_xchg = one_in(2);
    int fault = 1 + below(12); /* how rare faults are in this history */
    for (int r = 0; r < NR; r++) { R[r].up = 1; R[r].start = -LEASE; R[r].gen = 1; for (int b = 0; b < NB; b++) { R[r].c[b].has = 1; R[r].c[b].stamp = 1; } }
    for (int p = 0; p < NP; p++) { P[p].up = 1; P[p].jr = -1; }
    K.rev = 1; K.epoch = 1; K.gen = 1; K.set = (1 << NR) - 1; K.prim = 0; P[0].assigned = 1;
    if (MIN == 1 && one_in(2)) { K.set = 3; } /* two copies and a third that is behind */
    for (int r = 0; r < NR; r++) K.behind[r] = 0;

    for (step = 0; step < steps && !violated; step++) {
        int a = below(100);
        int p = below(NP), r = below(NR), b = below(NB);
        struct primary *x = &P[p];
        if (a >= 31 && a < 95 && paused[p] > now && !(a >= 72 && a < 77) && !(a >= 89 && a < 92)) continue; /* SIGSTOP */
        if (a < 31) { /* a request arrives */
            for (int k = 0; k < 6 && !qn[p][r]; k++) { p = below(NP); r = below(NR); }
            if (qn[p][r] && !cut[p][r]) { struct msg m = Q[p][r][0]; if (deliver(p, r, &m)) { memmove(&Q[p][r][0], &Q[p][r][1], sizeof m * (size_t)(--qn[p][r])); } }
        } else if (a < 55) { /* an answer arrives */
            for (int k = 0; k < 6 && !bn[p][r]; k++) { p = below(NP); r = below(NR); }
            if (bn[p][r] && !cut[p][r] && paused[p] <= now) { struct rep m = B[p][r][0]; memmove(&B[p][r][0], &B[p][r][1], sizeof m * (size_t)(--bn[p][r])); receive(p, r, &m); }
        } else if (a < 64) { /* a client writes at whoever serves */
            if (x->up && x->role == SERVING && !C[b].busy && !x->lock[b] && !x->drain && busy_slots(p) < W) {
                int un = use_unmap && one_in(4);
                int id = ++next_id[b];
                if (un) last_unmap[b] = id;
                if (issue(p, b, id, un, 1)) { C[b].id = id; C[b].busy = 1; C[b].p = p; C[b].epoch = x->epoch; T("p%d e%d client writes b%d=%d%s", p, x->epoch, b, id, un ? " unmap" : ""); }
            }
        } else if (a < 72) { /* reads, in three movements */
            if (!x->up || x->role != SERVING) { x->rd.used = 0; continue; }
            if (!x->rd.used) { x->rd.used = 1; x->rd.b = b; x->rd.floor = floor_[b]; x->rd.st = 0; continue; }
            b = x->rd.b;
            int ok = 1;
            for (int q = 0; q < NR; q++) if (need_of(p) >> q & 1) ok &= now < x->pg[q];
            if (x->rd.st == 0) { /* the command arrives */
                x->rd.st = 1;
                if (!one_in(3)) continue;
            }
            if (x->rd.st == 1) { /* the bytes leave a disk */
                if (x->lock[b] == 1 && bug != READ_INFLIGHT) continue;
                if (!(x->set >> r & 1) || !may_read(p, r)) continue;
                x->rd.v = R[r].c[b].val; x->rd.has = R[r].c[b].has; x->rd.st = 2;
                continue;
            }
            if (x->rd.st != 2) continue;
            if (!ok && bug != NO_GRANT) { struct msg m = {.type = PING}; for (int q = 0; q < NR; q++) if (need_of(p) >> q & 1) post(p, q, m); if (one_in(4)) x->rd.used = 0; continue; }
            x->rd.used = 0; reads_done++;
            T("p%d e%d read b%d -> %d (floor %d)", p, x->epoch, b, x->rd.v, x->rd.floor);
            if (stale(b, x->rd.v, x->rd.has, x->rd.floor)) fail("a stale read");
            if (x->rd.v > floor_[b]) floor_[b] = x->rd.v;
        } else if (a < 77) now++;
        else if (a < 89) { /* the primary's own work */
            if (!x->up) continue;
            if (x->assigned) { if (one_in(2)) takeover_begin(p); continue; }
            if (x->role == PROMISING && !x->cas) {
                if ((x->replied & x->set) == x->set) alike_begin(p);
                else if (one_in(6) && pop(x->replied & x->set) >= MIN) cas_send(p, C_EXCL, 0, x->replied & x->set, x->gen + 1, x->snap, x->set & ~x->replied);
                else if (use_xchg && one_in(3)) exchange(p);
            } else if (x->role == ALIKE && !x->cas) alike_step(p);
            else if (x->role == SERVING) {
                if (x->jr >= 0) join_step(p);
                else if (!x->cas && !(x->set >> r & 1) && one_in(2)) { x->jr = r; x->jst = 1; struct msg m = {.type = PROMISE}; new_conn(p, r); x->jr = r; x->jst = 1; post(p, r, m); }
            }
            complete_writes(p);
        } else if (a < 92) { keeper_step(); }
        else if (a < 95) { cas_answer(p); if (x->up && x->cas && ++x->cas_wait > 3 && one_in(3)) cas_resolve(p); }
        else if (a < 98) { if (!one_in(fault)) continue; /* trouble */
            switch (below(14)) {
            case 13: paused[p] = now + below(80); T("p%d stopped until t%d", p, paused[p]); break;
            case 11: case 12: cut[p][r] = 1; T("p%d-r%d cut", p, r); break;
            case 0: if (x->up) { T("p%d crashes", p); demote(p); x->up = 0; x->assigned = 0; } break;
            case 1: if (R[r].up) { T("r%d crashes", r); R[r].up = 0; memset(R[r].cur, 0, sizeof R[r].cur); if (bug == LOG_VOLATILE) R[r].nlog = 0; if (bug == PROMISE_LOST) R[r].promised = 0;
                        for (int q = 0; q < NP; q++) flush_conn(q, r, 0);
                        int n = 0; for (int i = 0; i < zn; i++) if (Z[i].r != r) Z[n++] = Z[i]; zn = n; } break;
            case 2: case 3: case 4: /* a connection breaks */ new_conn(p, r); T("p%d-r%d breaks", p, r); break;
            case 5: /* the controller names another primary */
                if (P[p].up) { K.epoch++; K.rev++; K.prim = p; K.nonce = ++nonces; P[p].assigned = 1; T("controller: p%d e%d", p, K.epoch); } break;
            case 6: case 7: /* the primary excludes a replica */
                if (x->up && x->role >= ALIKE && !x->cas && (x->set >> r & 1) && pop(x->set) > MIN && !x->drain) {
                    T("p%d asks to exclude r%d", p, r);
                    if (x->jst == 6 || x->jst == 7) break;
                    cas_send(p, C_EXCL, r, x->set & ~(1 << r), x->gen + 1, x->snap, 1 << r);
                } break;
            case 8: /* a client aborts */
                if (C[b].busy && P[C[b].p].up && P[C[b].p].epoch == C[b].epoch && P[C[b].p].role == SERVING) {
                    int q = C[b].p; C[b].busy = 0; T("client aborts b%d=%d", b, C[b].id);
                    for (int i = 0; i < W; i++) if (P[q].f[i].used && P[q].f[i].b == b && P[q].f[i].client) {
                        P[q].f[i].aborted = 1;
                        if (bug == ABORT_REFUSE) {
                            int s = P[q].f[i].seq; P[q].f[i].used = 0; P[q].lock[b] = 0;
                            for (int rr = 0; rr < NR; rr++) { int n = 0; for (int k = 0; k < qn[q][rr]; k++) if (!(Q[q][rr][k].type == WRITE && Q[q][rr][k].seq == s)) Q[q][rr][n++] = Q[q][rr][k]; qn[q][rr] = n; }
                        }
                    }
                } break;
            case 9: /* bytes left in a dead connection */
                if (zn) { int i = below(zn); struct msg m = Z[i].m; int zp = Z[i].p, zr = Z[i].r; Z[i] = Z[--zn]; deliver(zp, zr, &m); } break;
            case 10: /* a snapshot */
                if (use_snap && x->up && x->role == SERVING && !x->cas && K.gen < 60) x->drain = 1;
                break;
            }
        } else { /* recovery */
            cut[below(NP)][below(NR)] = 0;
            if (one_in(2)) continue;
            if (!R[r].up) { R[r].up = 1; R[r].start = now; R[r].grant = 0; T("r%d restarts", r); for (int q = 0; q < NP; q++) new_conn(q, r); }
            if (!x->up) {
                x->up = 1; x->jr = -1; T("p%d restarts", p);
                for (int q = 0; q < NR; q++) x->conn[q] = ++conns;
                if (bug == SAME_EPOCH && K.prim == p) { x->role = SERVING; x->epoch = K.epoch; x->rev = K.rev; x->set = K.set; x->gen = K.gen; x->snap = K.snap; memcpy(x->behind, K.behind, sizeof K.behind); }
                else if (K.prim == p) { K.epoch++; K.rev++; K.nonce = ++nonces; x->assigned = 1; T("controller: p%d e%d again", p, K.epoch); }
            }
            int q = K.prim;
            if (!P[q].up || (P[q].role == IDLE && !P[q].assigned)) if (P[p].up) { K.epoch++; K.rev++; K.prim = p; K.nonce = ++nonces; P[p].assigned = 1; T("controller: p%d e%d", p, K.epoch); }
        }
        for (int q = 0; q < NP; q++) {
            struct primary *y = &P[q];
            if (y->up && y->role == SERVING && y->drain && !y->cas && !y->setneed && (busy_slots(q) == 0 || bug == SNAP_NODRAIN)) {
                if (bug == SNAP_EAGER) { /* stamps with the new generation, then asks */
                    y->gen++; y->snap = y->gen - 1; T("p%d uses g%d before it is recorded", q, y->gen);
                    cas_send(q, C_SNAP, 0, y->set, y->gen, y->snap, 0); y->drain = 0;
                } else cas_send(q, C_SNAP, 0, y->set, y->gen + 1, y->gen, 0);
                y->drain = bug == SNAP_EAGER ? 0 : 1; snaps++;
            }
        }
        for (int q = 0; q < NP; q++) for (int k = 0; k < NR; k++) if (burst[q][k]) { burst[q][k] = 0; new_conn(q, k); }
        check();
    }
}

int main(int argc, char **argv) {
    long n = 20000; int steps = 5000, only = -1;
    if (argc > 1) {
        for (only = 0; only < NBUGS && strcmp(bug_name[only], argv[1]); only++) ;
        if (only == NBUGS) only = -1, n = atol(argv[1]);
        else if (argc == 3) n = atol(argv[2]);
        else if (argc == 4) { bug = only; trace = 1; history(strtoull(argv[3], NULL, 10), steps); printf("%s\n", violated ? why : "no violation"); return 0; }
    }
    int bad = 0;
    for (bug = 0; bug < NBUGS; bug++) {
        if (only >= 0 && bug != only) continue;
        acked = takeovers = joins = reads_done = snaps = xchgs = 0;
        long i, first = -1; int fstep = 0; char fwhy[200] = "";
        for (i = 1; i <= n && first < 0; i++) {
            history((uint64_t)i, steps);
            if (violated) { first = i; fstep = step; strcpy(fwhy, why); }
        }
        if (bug == NONE) printf("corrected protocol: %ld histories, %ld writes answered, %ld reads, %ld take-overs, %ld joins, %ld snapshots, %ld exchanges: %s\n",
                                i - 1, acked, reads_done, takeovers, joins, snaps, xchgs, first > 0 ? "VIOLATED" : "no violation");
        if (bug == NONE && first > 0) { printf("  seed %ld step %d: %s\n", first, fstep, fwhy); bad = 1; }
        if (bug != NONE && first < 0) { printf("%-15s NOT FOUND in %ld\n", bug_name[bug], n); bad = 1; }
        if (bug != NONE && first > 0) printf("%-15s history %ld, step %d: %s\n", bug_name[bug], first, fstep, fwhy);
        fflush(stdout);
    }
    return bad;
}
