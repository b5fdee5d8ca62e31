/* Holdfast: payloads of the account records (journal types 40..69), to and from TLV. */
#include "account/account_priv.h"

/* Numbers on disk: never reuse one. */
enum field {
    F_ACCOUNT = 1,
    F_NAME = 2,
    F_CURRENCY = 3,
    F_PRICES = 4,
    F_TIMETABLE = 5,
    F_AMOUNT = 6,
    F_REF = 7,
    F_ACCESS_KEY = 8,
    F_STAGE = 9,
    F_CAUSE = 10,
    F_USAGE = 11, /* repeats; a usage line of enum usage_field */
    F_KIND = 12,  /* REC_PRICES: 0 price book, 1 timetable */
    F_TEXT = 13,
};
enum usage_field {
    U_ACCOUNT = 1,
    U_BUCKET = 2,
    U_BUCKET_NAME = 3,
    U_ACCESS_KEY = 4,
    U_CLASS = 5,
    U_STATUS = 6,
    U_REQUESTS = 7,
    U_EGRESS_BYTES = 8,
    U_EGRESS = 9,
};

#define USAGE_LINE_BYTES_MAX 512 /* of one encoded line: two names and nine short numbers */

/* ---- what may be in a record, the same rule on the way in and on the way out ---- */

static bool text_fits(struct view v, size_t max)
{
    return v.n > 0 && v.n <= max && view_find(v, 0, 0) == SIZE_MAX;
}

static bool usage_line_valid(const struct usage_line *u)
{
    return u->account > 0 && u->bucket_name.n <= BUCKET_NAME_MAX && u->access_key.n <= ACCESS_KEY_MAX &&
           (unsigned)u->class < CLASS_COUNT && u->status < 10 && u->requests <= INT64_MAX &&
           u->egress_bytes <= INT64_MAX && u->egress >= ITEM_EGRESS_INTERNET && u->egress < ITEM_COUNT;
}

static bool usage_valid(const struct account_rec *r)
{
    if (r->n_usage == 0 || r->n_usage > USAGE_LINES_MAX)
        return false;
    for (size_t i = 0; i < r->n_usage; i++) {
        if (!usage_line_valid(&r->usage[i]))
            return false;
    }
    return true;
}

static bool record_valid(const struct account_rec *r)
{
    switch (r->type) {
    case REC_ACCOUNT:
        return text_fits(r->name, ACCOUNT_NAME_MAX) && text_fits(r->currency, BOOK_CURRENCY_LEN) &&
               text_fits(r->prices, BOOK_NAME_MAX) && text_fits(r->timetable, BOOK_NAME_MAX);
    case REC_TOPUP:
        return r->account > 0 && r->amount_nano > 0 && r->ref.n <= TOPUP_REF_MAX && utf8_valid(r->ref);
    case REC_KEY:
        return r->account > 0 && text_fits(r->access_key, ACCESS_KEY_MAX);
    case REC_KEY_REVOKE:
        return text_fits(r->access_key, ACCESS_KEY_MAX);
    case REC_USAGE:
        return usage_valid(r);
    case REC_STAGE:
        return r->account > 0 && text_fits(r->name, ACCOUNT_NAME_MAX) && (unsigned)r->stage < STAGE_COUNT &&
               r->cause > 0;
    case REC_PRICES:
        return book_name_valid(r->name) && text_fits(r->text, BOOK_TEXT_MAX);
    default:
        return false;
    }
}

/* ---- encoding ---- */

static enum rc encode_usage_line(const struct usage_line *u, struct buf *out)
{
    struct buf line = BUF(USAGE_LINE_BYTES_MAX);
    enum rc rc = tlv_put_u64(&line, U_ACCOUNT, u->account);

    if (rc == RC_OK && u->bucket > 0)
        rc = tlv_put_u64(&line, U_BUCKET, u->bucket);
    if (rc == RC_OK && u->bucket_name.n > 0)
        rc = tlv_put(&line, U_BUCKET_NAME, u->bucket_name);
    if (rc == RC_OK && u->access_key.n > 0)
        rc = tlv_put(&line, U_ACCESS_KEY, u->access_key);
    if (rc == RC_OK)
        rc = tlv_put_u64(&line, U_CLASS, u->class);
    if (rc == RC_OK)
        rc = tlv_put_u64(&line, U_STATUS, u->status);
    if (rc == RC_OK)
        rc = tlv_put_u64(&line, U_REQUESTS, u->requests);
    if (rc == RC_OK)
        rc = tlv_put_u64(&line, U_EGRESS_BYTES, u->egress_bytes);
    if (rc == RC_OK)
        rc = tlv_put_u64(&line, U_EGRESS, u->egress);
    if (rc == RC_OK)
        rc = tlv_put(out, F_USAGE, buf_view(&line));
    buf_free(&line);
    return rc;
}

static enum rc encode_fields(const struct account_rec *r, struct buf *out)
{
    switch (r->type) {
    case REC_ACCOUNT:
        HF_TRY(tlv_put(out, F_NAME, r->name));
        HF_TRY(tlv_put(out, F_CURRENCY, r->currency));
        HF_TRY(tlv_put(out, F_PRICES, r->prices));
        return tlv_put(out, F_TIMETABLE, r->timetable);
    case REC_TOPUP:
        HF_TRY(tlv_put_u64(out, F_ACCOUNT, r->account));
        HF_TRY(tlv_put_i64(out, F_AMOUNT, r->amount_nano));
        return tlv_put(out, F_REF, r->ref);
    case REC_KEY:
        HF_TRY(tlv_put_u64(out, F_ACCOUNT, r->account));
        return tlv_put(out, F_ACCESS_KEY, r->access_key);
    case REC_KEY_REVOKE:
        return tlv_put(out, F_ACCESS_KEY, r->access_key);
    case REC_STAGE:
        HF_TRY(tlv_put_u64(out, F_ACCOUNT, r->account));
        HF_TRY(tlv_put(out, F_NAME, r->name));
        HF_TRY(tlv_put_u64(out, F_STAGE, r->stage));
        return tlv_put_u64(out, F_CAUSE, r->cause);
    case REC_PRICES:
        HF_TRY(tlv_put_u64(out, F_KIND, r->is_timetable));
        HF_TRY(tlv_put(out, F_NAME, r->name));
        return tlv_put(out, F_TEXT, r->text);
    default:
        HF_ASSERT(r->type == REC_USAGE);
        for (size_t i = 0; i < r->n_usage; i++)
            HF_TRY(encode_usage_line(&r->usage[i], out));
        return RC_OK;
    }
}

