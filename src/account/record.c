/* Holdfast: payloads of the account records (journal types 40..69), to and from TLV. */
#include "account/account_priv.h"

/* Numbers on disk: never reuse one. All stay below 64, so that a set of them is a word. */
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
    F_BOOK = 12,
    F_TEXT = 13,
    F_UPSTREAM = 14,
    F_MONEY = 15,
    F_FROM = 16,
    F_UNTIL = 17,
    F_SCOPE = 18,
    F_QUANTITY = 19,
    F_NOTE = 20,
    F_BURN = 21,
    F_MONTHLY = 22,
    F_CANCELLED = 23,
    F_CREDIT = 24,
    F_LATE_FEE = 25,
    F_MAX_AGE = 26,
    F_STEP = 27,
    F_PERIOD = 28,
    F_BUDGET = 29,
    F_APPROVED = 30,
    F_LEVEL = 31,
    F_ACTOR = 32,
    F_ROLE = 33,
    F_QUOTA = 34, /* and the QUOTA_LIMITS - 1 behind it: one for each limit */
    F_QUOTA_LAST = F_QUOTA + QUOTA_LIMITS - 1,
    F_COUNT,
};
_Static_assert(F_COUNT == 38, "a field behind F_QUOTA takes a number behind those of its limits");
enum usage_field {
    U_ACCOUNT = 1,
    U_BUCKET = 2,
    U_BUCKET_NAME = 3,
    U_ACCESS_KEY = 4,
    U_CLASS = 5,
    U_STATUS_CLASS = 6, /* of records before U_STATUS: 2 for 2xx; their kind was not kept, and reads as READ */
    U_REQUESTS = 7,
    U_EGRESS_BYTES = 8,
    U_EGRESS = 9,
    U_STATUS = 10,
    U_KIND = 11,
    U_RETRIEVED = 12,
};

#define USAGE_LINE_BYTES_MAX 512 /* of one encoded line: two names and twelve short numbers */

#define BIT(field) (UINT64_C(1) << (field))
#define WHO (BIT(F_NOTE) | BIT(F_ACTOR) | BIT(F_ROLE))
#define QUOTAS (BIT(F_QUOTA_LAST + 1) - BIT(F_QUOTA))

/* The fields of each type. What must be there is written even when it is 0; the others are written when they are not
 * 0, empty or false, and a number that has its own flag (burn, credit, …) when the flag is set. */
struct shape {
    enum rec_type type;
    uint64_t must, may;
};
static const struct shape shapes[] = {
    {REC_ACCOUNT, BIT(F_NAME) | BIT(F_CURRENCY) | BIT(F_PRICES) | BIT(F_TIMETABLE), BIT(F_UPSTREAM)},
    {REC_TOPUP, BIT(F_ACCOUNT) | BIT(F_AMOUNT), BIT(F_REF)},
    {REC_KEY, BIT(F_ACCOUNT) | BIT(F_ACCESS_KEY), 0},
    {REC_KEY_REVOKE, BIT(F_ACCESS_KEY), 0},
    {REC_USAGE, BIT(F_USAGE), 0},
    {REC_STAGE, BIT(F_ACCOUNT) | BIT(F_NAME) | BIT(F_STAGE) | BIT(F_CAUSE), 0},
    {REC_PRICES, BIT(F_BOOK) | BIT(F_NAME) | BIT(F_TEXT), 0},
    {REC_MONEY, BIT(F_ACCOUNT) | BIT(F_MONEY),
     BIT(F_AMOUNT) | BIT(F_REF) | BIT(F_FROM) | BIT(F_UNTIL) | BIT(F_SCOPE) | BIT(F_QUANTITY) | WHO},
    {REC_BALANCE, BIT(F_ACCOUNT) | BIT(F_AMOUNT), BIT(F_BURN) | WHO},
    {REC_GRACE, BIT(F_ACCOUNT), BIT(F_UNTIL) | BIT(F_CANCELLED) | WHO},
    {REC_DUE, BIT(F_ACCOUNT), BIT(F_AMOUNT) | BIT(F_REF) | BIT(F_UNTIL) | BIT(F_MONTHLY) | BIT(F_CANCELLED) | WHO},
    {REC_BUDGET, BIT(F_ACCOUNT) | BIT(F_STEP),
     BIT(F_BUDGET) | BIT(F_SCOPE) | BIT(F_PERIOD) | BIT(F_AMOUNT) | BIT(F_APPROVED) | BIT(F_LEVEL) | BIT(F_CAUSE) |
         BIT(F_FROM) | WHO},
    {REC_QUOTA, BIT(F_ACCOUNT), BIT(F_SCOPE) | QUOTAS | WHO},
    {REC_ACCOUNT_SET, BIT(F_ACCOUNT),
     BIT(F_PRICES) | BIT(F_TIMETABLE) | BIT(F_CREDIT) | BIT(F_LATE_FEE) | BIT(F_MAX_AGE) | WHO},
};

