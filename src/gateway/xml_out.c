/* XML of answers, in S3's words. An error sticks to the document; xo_reply tells it. */
#include <stdio.h>

#include "gateway/gateway_priv.h"

#define S3_NAMESPACE " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define ELEMENT_MAX 128

static bool going(const struct xml_out *x)
{
    return x->rc == RC_OK;
}

void xo_begin(struct xml_out *x, const char *root)
{
    char open[ELEMENT_MAX + sizeof S3_NAMESPACE];
    *x = (struct xml_out){.b = BUF(XML_ANSWER_MAX)};
    (void)snprintf(open, sizeof open, "%s" S3_NAMESPACE, root);
    x->rc = xml_head(&x->b);
    if (going(x))
        x->rc = xml_open(&x->b, open);
}

void xo_open(struct xml_out *x, const char *name)
{
    if (going(x))
        x->rc = xml_open(&x->b, name);
}

void xo_close(struct xml_out *x, const char *name)
{
    if (going(x))
        x->rc = xml_close(&x->b, name);
}

void xo_text(struct xml_out *x, const char *name, struct view v)
{
    if (going(x))
        x->rc = xml_leaf(&x->b, name, v);
}

void xo_str(struct xml_out *x, const char *name, const char *s)
{
    xo_text(x, name, view_cstr(s));
}

void xo_u64(struct xml_out *x, const char *name, uint64_t v)
{
    if (going(x))
        x->rc = xml_leaf_u64(&x->b, name, v);
}

void xo_bool(struct xml_out *x, const char *name, bool v)
{
    xo_str(x, name, v ? "true" : "false");
}

void xo_time(struct xml_out *x, const char *name, int64_t ns)
{
    char s[TIME_TEXT_MAX];
    xo_str(x, name, time_rfc3339(ns, true, s));
}

void xo_etag(struct xml_out *x, const char *name, const uint8_t md5[16], uint32_t parts)
{
    char s[ETAG_TEXT_MAX], quoted[ETAG_TEXT_MAX + 2];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", cat_etag_text(md5, parts, s));
    xo_str(x, name, quoted);
}

void xo_key(struct xml_out *x, const char *name, struct view v)
{
    if (!x->url_keys) {
        xo_text(x, name, v);
        return;
    }
    xo_open(x, name);
    if (going(x))
        x->rc = uri_encode(v, true, &x->b);
    xo_close(x, name);
}

void xo_checksum(struct xml_out *x, const struct checksum *c, uint32_t parts)
{
    char s[CHECKSUM_TEXT_MAX];
    if (c->kind == CHECKSUM_NONE)
        return;
    xo_str(x, gw_checksum_element(c->kind), gw_checksum_text(c, parts, s));
    xo_str(x, "ChecksumType", c->composite ? "COMPOSITE" : "FULL_OBJECT");
}

/* Stable, of S3's shape, and says nothing about the account. */
void gw_owner_id(uint64_t account, char id[OWNER_ID_SIZE])
{
    uint8_t seed[8], sum[32];
    be64_put(seed, account);
    digest_once2(DIGEST_SHA256, "holdfast-owner", sizeof "holdfast-owner" - 1, seed, sizeof seed, sum);
    hex_encode(sum, sizeof sum, id);
}

void xo_owner(struct xml_out *x, const char *name, const struct gw_req *g)
{
    char id[OWNER_ID_SIZE];
    gw_owner_id(g->auth.caller.account, id);
    xo_open(x, name);
    xo_str(x, "ID", id);
    xo_str(x, "DisplayName", g->auth.caller.account_name);
    xo_close(x, name);
}

void xo_reply(struct xml_out *x, struct gw_req *g, unsigned status, const char *root)
{
    xo_close(x, root);
    if (!going(x)) {
        buf_free(&x->b);
        gw_fail_rc(g, x->rc, NULL, "the answer's XML");
        return;
    }
    /* A write has happened: its answer is not held back. */
    if (g->op->gate == GATE_READ && !gw_take(g, 0, x->b.n)) {
        buf_free(&x->b);
        return;
    }
    gw_adds(g, "Content-Type", "application/xml");
    gw_reply_buf(g, status, &x->b);
}
