/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/list.h — a doubly linked ring; the head and every member are `struct list`.
 *
 * A member that is in no list points at itself (list_init), so that it may be removed twice.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/util.h"

#include <stdbool.h>

struct list {
    struct list *next, *previous;
};

static inline void list_init(struct list *l)
{
    l->next = l->previous = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *member)
{
    member->previous = head->previous;
    member->next = head;
    head->previous->next = member;
    head->previous = member;
}

static inline void list_remove(struct list *member)
{
    member->previous->next = member->next;
    member->next->previous = member->previous;
    list_init(member);
}

/* Takes the first member out; NULL when there is none. */
static inline struct list *list_take(struct list *head)
{
    struct list *first = head->next;

    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

/* Moves all members of `from` behind those of `to`. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#define list_for_each(l, head) for (struct list *l = (head)->next; l != (head); l = l->next)

/* The body may remove `l`, and nothing else. */
#define list_for_each_safe(l, head)                                                                \
    for (struct list *l = (head)->next, *l##_next = l->next; l != (head);                          \
         l = l##_next, l##_next = l->next)

#endif
