/* Answers: the headers that each one carries, errors, and where a request's status is set. */
#include <stdio.h>

#include "base/log.h"
#include "gateway/gateway_priv.h"

bool gw_replied(const struct gw_req *g)
{
    return g->status != 0;
}

/* ---- headers ---- */
/* The HTTP library takes no empty value; clients strip the space. */
void gw_add(struct gw_req *g, const char *name, struct view value)
{
    if (http_reply_header(g->http, name, value.n > 0 ? value : VIEW(" ")) != RC_OK)
        g->header_failed = true;
}

void gw_adds(struct gw_req *g, const char *name, const char *value)
{
    gw_add(g, name, view_cstr(value));
}

void gw_add_u64(struct gw_req *g, const char *name, uint64_t value)
{
    char s[24];
    (void)snprintf(s, sizeof s, "%llu", (unsigned long long)value);
    gw_adds(g, name, s);
}

void gw_add_time(struct gw_req *g, const char *name, int64_t ns)
{
    char s[TIME_TEXT_MAX];
    gw_adds(g, name, time_http(ns, s));
}

void gw_add_etag(struct gw_req *g, const uint8_t md5[16], uint32_t parts)
{
    char s[ETAG_TEXT_MAX], quoted[ETAG_TEXT_MAX + 2];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", cat_etag_text(md5, parts, s));
    gw_adds(g, "ETag", quoted);
}

void gw_add_version(struct gw_req *g, const char *name, uint64_t seq, bool null_version)
{
    char s[VERSION_TEXT_MAX];
    gw_adds(g, name, cat_version_text(seq, null_version, s));
}

void gw_add_checksum(struct gw_req *g, const struct checksum *c, uint32_t parts)
{
    char s[CHECKSUM_TEXT_MAX];
    if (c->kind == CHECKSUM_NONE)
        return;
    gw_adds(g, gw_checksum_header(c->kind), gw_checksum_text(c, parts, s));
    gw_adds(g, "x-amz-checksum-type", c->composite ? "COMPOSITE" : "FULL_OBJECT");
}

/* ---- answers ---- */
/* false: a header could not be kept, the connection was ended instead. */
static bool begin(struct gw_req *g, unsigned status)
{
    HF_ASSERT(g->status == 0);
    g->status = status;
    gw_adds(g, "x-amz-request-id", g->id);
    gw_adds(g, "x-amz-id-2", g->gw->host_id);
    gw_adds(g, "Server", "Holdfast");
    if (!g->header_failed)
        return true;
    g->status = 500;
    http_abort(g->http);
    return false;
}

void gw_reply_empty(struct gw_req *g, unsigned status)
{
    if (begin(g, status))
        http_reply(g->http, status, VIEW(""));
}

void gw_reply_head(struct gw_req *g, unsigned status, uint64_t content_length)
{
    if (begin(g, status))
        http_reply_head(g->http, status, content_length);
}

void gw_reply_stream(struct gw_req *g, unsigned status, uint64_t size, http_fill_fn *fill, void *ctx)
{
    if (begin(g, status))
        http_reply_stream(g->http, status, size, fill, ctx);
}

void gw_reply_buf(struct gw_req *g, unsigned status, struct buf *body)
{
    if (begin(g, status))
        http_reply_buf(g->http, status, body);
    else
        buf_free(body);
}

void gw_fail(struct gw_req *g, const char *code)
{
    gw_fail_with(g, code, NULL);
}

void gw_fail_with(struct gw_req *g, const char *code, const char *message)
{
    const struct s3_error *x = gw_s3_error(code);
    if (view_eqs(http_method(g->http), "HEAD")) {
        gw_reply_empty(g, x->status);
        return;
    }
    struct s3_error_place at = {http_path(g->http), g->route.bucket, g->route.key, g->id, g->gw->host_id};
    struct buf body = BUF(XML_ANSWER_MAX);
    if (gw_s3_error_xml(x, message, &at, &body) != RC_OK)
        buf_clear(&body);
    gw_adds(g, "Content-Type", "application/xml");
    gw_reply_buf(g, x->status, &body);
}

void gw_fail_rc(struct gw_req *g, enum rc rc, const struct err *e, const char *what)
{
    const char *why = e != NULL && e->text[0] != 0 ? e->text : rc_name(rc);
    struct view method = http_method(g->http), path = http_path(g->http);
    log_warn("gateway", "%s %.*s %.*s: %s: %s", g->id, (int)method.n, method.p, (int)path.n, path.p, what, why);
    switch (rc) {
    case RC_FULL:
        gw_fail(g, "InsufficientStorage");
        return;
    case RC_UNAVAILABLE:
    case RC_CANCELLED:
        gw_fail(g, "ServiceUnavailable");
        return;
    case RC_NOMEM:
        gw_fail(g, "SlowDown");
        return;
    case RC_CORRUPT:
        gw_fail_with(g, "InternalError",
                     arena_printf(&g->arena, "No copy of %.*s/%.*s is whole at this place; it is not served.",
                                  (int)g->route.bucket.n, g->route.bucket.p, (int)g->route.key.n, g->route.key.p));
        return;
    default:
        gw_fail(g, "InternalError");
    }
}

const char *gw_class_name(enum storage_class c)
{
    switch (c) {
    case CLASS_STANDARD_IA:
        return "STANDARD_IA";
    case CLASS_ARCHIVE:
        return "GLACIER";
    case CLASS_DEEP_ARCHIVE:
        return "DEEP_ARCHIVE";
    default:
        return "STANDARD";
    }
}
