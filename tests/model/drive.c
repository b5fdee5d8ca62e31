/* Holdfast: the meter, driven by a script, for the model beside it (model.py).
 *
 * Reads one JSON object a line on stdin, writes one a line on stdout for those that ask. Records go through the same
 * encoding and meter_apply as in a live run.
 *   {"op": "open", "dir": D}          a new meter; without dir its database is in memory
 *   {"op": "record", "type": T, "seq": N, "time": NS, …}   fields: see the tables below
 *   {"op": "commit"}  {"op": "reload"}   reload forgets what was not committed; answers {"cursor": N}
 *   {"op": "digest"}                  {"digest": "…"}
 *   {"op": "unbalanced"}              {"unbalanced": number of postings whose lines do not sum to 0}
 *   {"op": "ask", "what": W, "account": A, "month": M, "now": NS}   W: statement, status, clock, usage
 * The first error ends it: {"error": "…"} and exit 1. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "meter/meter_priv.h"

#define LINE_MAX_BYTES (4u << 20)
#define PAYLOAD_MAX (1u << 20)
#define ARENA_MAX (4u << 20)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct drive {
    struct meter *m;
    struct arena arena; /* of one line */
    struct err e;
};

static const char *const class_names[] = {"STANDARD", "STANDARD_IA", "ARCHIVE", "DEEP_ARCHIVE", NULL};
static const char *const kind_names[] = {"all", "write", "read", "delete", NULL};
static const char *const direction_names[] = {"internet", "cdn", "cross-region", "internal", NULL};
static const char *const money_names[] = {"voucher", "pack", "reserve", "release", "refund", "charge", "credit", NULL};
static const char *const book_names[] = {"prices", "timetable", "rates", NULL};
static const char *const stage_names[] = {"active", "warn", "stop", "retention", "purgeable", NULL};

struct type_name {
    const char *name;
    enum rec_type type;
};
static const struct type_name catalog_types[] = {
    {"bucket", REC_BUCKET},
    {"bucket-delete", REC_BUCKET_DELETE},
    {"bucket-set", REC_BUCKET_SET},
    {"object", REC_OBJECT},
    {"delete", REC_DELETE},
    {"upload", REC_UPLOAD},
    {"part", REC_PART},
    {"abort", REC_UPLOAD_ABORT},
};
static const struct type_name account_types[] = {
    {"account", REC_ACCOUNT},
    {"topup", REC_TOPUP},
    {"usage", REC_USAGE},
    {"prices", REC_PRICES},
    {"money", REC_MONEY},
    {"due", REC_DUE},
    {"account-set", REC_ACCOUNT_SET},
    {"balance", REC_BALANCE},
    {"grace", REC_GRACE},
    {"key", REC_KEY},
    {"key-revoke", REC_KEY_REVOKE},
};

static bool find_type(const struct type_name *list, size_t n, const char *name, enum rec_type *ret)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, name) == 0) {
            *ret = list[i].type;
            return true;
        }
    }
    return false;
}

/* ---- fields of a line; what is not there is empty, 0 or the first name ---- */

static struct view text_of(const json_t *o, const char *key)
{
    const json_t *t = json_object_get(o, key);
    return view_of(json_string_value(t), json_string_length(t));
}

