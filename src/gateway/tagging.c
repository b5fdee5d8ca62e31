/* Tags of buckets and of versions. */
#include "gateway/gateway_priv.h"

static void write_tags(struct gw_req *g, struct view text, size_t limit)
{
    struct tag_list tags;
    const char *code, *message;
    struct xml_out x;
    if (gw_tags_parse(text, limit, &g->arena, &tags, &code, &message) != RC_OK) {
        gw_fail_rc(g, RC_CORRUPT, NULL, "the kept tags do not parse");
        return;
    }
    xo_begin(&x, "Tagging");
    xo_open(&x, "TagSet");
    for (size_t i = 0; i < tags.n; i++) {
        xo_open(&x, "Tag");
        xo_text(&x, "Key", tags.tag[i].key);
        xo_text(&x, "Value", tags.tag[i].value);
        xo_close(&x, "Tag");
    }
    xo_close(&x, "TagSet");
    xo_reply(&x, g, 200, "Tagging");
}

/* From the body, as the catalog keeps them. false: answered. */
static bool read_body(struct gw_req *g, size_t limit, struct view *ret)
{
    struct tag_list tags;
    const char *code = "MalformedXML", *message = NULL;
    enum rc rc = gw_xml_tagging(gw_body_view(g), limit, &g->arena, &tags, &code, &message);
    if (rc == RC_OK)
        rc = gw_tags_text(&tags, &g->arena, ret);
    if (rc == RC_INVALID || rc == RC_LIMIT)
        gw_fail_with(g, code, message);
    else if (rc != RC_OK)
        gw_fail_rc(g, rc, NULL, "tags");
    return rc == RC_OK;
}

/* ---- buckets ---- */
static void no_content(struct gw_req *g)
{
    if (gw_call_ok(g, &g->call))
        gw_reply_empty(g, 204);
}

void op_bucket_tags_get(struct gw_req *g)
{
    if (g->bucket.tags.n == 0)
        gw_fail(g, "NoSuchTagSet");
    else
        write_tags(g, g->bucket.tags, BUCKET_TAGS_MAX);
}

void op_bucket_tags_put(struct gw_req *g)
{
    struct view tags;
    if (!read_body(g, BUCKET_TAGS_MAX, &tags))
        return;
    gw_call_init(g, &g->call, CAT_BUCKET_TAGS);
    g->call.op.tags = tags;
    gw_commit(g, &g->call, 1, no_content);
}

void op_bucket_tags_delete(struct gw_req *g)
{
    gw_call_init(g, &g->call, CAT_BUCKET_TAGS);
    g->call.op.tags = VIEW("");
    gw_commit(g, &g->call, 1, no_content);
}

/* ---- objects ---- */
void op_object_tags_get(struct gw_req *g)
{
    struct cat_version v;
    if (!gw_version_find(g, false, &v))
        return;
    if (g->bucket.versioning != VERSIONING_OFF)
        gw_add_version(g, "x-amz-version-id", v.seq, v.null_version);
    write_tags(g, v.tags, TAGS_MAX);
}

static void tags_set(struct gw_req *g)
{
    struct gw_call *c = &g->call;
    if (!gw_call_ok(g, c))
        return;
    const struct cat_done *d = &c->req.cat;
    if (d->versioned)
        gw_add_version(g, "x-amz-version-id", d->version, d->null_version);
    gw_reply_empty(g, view_eqs(http_method(g->http), "DELETE") ? 204 : 200);
}

static void set_tags(struct gw_req *g, struct view tags)
{
    struct gw_call *c = &g->call;
    gw_call_init(g, c, CAT_TAGS);
    c->op.tags = tags;
    if (gw_version_param(gw_arg(g, "versionId"), &c->op.version) != RC_OK)
        gw_fail_with(g, "InvalidArgument", "Invalid version id specified");
    else
        gw_commit(g, c, 1, tags_set);
}

void op_object_tags_put(struct gw_req *g)
{
    struct view tags;
    if (read_body(g, TAGS_MAX, &tags))
        set_tags(g, tags);
}

void op_object_tags_delete(struct gw_req *g)
{
    set_tags(g, VIEW(""));
}
