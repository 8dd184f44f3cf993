/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iscsi-target/refused.c — what is said of a login that is refused, for whoever wonders why.
 *
 * A redirect and "not yet" (0101, 0301) are no refusals: the initiator goes on by itself.  Whoever
 * knocks at every door fills no log: a burst, then a line a minute that says how many there were.
 * The names are a stranger's bytes, made harmless.
 */
#include "iscsi-target/login.h"
#include "iscsi-target/target.h"

#include <inttypes.h>
#include <stdio.h>

#define SAID_AT_ONCE 10u

/* NULL: it is not said. */
static const char *why(enum login_status status)
{
    switch (status) {
    case LOGIN_OK:
    case LOGIN_MOVED_TEMPORARILY:
    case LOGIN_UNAVAILABLE:
        return NULL;
    case LOGIN_INITIATOR_ERROR:
        return "it is not what a login may say";
    case LOGIN_AUTHENTICATION:
        return "it did not prove who it is: CHAP, its name or secret";
    case LOGIN_FORBIDDEN:
        return "no attachment lets this initiator in";
    case LOGIN_NOT_FOUND:
        return "there is no such target";
    case LOGIN_VERSION:
        return "it speaks another version of iSCSI";
    case LOGIN_TOO_MANY_CONNECTIONS:
        return "a session has one connection";
    case LOGIN_MISSING_PARAMETER:
        return "it does not say its name, or where to";
    case LOGIN_SESSION_TYPE:
        return "there is no such type of session";
    case LOGIN_NO_SESSION:
        return "there is no such session";
    case LOGIN_OUT_OF_RESOURCES:
        return "there is no room for one more";
    }
    unreachable();
}

/* Nothing in it ends a word or a line. */
static const char *harmless(const char *name, char ret[ISCSI_NAME_MAX])
{
    snprintf(ret, ISCSI_NAME_MAX, "%s", name[0] ? name : "-");
    for (char *c = ret; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            *c = '?';
    return ret;
}

void login_refused(struct connection *c, enum login_status status)
{
    const struct login *l = &c->login;
    char initiator[ISCSI_NAME_MAX], target[ISCSI_NAME_MAX];
    struct env *env = c->target->env;
    uint64_t count;

    if (!why(status))
        return;
    count = log_pace(&c->target->refusals, SAID_AT_ONCE, now_us(&env->clock));
    if (count > 0)
        log_event(env->log, LOG_LEVEL_WARN, "iscsi", "login_refused",
                  "initiator=%s address=%s target=%s status=%04x %s; refused since the last line: "
                  "%" PRIu64,
                  harmless(l->initiator, initiator), c->net ? c->net->peer.text : "-",
                  harmless(l->target, target), (uint32_t)status, why(status), count);
}