static const struct shape *shape_of(enum rec_type type)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (shapes[i].type == type)
            return &shapes[i];
    }
    return NULL;
}

/* ---- what may be in a record, the same rule on the way in and on the way out ---- */

static bool text_fits(struct view v, size_t max)
{
    return v.n > 0 && v.n <= max && view_find(v, 0, 0) == SIZE_MAX;
}

/* Words of people: may be missing. */
static bool words_fit(struct view v, size_t max)
{
    return v.n == 0 || (text_fits(v, max) && utf8_valid(v));
}

static bool book_or_none(struct view name)
{
    return name.n == 0 || book_name_valid(name);
}

static bool usage_line_valid(const struct usage_line *u)
{
    return u->account > 0 && u->bucket_name.n <= BUCKET_NAME_MAX && u->access_key.n <= ACCESS_KEY_MAX &&
           (unsigned)u->class < CLASS_COUNT && u->kind > REQUEST_ALL && u->kind < REQUEST_KINDS && u->status >= 100 &&
           u->status <= 599 && u->requests <= INT64_MAX && u->egress_bytes <= INT64_MAX &&
           u->egress >= ITEM_EGRESS_INTERNET && u->egress < ITEM_COUNT && u->retrieved_bytes <= INT64_MAX;
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

static bool account_valid(const struct account_rec *r)
{
    return text_fits(r->name, ACCOUNT_NAME_MAX) && text_fits(r->currency, BOOK_CURRENCY_LEN) &&
           text_fits(r->prices, BOOK_NAME_MAX) && text_fits(r->timetable, BOOK_NAME_MAX) && book_or_none(r->upstream);
}

static bool pack_valid(const struct account_rec *r)
{
    struct decimal quantity;
    unsigned cell;

    return r->amount_nano >= 0 && r->until_ns > r->from_ns && price_cell_parse(r->scope, &cell) && cell < PRICE_CELLS &&
           decimal_parse(r->quantity, &quantity) == RC_OK && quantity.num > 0;
}

static bool money_valid(const struct account_rec *r)
{
    bool spans = r->from_ns != 0 || r->until_ns != 0 || r->scope.n > 0;

    if (r->account == 0 || r->from_ns < 0 || r->until_ns < 0 || (r->money != MONEY_PACK && r->quantity.n > 0))
        return false;
    switch (r->money) {
    case MONEY_VOUCHER:
        return r->amount_nano > 0 && r->until_ns > r->from_ns;
    case MONEY_PACK:
        return pack_valid(r);
    case MONEY_RESERVE:
        return r->amount_nano > 0 && r->ref.n > 0 && !spans;
    case MONEY_RELEASE:
        return r->amount_nano == 0 && r->ref.n > 0 && !spans;
    case MONEY_REFUND:
        return r->amount_nano > 0 && !spans;
    case MONEY_CHARGE:
    case MONEY_CREDIT:
        return r->amount_nano > 0 && r->note.n > 0 && !spans;
    default:
        return false;
    }
}

/* Taken back, or until a day, with its proof. */
static bool grace_valid(const struct account_rec *r)
{
    return r->account > 0 && (r->cancelled ? r->until_ns == 0 : r->until_ns > 0 && r->note.n > 0);
}

static bool due_valid(const struct account_rec *r)
{
    if (r->cancelled)
        return r->account > 0 && r->ref.n > 0 && r->amount_nano == 0 && r->until_ns == 0 && !r->monthly;
    return r->account > 0 && r->amount_nano > 0 && r->until_ns > 0;
}

/* "account", "bucket:NAME", "department:NAME", "tag:KEY=VALUE" */
static bool budget_scope_valid(struct view s)
{
    struct view bucket = VIEW("bucket:"), department = VIEW("department:"), tag = VIEW("tag:");

    if (view_starts(s, bucket))
        return s.n > bucket.n && s.n - bucket.n <= BUCKET_NAME_MAX;
    if (view_starts(s, department))
        return s.n > department.n;
    if (view_starts(s, tag)) {
        size_t equals = view_find(s, '=', tag.n);
        return equals != SIZE_MAX && equals > tag.n;
    }
    return view_eqs(s, "account");
}

static bool budget_level_valid(uint64_t level)
{
    return level == 50 || level == 80 || level == 100 || level == 101;
}

static bool budget_valid(const struct account_rec *r)
{
    bool asks = r->step == BUDGET_REQUEST, pays = asks || r->step == BUDGET_ALLOCATE, marks = r->step == BUDGET_MARK;

    if (r->account == 0 || (unsigned)r->step >= BUDGET_STEPS || (unsigned)r->period > BUDGET_QUARTER)
        return false;
    if (asks ? r->budget != 0 || !budget_scope_valid(r->scope)
             : r->budget == 0 || r->scope.n > 0 || r->period != BUDGET_MONTH)
        return false;
    if (pays ? r->amount_nano <= 0 : r->amount_nano != 0)
        return false;
    if (r->approved && r->step != BUDGET_REVIEW)
        return false;
    return marks ? budget_level_valid(r->level) && r->cause > 0 && r->from_ns > 0
                 : r->level == 0 && r->cause == 0 && r->from_ns == 0;
}

/* A plain decimal from 0 to 1, with as many digits as money has. */
static bool share_valid(struct view v)
{
    int64_t nano;
    return money_parse(v, &nano) == RC_OK && nano >= 0 && nano <= MONEY_NANO;
}

static bool account_set_valid(const struct account_rec *r)
{
    return r->account > 0 && book_or_none(r->prices) && book_or_none(r->timetable) && r->credit_nano >= 0 &&
           (!r->has_late_fee || share_valid(r->late_fee)) && (!r->has_max_age || r->max_age_ns > 0) &&
           (r->prices.n > 0 || r->timetable.n > 0 || r->has_credit || r->has_late_fee || r->has_max_age);
}

static bool fields_valid(const struct account_rec *r)
{
    switch (r->type) {
    case REC_ACCOUNT:
        return account_valid(r);
    case REC_TOPUP:
        return r->account > 0 && r->amount_nano > 0;
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
        return book_name_valid(r->name) && text_fits(r->text, BOOK_TEXT_MAX) && (unsigned)r->book < BOOK_KINDS;
    case REC_MONEY:
        return money_valid(r);
    case REC_BALANCE:
        return r->account > 0 && r->burn_nano >= 0;
    case REC_GRACE:
        return grace_valid(r);
    case REC_DUE:
        return due_valid(r);
    case REC_BUDGET:
        return budget_valid(r);
    case REC_QUOTA:
        return r->account > 0 && r->scope.n <= BUCKET_NAME_MAX;
    default:
        HF_ASSERT(r->type == REC_ACCOUNT_SET);
        return account_set_valid(r);
    }
}

static bool record_valid(const struct account_rec *r)
{
    return r->ref.n <= TOPUP_REF_MAX && utf8_valid(r->ref) && words_fit(r->scope, SCOPE_MAX) &&
           words_fit(r->note, NOTE_MAX) && words_fit(r->actor, ACTOR_MAX) && words_fit(r->role, ACTOR_MAX) &&
           fields_valid(r);
}

/* ---- encoding ---- */

static enum rc encode_usage_numbers(const struct usage_line *u, struct buf *line)
{
    HF_TRY(tlv_put_u64(line, U_CLASS, u->class));
    HF_TRY(tlv_put_u64(line, U_KIND, u->kind));
    HF_TRY(tlv_put_u64(line, U_STATUS, u->status));
    HF_TRY(tlv_put_u64(line, U_REQUESTS, u->requests));
    HF_TRY(tlv_put_u64(line, U_EGRESS_BYTES, u->egress_bytes));
    HF_TRY(tlv_put_u64(line, U_EGRESS, u->egress));
    return u->retrieved_bytes > 0 ? tlv_put_u64(line, U_RETRIEVED, u->retrieved_bytes) : RC_OK;
}

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
        rc = encode_usage_numbers(u, &line);
    if (rc == RC_OK)
        rc = tlv_put(out, F_USAGE, buf_view(&line));
    buf_free(&line);
    return rc;
}

