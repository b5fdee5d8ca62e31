/* Holdfast: one try of a request through libcurl, and what is to be thought of its answer. */
#include "cloud/client_priv.h"

#include "codec/codec.h"

#define IO_BUFFER (256L << 10)
#define GOT_MAX (256u << 10) /* of headers that describe an object */

/* ---- the body that is sent ---- */
static size_t on_read(char *dst, size_t size, size_t count, void *ctx)
{
    struct try *t = ctx;
    uint64_t left = t->wire.body_size - t->sent;
    size_t n = size * count < left ? size * count : (size_t)left;

    if (n == 0)
        return 0;
    if (!bucket_open(&t->c->bytes)) {
        t->paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (t->wire.own_body)
        memcpy(dst, t->wire.body.p + t->sent, n);
    else
        n = t->r->source ? t->r->source(t->r->ctx, t->sent, dst, n) : 0;
    if (n == 0) {
        t->body_failed = true;
        return CURL_READFUNC_ABORT;
    }
    t->crc_sent = crc64ecma_update(t->crc_sent, dst, n);
    t->sent += n;
    bucket_take(&t->c->bytes, n);
    t->moved_ns = cloud_now(t->c);
    return n;
}

/* libcurl begins again by itself when a kept connection turns out to be dead. */
static int on_seek(void *ctx, curl_off_t off, int origin)
{
    struct try *t = ctx;

    if (off != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = 0;
    t->crc_sent = 0;
    return CURL_SEEKFUNC_OK;
}

/* ---- headers ---- */
static bool is_2xx(const struct try *t)
{
    return t->a.status >= 200 && t->a.status < 300;
}

static void new_answer(struct try *t, struct view line)
{
    uint64_t status = 0;
    size_t space = view_find(line, ' ', 0);

    t->a = (struct answer){0};
    buf_clear(&t->r->got);
    buf_clear(&t->r->answer);
    if (space != SIZE_MAX && view_u64(view_sub(line, space + 1, 3), &status))
        t->a.status = (unsigned)status;
}

static void read_range(struct try *t, struct view v)
{
    size_t dash = view_find(v, '-', 0), slash = view_find(v, '/', 0);

    if (!view_starts(v, VIEW("bytes ")) || dash == SIZE_MAX || slash == SIZE_MAX || dash > slash)
        return;
    t->a.has_range = view_u64(view_sub(v, 6, dash - 6), &t->a.range_from) &&
                     view_u64(view_sub(v, dash + 1, slash - dash - 1), &t->a.range_to) &&
                     view_u64(view_sub(v, slash + 1, v.n), &t->a.range_total) && t->a.range_from <= t->a.range_to &&
                     t->a.range_to < t->a.range_total;
}

static void read_nvme(struct try *t, struct view v)
{
    uint8_t sum[8];
    size_t n = 0;

    /* With "-N" it is a checksum of checksums, which is no checksum of the bytes. */
    if (view_find(v, '-', 0) == SIZE_MAX && base64_decode(v, sum, sizeof(sum), &n) == RC_OK && n == sizeof(sum)) {
        t->a.has_nvme = true;
        t->a.nvme = be64_get(sum);
    }
}

static struct view unquoted(struct view v)
{
    return v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"' ? view_sub(v, 1, v.n - 2) : v;
}

static void read_vendor(struct try *t, struct view name, struct view v)
{
    struct cloud_request *r = t->r;

    if (view_eqs(name, "version-id"))
        (void)view_copy(v, r->version_id, sizeof(r->version_id));
    else if (view_eqs(name, "delete-marker"))
        r->delete_marker = view_ieqs(v, "true");
    else if (view_eqs(name, "request-id"))
        (void)view_copy(view_sub(v, 0, CLOUD_CODE_MAX), r->request_id, sizeof(r->request_id));
    else if (view_eqs(name, "hash-crc64ecma"))
        r->has_crc64 = view_u64(v, &r->crc64);
    else if (view_eqs(name, "bucket-region"))
        (void)view_copy(v, t->a.region, sizeof(t->a.region));
    else if (view_eqs(name, "error-code"))
        (void)view_copy(v, t->a.code, sizeof(t->a.code));
    else if (view_eqs(name, "checksum-crc64nvme"))
        read_nvme(t, v);
    else if (view_eqs(name, "server-side-encryption"))
        t->a.kms = !view_ieqs(v, "AES256");
}

static void read_standard(struct try *t, struct view name, struct view v)
{
    struct cloud_request *r = t->r;
    uint64_t seconds = 0;

    if (view_eqs(name, "content-length"))
        t->a.has_length = view_u64(v, &t->a.length);
    else if (view_eqs(name, "content-range"))
        read_range(t, v);
    else if (view_eqs(name, "etag"))
        t->a.has_etag = view_copy(unquoted(v), r->etag, sizeof(r->etag));
    else if (view_eqs(name, "date"))
        t->a.has_date = time_parse_http(v, &t->a.date_ns) == RC_OK;
    else if (view_eqs(name, "last-modified") && time_parse_http(v, &r->modified_ns) != RC_OK)
        r->modified_ns = 0;
    else if (view_eqs(name, "retry-after") && view_u64(v, &seconds) && seconds < 86400)
        t->a.retry_after_ns = (int64_t)seconds * NS_PER_S;
}

static bool describes(const char *prefix, struct view name)
{
    static const char *const names[] = {"content-type",        "content-encoding", "content-language",
                                        "content-disposition", "cache-control",    "expires"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (view_eqs(name, names[i]))
            return true;
    return view_starts(name, view_cstr(prefix));
}

/* All or nothing: half a pair would shift those behind it. */
static bool keep_got(struct buf *got, struct view name, struct view value)
{
    if (buf_reserve(got, name.n + value.n + 2) != RC_OK)
        return false;
    return buf_putv(got, name) == RC_OK && buf_put(got, "", 1) == RC_OK && buf_putv(got, value) == RC_OK &&
           buf_put(got, "", 1) == RC_OK;
}

static size_t on_header(char *p, size_t size, size_t count, void *ctx)
{
    struct try *t = ctx;
    size_t whole = size * count;
    struct view line = view_of(p, whole);
    const char *prefix = cloud_names(t->c->cfg.target.dialect)->prefix;
    char lower[128];

    t->moved_ns = cloud_now(t->c);
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    if (view_starts(line, VIEW("HTTP/"))) {
        new_answer(t, line);
        return whole;
    }
    size_t colon = view_find(line, ':', 0);
    if (colon == SIZE_MAX || colon == 0 || colon >= sizeof(lower))
        return whole;
    for (size_t i = 0; i < colon; i++)
        lower[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] - 'A' + 'a' : p[i]);
    struct view name = view_of(lower, colon), value = view_trim(view_sub(line, colon + 1, line.n));
    if (view_starts(name, view_cstr(prefix)))
        read_vendor(t, view_sub(name, strlen(prefix), name.n), value);
    else
        read_standard(t, name, value);
    bool wanted = (t->r->op == CLOUD_GET || t->r->op == CLOUD_HEAD) && describes(prefix, name);
    return !wanted || keep_got(&t->r->got, name, value) ? whole : 0;
}

/* ---- the body that comes ---- */
static bool is_whole(const struct try *t)
{
    return t->r->from == 0 && t->r->n == 0;
}

/* A server that answers a range with the whole object would have its bytes taken for others. */
static bool range_holds(const struct try *t)
{
    const struct cloud_request *r = t->r;

    if (is_whole(t))
        return t->a.status == 200;
    if (t->a.status == 206)
        return t->a.has_range && t->a.range_from == r->from && (r->n == 0 || t->a.range_to - t->a.range_from < r->n) &&
               (t->a.range_to + 1 == t->a.range_total || (r->n > 0 && t->a.range_to == r->from + r->n - 1));
    return r->from == 0 && t->a.has_length && t->a.length <= r->n;
}

static size_t to_sink(struct try *t, const char *p, size_t n)
{
    if (!range_holds(t)) {
        t->range_ignored = true;
        return 0;
    }
    if (is_whole(t) && t->r->has_crc64)
        t->crc_in = crc64ecma_update(t->crc_in, p, n);
    if (is_whole(t) && t->a.has_nvme)
        t->nvme_in = crc64nvme_update(t->nvme_in, p, n);
    if (!t->r->sink(t->r->ctx, t->received, p, n)) {
        t->sink_stopped = true;
        return 0;
    }
    t->received += n;
    return n;
}

static size_t on_write(char *p, size_t size, size_t count, void *ctx)
{
    struct try *t = ctx;
    size_t n = size * count;

    if (!bucket_open(&t->c->bytes)) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    bucket_take(&t->c->bytes, n);
    t->moved_ns = cloud_now(t->c);
    if (is_2xx(t) && t->r->op == CLOUD_GET && t->r->sink)
        return to_sink(t, p, n);
    if (!is_2xx(t) && t->r->answer.n + n > FAULT_BODY_MAX)
        return n; /* no error document is that long; what came is enough to say so */
    if (buf_put(&t->r->answer, p, n) != RC_OK) {
        t->too_big = true;
        return 0;
    }
    t->received += n;
    return n;
}

/* ---- setting up ---- */
static enum rc add_line(struct try *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->list, line);

    if (!more)
        return RC_NOMEM;
    t->list = more;
    return RC_OK;
}

static enum rc add_headers(struct try *t)
{
    bool type = false;

    for (size_t i = 0; i < t->wire.n_headers; i++) {
        const struct cloud_header *h = &t->wire.headers[i];
        /* libcurl sends a header without a value only when it is written with a semicolon. */
        const char *line = h->value.n > 0 ? arena_printf(&t->wire.arena, "%.*s: %.*s", (int)h->name.n, h->name.p,
                                                         (int)h->value.n, h->value.p)
                                          : arena_printf(&t->wire.arena, "%.*s;", (int)h->name.n, h->name.p);
        if (!line)
            return RC_NOMEM;
        HF_TRY(add_line(t, line));
        type = type || view_eqs(h->name, "content-type");
    }
    if (!type)
        HF_TRY(add_line(t, "Content-Type:")); /* libcurl's own for POST would not be signed */
    return add_line(t, "Expect:");
}

static enum rc set_method(struct try *t)
{
    const char *method = t->wire.method;
    CURLcode rc;

    if (!strcmp(method, "PUT")) {
        rc = curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
        if (rc == CURLE_OK)
            rc = curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->wire.body_size);
    } else if (!strcmp(method, "POST")) {
        rc = curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
        if (rc == CURLE_OK)
            rc = curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->wire.body_size);
    } else if (!strcmp(method, "HEAD")) {
        rc = curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    } else {
        rc = curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
    }
    return rc == CURLE_OK ? RC_OK : RC_NOMEM;
}

