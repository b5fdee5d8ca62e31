/* Holdfast: drives src/cloud for the tests: a JSON line of settings, then one of each request on stdin; one JSON line
 * of its result each on stdout. {"op": "many"} submits a GET of each of its keys at once. */
#include <jansson.h>

#include "cloud/cloud.h"
#include "codec/codec.h"

#define BODY_MAX (64u << 20)
#define PARTS_MAX 100
#define PAIRS_MAX 32
#define MS 1000000LL

struct one {
    struct cloud_request r;
    struct buf in, out; /* the body of a PUT, of a GET */
    unsigned broken_at; /* the body fails after so many bytes; 0 = never */
    struct cloud_part parts[PARTS_MAX];
    struct cloud_header meta[PAIRS_MAX], headers[PAIRS_MAX];
    uint8_t md5[16], sha256[32];
    struct many *many;
};
struct many {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    size_t left;
};

static struct view text_of(const json_t *o, const char *name)
{
    const json_t *s = json_object_get(o, name);

    return s ? view_of(json_string_value(s), json_string_length(s)) : VIEW("");
}

static int64_t number_of(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static size_t source(void *ctx, uint64_t off, void *dst, size_t n)
{
    struct one *x = ctx;

    if (x->broken_at && off >= x->broken_at)
        return 0;
    memcpy(dst, x->in.p + off, n);
    return n;
}

static bool sink(void *ctx, uint64_t off, const void *p, size_t n)
{
    struct one *x = ctx;

    x->out.n = off;
    return buf_put(&x->out, p, n) == RC_OK;
}

static enum cloud_op op_of(struct view name)
{
    static const char *const names[] = {"put",  "get",      "head",  "delete",   "list",     "versions", "upload",
                                        "part", "complete", "abort", "put-tags", "get-tags", "probe",    "versioning"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (view_eqs(name, names[i]))
            return (enum cloud_op)i;
    HF_BUG("no such operation");
}

static size_t pairs(const json_t *o, struct cloud_header *ret)
{
    const char *name;
    json_t *value;
    size_t n = 0;

    json_object_foreach((json_t *)o, name, value)
    {
        HF_ASSERT(n < PAIRS_MAX);
        ret[n++] = (struct cloud_header){view_cstr(name), view_cstr(json_string_value(value))};
    }
    return n;
}

static void read_body(struct one *x, const json_t *o)
{
    struct view b64 = text_of(o, "body");
    size_t n = 0;

    HF_ASSERT(buf_reserve(&x->in, b64.n + 1) == RC_OK);
    HF_ASSERT(base64_decode(b64, x->in.p, x->in.cap, &n) == RC_OK);
    x->in.n = n;
    x->r.size = n;
    x->r.source = source;
    x->broken_at = (unsigned)number_of(o, "broken_at");
    if (json_is_true(json_object_get(o, "sums"))) {
        digest_once(DIGEST_MD5, x->in.p, n, x->md5);
        digest_once(DIGEST_SHA256, x->in.p, n, x->sha256);
        x->r.body_md5 = x->md5;
        x->r.body_sha256 = x->sha256;
    }
}

static void fill(struct one *x, const json_t *o)
{
    struct cloud_request *r = &x->r;
    size_t i;
    json_t *p;

    r->op = op_of(text_of(o, "op"));
    r->key = text_of(o, "key");
    r->version = text_of(o, "version");
    r->from = (uint64_t)number_of(o, "from");
    r->n = (uint64_t)number_of(o, "n");
    r->if_match = text_of(o, "if_match");
    r->if_none_match = text_of(o, "if_none_match");
    r->storage_class = text_of(o, "class");
    r->tags = text_of(o, "tags");
    r->upload = text_of(o, "upload");
    r->part = (uint32_t)number_of(o, "part");
    r->prefix = text_of(o, "prefix");
    r->after = text_of(o, "after");
    r->token = text_of(o, "token");
    r->max = (unsigned)number_of(o, "max");
    r->deadline_ns = number_of(o, "deadline_ms") * MS;
    r->meta = x->meta;
    r->n_meta = pairs(json_object_get(o, "meta"), x->meta);
    r->headers = x->headers;
    r->n_headers = pairs(json_object_get(o, "headers"), x->headers);
    r->sink = sink;
    r->ctx = x;
    x->in = x->out = BUF(BODY_MAX);
    if (json_object_get(o, "body"))
        read_body(x, o);
    json_array_foreach(json_object_get(o, "parts"), i, p)
    {
        HF_ASSERT(i < PARTS_MAX &&
                  view_copy(view_cstr(json_string_value(p)), x->parts[i].etag, sizeof(x->parts[i].etag)));
        x->parts[i].number = (uint32_t)i + 1;
        r->n_parts = i + 1;
    }
    r->parts = x->parts;
}

static json_t *text(struct view v)
{
    json_t *s = json_stringn(v.p ? v.p : "", v.n);

    HF_ASSERT(s);
    return s;
}

static json_t *listed(struct one *x)
{
    struct arena a = ARENA(16 << 20);
    struct cloud_listed l;
    struct err e;
    json_t *o = json_object(), *all = json_array();

    if (cloud_list_read(buf_view(&x->r.answer), x->r.op == CLOUD_LIST_VERSIONS, &a, &l, &e) != RC_OK) {
        json_object_set_new(o, "corrupt", text(view_cstr(e.text)));
        l.n = 0;
        l.truncated = false;
        l.next = VIEW("");
    }
    for (size_t i = 0; i < l.n; i++)
        json_array_append_new(all, json_pack("{s:o, s:o, s:o, s:I, s:b, s:b}", "key", text(l.entry[i].key), "version",
                                             text(l.entry[i].version), "etag", text(l.entry[i].etag), "size",
                                             (json_int_t)l.entry[i].size, "latest", l.entry[i].latest, "marker",
                                             l.entry[i].marker));
    json_object_set_new(o, "entries", all);
    json_object_set_new(o, "truncated", json_boolean(l.truncated));
    json_object_set_new(o, "next", text(l.next));
    arena_free(&a);
    return o;
}

static json_t *got(const struct buf *b)
{
    json_t *o = json_object();

    for (size_t at = 0; at < b->n;) {
        const char *name = b->p + at, *value = name + strlen(name) + 1;
        json_object_set_new(o, name, text(view_cstr(value)));
        at = (size_t)(value - b->p) + strlen(value) + 1;
    }
    return o;
}

static json_t *result(struct one *x)
{
    struct cloud_request *r = &x->r;
    char *b64 = malloc(base64_size(x->out.n) + 1);

    HF_ASSERT(b64);
    base64_encode(x->out.p, x->out.n, b64);
    json_t *o = json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:b, s:b, s:s, s:o}", "class",
                          cloud_class_name(r->class), "status", (int)r->status, "tries", (int)r->tries, "code", r->code,
                          "message", r->message, "err", r->err.text, "length", (json_int_t)r->length, "etag", r->etag,
                          "version", r->version_id, "marker", r->delete_marker, "has_crc64", r->has_crc64, "body", b64,
                          "got", got(&r->got));
    HF_ASSERT(o);
    free(b64);
    bool ok = r->class == CLOUD_OK;
    if (ok && (r->op == CLOUD_LIST || r->op == CLOUD_LIST_VERSIONS))
        json_object_set_new(o, "list", listed(x));
    char id[1024];
    if (ok && r->op == CLOUD_UPLOAD && cloud_upload_read(buf_view(&r->answer), id, sizeof(id), NULL) == RC_OK)
        json_object_set_new(o, "upload", text(view_cstr(id)));
    struct buf tags = BUF(65536);
    if (ok && r->op == CLOUD_TAGS_GET && cloud_tags_read(buf_view(&r->answer), &tags, NULL) == RC_OK)
        json_object_set_new(o, "tags", text(buf_view(&tags)));
    buf_free(&tags);
    return o;
}