static int64_t number_of(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static bool has(const json_t *o, const char *key)
{
    return json_object_get(o, key) != NULL;
}

static enum rc word_of(struct drive *d, const json_t *o, const char *key, const char *const *names, unsigned *ret)
{
    struct view v = text_of(o, key);

    *ret = 0;
    if (v.n == 0)
        return RC_OK;
    for (unsigned i = 0; names[i]; i++) {
        if (view_eqs(v, names[i])) {
            *ret = i;
            return RC_OK;
        }
    }
    return err_set(&d->e, RC_INVALID, "%s is `%.*s`, which is not known", key, (int)v.n, v.p);
}

/* ---- records ---- */

static enum rc usage_line_of(struct drive *d, const json_t *o, struct usage_line *l)
{
    unsigned class, kind, direction;

    HF_TRY(word_of(d, o, "class", class_names, &class));
    HF_TRY(word_of(d, o, "kind", kind_names, &kind));
    HF_TRY(word_of(d, o, "direction", direction_names, &direction));
    *l = (struct usage_line){.account = (uint64_t)number_of(o, "account"),
                             .bucket = (uint64_t)number_of(o, "bucket"),
                             .bucket_name = text_of(o, "name"),
                             .access_key = text_of(o, "key"),
                             .class = (enum storage_class) class,
                             .kind = (enum request_kind)kind,
                             .status = (unsigned)number_of(o, "status"),
                             .requests = (uint64_t)number_of(o, "requests"),
                             .egress_bytes = (uint64_t)number_of(o, "egress"),
                             .egress = (enum price_item)(ITEM_EGRESS_INTERNET + direction),
                             .retrieved_bytes = (uint64_t)number_of(o, "retrieved")};
    return RC_OK;
}

static enum rc usage_of(struct drive *d, const json_t *o, struct account_rec *r)
{
    const json_t *lines = json_object_get(o, "lines");
    size_t n = json_array_size(lines);
    struct usage_line *usage = arena_zalloc(&d->arena, (n + 1) * sizeof(*usage));

    if (!usage)
        return RC_NOMEM;
    for (size_t i = 0; i < n; i++)
        HF_TRY(usage_line_of(d, json_array_get(lines, i), &usage[i]));
    r->usage = usage;
    r->n_usage = n;
    return RC_OK;
}

static enum rc account_rec_of(struct drive *d, const json_t *o, enum rec_type type, struct account_rec *r)
{
    unsigned money, book, stage;

    HF_TRY(word_of(d, o, "money", money_names, &money));
    HF_TRY(word_of(d, o, "book", book_names, &book));
    HF_TRY(word_of(d, o, "stage", stage_names, &stage));
    *r = (struct account_rec){.type = type,
                              .account = (uint64_t)number_of(o, "account"),
                              .name = text_of(o, "name"),
                              .currency = text_of(o, "currency"),
                              .prices = text_of(o, "prices"),
                              .timetable = text_of(o, "timetable"),
                              .upstream = text_of(o, "upstream"),
                              .amount_nano = number_of(o, "amount"),
                              .ref = text_of(o, "ref"),
                              .access_key = text_of(o, "key"),
                              .stage = (enum stage)stage,
                              .cause = (uint64_t)number_of(o, "cause"),
                              .book = (enum book_kind)book,
                              .text = text_of(o, "text"),
                              .money = (enum money_kind)money,
                              .from_ns = number_of(o, "from"),
                              .until_ns = number_of(o, "until"),
                              .scope = text_of(o, "scope"),
                              .quantity = text_of(o, "quantity"),
                              .note = text_of(o, "note"),
                              .has_burn = has(o, "burn"),
                              .burn_nano = number_of(o, "burn"),
                              .monthly = json_is_true(json_object_get(o, "monthly")),
                              .cancelled = json_is_true(json_object_get(o, "cancelled")),
                              .has_credit = has(o, "credit"),
                              .credit_nano = number_of(o, "credit"),
                              .has_late_fee = has(o, "late_fee"),
                              .late_fee = text_of(o, "late_fee"),
                              .has_max_age = has(o, "max_age"),
                              .max_age_ns = number_of(o, "max_age")};
    return usage_of(d, o, r);
}

/* delta: [[class, bytes, objects]…]; gone: [[class, size, created]…]. */
static enum rc deltas_of(struct drive *d, const json_t *o, struct cat_rec *r)
{
    const json_t *delta = json_object_get(o, "delta"), *gone = json_object_get(o, "gone");

    r->n_delta = (unsigned)json_array_size(delta);
    r->n_gone = (unsigned)json_array_size(gone);
    if (r->n_delta > CLASS_COUNT || r->n_gone > GONE_MAX)
        return err_set(&d->e, RC_INVALID, "more than %u deltas, or %u versions gone", CLASS_COUNT, GONE_MAX);
    for (unsigned i = 0; i < r->n_delta; i++) {
        const json_t *one = json_array_get(delta, i);
        r->delta[i] = (struct cat_delta){.class = (enum storage_class)json_integer_value(json_array_get(one, 0)),
                                         .bytes = json_integer_value(json_array_get(one, 1)),
                                         .objects = json_integer_value(json_array_get(one, 2))};
    }
    for (unsigned i = 0; i < r->n_gone; i++) {
        const json_t *one = json_array_get(gone, i);
        r->gone[i] = (struct cat_gone){.class = (enum storage_class)json_integer_value(json_array_get(one, 0)),
                                       .size = (uint64_t)json_integer_value(json_array_get(one, 1)),
                                       .created_ns = json_integer_value(json_array_get(one, 2))};
    }
    return RC_OK;
}

/* A body as the store would have kept it: beside its record, or in extents. */
static enum rc body_of(struct drive *d, struct cat_rec *r)
{
    uint64_t left = r->size;
    size_t n = (size_t)((left + EXTENT_SIZE_MAX - 1) / EXTENT_SIZE_MAX);
    struct extent *x = arena_zalloc(&d->arena, (n + 1) * sizeof(*x));

    if (!x)
        return RC_NOMEM;
    for (size_t i = 0; i < n; i++) {
        uint64_t length = left < EXTENT_SIZE_MAX ? left : EXTENT_SIZE_MAX;
        x[i] = (struct extent){.kind = EXTENT_VOLUME, .container = 1, .offset = i * EXTENT_SIZE_MAX, .length = length};
        left -= length;
    }
    r->extents = x;
    r->n_extents = n;
    return RC_OK;
}

static enum rc cat_rec_of(struct drive *d, const json_t *o, enum rec_type type, struct cat_rec *r)
{
    unsigned class, direction;

    HF_TRY(word_of(d, o, "class", class_names, &class));
    HF_TRY(word_of(d, o, "direction", direction_names, &direction));
    *r = (struct cat_rec){.type = type,
                          .account = (uint64_t)number_of(o, "account"),
                          .bucket = (uint64_t)number_of(o, "bucket"),
                          .bucket_name = text_of(o, "name"),
                          .key = text_of(o, "object"),
                          .size = (uint64_t)number_of(o, "size"),
                          .class = (enum storage_class) class,
                          .upload = (uint64_t)number_of(o, "upload"),
                          .part = (uint32_t)number_of(o, "part"),
                          .requests = (uint64_t)number_of(o, "requests"),
                          .egress_bytes = (uint64_t)number_of(o, "egress"),
                          .egress = ITEM_EGRESS_INTERNET + direction,
                          .tags = text_of(o, "tags"),
                          .actor = text_of(o, "key")};
    if (type == REC_OBJECT || type == REC_PART)
        HF_TRY(body_of(d, r));
    return deltas_of(d, o, r);
}

static enum rc encoded(struct drive *d, enum rc rc)
{
    return rc == RC_OK ? RC_OK : err_set(&d->e, rc, "the record is not one that may be written");
}

static enum rc payload_of(struct drive *d, const json_t *o, enum rec_type *ret_type, struct buf *payload)
{
    const char *name = json_string_value(json_object_get(o, "type"));
    struct account_rec account;
    struct cat_rec cat;

    if (name && strcmp(name, "tick") == 0) {
        *ret_type = REC_TICK;
        return RC_OK;
    }
    if (name && find_type(catalog_types, COUNT(catalog_types), name, ret_type)) {
        HF_TRY(cat_rec_of(d, o, *ret_type, &cat));
        return encoded(d, cat_rec_encode(&cat, payload));
    }
    if (name && find_type(account_types, COUNT(account_types), name, ret_type)) {
        HF_TRY(account_rec_of(d, o, *ret_type, &account));
        return encoded(d, account_rec_encode(&account, payload));
    }
    return err_set(&d->e, RC_INVALID, "record of an unknown type");
}

static enum rc take_record(struct drive *d, const json_t *o)
{
    struct buf payload = BUF(PAYLOAD_MAX);
    struct journal_rec rec = {.seq = (uint64_t)number_of(o, "seq"), .time_ns = number_of(o, "time")};
    enum rc rc = payload_of(d, o, &rec.type, &payload);

    rec.payload = buf_view(&payload);
    if (rc == RC_OK)
        rc = meter_apply(d->m, &rec, &d->e);
    buf_free(&payload);
    if (rc != RC_OK)
        err_wrap(&d->e, rc, "record %" PRIu64, rec.seq);
    return rc;
}

/* ---- answers ---- */

static enum rc say(json_t *o)
{
    if (!o)
        return RC_NOMEM;
    int failed = json_dumpf(o, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(o);
    return failed || putchar('\n') == EOF || fflush(stdout) != 0 ? RC_IO : RC_OK;
}

static enum rc ask(struct drive *d, const json_t *o)
{
    struct view what = text_of(o, "what"), account = text_of(o, "account"), month = text_of(o, "month");
    int64_t now_ns = number_of(o, "now");
    json_t *answer = NULL;
    enum rc rc = err_set(&d->e, RC_INVALID, "ask for statement, status, clock or usage");

    if (view_eqs(what, "statement"))
        rc = meter_statement_json(d->m, account, month, now_ns, &answer, &d->e);
    else if (view_eqs(what, "status"))
        rc = meter_account_json(d->m, account, now_ns, &answer, &d->e);
    else if (view_eqs(what, "clock"))
        rc = meter_clock_json(d->m, account, now_ns, &answer, &d->e);
    else if (view_eqs(what, "usage"))
        rc = meter_usage_json(d->m, account, month, now_ns, &answer, &d->e);
    return rc == RC_OK ? say(answer) : rc;
}

static enum rc say_digest(struct drive *d)
{
    uint8_t digest[32];
    char hex[65];

    HF_TRY(meter_digest(d->m, digest, &d->e));
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
    return say(json_pack("{s:s}", "digest", hex));
}

static enum rc say_unbalanced(struct drive *d)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(d->m->sql, &d->e, &q,
                     "SELECT COUNT(*) FROM (SELECT 1 FROM ledger GROUP BY seq, account, kind "
                     "HAVING SUM(amount_nano) <> 0)",
                     ""));
    HF_TRY(sql_next(q, &d->e));
    json_t *o = json_pack("{s:I}", "unbalanced", (json_int_t)sql_i64(q, 0));
    sql_done(q);
    return say(o);
}

