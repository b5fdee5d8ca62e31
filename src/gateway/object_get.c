/* GetObject, HeadObject: which bytes, under which headers, and the bytes, verified. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "gateway/gateway_priv.h"

#define FIRST_PIECE BLOCK_DATA_MAX /* read and verified before a header is sent */

/* What is answered: bytes [from, from + n) of the version. */
struct span {
    uint64_t from, n;
    bool partial;
};

static void unsatisfiable(struct gw_req *g, uint64_t size)
{
    char s[32];
    (void)snprintf(s, sizeof s, "bytes */%llu", (unsigned long long)size);
    gw_adds(g, "Content-Range", s);
    gw_fail(g, "InvalidRange");
}

/* If-Range: without a match the whole object is sent. */
static bool range_applies(const struct gw_req *g, const struct cat_version *v)
{
    struct view h = http_header(g->http, "if-range");
    if (h.p == NULL)
        return true;
    char etag[ETAG_TEXT_MAX];
    int64_t date;
    if (time_parse_http(h, &date) == RC_OK)
        return v->modified_ns / NS_PER_S == date / NS_PER_S;
    return gw_etag_listed(h, cat_etag_text(v->etag_md5, v->etag_parts, etag));
}

static bool part_span(struct gw_req *g, const struct cat_version *v, uint64_t part, struct span *ret)
{
    if (v->n_parts == 0 && part == 1) {
        *ret = (struct span){0, v->size, v->size > 0};
        return true;
    }
    if (part > v->n_parts) {
        gw_fail(g, "InvalidPartNumber");
        return false;
    }
    uint64_t from = 0;
    for (uint64_t i = 0; i + 1 < part; i++)
        from += v->part_sizes[i];
    *ret = (struct span){from, v->part_sizes[part - 1], v->part_sizes[part - 1] > 0};
    gw_add_u64(g, "x-amz-mp-parts-count", v->n_parts);
    return true;
}