static void drop(struct one *x)
{
    cloud_request_clear(&x->r);
    buf_free(&x->in);
    buf_free(&x->out);
}

static json_t *call(struct cloud *c, const json_t *o)
{
    struct one *x = calloc(1, sizeof(*x));

    HF_ASSERT(x);
    fill(x, o);
    enum cloud_class class = cloud_call(c, &x->r);
    HF_ASSERT(class == x->r.class);
    json_t *ret = result(x);
    drop(x);
    free(x);
    return ret;
}

static void on_done(struct cloud_request *r)
{
    struct many *m = ((struct one *)r->ctx)->many;

    pthread_mutex_lock(&m->lock);
    m->left--;
    pthread_cond_signal(&m->cond);
    pthread_mutex_unlock(&m->lock);
}

static json_t *many(struct cloud *c, const json_t *o)
{
    const json_t *keys = json_object_get(o, "keys");
    size_t n = json_array_size(keys);
    struct one *all = calloc(n + 1, sizeof(*all));
    struct many m = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, n};
    json_t *ret = json_array(), *get = json_pack("{s:s}", "op", "get");

    HF_ASSERT(all && ret && get);
    for (size_t i = 0; i < n; i++) {
        fill(&all[i], get);
        all[i].r.key = view_cstr(json_string_value(json_array_get(keys, i)));
        all[i].r.done = on_done;
        all[i].many = &m;
        cloud_submit(c, &all[i].r);
    }
    pthread_mutex_lock(&m.lock);
    while (m.left > 0)
        pthread_cond_wait(&m.cond, &m.lock);
    pthread_mutex_unlock(&m.lock);
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(ret, result(&all[i]));
        drop(&all[i]);
    }
    free(all);
    json_decref(get);
    return ret;
}

