/* Holdfast: the memory of one request, freed together. */
#include "base/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN 16u
#define ARENA_CHUNK_FIRST 4096u     /* most requests need no more */
#define ARENA_CHUNK_LARGEST 262144u /* chunks double up to here; larger only when one allocation asks for it */

/* The newest chunk is at the head and the only one that still gives memory out. */
struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t cap;
    _Alignas(ARENA_ALIGN) char bytes[];
};

static size_t next_cap(const struct arena *a, size_t n)
{
    size_t cap = a->head ? a->head->cap * 2 : ARENA_CHUNK_FIRST;
    if (cap > ARENA_CHUNK_LARGEST)
        cap = ARENA_CHUNK_LARGEST;
    return cap < n ? n : cap;
}

static bool arena_grow(struct arena *a, size_t n)
{
    size_t cap = next_cap(a, n);
    struct arena_chunk *c =
        aligned_alloc(ARENA_ALIGN, sizeof *c + ((cap + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1)));
    if (c == NULL)
        return false;
    c->next = a->head;
    c->used = 0;
    c->cap = cap;
    a->head = c;
    return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    size_t want = n == 0 ? ARENA_ALIGN : (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (a->used > a->max || want > a->max - a->used)
        return NULL;
    if ((a->head == NULL || want > a->head->cap - a->head->used) && !arena_grow(a, want))
        return NULL;
    void *p = a->head->bytes + a->head->used;
    a->head->used += want;
    a->used += want;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

struct view arena_dup(struct arena *a, struct view v)
{
    char *p = v.n < SIZE_MAX ? arena_alloc(a, v.n + 1) : NULL;
    if (p == NULL)
        return (struct view){NULL, 0};
    if (v.n > 0)
        memcpy(p, v.p, v.n);
    p[v.n] = 0;
    return (struct view){p, v.n};
}

char *arena_cstr(struct arena *a, struct view v)
{
    char *p = v.n < SIZE_MAX ? arena_alloc(a, v.n + 1) : NULL;
    if (p != NULL)
        view_copy(v, p, v.n + 1);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p != NULL)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}

void arena_free(struct arena *a)
{
    for (struct arena_chunk *c = a->head, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    a->head = NULL;
    a->used = 0;
}