static enum rc encode_usage(const struct account_rec *r, struct buf *out)
{
    for (size_t i = 0; i < r->n_usage; i++)
        HF_TRY(encode_usage_line(&r->usage[i], out));
    return RC_OK;
}

/* What a field is made of: where it lies in the record, and when it is said. */
enum form { FORM_TEXT, FORM_U64, FORM_I64, FORM_ENUM, FORM_FLAG };
struct place {
    enum form form;
    size_t at;
    size_t has;     /* offset of its own flag; 0 = said when it is not 0 */
    unsigned count; /* FORM_ENUM: its values are below it */
};
#define AT(member) offsetof(struct account_rec, member)
static const struct place places[F_COUNT] = {
    [F_ACCOUNT] = {FORM_U64, AT(account), 0, 0},
    [F_NAME] = {FORM_TEXT, AT(name), 0, 0},
    [F_CURRENCY] = {FORM_TEXT, AT(currency), 0, 0},
    [F_PRICES] = {FORM_TEXT, AT(prices), 0, 0},
    [F_TIMETABLE] = {FORM_TEXT, AT(timetable), 0, 0},
    [F_AMOUNT] = {FORM_I64, AT(amount_nano), 0, 0},
    [F_REF] = {FORM_TEXT, AT(ref), 0, 0},
    [F_ACCESS_KEY] = {FORM_TEXT, AT(access_key), 0, 0},
    [F_STAGE] = {FORM_ENUM, AT(stage), 0, STAGE_COUNT},
    [F_CAUSE] = {FORM_U64, AT(cause), 0, 0},
    [F_BOOK] = {FORM_ENUM, AT(book), 0, BOOK_KINDS},
    [F_TEXT] = {FORM_TEXT, AT(text), 0, 0},
    [F_UPSTREAM] = {FORM_TEXT, AT(upstream), 0, 0},
    [F_MONEY] = {FORM_ENUM, AT(money), 0, MONEY_KINDS},
    [F_FROM] = {FORM_I64, AT(from_ns), 0, 0},
    [F_UNTIL] = {FORM_I64, AT(until_ns), 0, 0},
    [F_SCOPE] = {FORM_TEXT, AT(scope), 0, 0},
    [F_QUANTITY] = {FORM_TEXT, AT(quantity), 0, 0},
    [F_NOTE] = {FORM_TEXT, AT(note), 0, 0},
    [F_BURN] = {FORM_I64, AT(burn_nano), AT(has_burn), 0},
    [F_MONTHLY] = {FORM_FLAG, AT(monthly), 0, 0},
    [F_CANCELLED] = {FORM_FLAG, AT(cancelled), 0, 0},
    [F_CREDIT] = {FORM_I64, AT(credit_nano), AT(has_credit), 0},
    [F_LATE_FEE] = {FORM_TEXT, AT(late_fee), AT(has_late_fee), 0},
    [F_MAX_AGE] = {FORM_I64, AT(max_age_ns), AT(has_max_age), 0},
    [F_STEP] = {FORM_ENUM, AT(step), 0, BUDGET_STEPS},
    [F_PERIOD] = {FORM_ENUM, AT(period), 0, BUDGET_QUARTER + 1},
    [F_BUDGET] = {FORM_U64, AT(budget), 0, 0},
    [F_APPROVED] = {FORM_FLAG, AT(approved), 0, 0},
    [F_LEVEL] = {FORM_U64, AT(level), 0, 0},
    [F_ACTOR] = {FORM_TEXT, AT(actor), 0, 0},
    [F_ROLE] = {FORM_TEXT, AT(role), 0, 0},
};

