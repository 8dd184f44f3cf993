/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/text_keys_fuzz.c — key=value text of a login or of full feature phase (RFC 7143 6).
 *
 * First byte: odd is a login.  The rest is the text.  Whatever is offered, the results stay in the
 * ranges of RFC 7143 13, and the answer is text that our own parser takes.
 */
#include "iscsi-target/text_keys.h"
#include "tests/fuzz/fuzz.h"

static void check_ranges(const struct parameters *p, const struct parameters *ours)
{
    assert(p->max_recv_data_segment_length >= 512 && p->max_recv_data_segment_length <= 0xffffff);
    assert(p->max_burst_length >= 512 &&
           p->max_burst_length <= max_u32(ours->max_burst_length, 262144));
    assert(p->first_burst_length >= 512 &&
           p->first_burst_length <= max_u32(ours->first_burst_length, 65536));
    assert(p->max_outstanding_r2t >= 1 && p->max_outstanding_r2t <= 8);
    assert(p->initial_r2t <= 1 && p->immediate_data <= 1);
    assert(p->max_connections == 1 && p->error_recovery_level == 0);
}

static void check_answer(const struct text *answer)
{
    static struct text reader;
    struct text_pair pair;
    uint32_t cursor = 0;

    assert(answer->out_bytes <= TEXT_BYTES_MAX);
    assert(answer->out_bytes == 0 || answer->out[answer->out_bytes - 1] == '\0');
    memcpy(reader.in, answer->out, answer->out_bytes);
    reader.in_bytes = answer->out_bytes;
    while (cursor < reader.in_bytes) {
        enum text_parse parsed = text_next(&reader, &cursor, &pair);

        assert(parsed == TEXT_PAIR);
    }
}

static void negotiate(struct text *t, bool login)
{
    struct iscsi_limits limits = iscsi_limits_small();
    struct parameters ours = parameters_ours(&limits), p;
    struct text_pair pair;
    uint32_t cursor = 0;

    parameters_init(&p);
    while (text_next(t, &cursor, &pair) == TEXT_PAIR) {
        assert(strlen(pair.key) > 0 && strlen(pair.key) <= KEY_NAME_MAX);
        if (!login)
            parameters_declare(&p, pair, t);
        else if (parameters_negotiate(&p, &ours, pair, t) != LOGIN_OK)
            break;
    }
    check_ranges(&p, &ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct input in = {bytes, length};
    bool login = input_number(&in, 1) & 1;
    struct text *t = malloc(sizeof *t);

    assert(t);
    text_clear(t);
    t->in_bytes = min_u32((uint32_t)in.left, TEXT_BYTES_MAX);
    if (t->in_bytes > 0)
        memcpy(t->in, in.at, t->in_bytes);
    negotiate(t, login);
    check_answer(t);
    free(t);
    return 0;
}
