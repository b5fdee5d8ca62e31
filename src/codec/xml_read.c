/* Holdfast: reading small XML documents from strangers (expat). What makes XML dangerous is refused: DOCTYPE and with
 * it all entities but the five of the standard, other encodings, depth, and text without end. */
#include "codec/codec.h"

#include <expat.h>
#include <stdlib.h>
#include <strings.h>

#define DEPTH_MAX 32
#define TEXT_MAX ((size_t)1 << 20) /* of all open elements together */
#define NS_SEPARATOR '\n'          /* between namespace and name: neither can hold it */

/* One walk. text holds the text of all open elements, outermost first: a child's text is taken off the end when it
 * closes, so what follows it continues its parent's text without a gap. */
struct walk {
    const struct xml_reader *reader;
    XML_Parser parser;
    struct buf text;
    size_t text_from[DEPTH_MAX + 1]; /* where the text of the element at this depth begins */
    int depth;                       /* of the innermost open element; 0 outside the root */
    enum rc rc;                      /* the first thing that went wrong; then nothing more is done */
    const char *why;                 /* in words, when the document is at fault; NULL when a callback said no */
};

/* Ends the parse. Expat may still deliver an event or two, so every handler looks at rc first. */
static void stop(struct walk *w, enum rc rc, const char *why)
{
    w->rc = rc;
    w->why = why;
    (void)XML_StopParser(w->parser, XML_FALSE); /* fails only when it is stopped already */
}

static const char *local_name(const char *name)
{
    const char *sep = strrchr(name, NS_SEPARATOR);

    return sep ? sep + 1 : name;
}

static void XMLCALL on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct walk *w = ctx;
    enum rc rc = RC_OK;

    (void)attributes;
    if (w->rc != RC_OK)
        return;
    if (w->depth == DEPTH_MAX) {
        stop(w, RC_INVALID, "elements are nested too deeply");
        return;
    }
    w->text_from[++w->depth] = w->text.n;
    if (w->reader->on_open)
        rc = w->reader->on_open(w->reader->ctx, local_name(name), w->depth);
    if (rc != RC_OK)
        stop(w, rc, NULL);
}

static void XMLCALL on_end(void *ctx, const XML_Char *name)
{
    struct walk *w = ctx;
    enum rc rc = RC_OK;

    if (w->rc != RC_OK)
        return;
    size_t from = w->text_from[w->depth];
    struct view text = w->text.n > from ? view_of(w->text.p + from, w->text.n - from) : VIEW("");
    if (w->reader->on_close)
        rc = w->reader->on_close(w->reader->ctx, local_name(name), w->depth, text);
    w->text.n = from;
    w->depth--;
    if (rc != RC_OK)
        stop(w, rc, NULL);
}

static void XMLCALL on_text(void *ctx, const XML_Char *p, int n)
{
    struct walk *w = ctx;

    if (w->rc != RC_OK)
        return;
    enum rc rc = buf_put(&w->text, p, (size_t)n);
    if (rc != RC_OK)
        stop(w, rc, rc == RC_LIMIT ? "text of more than 1 MiB" : "out of memory");
}

static void XMLCALL on_doctype(void *ctx, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id,
                               int has_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_subset;
    struct walk *w = ctx;
    if (w->rc == RC_OK)
        stop(w, RC_INVALID, "DOCTYPE is not allowed");
}

static void XMLCALL on_declaration(void *ctx, const XML_Char *version, const XML_Char *encoding, int standalone)
{
    struct walk *w = ctx;

    (void)version;
    (void)standalone;
    if (w->rc == RC_OK && encoding && strcasecmp(encoding, "UTF-8") != 0)
        stop(w, RC_INVALID, "the encoding must be UTF-8");
}

static void set_handlers(XML_Parser parser, struct walk *w)
{
    XML_SetUserData(parser, w);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    XML_SetXmlDeclHandler(parser, on_declaration);
}

static enum rc explain(const struct walk *w, enum rc rc, const char *why, struct err *e)
{
    return err_set(e, rc, "line %lu, column %lu: %s", (unsigned long)XML_GetCurrentLineNumber(w->parser),
                   (unsigned long)XML_GetCurrentColumnNumber(w->parser) + 1, why);
}

static enum rc run(struct walk *w, struct view doc, struct err *e)
{
    enum XML_Status status = XML_Parse(w->parser, doc.p, (int)doc.n, 1);

    if (w->rc != RC_OK)
        return w->why ? explain(w, w->rc, w->why, e) : w->rc;
    if (status == XML_STATUS_OK)
        return RC_OK;
    enum XML_Error code = XML_GetErrorCode(w->parser);
    return explain(w, code == XML_ERROR_NO_MEMORY ? RC_NOMEM : RC_INVALID, XML_ErrorString(code), e);
}

/* Expat switches to UTF-16 on its marks even when told the encoding; its own look is at the first two bytes too. */
static bool looks_like_utf16(struct view doc)
{
    if (doc.n < 2)
        return false;
    return (uint8_t)doc.p[0] >= 0xfe || doc.p[0] == 0 || doc.p[1] == 0;
}

enum rc xml_read(struct view doc, const struct xml_reader *r, struct err *e)
{
    struct walk w = {.reader = r, .text = BUF(TEXT_MAX)};

    if (doc.n > XML_DOC_MAX)
        return err_set(e, RC_LIMIT, "the document has more than %d MiB", XML_DOC_MAX >> 20);
    if (looks_like_utf16(doc))
        return err_set(e, RC_INVALID, "line 1, column 1: the encoding must be UTF-8");
    w.parser = XML_ParserCreateNS("UTF-8", NS_SEPARATOR);
    if (!w.parser)
        return err_set(e, RC_NOMEM, "out of memory");
    set_handlers(w.parser, &w);
    enum rc rc = run(&w, doc, e);
    XML_ParserFree(w.parser);
    buf_free(&w.text);
    return rc;
}
