/* Taking a request's body: framing off, into memory when it is small or XML, into the store's pipeline when it is
 * large; then what was promised about it is checked. */
#include <stdlib.h>

#include "gateway/gateway_priv.h"

#define IGNORED_BODY_MAX (64u << 10) /* a body where none belongs */
#define BUFFER_FIRST 4096u

static bool is_streaming(const struct gw_req *g)
{
    return g->auth.payload == AUTH_PAYLOAD_CHUNKS || g->auth.payload == AUTH_PAYLOAD_CHUNKS_TRAILER ||
           g->auth.payload == AUTH_PAYLOAD_UNSIGNED_TRAILER;
}

static void refuse(struct gw_body *b, const char *code, const char *message)
{
    if (b->refusal.code == NULL)
        b->refusal = (struct gw_refusal){code, message};
}

/* How many bytes the object has. false: answered. */
static bool read_size(struct gw_req *g)
{
    uint64_t length = http_content_length(g->http);
    if (is_streaming(g)) {
        struct view v = http_header(g->http, "x-amz-decoded-content-length");
        if (v.p == NULL) {
            gw_fail(g, "MissingContentLength");
            return false;
        }
        if (!view_u64(view_trim(v), &length) || length == UINT64_MAX) {
            gw_fail_with(g, "InvalidArgument", "x-amz-decoded-content-length is not a number.");
            return false;
        }
    } else if (!http_has_body(g->http) && length == UINT64_MAX) {
        length = 0;
    }
    g->body.size = length;
    return true;
}

static bool begin_chunked(struct gw_req *g)
{
    if (!is_streaming(g))
        return true;
    enum rc rc = chunked_new(&g->auth, g->body.size, &g->body.chunked);
    if (rc == RC_OK)
        return true;
    gw_fail_rc(g, rc, NULL, "chunked body");
    return false;
}

static void begin_xml(struct gw_req *g)
{
    struct gw_body *b = &g->body;
    b->kind = BODY_BUFFER;
    b->max = XML_BODY_MAX;
    if (!read_size(g) || !gw_checks_read(g, &b->checks))
        return;
    if (b->size != UINT64_MAX && b->size > XML_BODY_MAX) {
        gw_fail(g, "MaxMessageLengthExceeded");
        return;
    }
    (void)begin_chunked(g);
}

/* What to compute: S3 keeps a CRC64NVME of every object whose client sent no checksum; parts have the kind that their
 * upload was begun with. */
static bool choose_kind(struct gw_req *g)
{
    struct gw_checks *c = &g->body.checks;
    enum checksum_kind wanted = CHECKSUM_CRC64NVME;
    if (g->route.op == OP_UPLOAD_PART) {
        const struct cat_upload *u = g->work;
        if (u->checksum_kind != CHECKSUM_NONE)
            wanted = u->checksum_kind;
        if (c->kind != CHECKSUM_NONE && c->kind != wanted && wanted != CHECKSUM_CRC64NVME) {
            gw_fail_with(g, "InvalidRequest",
                         arena_printf(&g->arena,
                                      "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum "
                                      "Type: %s",
                                      gw_checksum_name(wanted), gw_checksum_name(c->kind)));
            return false;
        }
    }
    if (c->kind == CHECKSUM_NONE)
        c->kind = wanted;
    return true;
}

static void begin_object(struct gw_req *g)
{
    struct gw_body *b = &g->body;
    if (!read_size(g) || !gw_checks_read(g, &b->checks))
        return;
    bool told = is_streaming(g) || http_header(g->http, "content-length").p != NULL;
    if (!told || b->size == UINT64_MAX) {
        gw_fail(g, "MissingContentLength");
        return;
    }
    if (b->size > OBJECT_PUT_MAX) {
        gw_fail(g, "EntityTooLarge");
        return;
    }
    if (!gw_room(g, b->size) || !choose_kind(g) || !begin_chunked(g))
        return;
    if (b->size <= INLINE_SIZE_MAX) {
        b->kind = BODY_BUFFER;
        b->max = INLINE_SIZE_MAX;
        return;
    }
    enum rc rc = upload_new(g, b->size, &b->checks, &b->upload);
    if (rc == RC_OK)
        b->kind = BODY_STREAM;
    else
        gw_fail(g, "SlowDown");
}

