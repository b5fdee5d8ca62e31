/* DeleteObject and DeleteObjects. */
#include "gateway/gateway_priv.h"

static void answer_one(struct gw_req *g)
{
    struct gw_call *c = &g->call;
    const struct cat_done *d = &c->req.cat;
    if (!gw_call_ok(g, c))
        return;
    if (d->marker)
        gw_adds(g, "x-amz-delete-marker", "true");
    struct view id = gw_arg(g, "versionId");
    if (id.p != NULL)
        gw_add(g, "x-amz-version-id", id);
    else if (d->marker)
        gw_add_version(g, "x-amz-version-id", d->version != 0 ? d->version : d->seq, d->null_version);
    gw_reply_empty(g, 204);
}

/* S3 has these for directory buckets only; a condition must not be passed over. */
static bool conditions_built(struct gw_req *g)
{
    if (gw_header(g, "x-amz-if-match-last-modified-time").p == NULL && gw_header(g, "x-amz-if-match-size").p == NULL)
        return true;
    gw_fail(g, "NotImplemented");
    return false;
}

void op_object_delete(struct gw_req *g)
{
    struct gw_call *c = &g->call;
    gw_call_init(g, c, CAT_DELETE);
    if (gw_version_param(gw_arg(g, "versionId"), &c->op.version) != RC_OK) {
        gw_fail_with(g, "InvalidArgument", "Invalid version id specified");
        return;
    }
    if (conditions_built(g) && gw_write_conditions(g, &c->op))
        gw_commit(g, c, 1, answer_one);
}

/* ---- DeleteObjects ---- */
struct deleting {
    struct delete_list list;
    struct gw_call *calls; /* of the items that are well-formed */
    struct gw_call **of;   /* by item; NULL = refused before */
    const char **code;     /* of those */
    size_t n_calls;
};

/* S3 wants the body of this one protected; a signed payload hash does that too. */
void op_delete_many_check(struct gw_req *g)
{
    if (g->auth.payload == AUTH_PAYLOAD_SHA256 || g->auth.payload == AUTH_PAYLOAD_CHUNKS ||
        g->auth.payload == AUTH_PAYLOAD_CHUNKS_TRAILER)
        return;
    if (http_header(g->http, "content-md5").p != NULL || http_header(g->http, "x-amz-trailer").p != NULL)
        return;
    for (enum checksum_kind k = CHECKSUM_CRC32; k <= CHECKSUM_SHA256; k++)
        if (http_header(g->http, gw_checksum_header(k)).p != NULL)
            return;
    gw_fail_with(g, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
}

static void write_item(struct gw_req *g, struct xml_out *x, const struct deleting *t, size_t i)
{
    const struct delete_item *item = &t->list.items[i];
    const char *message = NULL;
    const struct gw_call *c = t->of[i];
    const char *code = c != NULL ? gw_call_code(g, c, &message) : t->code[i];
    if (code == NULL && t->list.quiet)
        return;
    const char *element = code != NULL ? "Error" : "Deleted";
    xo_open(x, element);
    xo_text(x, "Key", item->key);
    if (item->version.n > 0)
        xo_text(x, "VersionId", item->version);
    if (code != NULL) {
        xo_str(x, "Code", code);
        xo_str(x, "Message", message != NULL ? message : gw_s3_error(code)->message);
    } else if (c->req.cat.marker) {
        const struct cat_done *d = &c->req.cat;
        char id[VERSION_TEXT_MAX];
        xo_bool(x, "DeleteMarker", true);
        if (item->version.n > 0)
            xo_text(x, "DeleteMarkerVersionId", item->version);
        else
            xo_str(x, "DeleteMarkerVersionId",
                   cat_version_text(d->version != 0 ? d->version : d->seq, d->null_version, id));
    }
    xo_close(x, element);
}

static void answer_many(struct gw_req *g)
{
    const struct deleting *t = g->work;
    struct xml_out x;
    xo_begin(&x, "DeleteResult");
    for (size_t i = 0; i < t->list.n; i++)
        write_item(g, &x, t, i);
    xo_reply(&x, g, 200, "DeleteResult");
}

/* The first record counts as the request; the others as none. */
static void prepare(struct gw_req *g, struct deleting *t, size_t i)
{
    const struct delete_item *item = &t->list.items[i];
    struct gw_call *c = &t->calls[t->n_calls];
    if (item->key.n > KEY_MAX) {
        t->code[i] = "KeyTooLongError";
        return;
    }
    if (item->unbuilt) {
        t->code[i] = "NotImplemented";
        return;
    }
    gw_call_init(g, c, CAT_DELETE);
    c->op.key = item->key;
    c->op.requests = t->n_calls == 0 ? 1 : 0;
    struct view version = item->version.n > 0 ? item->version : (struct view){NULL, 0};
    if (gw_version_param(version, &c->op.version) != RC_OK) {
        t->code[i] = "NoSuchVersion";
        return;
    }
    if (item->etag.n > 0)
        c->op.if_match = item->etag;
    t->of[i] = c;
    t->n_calls++;
}

void op_delete_many(struct gw_req *g)
{
    struct deleting *t = arena_zalloc(&g->arena, sizeof *t);
    enum rc rc = t != NULL ? gw_xml_delete(gw_body_view(g), &g->arena, &t->list) : RC_NOMEM;
    if (rc == RC_INVALID || rc == RC_LIMIT) {
        gw_fail(g, "MalformedXML");
        return;
    }
    if (rc == RC_OK) {
        t->calls = arena_alloc(&g->arena, t->list.n * sizeof *t->calls);
        t->of = arena_zalloc(&g->arena, t->list.n * sizeof(struct gw_call *));
        t->code = arena_zalloc(&g->arena, t->list.n * sizeof(const char *));
        if (t->calls == NULL || t->of == NULL || t->code == NULL)
            rc = RC_NOMEM;
    }
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, NULL, "DeleteObjects");
        return;
    }
    for (size_t i = 0; i < t->list.n; i++)
        prepare(g, t, i);
    g->work = t;
    if (t->n_calls > 0)
        gw_commit(g, t->calls, t->n_calls, answer_many);
    else
        answer_many(g);
}
