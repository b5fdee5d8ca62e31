/* Holdfast: results and the sentence an operator reads.
 *
 * Every function that can fail returns enum rc. What a person needs beyond that goes into an optional struct err
 * owned by the caller: what failed, where (file:line:column, bucket/key, disk), what to do next. On success neither
 * the err nor any ret_* argument's previous content matters; on failure ret_* arguments are untouched. */
#ifndef HF_BASE_ERR_H
#define HF_BASE_ERR_H

#include <stdnoreturn.h>

#define HF_MUST_USE __attribute__((warn_unused_result))

enum rc {
    RC_OK = 0,
    RC_END,          /* nothing more to read, now */
    RC_NOT_FOUND,    /* it is not there */
    RC_EXISTS,       /* it is there already */
    RC_INVALID,      /* the input is wrong */
    RC_DENIED,       /* not allowed */
    RC_PRECONDITION, /* a condition of the caller did not hold */
    RC_CONFLICT,     /* state changed under the caller, or forbids it */
    RC_LIMIT,        /* past a named maximum */
    RC_FULL,         /* no space on a disk */
    RC_IO,           /* the operating system or a disk failed */
    RC_CORRUPT,      /* a checksum or a format did not hold */
    RC_NOMEM,        /* out of memory */
    RC_UNAVAILABLE,  /* cannot now, try again later */
    RC_UNSUPPORTED,  /* not built */
    RC_CANCELLED,    /* the caller or a shutdown gave up */
};

/* "ok", "not found", ... for logs. */
const char *rc_name(enum rc rc);

struct err {
    char text[768];
};

/* Writes the sentence (when e is not NULL) and returns rc, so that `return err_set(e, RC_IO, "…")` reads well. */
enum rc err_set(struct err *e, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "context: " in front of what is there. */
enum rc err_wrap(struct err *e, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A bug of ours: prints where and stops the process. Always on. */
noreturn void hf_bug(const char *file, int line, const char *what);
#define HF_ASSERT(x) ((x) ? (void)0 : hf_bug(__FILE__, __LINE__, #x))
#define HF_BUG(what) hf_bug(__FILE__, __LINE__, (what))

/* Returns from the enclosing function when the expression is not RC_OK. */
#define HF_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        enum rc hf_try_rc = (expr);                                                                                    \
        if (hf_try_rc != RC_OK)                                                                                        \
            return hf_try_rc;                                                                                          \
    } while (0)

#endif