static enum rc open_meter(struct drive *d, const json_t *o)
{
    const struct meter_cfg cfg = {.data_dir = json_string_value(json_object_get(o, "dir")), .inert = true};

    if (d->m)
        meter_close(d->m);
    d->m = NULL;
    return meter_open(os_real(), NULL, NULL, &cfg, &d->m, &d->e);
}

static enum rc obey(struct drive *d, const json_t *o)
{
    struct view op = text_of(o, "op");

    if (view_eqs(op, "open"))
        return open_meter(d, o);
    if (!d->m)
        return err_set(&d->e, RC_INVALID, "the first line must open a meter");
    if (view_eqs(op, "record"))
        return take_record(d, o);
    if (view_eqs(op, "commit"))
        return meter_commit(d->m, &d->e);
    if (view_eqs(op, "reload")) {
        HF_TRY(meter_reload(d->m, &d->e));
        return say(json_pack("{s:I}", "cursor", (json_int_t)meter_cursor(d->m)));
    }
    if (view_eqs(op, "digest"))
        return say_digest(d);
    if (view_eqs(op, "unbalanced"))
        return say_unbalanced(d);
    if (view_eqs(op, "ask"))
        return ask(d, o);
    return err_set(&d->e, RC_INVALID, "unknown op `%.*s`", (int)op.n, op.p);
}

static enum rc obey_line(struct drive *d, const char *line, size_t n)
{
    json_error_t why;
    json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);

    if (!o)
        return err_set(&d->e, RC_INVALID, "not JSON: %s", why.text);
    enum rc rc = obey(d, o);
    json_decref(o);
    arena_free(&d->arena);
    return rc;
}

int main(void)
{
    struct drive d = {.arena = ARENA(ARENA_MAX)};
    char *line = malloc(LINE_MAX_BYTES);
    enum rc rc = line ? RC_OK : RC_NOMEM;
    uint64_t number = 0;

    while (rc == RC_OK && fgets(line, LINE_MAX_BYTES, stdin)) {
        number++;
        rc = obey_line(&d, line, strlen(line));
    }
    if (rc != RC_OK) {
        err_wrap(&d.e, rc, "line %" PRIu64 ": %s", number, rc_name(rc));
        enum rc said = say(json_pack("{s:s}", "error", d.e.text));
        if (said != RC_OK)
            fprintf(stderr, "drive: %s\n", d.e.text);
    }
    if (d.m)
        meter_close(d.m);
    free(line);
    return rc == RC_OK ? 0 : 1;
}