#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (curl_easy_setopt(t->easy, (option), (value)) != CURLE_OK)                                                  \
            return RC_UNAVAILABLE;                                                                                     \
    } while (0)

static enum rc set_safety(struct try *t)
{
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (t->c->ca_file)
        SET(CURLOPT_CAINFO, t->c->ca_file);
    return RC_OK;
}

static enum rc set_callbacks(struct try *t)
{
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, t);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_write);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->why);
    SET(CURLOPT_PRIVATE, t);
    return RC_OK;
}

static enum rc set_up(struct try *t, int64_t left_ns)
{
    HF_TRY(set_safety(t));
    HF_TRY(set_callbacks(t));
    SET(CURLOPT_USERAGENT, "holdfast");
    SET(CURLOPT_BUFFERSIZE, IO_BUFFER);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, IO_BUFFER);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(t->c->cfg.connect_timeout_ns / 1000000));
    SET(CURLOPT_TIMEOUT_MS, (long)(left_ns / 1000000 + 1));
    SET(CURLOPT_URL, t->wire.url.p);
    HF_TRY(set_method(t));
    HF_TRY(add_headers(t));
    SET(CURLOPT_HTTPHEADER, t->list);
    return RC_OK;
}

static void clear_out(struct cloud_request *r)
{
    r->status = 0;
    r->code[0] = r->message[0] = r->request_id[0] = r->etag[0] = r->version_id[0] = 0;
    r->err.text[0] = 0;
    r->length = r->crc64 = 0;
    r->has_crc64 = r->delete_marker = false;
    r->modified_ns = 0;
    buf_clear(&r->answer);
    buf_clear(&r->got);
    r->answer.max = CLOUD_BODY_MAX;
    r->got.max = GOT_MAX;
}

