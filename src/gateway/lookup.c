/* What several operations look up or decide the same way: bucket, version, upload, conditions. */
#include "gateway/gateway_priv.h"

/* A bucket that the caller may see is its own: the owner that it expects is itself, by id or by name. */
static bool owner_expected(const struct gw_req *g, const char *header)
{
    char id[OWNER_ID_SIZE];
    struct view v = gw_header(g, header);
    gw_owner_id(g->auth.caller.account, id);
    return v.p == NULL || view_eqs(v, id) || view_eqs(v, g->auth.caller.account_name);
}

bool gw_bucket_find(struct gw_req *g, struct view name, const char *owner_header, struct cat_bucket *ret)
{
    struct cat_bucket b = {0};
    enum rc rc = cat_get_bucket(g->gw->engine->cat, name, &g->arena, &b);
    if (rc == RC_NOT_FOUND) {
        gw_fail(g, "NoSuchBucket");
        return false;
    }
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "the bucket cannot be looked up");
        return false;
    }
    if (b.account != g->auth.caller.account || !owner_expected(g, owner_header)) {
        gw_fail(g, "AccessDenied");
        return false;
    }
    *ret = b;
    return true;
}

/* Delete markers: 404 when one is in the way, 405 when it was asked for by its id. */
static void answer_marker(struct gw_req *g, const struct cat_version *v, bool by_id)
{
    gw_adds(g, "x-amz-delete-marker", "true");
    gw_add_version(g, "x-amz-version-id", v->seq, v->null_version);
    if (!by_id) {
        gw_fail(g, "NoSuchKey");
        return;
    }
    gw_add_time(g, "Last-Modified", v->modified_ns);
    gw_adds(g, "Allow", "DELETE");
    gw_fail(g, "MethodNotAllowed");
}

bool gw_version_find(struct gw_req *g, bool layout, struct cat_version *ret)
{
    struct cat_want want;
    struct view id = gw_arg(g, "versionId");
    if (gw_version_param(id, &want) != RC_OK) {
        gw_fail_with(g, "InvalidArgument", "Invalid version id specified");
        return false;
    }
    want.layout = layout;
    struct cat_version v = {0};
    enum rc rc = cat_get_object(g->gw->engine->cat, g->bucket.id, g->route.key, want, &g->arena, &v);
    if (rc == RC_NOT_FOUND) {
        gw_fail(g, want.any_latest ? "NoSuchKey" : "NoSuchVersion");
        return false;
    }
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "the object cannot be looked up");
        return false;
    }
    if (v.marker) {
        answer_marker(g, &v, !want.any_latest);
        return false;
    }
    g->class = v.class;
    *ret = v;
    return true;
}

/* A part whose uploadId was lost must not become the object, nor a write to an old version a new one. */
bool gw_makes_object(struct gw_req *g)
{
    if (gw_arg(g, "versionId").p != NULL)
        gw_fail_with(g, "InvalidArgument", "This operation does not accept a version-id.");
    else if (gw_arg(g, "partNumber").p != NULL)
        gw_fail_with(g, "InvalidArgument", "This operation does not accept a part number without an upload id.");
    else
        return true;
    return false;
}

bool gw_upload_id(struct gw_req *g, uint64_t *ret)
{
    if (cat_upload_parse(gw_arg(g, "uploadId"), ret))
        return true;
    gw_fail(g, "NoSuchUpload");
    return false;
}

/* ---- conditions: RFC 9110 §13.2.2, which S3 follows. Dates count whole seconds; a malformed one is ignored. ---- */
struct conditions {
    struct view match, none_match, modified, unmodified;
};
enum verdict { VERDICT_GO, VERDICT_NOT_MODIFIED, VERDICT_FAILED };

static bool modified_after(const struct cat_version *v, struct view date, bool *ret)
{
    int64_t since;
    if (time_parse_http(date, &since) != RC_OK)
        return false;
    *ret = v->modified_ns / NS_PER_S > since / NS_PER_S;
    return true;
}

static enum verdict judge(const struct conditions *c, const struct cat_version *v)
{
    char etag[ETAG_TEXT_MAX];
    (void)cat_etag_text(v->etag_md5, v->etag_parts, etag);
    bool after;
    if (c->match.p != NULL) {
        if (!gw_etag_listed(c->match, etag))
            return VERDICT_FAILED;
    } else if (c->unmodified.p != NULL && modified_after(v, c->unmodified, &after) && after) {
        return VERDICT_FAILED;
    }
    if (c->none_match.p != NULL) {
        if (gw_etag_listed(c->none_match, etag))
            return VERDICT_NOT_MODIFIED;
    } else if (c->modified.p != NULL && modified_after(v, c->modified, &after) && !after) {
        return VERDICT_NOT_MODIFIED;
    }
    return VERDICT_GO;
}

bool gw_read_conditions(struct gw_req *g, const struct cat_version *v)
{
    struct conditions c = {http_header(g->http, "if-match"), http_header(g->http, "if-none-match"),
                           http_header(g->http, "if-modified-since"), http_header(g->http, "if-unmodified-since")};
    switch (judge(&c, v)) {
    case VERDICT_GO:
        return true;
    case VERDICT_FAILED:
        gw_fail(g, "PreconditionFailed");
        return false;
    case VERDICT_NOT_MODIFIED:
        break;
    }
    gw_add_etag(g, v->etag_md5, v->etag_parts);
    gw_add_time(g, "Last-Modified", v->modified_ns);
    if (g->bucket.versioning != VERSIONING_OFF)
        gw_add_version(g, "x-amz-version-id", v->seq, v->null_version);
    gw_reply_empty(g, 304);
    return false;
}

bool gw_copy_conditions(struct gw_req *g, const struct cat_version *v)
{
    struct conditions c = {
        gw_header(g, "x-amz-copy-source-if-match"),
        gw_header(g, "x-amz-copy-source-if-none-match"),
        gw_header(g, "x-amz-copy-source-if-modified-since"),
        gw_header(g, "x-amz-copy-source-if-unmodified-since"),
    };
    if (judge(&c, v) == VERDICT_GO)
        return true;
    gw_fail(g, "PreconditionFailed");
    return false;
}

/* One entity tag, or "*" where S3 takes it; decided at the commit, in commit order. */
bool gw_write_conditions(struct gw_req *g, struct cat_op *op)
{
    struct view match = http_header(g->http, "if-match"), none = http_header(g->http, "if-none-match");
    if (match.p != NULL && none.p != NULL) {
        gw_fail_with(g, "NotImplemented", "If-Match and If-None-Match together are not implemented for writes.");
        return false;
    }
    if (none.p != NULL && !view_eqs(gw_unquote(none), "*")) {
        gw_fail_with(g, "NotImplemented", "If-None-Match of a write takes only *.");
        return false;
    }
    if (match.p != NULL && gw_unquote(match).n == 0) {
        gw_fail_with(g, "InvalidArgument", "If-Match is empty.");
        return false;
    }
    struct view kept = arena_dup(&g->arena, gw_unquote(match.p != NULL ? match : none));
    if (kept.p == NULL) {
        gw_fail_rc(g, RC_NOMEM, NULL, "conditions");
        return false;
    }
    if (match.p != NULL)
        op->if_match = kept;
    if (none.p != NULL)
        op->if_none_match = kept;
    return true;
}