static const struct view *text_at(const struct account_rec *r, const struct place *p)
{
    return (const struct view *)((const char *)r + p->at);
}

/* The enumerations of a record all have the size of an unsigned. */
static uint64_t number_at(const struct account_rec *r, const struct place *p)
{
    const char *at = (const char *)r + p->at;
    uint64_t x = 0;
    unsigned small = 0;

    if (p->form == FORM_FLAG)
        return *(const bool *)at;
    if (p->form == FORM_ENUM)
        memcpy(&small, at, sizeof(small));
    else
        memcpy(&x, at, sizeof(x));
    return x + small;
}
_Static_assert(sizeof(enum stage) == sizeof(unsigned) && sizeof(enum money_kind) == sizeof(unsigned) &&
                   sizeof(enum book_kind) == sizeof(unsigned) && sizeof(enum budget_step) == sizeof(unsigned) &&
                   sizeof(enum budget_period) == sizeof(unsigned),
               "enumerations are read and written as unsigned");

static bool is_said(const struct account_rec *r, const struct place *p)
{
    if (p->has > 0)
        return *(const bool *)((const char *)r + p->has);
    return p->form == FORM_TEXT ? text_at(r, p)->n > 0 : number_at(r, p) != 0;
}

static enum rc encode_field(const struct account_rec *r, unsigned field, struct buf *out)
{
    const struct place *p = &places[field];