void gw_body_begin(struct gw_req *g)
{
    switch (g->op->body) {
    case BODY_IS_NONE:
        g->body.kind = BODY_NONE;
        break;
    case BODY_IS_XML:
        begin_xml(g);
        break;
    case BODY_IS_OBJECT:
        begin_object(g);
        break;
    }
}

/* ---- as it comes ---- */
static bool grow(struct gw_body *b, size_t need)
{
    if (need <= b->cap)
        return true;
    size_t cap = b->size != UINT64_MAX && b->size <= b->max ? (size_t)b->size : BUFFER_FIRST;
    while (cap < need)
        cap *= 2;
    char *p = realloc(b->data, cap);
    if (p == NULL)
        return false;
    b->data = p;
    b->cap = cap;
    return true;
}

static enum rc keep(void *ctx, struct view data)
{
    struct gw_req *g = ctx;
    struct gw_body *b = &g->body;
    if (data.n == 0)
        return RC_OK;
    if (b->size != UINT64_MAX && data.n > b->size - b->taken) {
        refuse(b, "IncompleteBody", "There are more bytes than the headers said.");
        return RC_INVALID;
    }
    if (b->kind == BODY_STREAM) {
        upload_put(b->upload, data.p, data.n);
    } else if (b->kind == BODY_BUFFER) {
        if (data.n > b->max - b->taken) {
            refuse(b, "MaxMessageLengthExceeded", NULL);
            return RC_LIMIT;
        }
        if (!grow(b, (size_t)b->taken + data.n)) {
            refuse(b, "SlowDown", NULL);
            return RC_NOMEM;
        }
        memcpy(b->data + b->taken, data.p, data.n);
    }
    b->taken += data.n;
    return RC_OK;
}

static void feed(struct gw_req *g, struct view data)
{
    struct gw_body *b = &g->body;
    if (b->chunked == NULL) {
        (void)!keep(g, data); /* what is wrong is in the refusal */
        return;
    }
    const char *code = "InvalidRequest";
    struct err e = {""};
    if (chunked_feed(b->chunked, data, keep, g, &code, &e) != RC_OK)
        refuse(b, code, e.text[0] != 0 ? arena_cstr(&g->arena, view_cstr(e.text)) : NULL);
}

static void ignore(struct gw_req *g, struct view data)
{
    struct gw_body *b = &g->body;
    b->taken += data.n;
    if (b->taken > IGNORED_BODY_MAX)
        refuse(b, "InvalidRequest", "This request takes no body.");
}

/* The store said no while the client still sends: it is told now. */
static bool upload_failed(struct gw_req *g)
{
    struct err e = {""};
    struct gw_digests unused;
    enum rc rc = upload_result(g->body.upload, &unused, &e);
    if (rc == RC_OK)
        return false;
    gw_fail_rc(g, rc, &e, "the body could not be written");
    return true;
}

void gw_body_take(struct gw_req *g, struct view data, size_t *consumed)
{
    struct gw_body *b = &g->body;
    *consumed = data.n;
    if (b->kind == BODY_STREAM && upload_failed(g))
        return;
    if (b->kind == BODY_STREAM) {
        size_t room = upload_room(b->upload);
        if (room == 0) {
            *consumed = 0;
            return;
        }
        /* Without its framing it is never longer. */
        data = view_sub(data, 0, room);
        *consumed = data.n;
    }
    if (b->kind == BODY_NONE)
        ignore(g, data);
    else
        feed(g, data);
    if (b->refusal.code == NULL)
        return;
    if (b->kind == BODY_STREAM)
        upload_cancel(b->upload);
    gw_fail_with(g, b->refusal.code, b->refusal.message);
}

