/* Help for tests of books: what is built in, and texts with one thing changed. */
#ifndef HF_TESTS_BOOK_HELP_H
#define HF_TESTS_BOOK_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "account/embedded.h"
#include "account/price.h"

static inline struct view embedded(const char *name)
{
    for (size_t i = 0; i < embedded_count; i++) {
        if (strcmp(embedded_files[i].name, name) == 0)
            return view_of(embedded_files[i].text, embedded_files[i].size);
    }
    fail_msg("%s is not built in", name);
    return VIEW("");
}

/* The text with the first `from` replaced by `to`; freed by the caller. */
static inline char *changed(struct view text, const char *from, const char *to)
{
    const char *at = strstr(text.p, from); /* built-in texts end in a 0 */
    if (!at)
        fail_msg("there is no `%s`", from);
    size_t before = (size_t)(at - text.p), n = text.n - strlen(from) + strlen(to);
    char *out = malloc(n + 1);
    assert_non_null(out);
    memcpy(out, text.p, before);
    memcpy(out + before, to, strlen(to));
    memcpy(out + before + strlen(to), at + strlen(from), text.n - before - strlen(from));
    out[n] = 0;
    return out;
}

static inline struct price_book *book_of(struct view text)
{
    struct price_book *b = NULL;
    struct err e = {.text = ""};
    if (price_book_parse("f.yaml", text, &b, &e) != RC_OK)
        fail_msg("%s", e.text);
    return b;
}

static inline struct price_book *embedded_book(const char *name)
{
    return book_of(embedded(name));
}

/* What is wrong with a text: where it is changed, and what the message holds beside its place. */
struct bad {
    const char *from, *to, *says;
};

#endif