static bool choose_span(struct gw_req *g, const struct cat_version *v, struct span *ret)
{
    struct view range = http_header(g->http, "range");
    uint64_t part = 0, first, last;
    if (gw_param_u64(&g->params, "partNumber", 1, PARTS_MAX, &part) != RC_OK) {
        gw_fail_with(g, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
        return false;
    }
    *ret = (struct span){0, v->size, false};
    if (part != 0 && range.p != NULL) {
        gw_fail_with(g, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter");
        return false;
    }
    if (part != 0)
        return part_span(g, v, part, ret);
    if (range.p == NULL || !range_applies(g, v))
        return true;
    switch (gw_range(range, v->size, &first, &last)) {
    case RANGE_NONE:
        return true;
    case RANGE_UNSATISFIABLE:
        unsatisfiable(g, v->size);
        return false;
    case RANGE_OK:
        break;
    }
    *ret = (struct span){first, last - first + 1, true};
    return true;
}

static void add_headers(struct gw_req *g, const struct cat_version *v, const struct span *s)
{
    gw_add_etag(g, v->etag_md5, v->etag_parts);
    gw_add_time(g, "Last-Modified", v->modified_ns);
    gw_adds(g, "Accept-Ranges", "bytes");
    if (g->bucket.versioning != VERSIONING_OFF)
        gw_add_version(g, "x-amz-version-id", v->seq, v->null_version);
    if (v->class != CLASS_STANDARD)
        gw_adds(g, "x-amz-storage-class", gw_class_name(v->class));
    if (v->tags.n > 0) {
        uint64_t tags = 1;
        for (size_t i = 0; i < v->tags.n; i++)
            tags += v->tags.p[i] == '&';
        gw_add_u64(g, "x-amz-tagging-count", tags);
    }
    if (s->partial) {
        char range[80];
        (void)snprintf(range, sizeof range, "bytes %llu-%llu/%llu", (unsigned long long)s->from,
                       (unsigned long long)(s->from + s->n - 1), (unsigned long long)v->size);
        gw_adds(g, "Content-Range", range);
    } else if (view_ieqs(http_header(g->http, "x-amz-checksum-mode"), "ENABLED")) {
        gw_add_checksum(g, &v->checksum, v->etag_parts);
    }
    gw_meta_add(g, v);
}

/* ---- the bytes ---- */
struct getting {
    struct gw_req *g;
    struct reading reading;
    char *first; /* verified before the headers went out */
    size_t first_n;
};

static void getting_free(void *work)
{
    struct getting *t = work;
    free(t->first);
}

static int64_t fill(void *ctx, uint64_t offset, char *dst, size_t n)
{
    struct getting *t = ctx;
    if (offset < t->first_n) {
        size_t piece = t->first_n - (size_t)offset < n ? t->first_n - (size_t)offset : n;
        memcpy(dst, t->first + offset, piece);
        return (int64_t)piece;
    }
    struct err e = {""};
    size_t got = 0;
    enum rc rc = reading_next(&t->reading, dst, n, &got, &e);
    if (rc == RC_OK)
        return (int64_t)got;
    struct view path = http_path(t->g->http);
    log_error("gateway", "%s %.*s: the answer ends short after %llu bytes: %s", t->g->id, (int)path.n, path.p,
              (unsigned long long)offset, e.text);
    return -1;
}

static void send_small(struct gw_req *g, const struct cat_version *v, const struct span *s)
{
    struct buf body = BUF(INLINE_SIZE_MAX);
    struct reading r;
    struct err e = {""};
    reading_init(&r, g->gw->engine->store, v, s->from, s->n);
    enum rc rc = s->n > 0 ? buf_reserve(&body, (size_t)s->n) : RC_OK;
    if (rc == RC_OK)
        rc = reading_all(&r, body.p, (size_t)s->n, &e);
    if (rc != RC_OK) {
        buf_free(&body);
        gw_fail_rc(g, rc, &e, "the object cannot be read");
        return;
    }
    body.n = (size_t)s->n;
    g->sends_object = true;
    add_headers(g, v, s);
    gw_reply_buf(g, s->partial ? 206 : 200, &body);
}

static void send_large(struct gw_req *g, const struct cat_version *v, const struct span *s)
{
    struct getting *t = arena_zalloc(&g->arena, sizeof *t);
    struct err e = {""};
    enum rc rc = t != NULL ? RC_OK : RC_NOMEM;
    if (rc == RC_OK) {
        t->g = g;
        reading_init(&t->reading, g->gw->engine->store, v, s->from, s->n);
        g->work = t;
        g->work_free = getting_free;
        t->first = malloc(FIRST_PIECE);
        rc = t->first != NULL ? reading_next(&t->reading, t->first, FIRST_PIECE, &t->first_n, &e) : RC_NOMEM;
    }
    if (rc != RC_OK) {
        gw_fail_rc(g, rc, &e, "the object cannot be read");
        return;
    }
    g->sends_object = true;
    add_headers(g, v, s);
    gw_reply_stream(g, s->partial ? 206 : 200, s->n, fill, t);
}

void op_object_get(struct gw_req *g)
{
    struct cat_version v;
    struct span s;
    if (!gw_version_find(g, true, &v) || !gw_read_conditions(g, &v) || !choose_span(g, &v, &s) || !gw_take(g, 0, s.n))
        return;
    if (s.n <= INLINE_SIZE_MAX)
        send_small(g, &v, &s);
    else
        send_large(g, &v, &s);
}

void op_object_head(struct gw_req *g)
{
    struct cat_version v;
    struct span s;
    bool layout = gw_arg(g, "partNumber").p != NULL;
    if (!gw_version_find(g, layout, &v) || !gw_read_conditions(g, &v) || !choose_span(g, &v, &s))
        return;
    add_headers(g, &v, &s);
    gw_reply_head(g, s.partial ? 206 : 200, s.n);
}
