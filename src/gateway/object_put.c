/* PutObject: the head is judged first, then the body comes, then the record is made. */
#include "gateway/gateway_priv.h"

struct putting {
    struct object_meta meta;
    struct cat_op conditions; /* if_match, if_none_match */
};

/* All that can be refused without the body, before 100 Continue. */
void op_object_put_check(struct gw_req *g)
{
    struct putting *p = arena_zalloc(&g->arena, sizeof *p);
    if (p == NULL) {
        gw_fail_rc(g, RC_NOMEM, NULL, "PutObject");
        return;
    }
    g->work = p;
    if (gw_makes_object(g) && gw_unbuilt_headers_ok(g) && gw_write_conditions(g, &p->conditions))
        (void)gw_meta_read(g, &p->meta); /* false: answered */
}

static void answer(struct gw_req *g)
{
    struct gw_call *c = &g->call;
    if (!gw_call_ok(g, c))
        return;
    const struct cat_done *d = &c->req.cat;
    gw_add_etag(g, c->op.md5, 0);
    if (d->versioned && !d->null_version)
        gw_add_version(g, "x-amz-version-id", d->seq, d->null_version);
    if (g->body.checks.given.kind != CHECKSUM_NONE)
        gw_add_checksum(g, &c->op.checksum, 0);
    gw_reply_empty(g, 200);
}

void op_object_put(struct gw_req *g)
{
    const struct putting *p = g->work;
    struct gw_call *c = &g->call;
    gw_call_init(g, c, CAT_PUT);
    c->op.if_match = p->conditions.if_match;
    c->op.if_none_match = p->conditions.if_none_match;
    c->op.meta = p->meta.meta;
    c->op.tags = p->meta.tags;
    c->op.class = g->class = p->meta.class;
    gw_body_into_op(g, &c->op);
    gw_commit(g, c, 1, answer);
}
