/* What a request costs and what it may take: the direction of its egress, what the meter hears of it, quotas. */
#include <stdlib.h>

#include "account/registry.h"
#include "gateway/gateway_priv.h"

/* ---- directions: networks by address, the narrowest first ---- */
static int narrowest_first(const void *a, const void *b)
{
    const struct egress_net *x = a, *y = b;
    if (x->net.v6 != y->net.v6)
        return x->net.v6 ? 1 : -1;
    if (x->net.bits != y->net.bits)
        return x->net.bits > y->net.bits ? -1 : 1;
    return memcmp(x->net.addr, y->net.addr, sizeof x->net.addr);
}

static enum rc add_nets(struct gateway *w, const struct egress_ranges *r, enum price_item direction, const char *what,
                        struct err *e)
{
    for (unsigned i = 0; i < r->n; i++) {
        struct egress_net *x = &w->net[w->n_nets];
        if (gw_cidr_parse(r->cidr[i], &x->net) != RC_OK)
            return err_set(e, RC_INVALID, "egress %s: \"%s\" is no network; write it like 10.0.0.0/8", what,
                           r->cidr[i]);
        x->direction = direction;
        w->n_nets++;
    }
    return RC_OK;
}

enum rc gw_nets_init(struct gateway *w, const struct gateway_cfg *cfg, struct err *e)
{
    unsigned n = cfg->egress_internal.n + cfg->egress_cdn.n + cfg->egress_cross_region.n;
    if (n == 0)
        return RC_OK;
    w->net = calloc(n, sizeof *w->net);
    if (w->net == NULL)
        return err_set(e, RC_NOMEM, "out of memory");
    HF_TRY(add_nets(w, &cfg->egress_internal, ITEM_EGRESS_INTERNAL, "internal", e));
    HF_TRY(add_nets(w, &cfg->egress_cdn, ITEM_EGRESS_CDN, "cdn", e));
    HF_TRY(add_nets(w, &cfg->egress_cross_region, ITEM_EGRESS_CROSS_REGION, "cross-region", e));
    qsort(w->net, n, sizeof *w->net, narrowest_first);
    for (unsigned i = 1; i < n; i++)
        if (narrowest_first(&w->net[i - 1], &w->net[i]) == 0 && w->net[i - 1].direction != w->net[i].direction)
            return err_set(e, RC_INVALID, "egress: one network of %u bits has two directions; name it once",
                           w->net[i].net.bits);
    return RC_OK;
}

enum price_item gw_direction(const struct gateway *w, const char *peer)
{
    for (unsigned i = 0; i < w->n_nets; i++)
        if (gw_cidr_has(&w->net[i].net, peer))
            return w->net[i].direction;
    return ITEM_EGRESS_INTERNET;
}

/* ---- what the meter hears ---- */
/* Before there is an operation, the method tells. */
static enum request_kind kind_of(const struct gw_req *g)
{
    if (g->op != NULL)
        return g->op->kind;
    struct view m = http_method(g->http);
    if (view_eqs(m, "DELETE"))
        return REQUEST_DELETE;
    return view_eqs(m, "GET") || view_eqs(m, "HEAD") ? REQUEST_READ : REQUEST_WRITE;
}

void gw_meter(struct gw_req *g, uint64_t bytes_sent)
{
    bool counted = atomic_load(&g->counted);
    if (!g->known || (counted && bytes_sent == 0))
        return;
    struct meter_event ev = {
        .account = g->auth.caller.account,
        .bucket = g->bucket.id,
        .bucket_name = g->bucket.id != 0 ? view_cstr(g->bucket.name) : VIEW(""),
        .access_key = view_cstr(g->auth.caller.access_key),
        .class = g->class,
        .kind = kind_of(g),
        .http_status = g->status,
        .requests = counted ? 0 : 1,
        .egress_bytes = bytes_sent,
        .egress = gw_direction(g->gw, http_peer(g->http)),
        .retrieved_bytes = g->sends_object ? bytes_sent : 0,
    };
    meter_note(g->gw->engine->meter, &ev);
}

