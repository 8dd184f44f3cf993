/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control/problem.h — a refusal as a person needs it: RFC 9457's problem documents.
 *
 * {"type":"/problems/<slug>","title":"…","status":N,"detail":"…"}: type and title come from the
 * error's one row in problem.c, the detail names what and which number.
 */
#ifndef CONTROL_PROBLEM_H
#define CONTROL_PROBLEM_H

#include "base/err.h"
#include "base/util.h"
#include "http/http.h"

struct problem {
    unsigned status;
    const char *title; /* static */
    char slug[40];
    char detail[448];
};

/* Fills *p from the error's row. */
void problem_fill(struct problem *p, enum err err, const char *detail, ...) printf_like(3, 4);
/* … and is false, so that `return problem(…)` ends a decoder. */
#define problem(p, err, ...) (problem_fill(p, err, __VA_ARGS__), false)

/* Two refusals that only HTTP knows. */
bool problem_method(struct problem *p, const char *method, const char *path);
bool problem_length(struct problem *p);

/* Status and body of the answer. */
void answer_problem(struct http_answer *a, const struct problem *p);

#endif