static json_t *stats(struct cloud *c)
{
    struct cloud_stats s;

    cloud_stats(c, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "requests", (json_int_t)s.requests, "tries", (json_int_t)s.tries,
                     "bytes_in", (json_int_t)s.bytes_in, "bytes_out", (json_int_t)s.bytes_out, "skew_s",
                     (json_int_t)(s.skew_ns / NS_PER_S), "last", cloud_class_name(s.last));
}

static struct cloud *open_client(const json_t *o)
{
    struct cloud_cfg cfg = {.connections = (unsigned)number_of(o, "connections"),
                            .bytes_per_s = (uint64_t)number_of(o, "bytes_per_s"),
                            .requests_per_s = (uint64_t)number_of(o, "requests_per_s"),
                            .stall_timeout_ns = number_of(o, "stall_ms") * MS,
                            .deadline_ns = number_of(o, "deadline_ms") * MS,
                            .ca_file = json_string_value(json_object_get(o, "ca")),
                            .seed = 7};
    struct err e = {{0}};
    struct cloud *c = NULL;

    HF_ASSERT(view_copy(text_of(o, "access_key"), cfg.keys.access_key, sizeof(cfg.keys.access_key)));
    HF_ASSERT(view_copy(text_of(o, "secret_key"), cfg.keys.secret_key, sizeof(cfg.keys.secret_key)));
    if (cloud_target_parse(text_of(o, "target"), json_string_value(json_object_get(o, "region")), &cfg.target, &e) !=
            RC_OK ||
        cloud_new(os_real(), &cfg, &c, &e) != RC_OK)
        fprintf(stderr, "%s\n", e.text);
    HF_ASSERT(c);
    return c;
}

static json_t *next_line(char **line, size_t *cap)
{
    json_error_t why;
    ssize_t n = getline(line, cap, stdin);
    json_t *o = n > 0 ? json_loads(*line, 0, &why) : NULL;

    HF_ASSERT(n <= 0 || o);
    return o;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    json_t *o = next_line(&line, &cap);
    struct cloud *c = open_client(o);

    json_decref(o);
    while ((o = next_line(&line, &cap))) {
        struct view op = text_of(o, "op");
        json_t *ret = view_eqs(op, "stats") ? stats(c) : view_eqs(op, "many") ? many(c, o) : call(c, o);
        HF_ASSERT(json_dumpf(ret, stdout, JSON_COMPACT) == 0);
        putchar('\n');
        fflush(stdout);
        json_decref(ret);
        json_decref(o);
    }
    cloud_free(c);
    free(line);
    return 0;
}
