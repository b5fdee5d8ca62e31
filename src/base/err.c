/* Holdfast: result names, the operator's sentence, and stopping on a bug of ours. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rc_name(enum rc rc)
{
    static const char *const names[] = {
        [RC_OK] = "ok",
        [RC_END] = "end",
        [RC_NOT_FOUND] = "not found",
        [RC_EXISTS] = "exists already",
        [RC_INVALID] = "invalid",
        [RC_DENIED] = "denied",
        [RC_PRECONDITION] = "condition not met",
        [RC_CONFLICT] = "conflict",
        [RC_LIMIT] = "limit passed",
        [RC_FULL] = "no space left",
        [RC_IO] = "input/output error",
        [RC_CORRUPT] = "corrupt",
        [RC_NOMEM] = "out of memory",
        [RC_UNAVAILABLE] = "unavailable",
        [RC_UNSUPPORTED] = "unsupported",
        [RC_CANCELLED] = "cancelled",
    };
    if ((unsigned)rc >= sizeof names / sizeof names[0])
        return "unknown result";
    return names[rc];
}

enum rc err_set(struct err *e, enum rc rc, const char *fmt, ...)
{
    if (e == NULL)
        return rc;
    /* Into a copy first: an argument may point into e->text. */
    struct err made;
    va_list ap;
    va_start(ap, fmt);
    if (vsnprintf(made.text, sizeof made.text, fmt, ap) < 0)
        made.text[0] = 0;
    va_end(ap);
    *e = made;
    return rc;
}

/* Puts text at `used`; what does not fit is cut. */
static void append(struct err *e, size_t used, const char *text)
{
    size_t n = strnlen(text, sizeof e->text - 1 - used);
    memcpy(e->text + used, text, n);
    e->text[used + n] = 0;
}

enum rc err_wrap(struct err *e, enum rc rc, const char *fmt, ...)
{
    if (e == NULL)
        return rc;
    struct err made;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(made.text, sizeof made.text, fmt, ap);
    va_end(ap);
    if (n < 0)
        made.text[0] = 0;
    append(&made, strlen(made.text), ": ");
    append(&made, strlen(made.text), e->text);
    *e = made;
    return rc;
}

noreturn void hf_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "holdfast: bug at %s:%d: %s\n", file, line, what);
    abort();
}
