/* Holdfast: replies: kept with the request until libmicrohttpd can take them (dispatch.c says when). */
#include "http/http_priv.h"

#include <stdlib.h>

bool http_replied(const struct http_req *r)
{
    return r->reply.kind != REPLY_NONE;
}

/* These are this room's to say. Every header of every answer passes here: most differ in their length already. */
static bool is_framing(struct view name)
{
    static const struct view ours[] = {VIEW("content-length"), VIEW("transfer-encoding"), VIEW("connection"),
                                       VIEW("date")};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (name.n == ours[i].n && view_ieqs(name, ours[i].p))
            return true;
    return false;
}

static bool is_name(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] == ' ' || v.p[i] == ':' || v.p[i] == '\t' || v.p[i] == '\r' || v.p[i] == '\n')
            return false;
    return v.n > 0;
}

static bool is_line_text(struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

enum rc http_reply_header(struct http_req *r, const char *name, struct view value)
{
    HF_ASSERT(!http_replied(r));
    struct view n = view_cstr(name);
    if (!is_name(n) || is_framing(n) || !is_line_text(value))
        return RC_INVALID;
    struct reply_header *h = arena_alloc(&r->arena, sizeof *h);
    if (!h)
        return RC_NOMEM;
    h->next = NULL;
    h->name = arena_cstr(&r->arena, n);
    h->value = arena_cstr(&r->arena, value);
    if (!h->name || !h->value)
        return RC_NOMEM;
    *r->reply.last = h;
    r->reply.last = &h->next;
    return RC_OK;
}

void http_reply_buf(struct http_req *r, unsigned status, struct buf *body)
{
    HF_ASSERT(!http_replied(r) && !r->want_suspend);
    r->reply.kind = REPLY_BUF;
    r->reply.status = status;
    r->reply.body = *body;
    *body = BUF(body->max);
}

void http_reply(struct http_req *r, unsigned status, struct view body)
{
    struct buf copy = BUF(body.n);
    if (body.n > 0 && buf_putv(&copy, body) != RC_OK)
        http_abort(r); /* no memory even for this: the client sees the connection end */
    http_reply_buf(r, status, &copy);
}

void http_reply_head(struct http_req *r, unsigned status, uint64_t content_length)
{
    HF_ASSERT(!http_replied(r) && !r->want_suspend);
    r->reply.kind = REPLY_HEAD;
    r->reply.status = status;
    r->reply.size = content_length;
}

void http_reply_stream(struct http_req *r, unsigned status, uint64_t size, http_fill_fn *fill, void *ctx)
{
    HF_ASSERT(!http_replied(r) && !r->want_suspend);
    r->reply.kind = REPLY_STREAM;
    r->reply.status = status;
    r->reply.size = size;
    r->reply.fill = fill;
    r->reply.fill_ctx = ctx;
}

/* libmicrohttpd asks for a block when all before it has gone out. */
static ssize_t stream_block(void *cls, uint64_t offset, char *dst, size_t n)
{
    struct http_req *r = cls;
    r->reply.sent = offset;
    int64_t got = r->reply.fill(r->reply.fill_ctx, offset, dst, n);
    HF_ASSERT(got <= (int64_t)n);
    return got > 0 ? (ssize_t)got : MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t no_block(void *cls, uint64_t offset, char *dst, size_t n)
{
    (void)cls;
    (void)offset;
    (void)dst;
    (void)n;
    return MHD_CONTENT_READER_END_WITH_ERROR; /* only a HEAD may have a length without a body */
}

static struct MHD_Response *response_make(struct http_req *r)
{
    struct http_reply *p = &r->reply;
    if (p->kind == REPLY_STREAM && p->size > 0) {
        size_t block = p->size < HTTP_BLOCK_BYTES ? (size_t)p->size : HTTP_BLOCK_BYTES;
        return MHD_create_response_from_callback(p->size, block, stream_block, r, NULL);
    }
    if (p->kind == REPLY_HEAD && p->size > 0)
        return MHD_create_response_from_callback(p->size, 1, no_block, NULL, NULL);
    /* Borrowed: the request outlives the response, see request_end. */
    return MHD_create_response_from_buffer(p->body.n, p->body.p ? p->body.p : "", MHD_RESPMEM_PERSISTENT);
}

bool reply_queue(struct http_req *r)
{
    struct http_reply *p = &r->reply;
    struct MHD_Response *m = response_make(r);
    if (!m)
        return false;
    bool ok = true;
    for (const struct reply_header *h = p->first; h && ok; h = h->next)
        ok = MHD_add_response_header(m, h->name, h->value) == MHD_YES;
    if (r->refused || atomic_load(&r->s->closing))
        ok = ok && MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
    p->queued = ok && MHD_queue_response(r->conn, p->status, m) == MHD_YES;
    MHD_destroy_response(m);
    return p->queued;
}

void reply_refuse(struct http_req *r, unsigned status, const char *what)
{
    struct buf body = BUF(HTTP_REFUSED_BODY_MAX);
    const char *type = NULL;
    refusal_body(r->s, status, what, &body, &type);
    if (type && http_reply_header(r, "Content-Type", view_cstr(type)) != RC_OK)
        buf_clear(&body);
    http_reply_buf(r, status, &body);
}

void reply_free(struct http_req *r)
{
    buf_free(&r->reply.body);
    buf_free(&r->early.text);
}