enum rc try_start(struct try *t, struct cloud_request *r, struct err *e)
{
    CURL *easy = t->easy;
    struct cloud *c = t->c;
    int64_t now = cloud_now(c);

    *t = (struct try){.c = c, .easy = easy, .moved_ns = now};
    clear_out(r);
    r->tries++;
    HF_TRY(cloud_wire_make(&c->cfg.target, &c->cfg.keys, r, clock_real_ns(c->os->clock) + c->skew_ns, &t->wire, e));
    t->r = r;
    curl_easy_reset(easy);
    enum rc rc = set_up(t, r->end_ns - now);
    if (rc == RC_OK && curl_multi_add_handle(c->multi, easy) != CURLM_OK)
        rc = RC_UNAVAILABLE;
    if (rc == RC_OK)
        return rc;
    curl_slist_free_all(t->list);
    cloud_wire_free(&t->wire);
    t->list = NULL;
    t->r = NULL;
    return err_set(e, rc, "the request could not be set up: %s", rc_name(rc));
}

void try_end(struct try *t)
{
    CURLMcode rc = curl_multi_remove_handle(t->c->multi, t->easy);

    HF_ASSERT(rc == CURLM_OK);
    curl_slist_free_all(t->list);
    cloud_wire_free(&t->wire);
    t->list = NULL;
    t->r = NULL;
}

