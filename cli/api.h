/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli/api.h — metad's REST as the commands use it: find metad, call, say what was refused.
 *
 * Each function that fails has already printed one line on cli->err; when there is no such thing
 * it ends with the command cli->list, which shows what there is.
 */
#ifndef CLI_API_H
#define CLI_API_H

#include "cli/cli.h"

#include <jansson.h>

/* Where metad answers: --url, DOLMEN_URL, or cluster.json of --dir.  False: nowhere (said). */
bool api_url(struct cli *cli, char ret[256]);

/* One call on `path`; body may be NULL and is taken.  *ret: the answer, the caller's (NULL: none).
 */
bool api_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **ret);
long api_status(void); /* of the last call */

/* All pages of a list, as one array. */
bool api_list(struct cli *cli, const char *path, json_t **ret);

/* "/v1/volumes/" and an escaped name, into ret (1024 bytes); false: it can be none (said). */
bool api_path(struct cli *cli, const char *collection, const char *name, char ret[1024]);

/* The answer as JSON on cli->out, with a newline. */
void api_print(struct cli *cli, const json_t *answer);

/* Members for people: "-" where there is none. */
const char *text_of(const json_t *object, const char *member);
uint64_t number_of(const json_t *object, const char *member);
/* The strings of an array, with commas; into ret (256 bytes). */
const char *texts_of(const json_t *object, const char *member, char ret[256]);

#endif