    if (p->form == FORM_TEXT)
        return tlv_put(out, field, *text_at(r, p));
    if (p->form == FORM_I64)
        return tlv_put_i64(out, field, (int64_t)number_at(r, p));
    return tlv_put_u64(out, field, number_at(r, p));
}

static enum rc encode_fields(const struct account_rec *r, const struct shape *s, struct buf *out)
{
    if (s->must & BIT(F_USAGE))
        return encode_usage(r, out);
    for (unsigned f = 1; f < F_QUOTA; f++) {
        if ((s->must & BIT(f)) || ((s->may & BIT(f)) && is_said(r, &places[f])))
            HF_TRY(encode_field(r, f, out));
    }
    for (unsigned q = 0; q < QUOTA_LIMITS && (s->may & QUOTAS); q++) {
        if (r->quota[q] != QUOTA_NONE)
            HF_TRY(tlv_put_u64(out, F_QUOTA + q, r->quota[q]));
    }
    return RC_OK;
}

enum rc account_rec_encode(const struct account_rec *r, struct buf *out)
{
    const struct shape *s = shape_of(r->type);
    size_t before = out->n;

    if (!s || !record_valid(r))
        return RC_INVALID;
    enum rc rc = encode_fields(r, s, out);
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

static enum rc decode_status_class(struct view value, struct usage_line *u)
{
    unsigned x;
    HF_TRY(small_number(value, 6, &x));
    u->status = x * 100;
    u->kind = REQUEST_READ;
    return RC_OK;
}

static enum rc decode_usage_name(uint32_t tag, struct view value, struct usage_line *u)
{
    if (tag == U_BUCKET_NAME)
        u->bucket_name = value;
    if (tag == U_ACCESS_KEY)
        u->access_key = value;
    return RC_OK;
}

static enum rc decode_usage_field(uint32_t tag, struct view value, struct usage_line *u)
{
    unsigned x = 0;
    enum rc rc;