/* ---- judging ---- */
static const char *const op_names[] = {
    [CLOUD_PUT] = "PUT",           [CLOUD_GET] = "GET",
    [CLOUD_HEAD] = "HEAD",         [CLOUD_DELETE] = "DELETE",
    [CLOUD_LIST] = "list",         [CLOUD_LIST_VERSIONS] = "list of versions",
    [CLOUD_UPLOAD] = "upload",     [CLOUD_PART] = "part",
    [CLOUD_COMPLETE] = "complete", [CLOUD_ABORT] = "abort",
    [CLOUD_TAGS_PUT] = "PUT tags", [CLOUD_TAGS_GET] = "GET tags",
    [CLOUD_BUCKET_HEAD] = "probe", [CLOUD_BUCKET_VERSIONING] = "GET versioning",
};

static void say(struct try *t, enum cloud_class class, const char *what)
{
    const struct cloud_target *g = &t->c->cfg.target;
    struct cloud_request *r = t->r;
    bool key = r->key.n > 0;

    r->class = class;
    (void)err_set(&r->err, RC_OK, "%s of %s%s%.*s at %s: %s", op_names[r->op], g->bucket, key ? "/" : "",
                  (int)(r->key.n < 200 ? r->key.n : 200), key ? r->key.p : "", g->host, what);
}

static void say_curl(struct try *t, CURLcode code)
{
    const char *why = t->why[0] ? t->why : curl_easy_strerror(code);

    if (t->range_ignored)
        say(t, CLOUD_CORRUPT, "it sent another range than was asked for");
    else if (t->body_failed)
        say(t, CLOUD_REFUSED, "our own body could not be read");
    else if (t->sink_stopped)
        say(t, CLOUD_REFUSED, "the receiver stopped the transfer");
    else if (t->too_big)
        say(t, CLOUD_CORRUPT, "its answer is longer than 8 MiB");
    else if (t->stalled)
        say(t, CLOUD_RETRY, "no byte moved for the stall time-out");
    else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
             code == CURLE_SSL_CERTPROBLEM)
        say(t, CLOUD_REFUSED, why);
    else
        say(t, CLOUD_RETRY, why);
}

static bool is_md5(const char *etag)
{
    uint8_t sum[16];

    return hex_decode(view_cstr(etag), sum, sizeof(sum)) == RC_OK;
}

