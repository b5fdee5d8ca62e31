/* Holdfast: what is read and written again reads as the same; any bytes, written as text, make a document that parses.
 */
#include "codec/codec.h"

#define OUT_MAX ((size_t)32 << 20)
#define DEPTH_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rewrite {
    struct buf out;
    int depth;
};

static enum rc rewrite_open(void *ctx, const char *name, int depth)
{
    struct rewrite *w = ctx;

    HF_ASSERT(depth == ++w->depth && depth <= DEPTH_MAX);
    HF_ASSERT(name[0] != 0);
    return xml_open(&w->out, name);
}

static enum rc rewrite_close(void *ctx, const char *name, int depth, struct view text)
{
    struct rewrite *w = ctx;

    HF_ASSERT(depth == w->depth--);
    HF_ASSERT(utf8_valid(text));
    HF_TRY(xml_text(&w->out, text));
    return xml_close(&w->out, name);
}

/* The document with each element's text behind its children, and without attributes and prefixes. */
static enum rc rewrite(struct view doc, struct rewrite *w)
{
    const struct xml_reader reader = {.on_open = rewrite_open, .on_close = rewrite_close, .ctx = w};
    struct err e = {""};

    enum rc rc = xml_read(doc, &reader, &e);
    HF_ASSERT(rc == RC_OK || e.text[0] != 0);
    HF_ASSERT(rc != RC_OK || w->depth == 0);
    return rc;
}

static void assert_any_text_parses(struct view text)
{
    struct rewrite once = {.out = BUF(OUT_MAX)};
    struct buf doc = BUF(OUT_MAX);

    HF_ASSERT(xml_head(&doc) == RC_OK);
    HF_ASSERT(xml_leaf(&doc, "Key", text) == RC_OK);
    HF_ASSERT(rewrite(buf_view(&doc), &once) == RC_OK);
    buf_free(&doc);
    buf_free(&once.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rewrite once = {.out = BUF(OUT_MAX)}, twice = {.out = BUF(OUT_MAX)};

    if (rewrite(view_of(data, size), &once) == RC_OK) {
        HF_ASSERT(rewrite(buf_view(&once.out), &twice) == RC_OK);
        HF_ASSERT(view_eq(buf_view(&once.out), buf_view(&twice.out)));
    }
    buf_free(&once.out);
    buf_free(&twice.out);
    assert_any_text_parses(view_of(data, size));
    return 0;
}