    switch (tag) {
    case U_ACCOUNT:
        return tlv_u64(value, &u->account);
    case U_BUCKET:
        return tlv_u64(value, &u->bucket);
    case U_CLASS:
        rc = small_number(value, CLASS_COUNT, &x);
        u->class = (enum storage_class)x;
        return rc;
    case U_STATUS_CLASS:
        return decode_status_class(value, u);
    case U_REQUESTS:
        return tlv_u64(value, &u->requests);
    case U_EGRESS_BYTES:
        return tlv_u64(value, &u->egress_bytes);
    case U_EGRESS:
        rc = small_number(value, ITEM_COUNT, &x);
        u->egress = (enum price_item)x;
        return rc;
    case U_STATUS:
        return small_number(value, 600, &u->status);
    case U_KIND:
        rc = small_number(value, REQUEST_KINDS, &x);
        u->kind = (enum request_kind)x;
        return rc;
    case U_RETRIEVED:
        return tlv_u64(value, &u->retrieved_bytes);
    default:
        return decode_usage_name(tag, value, u);
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

static enum rc decode_quota(unsigned limit, struct view value, struct account_rec *r)
{
    HF_TRY(tlv_u64(value, &r->quota[limit]));
    return r->quota[limit] == QUOTA_NONE ? RC_CORRUPT : RC_OK; /* no limit is said by leaving it out */
}

static enum rc decode_number(const struct place *p, struct view value, char *at)
{
    uint64_t x = 0;
    unsigned small = 0;

    switch (p->form) {
    case FORM_FLAG:
        HF_TRY(small_number(value, 2, &small));
        *(bool *)at = small == 1;
        return RC_OK;
    case FORM_ENUM:
        HF_TRY(small_number(value, p->count, &small));
        memcpy(at, &small, sizeof(small));
        return RC_OK;
    case FORM_I64:
        return tlv_i64(value, (int64_t *)at);
    default:
        HF_TRY(tlv_u64(value, &x));
        memcpy(at, &x, sizeof(x));
        return RC_OK;
    }
}

static enum rc decode_field(unsigned field, struct view value, struct account_rec *r)
{
    const struct place *p = &places[field];
    char *at = (char *)r + p->at;

    if (field >= F_QUOTA)
        return decode_quota(field - F_QUOTA, value, r);
    if (field == F_USAGE)
        return RC_OK; /* in one go, when it is known how many there are */
    if (p->has > 0)
        *(bool *)((char *)r + p->has) = true;
    if (p->form != FORM_TEXT)
        return decode_number(p, value, at);
    memcpy(at, &value, sizeof(value));
    return RC_OK;
}

static enum rc decode_fields(struct view payload, const struct shape *s, struct account_rec *r)
{
    struct tlv t = {payload};
    uint32_t tag;
    struct view value;
    uint64_t seen = 0;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK) {
        if (tag >= F_COUNT || !((s->must | s->may) & BIT(tag)))
            continue;
        seen |= BIT(tag);
        HF_TRY(decode_field(tag, value, r));
    }
    if (rc != RC_END)
        return rc;
    return (seen & s->must) == s->must ? RC_OK : RC_CORRUPT;
}

enum rc account_rec_decode(enum rec_type type, struct view payload, struct arena *a, struct account_rec *ret)
{
    const struct shape *s = shape_of(type);
    struct account_rec r = {.type = type};

    if (!s)
        return RC_CORRUPT;
    for (unsigned q = 0; q < QUOTA_LIMITS && (s->may & QUOTAS); q++)
        r.quota[q] = QUOTA_NONE;
    HF_TRY(decode_fields(payload, s, &r));
    if (type == REC_USAGE)
        HF_TRY(decode_usage(payload, a, &r));
    if (!record_valid(&r))
        return RC_CORRUPT;
    *ret = r;
    return RC_OK;
}