void gw_meter_copied(struct gw_req *g, const struct cat_bucket *from, enum storage_class class, uint64_t bytes)
{
    struct meter_event ev = {
        .account = from->account,
        .bucket = from->id,
        .bucket_name = view_cstr(from->name),
        .access_key = view_cstr(g->auth.caller.access_key),
        .class = class,
        .kind = REQUEST_READ,
        .http_status = 200,
        .egress = ITEM_EGRESS_INTERNAL,
        .retrieved_bytes = bytes,
    };
    if (bytes > 0)
        meter_note(g->gw->engine->meter, &ev);
}

/* ---- quotas ---- */
static bool has_quota(const struct gw_req *g)
{
    return registry_has_quota(meter_registry(g->gw->engine->meter), g->auth.caller.account);
}

static bool within(struct gw_req *g, enum rc rc, const struct err *e)
{
    if (rc == RC_OK)
        return true;
    if (rc == RC_DENIED)
        gw_fail_with(g, "QuotaExceeded", arena_cstr(&g->arena, view_cstr(e->text)));
    else
        gw_fail_rc(g, rc, e, "quota");
    return false;
}

bool gw_take(struct gw_req *g, uint64_t requests, uint64_t egress_bytes)
{
    struct err e = {""};
    if (!has_quota(g))
        return true;
    struct engine *n = g->gw->engine;
    enum rc rc = registry_take(meter_registry(n->meter), g->auth.caller.account, g->route.bucket, requests,
                               egress_bytes, seq_now(n->seq), &e);
    return within(g, rc, &e);
}

/* The part that this one takes the place of. */
static enum rc part_replaced(struct gw_req *g, uint64_t *ret_bytes)
{
    uint64_t number = 0, upload;
    struct cat_part_info *p;
    size_t n = 0;
    bool more;
    if (gw_param_u64(&g->params, "partNumber", 1, PARTS_MAX, &number) != RC_OK || number == 0 ||
        !cat_upload_parse(gw_arg(g, "uploadId"), &upload))
        return RC_OK; /* refused for that elsewhere */
    HF_TRY(cat_list_parts(g->gw->engine->cat, upload, (uint32_t)number - 1, 1, &g->arena, &p, &n, &more));
    if (n > 0 && p[0].number == number)
        *ret_bytes = p[0].size;
    return RC_OK;
}

/* The version that goes when this object comes. */
static enum rc version_replaced(struct gw_req *g, uint64_t *ret_bytes, int64_t *ret_objects)
{
    bool off = g->bucket.versioning == VERSIONING_OFF;
    struct cat_want want = {.any_latest = off, .null_version = !off};
    struct cat_version v = {0};
    if (g->bucket.versioning == VERSIONING_ON)
        return RC_OK;
    enum rc rc = cat_get_object(g->gw->engine->cat, g->bucket.id, g->route.key, want, &g->arena, &v);
    if (rc == RC_OK && !v.marker) {
        *ret_bytes = v.size;
        *ret_objects = 1;
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

bool gw_room(struct gw_req *g, uint64_t size)
{
    struct engine *n = g->gw->engine;
    struct err e = {""};
    uint64_t freed = 0;
    int64_t goes = 0;
    if (!has_quota(g))
        return true;
    bool part = g->route.op == OP_UPLOAD_PART || g->route.op == OP_UPLOAD_PART_COPY;
    int64_t comes = part ? 0 : 1;
    uint64_t account = g->auth.caller.account;
    if (seq_quota(n->seq, account, &g->bucket, (int64_t)size, comes, &e) == RC_OK)
        return true;
    /* Only what is refused is worth the look at what it would replace. */
    enum rc rc = part ? part_replaced(g, &freed) : version_replaced(g, &freed, &goes);
    if (rc == RC_OK)
        rc = seq_quota(n->seq, account, &g->bucket, (int64_t)size - (int64_t)freed, comes - goes, &e);
    return within(g, rc, &e);
}