enum rc account_rec_encode(const struct account_rec *r, struct buf *out)
{
    size_t before = out->n;

    if (!record_valid(r))
        return RC_INVALID;
    enum rc rc = encode_fields(r, out);
    if (rc != RC_OK)
        out->n = before;
    return rc;
}

/* ---- decoding ---- */

/* A number that must fit a small range: enumerations and flags. */
static enum rc small_number(struct view value, unsigned count, unsigned *ret)
{
    uint64_t x;
    HF_TRY(tlv_u64(value, &x));
    if (x >= count)
        return RC_CORRUPT;
    *ret = (unsigned)x;
    return RC_OK;
}

static enum rc decode_usage_field(uint32_t tag, struct view value, struct usage_line *u)
{
    unsigned x = 0;
    enum rc rc = RC_OK;

    switch (tag) {
    case U_ACCOUNT:
        return tlv_u64(value, &u->account);
    case U_BUCKET:
        return tlv_u64(value, &u->bucket);
    case U_BUCKET_NAME:
        u->bucket_name = value;
        return RC_OK;
    case U_ACCESS_KEY:
        u->access_key = value;
        return RC_OK;
    case U_CLASS:
        rc = small_number(value, CLASS_COUNT, &x);
        u->class = (enum storage_class)x;
        return rc;
    case U_STATUS:
        return small_number(value, 10, &u->status);
    case U_REQUESTS:
        return tlv_u64(value, &u->requests);
    case U_EGRESS_BYTES:
        return tlv_u64(value, &u->egress_bytes);
    case U_EGRESS:
        rc = small_number(value, ITEM_COUNT, &x);
        u->egress = (enum price_item)x;
        return rc;
    default:
        return RC_OK;
    }
}

static enum rc decode_usage_line(struct view payload, struct usage_line *ret)
{
    struct tlv t = {payload};
    struct usage_line u = {.egress = ITEM_EGRESS_INTERNET};
    uint32_t tag;
    struct view value;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK)
        HF_TRY(decode_usage_field(tag, value, &u));
    if (rc != RC_END)
        return rc;
    *ret = u;
    return RC_OK;
}

static enum rc count_usage(struct view payload, size_t *ret)
{
    struct tlv t = {payload};
    uint32_t tag;
    struct view value;
    size_t n = 0;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK)
        n += tag == F_USAGE;
    if (rc != RC_END || n == 0 || n > USAGE_LINES_MAX)
        return RC_CORRUPT;
    *ret = n;
    return RC_OK;
}

static enum rc decode_usage(struct view payload, struct arena *a, struct account_rec *r)
{
    struct tlv t = {payload};
    uint32_t tag;
    struct view value;
    size_t n, i = 0;

    HF_TRY(count_usage(payload, &n));
    struct usage_line *lines = arena_zalloc(a, n * sizeof(*lines));
    if (!lines)
        return RC_NOMEM;
    while (i < n && tlv_next(&t, &tag, &value) == RC_OK) {
        if (tag == F_USAGE)
            HF_TRY(decode_usage_line(value, &lines[i++]));
    }
    r->usage = lines;
    r->n_usage = n;
    return RC_OK;
}

static enum rc decode_field(uint32_t tag, struct view value, struct account_rec *r)
{
    unsigned x = 0;
    enum rc rc = RC_OK;

    switch (tag) {
    case F_ACCOUNT:
        return tlv_u64(value, &r->account);
    case F_NAME:
        r->name = value;
        return RC_OK;
    case F_CURRENCY:
        r->currency = value;
        return RC_OK;
    case F_PRICES:
        r->prices = value;
        return RC_OK;
    case F_TIMETABLE:
        r->timetable = value;
        return RC_OK;
    case F_AMOUNT:
        return tlv_i64(value, &r->amount_nano);
    case F_REF:
        r->ref = value;
        return RC_OK;
    case F_ACCESS_KEY:
        r->access_key = value;
        return RC_OK;
    case F_STAGE:
        rc = small_number(value, STAGE_COUNT, &x);
        r->stage = (enum stage)x;
        return rc;
    case F_CAUSE:
        return tlv_u64(value, &r->cause);
    case F_KIND:
        rc = small_number(value, 2, &x);
        r->is_timetable = x == 1;
        return rc;
    case F_TEXT:
        r->text = value;
        return RC_OK;
    default:
        return RC_OK;
    }
}

enum rc account_rec_decode(enum rec_type type, struct view payload, struct arena *a, struct account_rec *ret)
{
    struct account_rec r = {.type = type};
    struct tlv t = {payload};
    uint32_t tag;
    struct view value;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK)
        HF_TRY(decode_field(tag, value, &r));
    if (rc != RC_END)
        return rc;
    if (type == REC_USAGE)
        HF_TRY(decode_usage(payload, a, &r));
    if (!record_valid(&r))
        return RC_CORRUPT;
    *ret = r;
    return RC_OK;
}
