/* Buckets: made, listed, looked at, deleted; their versioning. */
#include "gateway/gateway_priv.h"

#define LOCATION_DEFAULT "us-east-1" /* S3 answers an empty LocationConstraint for it */
#define BUCKETS_PAGE_MAX 10000u      /* S3 */

/* ---- ListBuckets ---- */
static struct view bucket_name(const struct cat_bucket *b)
{
    return view_cstr(b->name);
}

struct buckets_page {
    struct cat_bucket *list;
    size_t n;
    struct view prefix, after;
    uint64_t max;
    size_t first, end; /* of the page */
};

static bool read_page(struct gw_req *g, struct buckets_page *p)
{
    bool is_prefix;
    struct view token = gw_arg(g, "continuation-token");
    p->prefix = gw_arg(g, "prefix");
    p->max = BUCKETS_PAGE_MAX;
    if (gw_param_u64(&g->params, "max-buckets", 1, BUCKETS_PAGE_MAX, &p->max) != RC_OK ||
        (token.n > 0 && gw_token_decode(token, &g->arena, &p->after, &is_prefix) != RC_OK)) {
        gw_fail(g, "InvalidArgument");
        return false;
    }
    return true;
}

static void write_buckets(struct gw_req *g, const struct buckets_page *p)
{
    struct xml_out x;
    struct view token = VIEW("");
    size_t written = 0, last = 0;
    bool truncated = false;
    xo_begin(&x, "ListAllMyBucketsResult");
    xo_owner(&x, "Owner", g);
    xo_open(&x, "Buckets");
    for (size_t i = 0; i < p->n && !truncated; i++) {
        struct view name = bucket_name(&p->list[i]);
        if (!view_starts(name, p->prefix) || view_cmp(name, p->after) <= 0)
            continue;
        truncated = written == p->max;
        if (truncated)
            break;
        xo_open(&x, "Bucket");
        xo_text(&x, "Name", name);
        xo_time(&x, "CreationDate", p->list[i].created_ns);
        xo_str(&x, "BucketRegion", g->gw->region);
        xo_close(&x, "Bucket");
        written++;
        last = i;
    }
    xo_close(&x, "Buckets");
    if (p->prefix.n > 0)
        xo_text(&x, "Prefix", p->prefix);
    if (truncated && gw_token_encode(bucket_name(&p->list[last]), false, &g->arena, &token) == RC_OK)
        xo_text(&x, "ContinuationToken", token);
    xo_reply(&x, g, 200, "ListAllMyBucketsResult");
}

void op_buckets_list(struct gw_req *g)
{
    struct buckets_page p = {.after = VIEW("")};
    if (!read_page(g, &p))
        return;
    enum rc rc = cat_list_buckets(g->gw->engine->cat, g->auth.caller.account, &g->arena, &p.list, &p.n);
    if (rc == RC_OK)
        write_buckets(g, &p);
    else
        gw_fail_rc(g, rc, NULL, "the buckets cannot be listed");
}

/* ---- CreateBucket ---- */
void op_bucket_create_check(struct gw_req *g)
{
    struct view lock = gw_header(g, "x-amz-bucket-object-lock-enabled");
    struct view owner = gw_header(g, "x-amz-object-ownership");
    if (lock.p != NULL && !view_ieqs(lock, "false"))
        gw_fail_with(g, "NotImplemented", "Object Lock is not implemented.");
    else if (owner.p != NULL && !view_eqs(owner, "BucketOwnerEnforced"))
        gw_fail_with(g, "NotImplemented", "Of the object ownerships only BucketOwnerEnforced is implemented.");
    else
        (void)gw_unbuilt_headers_ok(g); /* false: answered */
}

static void bucket_created(struct gw_req *g)
{
    if (!gw_call_ok(g, &g->call))
        return;
    const char *location = arena_printf(&g->arena, "/%.*s", (int)g->route.bucket.n, g->route.bucket.p);
    if (location != NULL)
        gw_adds(g, "Location", location);
    gw_reply_empty(g, 200);
}

void op_bucket_create(struct gw_req *g)
{
    struct view body = gw_body_view(g), location;
    enum rc rc = body.n > 0 ? gw_xml_location(body, &g->arena, &location) : RC_OK;
    if (rc == RC_INVALID || rc == RC_LIMIT) {
        gw_fail(g, "MalformedXML");
        return;
    }
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "CreateBucket");
        return;
    }
    gw_call_init(g, &g->call, CAT_BUCKET_CREATE);
    gw_commit(g, &g->call, 1, bucket_created);
}

/* ---- the others ---- */
void op_bucket_head(struct gw_req *g)
{
    gw_adds(g, "x-amz-bucket-region", g->gw->region);
    gw_adds(g, "Content-Type", "application/xml");
    gw_reply_empty(g, 200);
}

static void no_content(struct gw_req *g)
{
    if (gw_call_ok(g, &g->call))
        gw_reply_empty(g, 204);
}

void op_bucket_delete(struct gw_req *g)
{
    gw_call_init(g, &g->call, CAT_BUCKET_DELETE);
    gw_commit(g, &g->call, 1, no_content);
}

void op_bucket_location(struct gw_req *g)
{
    struct xml_out x;
    bool shown = strcmp(g->gw->region, LOCATION_DEFAULT) != 0;
    xo_begin(&x, "LocationConstraint");
    if (x.rc == RC_OK && shown)
        x.rc = xml_text(&x.b, view_cstr(g->gw->region));
    xo_reply(&x, g, 200, "LocationConstraint");
}

void op_versioning_get(struct gw_req *g)
{
    struct xml_out x;
    xo_begin(&x, "VersioningConfiguration");
    if (g->bucket.versioning != VERSIONING_OFF)
        xo_str(&x, "Status", g->bucket.versioning == VERSIONING_ON ? "Enabled" : "Suspended");
    xo_reply(&x, g, 200, "VersioningConfiguration");
}

static void done(struct gw_req *g)
{
    if (gw_call_ok(g, &g->call))
        gw_reply_empty(g, 200);
}

void op_versioning_put(struct gw_req *g)
{
    enum versioning v;
    switch (gw_xml_versioning(gw_body_view(g), &v)) {
    case RC_OK:
        break;
    case RC_UNSUPPORTED:
        gw_fail_with(g, "NotImplemented", "MFA delete is not implemented.");
        return;
    case RC_NOMEM:
        gw_fail_rc(g, RC_NOMEM, NULL, "PutBucketVersioning");
        return;
    default:
        gw_fail(g, "MalformedXML");
        return;
    }
    gw_call_init(g, &g->call, CAT_BUCKET_VERSIONING);
    g->call.op.versioning = v;
    gw_commit(g, &g->call, 1, done);
}
