/* Holdfast: an owned buffer that grows up to a maximum. */
#include "base/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_CAP 256 /* below this, doubling would only add calls to realloc */

void buf_free(struct buf *b)
{
    free(b->p);
    b->p = NULL;
    b->n = 0;
    b->cap = 0;
}

/* Doubles, so that n appends cost O(n); never past max. */
static size_t grown_cap(const struct buf *b, size_t need)
{
    size_t cap = b->cap > BUF_FIRST_CAP / 2 ? b->cap * 2 : BUF_FIRST_CAP;
    if (cap < need)
        cap = need;
    return cap > b->max ? b->max : cap;
}

enum rc buf_reserve(struct buf *b, size_t n)
{
    HF_ASSERT(b->n <= b->cap);
    if (n <= b->cap - b->n)
        return RC_OK;
    if (b->n > b->max || n > b->max - b->n)
        return RC_LIMIT;
    size_t cap = grown_cap(b, b->n + n);
    char *p = realloc(b->p, cap);
    if (p == NULL)
        return RC_NOMEM;
    b->p = p;
    b->cap = cap;
    return RC_OK;
}

enum rc buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return RC_OK;
    HF_TRY(buf_reserve(b, n));
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return RC_OK;
}

enum rc buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

enum rc buf_putv(struct buf *b, struct view v)
{
    return buf_put(b, v.p, v.n);
}

/* In a copy of its own: vsnprintf wants room for a 0, which must not push the buffer past its maximum. */
static enum rc put_formatted(struct buf *b, size_t n, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
static enum rc put_formatted(struct buf *b, size_t n, const char *fmt, va_list ap)
{
    char *text = malloc(n + 1);
    if (text == NULL)
        return RC_NOMEM;
    vsnprintf(text, n + 1, fmt, ap);
    enum rc rc = buf_put(b, text, n);
    free(text);
    return rc;
}

enum rc buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t room = b->cap - b->n;
    int n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
    va_end(ap);
    if (n < 0)
        return RC_INVALID;
    if ((size_t)n < room) {
        b->n += (size_t)n;
        return RC_OK;
    }
    va_start(ap, fmt);
    enum rc rc = put_formatted(b, (size_t)n, fmt, ap);
    va_end(ap);
    return rc;
}