/* ---- when it has ended ---- */
static void read_trailer(struct gw_req *g)
{
    struct gw_body *b = &g->body;
    if (b->checks.trailer == CHECKSUM_NONE)
        return;
    struct view v = {NULL, 0};
    if (b->chunked != NULL)
        v = chunked_trailer(b->chunked, gw_checksum_header(b->checks.trailer));
    if (v.p == NULL) {
        refuse(b, "MalformedTrailerError", "The trailer that x-amz-trailer announced did not come.");
        return;
    }
    if (gw_checksum_parse(b->checks.trailer, v, &b->checks.given) != RC_OK)
        refuse(
            b, "InvalidRequest",
            arena_printf(&g->arena, "Value for %s trailing header is invalid.", gw_checksum_header(b->checks.trailer)));
}

static void end_framing(struct gw_req *g)
{
    struct gw_body *b = &g->body;
    if (b->refusal.code != NULL)
        return;
    if (b->chunked != NULL) {
        const char *code = "IncompleteBody";
        struct err e = {""};
        if (chunked_end(b->chunked, &code, &e) != RC_OK) {
            refuse(b, code, e.text[0] != 0 ? arena_cstr(&g->arena, view_cstr(e.text)) : NULL);
            return;
        }
    }
    if (b->kind != BODY_NONE && b->size != UINT64_MAX && b->taken != b->size)
        refuse(b, "IncompleteBody", NULL);
    if (b->kind != BODY_NONE)
        read_trailer(g);
}

/* Digests are known: do they say what was promised? */
static void conclude(struct gw_req *g)
{
    struct gw_body *b = &g->body;
    if (b->refusal.code == NULL && b->kind != BODY_NONE)
        b->refusal = gw_checks_verify(&b->checks, &b->digests);
    if (b->refusal.code != NULL)
        gw_fail_with(g, b->refusal.code, b->refusal.message);
    else
        g->op->run(g);
}

static void upload_ended(struct gw_req *g)
{
    struct err e = {""};
    enum rc rc = upload_result(g->body.upload, &g->body.digests, &e);
    if (g->body.refusal.code == NULL && rc != RC_OK) {
        gw_fail_rc(g, rc, &e, "the body could not be written");
        return;
    }
    conclude(g);
}

void gw_body_end(struct gw_req *g)
{
    struct gw_body *b = &g->body;
    end_framing(g);
    if (b->kind == BODY_STREAM) {
        if (b->refusal.code != NULL)
            upload_cancel(b->upload);
        gw_wait(g, upload_ended);
        upload_end(b->upload);
        return;
    }
    if (b->kind == BODY_BUFFER && b->refusal.code == NULL) {
        struct view v = gw_body_view(g);
        enum rc rc = gw_digest_once(v.p, v.n, b->checks.kind, b->checks.has_sha256, &b->digests);
        if (rc != RC_OK)
            refuse(b, "SlowDown", NULL);
    }
    conclude(g);
}

struct view gw_body_view(const struct gw_req *g)
{
    return g->body.data != NULL ? view_of(g->body.data, (size_t)g->body.taken) : VIEW("");
}

void gw_body_into_op(struct gw_req *g, struct cat_op *op)
{
    const struct gw_body *b = &g->body;
    op->size = b->taken;
    memcpy(op->md5, b->digests.md5, sizeof op->md5);
    op->crc64ecma = b->digests.crc64ecma;
    op->checksum = b->digests.checksum;
    if (b->kind == BODY_STREAM)
        upload_extents(b->upload, &op->extents, &op->n_extents);
    else
        op->body = gw_body_view(g);
}

void gw_body_free(struct gw_req *g)
{
    struct gw_body *b = &g->body;
    if (b->upload != NULL)
        upload_free(b->upload);
    chunked_free(b->chunked);
    free(b->data);
}
