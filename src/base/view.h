/* Holdfast: bytes that are borrowed (struct view), owned (struct buf) or live as long as a request (struct arena).
 *
 * Ownership: a view never owns; whoever made the bytes says how long they live. A buf owns its memory until buf_free.
 * An arena owns everything allocated from it until arena_reset or arena_free. None of these may be shared between
 * threads without a lock of the caller's. Out of memory, and a buf or arena that would pass its maximum, come back
 * as RC_NOMEM or RC_LIMIT with the object unchanged. */
#ifndef HF_BASE_VIEW_H
#define HF_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct view {
    const char *p;
    size_t n;
};

/* A view over a string literal. */
#define VIEW(lit) ((struct view){(lit), sizeof(lit) - 1})

static inline struct view view_of(const void *p, size_t n)
{
    return (struct view){(const char *)p, n};
}
static inline struct view view_cstr(const char *s)
{
    return (struct view){s, s ? strlen(s) : 0};
}
static inline bool view_eq(struct view a, struct view b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool view_eqs(struct view a, const char *s)
{
    return view_eq(a, view_cstr(s));
}
/* Byte order: <0, 0, >0 as memcmp, a shorter prefix first. */
int view_cmp(struct view a, struct view b);
/* ASCII case-insensitive equality, for header names. */
bool view_ieqs(struct view a, const char *s);
bool view_starts(struct view a, struct view prefix);
/* Index of c in a at or after from; SIZE_MAX when absent. */
size_t view_find(struct view a, char c, size_t from);
static inline struct view view_sub(struct view a, size_t from, size_t n)
{
    if (from > a.n)
        from = a.n;
    if (n > a.n - from)
        n = a.n - from;
    /* NULL + 0 is undefined too. */
    return (struct view){from ? a.p + from : a.p, n};
}
/* Without ASCII blanks (space and tab) at both ends. */
struct view view_trim(struct view a);
/* Copies into dst and terminates with 0; false (dst = "") when it does not fit. */
bool view_copy(struct view a, char *dst, size_t dst_size);
/* Whole view as a decimal number without sign; false on anything else or on overflow. */
bool view_u64(struct view a, uint64_t *ret);

/* A growing buffer with a maximum. Zero-initialise with BUF(max). */
struct buf {
    char *p;
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* never grows past this */
};
#define BUF(max_bytes) ((struct buf){NULL, 0, 0, (max_bytes)})

void buf_free(struct buf *b);
static inline void buf_clear(struct buf *b)
{
    b->n = 0;
}
/* Makes room for n more bytes past b->n. */
enum rc buf_reserve(struct buf *b, size_t n) HF_MUST_USE;
enum rc buf_put(struct buf *b, const void *p, size_t n) HF_MUST_USE;
enum rc buf_puts(struct buf *b, const char *s) HF_MUST_USE;
enum rc buf_putv(struct buf *b, struct view v) HF_MUST_USE;
enum rc buf_printf(struct buf *b, const char *fmt, ...) HF_MUST_USE __attribute__((format(printf, 2, 3)));
static inline struct view buf_view(const struct buf *b)
{
    return (struct view){b->p, b->n};
}

/* Memory of one request: many small allocations, freed together. Zero-initialise with ARENA(max). */
struct arena_chunk;
struct arena {
    struct arena_chunk *head;
    size_t used; /* bytes handed out */
    size_t max;
};
#define ARENA(max_bytes) ((struct arena){NULL, 0, (max_bytes)})

/* 16-byte aligned, not zeroed; NULL when out of memory or past the maximum. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
/* A copy with a terminating 0 behind it (not counted in n). p is NULL when it could not be made. */
struct view arena_dup(struct arena *a, struct view v);
char *arena_cstr(struct arena *a, struct view v);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a);

#endif