/* What the target says it stored, against what was sent. */
static bool stored_right(const struct try *t)
{
    const struct cloud_request *r = t->r;
    uint8_t sum[16];

    if (r->op != CLOUD_PUT && r->op != CLOUD_PART)
        return true;
    if (t->sent != t->wire.body_size || (r->has_crc64 && r->crc64 != t->crc_sent))
        return false;
    if (!r->body_md5 || t->a.kms || !t->a.has_etag || !is_md5(r->etag))
        return true;
    return hex_decode(view_cstr(r->etag), sum, sizeof(sum)) == RC_OK && memcmp(sum, r->body_md5, sizeof(sum)) == 0;
}

static bool came_right(const struct try *t)
{
    const struct cloud_request *r = t->r;

    if (r->op != CLOUD_GET || !r->sink)
        return true;
    if (t->received == 0 && !range_holds(t))
        return false;
    if (t->a.has_range ? t->received != t->a.range_to - t->a.range_from + 1
                       : t->a.has_length && t->received != t->a.length)
        return false;
    if (is_whole(t) && r->has_crc64 && r->crc64 != t->crc_in)
        return false;
    return !is_whole(t) || !t->a.has_nvme || t->a.nvme == t->nvme_in;
}

static void judge_complete(struct try *t)
{
    struct cloud_fault f;
    struct view body = buf_view(&t->r->answer);

    /* The status was sent before the work was done: the body tells. */
    if (cloud_fault_read(body, &f)) {
        memcpy(t->r->code, f.code, sizeof(f.code));
        memcpy(t->r->message, f.message, sizeof(f.message));
        enum cloud_class class = cloud_classify(t->c->cfg.target.dialect, 500, view_cstr(f.code));
        say(t, class, f.message[0] ? f.message : f.code);
    } else if (cloud_complete_read(body, t->r->etag, sizeof(t->r->etag), NULL) != RC_OK) {
        say(t, CLOUD_RETRY, "its answer does not say that the upload was completed");
    }
}

static void judge_ok(struct try *t)
{
    t->r->class = CLOUD_OK;
    t->r->length = t->a.has_range ? t->a.range_total : t->a.has_length ? t->a.length : t->received;
    if (!came_right(t))
        say(t, CLOUD_CORRUPT, "what came is not what its length or checksum says");
    else if (!stored_right(t))
        say(t, CLOUD_CORRUPT, "what it stored has another checksum than what was sent");
    else if (t->r->op == CLOUD_COMPLETE)
        judge_complete(t);
}

/* A 405 is a delete marker only to those who read. */
static enum cloud_class adjusted(const struct try *t, enum cloud_class class)
{
    enum cloud_op op = t->r->op;
    bool conditional = t->r->if_match.n > 0 || t->r->if_none_match.n > 0;

    if (t->a.status == 405 && op != CLOUD_GET && op != CLOUD_HEAD)
        return CLOUD_REFUSED;
    if (t->a.status == 409 && class == CLOUD_REFUSED && conditional)
        return CLOUD_CONDITION;
    return class;
}

static void judge_fault(struct try *t)
{
    struct cloud_request *r = t->r;
    struct cloud_fault f = {{0}, {0}, {0}};
    char what[CLOUD_CODE_MAX + CLOUD_MESSAGE_MAX + 64];

    if (cloud_fault_read(buf_view(&r->answer), &f)) {
        memcpy(r->code, f.code, sizeof(f.code));
        memcpy(r->message, f.message, sizeof(f.message));
        if (f.request_id[0])
            memcpy(r->request_id, f.request_id, sizeof(f.request_id));
    } else {
        memcpy(r->code, t->a.code, sizeof(r->code));
    }
    enum cloud_class class = cloud_classify(t->c->cfg.target.dialect, t->a.status, view_cstr(r->code));
    snprintf(what, sizeof(what), "it answered %u %s%s%s", t->a.status, r->code, r->message[0] ? ": " : "", r->message);
    say(t, adjusted(t, class), what);
}

void try_judge(struct try *t, CURLcode code)
{
    t->r->status = t->a.status;
    if (code != CURLE_OK)
        say_curl(t, code);
    else if (is_2xx(t))
        judge_ok(t);
    else
        judge_fault(t);
}
