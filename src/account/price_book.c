/* Holdfast: price books: from YAML to rates. share/prices/README.md describes the form. */
#include "account/account_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define PRICE_SCALE_MAX 9 /* digits behind the point, as money has */
#define PRICE_MAX 1000000 /* of one figure, in the currency */
#define TIER_FROM_MAX 1000000000000ULL
#define UTC_OFFSET_HOURS_MAX 14
#define MIN_DAYS_MAX 3650
#define ROUND_PLACES_MAX 9
#define HOUR_TEXT_LEN 5 /* "08:00" */

/* What figures of an item may look like. */
struct figure_form {
    const char *units[4];    /* ended by NULL */
    const uint8_t digits[3]; /* 10^digits of the cell's units make one of them */
    const char *unit;        /* of the cell */
    bool hours;              /* may have other prices for some hours of the day */
};
static const struct figure_form form_storage = {{"GB-month"}, {0}, "GB-month", false};
static const struct figure_form form_requests = {
    {"10000 requests", "1000 requests", "request"}, {4, 3, 0}, "request", false};
static const struct figure_form form_retrieval = {{"GB"}, {0}, "GB", false};
static const struct figure_form form_egress = {{"GB"}, {0}, "GB", true};

static const char *const kind_key[REQUEST_KINDS] = {NULL, "write", "read", "delete"};

/* ---- what the whole book goes by ---- */

static enum rc read_currency(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *n;

    HF_TRY(book_text(r, r->root, "currency", BOOK_SHOWN_MAX, &n));
    if (!currency_valid(n->text))
        return book_refuse(r, n, "currency must be three capital letters, such as CNY");
    HF_ASSERT(view_copy(n->text, b->currency, sizeof(b->currency)));
    return RC_OK;
}

/* "+08:00": postings are hourly in UTC, so only whole hours cut them into months without a remainder. */
static enum rc read_time_zone(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *n;
    uint64_t hours = 0;

    HF_TRY(book_text(r, r->root, "time_zone", BOOK_SHOWN_MAX, &n));
    struct view v = n->text;
    bool good = v.n == 6 && (v.p[0] == '+' || v.p[0] == '-') && view_eqs(view_sub(v, 3, 3), ":00") &&
                view_u64(view_sub(v, 1, 2), &hours) && hours <= UTC_OFFSET_HOURS_MAX;
    if (!good)
        return book_refuse(r, n, "time_zone must be a whole number of hours such as \"+08:00\"");
    HF_ASSERT(view_copy(v, b->time_zone, sizeof(b->time_zone)));
    b->utc_offset_s = (int32_t)hours * 3600 * (v.p[0] == '-' ? -1 : 1);
    return RC_OK;
}

static enum rc read_valid_from(struct price_book *b, const struct book_reader *r)
{
    int64_t day_s;

    if (!yaml_get(r->root, "valid_from"))
        return RC_OK;
    HF_TRY(book_day(r, r->root, "valid_from", &day_s));
    b->valid_from_ns = (day_s - b->utc_offset_s) * NS_PER_S;
    return RC_OK;
}

static enum rc read_bytes_per_gb(struct price_book *b, const struct book_reader *r, struct yaml_node *map)
{
    static const char *const sizes[] = {"1073741824", "1000000000", NULL};
    struct yaml_node *value;

    HF_TRY(book_figure(r, map, "bytes_per_gb", "bytes", &value));
    if (!view_eqs(value->text, sizes[0]) && !view_eqs(value->text, sizes[1]))
        return book_refuse(r, value, "`bytes_per_gb` must be %s or %s", sizes[0], sizes[1]);
    HF_ASSERT(view_u64(value->text, &b->bytes_per_gb));
    return RC_OK;
}

static enum rc read_days_per_month(struct price_book *b, const struct book_reader *r, struct yaml_node *map)
{
    struct yaml_node *value;
    uint64_t days = 0;

    HF_TRY(book_figure(r, map, "days_per_month", "days", &value));
    if (!view_eqs(value->text, "calendar") && (!view_u64(value->text, &days) || days < 28 || days > 31))
        return book_refuse(r, value, "`days_per_month` must be a whole number from 28 to 31, or `calendar`");
    b->days_per_month = (unsigned)days;
    return RC_OK;
}

static enum rc read_units(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *map, *value;
    uint64_t samples;

    HF_TRY(book_map(r, r->root, "units", &map));
    HF_TRY(read_bytes_per_gb(b, r, map));
    HF_TRY(read_days_per_month(b, r, map));
    HF_TRY(book_figure(r, map, "samples_per_day", "samples", &value));
    if (!view_u64(value->text, &samples) || samples == 0 || SAMPLES_PER_DAY % samples != 0)
        return book_refuse(r, value, "`samples_per_day` must divide %d without a rest: samples are taken at our ticks",
                           SAMPLES_PER_DAY);
    b->samples_per_day = (unsigned)samples;
    return RC_OK;
}

/* ---- prices ---- */

static void strip_zeros(struct decimal *d)
{
    for (; d->scale > 0 && d->num % 10 == 0; d->scale--)
        d->num /= 10;
}

static bool price_in_range(struct decimal d)
{
    int64_t max = PRICE_MAX;

    if (d.num < 0 || d.scale > PRICE_SCALE_MAX)
        return false;
    for (unsigned i = 0; i < d.scale; i++)
        max *= 10;
    return d.num <= max;
}

/* The price under `value`, of one of the cell's units: exact, for a division by 10^digits moves the point. */
static enum rc read_price(const struct book_reader *r, struct yaml_node *in, const char *key, unsigned digits,
                          struct decimal *ret)
{
    struct yaml_node *value;
    struct decimal d;

    HF_TRY(book_text(r, in, "value", BOOK_WORDS_MAX, &value));
    if (decimal_parse(value->text, &d) != RC_OK || !price_in_range(d))
        return book_refuse(r, value,
                           "the price of `%s` must be a plain number from 0 to %d with at most %d digits behind the "
                           "point, such as 0.118",
                           key, PRICE_MAX, PRICE_SCALE_MAX);
    d.scale = (uint8_t)(d.scale + digits);
    strip_zeros(&d);
    *ret = d;
    return RC_OK;
}

static enum rc read_tier(const struct book_reader *r, struct yaml_node *n, const char *key, unsigned digits,
                         struct price_schedule *s)
{
    struct price_tier *t = &s->tier[s->n_tiers];

    if (n->kind != YAML_MAP)
        return book_refuse(r, n, "a tier of `%s` is a map {from, value}", key);
    HF_TRY(book_number(r, n, "from", 0, TIER_FROM_MAX, &t->from));
    for (unsigned i = 0; i < digits; i++)
        t->from *= 10;
    if (s->n_tiers == 0 && t->from != 0)
        return book_refuse(r, yaml_get(n, "from"), "the first tier of `%s` begins at 0", key);
    if (s->n_tiers > 0 && t->from <= s->tier[s->n_tiers - 1].from)
        return book_refuse(r, yaml_get(n, "from"), "the tiers of `%s` must ascend", key);
    HF_TRY(read_price(r, n, key, digits, &t->price));
    s->n_tiers++;
    return RC_OK;
}

/* `value`, or `tiers`: a list of {from, value}. */
static enum rc read_schedule(const struct book_reader *r, struct yaml_node *in, const char *key, unsigned digits,
                             struct price_schedule *ret)
{
    struct yaml_node *tiers = yaml_get(in, "tiers");

    if (!tiers) {
        ret->n_tiers = 1;
        return read_price(r, in, key, digits, &ret->tier[0].price);
    }
    if (yaml_get(in, "value"))
        return book_refuse(r, tiers, "`%s` has both `value` and `tiers`: keep one", key);
    if (tiers->kind != YAML_LIST || !tiers->child)
        return book_refuse(r, tiers, "`tiers` of `%s` must be a list such as [{from: 0, value: 0.09}]", key);
    for (struct yaml_node *n = tiers->child; n; n = n->next) {
        if (ret->n_tiers == PRICE_TIERS_MAX)
            return book_refuse(r, n, "`%s` has more than %d tiers", key, PRICE_TIERS_MAX);
        HF_TRY(read_tier(r, n, key, digits, ret));
    }
    return RC_OK;
}

/* "00:00" .. "24:00" */
static enum rc read_hour(const struct book_reader *r, struct yaml_node *in, const char *key, unsigned max, uint8_t *ret)
{
    struct yaml_node *n;
    uint64_t hour;

    HF_TRY(book_text(r, in, key, BOOK_SHOWN_MAX, &n));
    if (n->text.n != HOUR_TEXT_LEN || !view_eqs(view_sub(n->text, 2, 3), ":00") ||
        !view_u64(view_sub(n->text, 0, 2), &hour) || hour > max)
        return book_refuse(r, n, "`%s` must be a whole hour from \"00:00\" to \"%u:00\"", key, max);
    *ret = (uint8_t)hour;
    return RC_OK;
}

static enum rc read_hours(const struct book_reader *r, struct yaml_node *figure, const char *key, unsigned digits,
                          struct price_schedule *ret)
{
    struct yaml_node *hours;

    HF_TRY(book_map(r, figure, "hours", &hours));
    HF_TRY(read_hour(r, hours, "from", 23, &ret->from_hour));
    HF_TRY(read_hour(r, hours, "to", 24, &ret->to_hour));
    if (ret->from_hour % 24 == ret->to_hour % 24)
        return book_refuse(r, hours, "the hours of `%s` are the whole day: give their price as `value`", key);
    return read_schedule(r, hours, key, digits, ret);
}

static enum rc read_rate(const struct book_reader *r, struct yaml_node *in, const char *key,
                         const struct figure_form *form, struct price_rate *ret)
{
    struct yaml_node *figure;
    unsigned unit;

    HF_TRY(book_map(r, in, key, &figure));
    HF_TRY(book_measure(r, figure, key, form->units, &unit));
    HF_TRY(read_schedule(r, figure, key, form->digits[unit], &ret->schedule[0]));
    ret->unit = form->unit;
    ret->n_schedules = 1;
    if (form->hours && yaml_get(figure, "hours")) {
        HF_TRY(read_hours(r, figure, key, form->digits[unit], &ret->schedule[1]));
        ret->n_schedules = 2;
    }
    return RC_OK;
}

static enum rc read_storage(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *map;

    HF_TRY(book_map(r, r->root, "storage", &map));
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        HF_TRY(read_rate(r, map, class_name(c), &form_storage, &b->rate[price_cell(ITEM_STORAGE, c)]));
    return RC_OK;
}

/* One figure for all kinds of requests, or a map of one for each kind. */
static enum rc read_class_requests(struct price_book *b, const struct book_reader *r, struct yaml_node *map,
                                   enum storage_class class)
{
    struct yaml_node *n;

    HF_TRY(book_map(r, map, class_name(class), &n));
    for (unsigned k = REQUEST_WRITE; k < REQUEST_KINDS; k++)
        b->kinds_apart[class] = b->kinds_apart[class] || yaml_get(n, kind_key[k]);
    if (!b->kinds_apart[class])
        return read_rate(r, map, class_name(class), &form_requests, &b->rate[price_request_cell(class, REQUEST_ALL)]);
    for (unsigned k = REQUEST_WRITE; k < REQUEST_KINDS; k++)
        HF_TRY(read_rate(r, n, kind_key[k], &form_requests, &b->rate[price_request_cell(class, k)]));
    return RC_OK;
}

/* `except`: a list of statuses that cost nothing although others of 4xx do. */
static enum rc read_except(struct price_book *b, const struct book_reader *r, struct yaml_node *figure)
{
    struct yaml_node *list = yaml_get(figure, "except");
    uint64_t status;

    if (!list)
        return RC_OK;
    if (list->kind != YAML_LIST || !b->failed_4xx_billed)
        return book_refuse(r, list, "`except` must be a list such as [403], of a rule by which 4xx cost");
    for (struct yaml_node *n = list->child; n; n = n->next) {
        if (n->kind != YAML_SCALAR || !view_u64(n->text, &status) || status < 400 || status > 499)
            return book_refuse(r, n, "`except` holds HTTP statuses from 400 to 499");
        if (b->n_except == sizeof(b->except_status) / sizeof(b->except_status[0]))
            return book_refuse(r, n, "`except` holds at most %u statuses", b->n_except);
        b->except_status[b->n_except++] = (unsigned)status;
    }
    return RC_OK;
}

static enum rc read_failed(struct price_book *b, const struct book_reader *r)
{
    static const char *const rules[] = {"free", "4xx", "billed", NULL};
    unsigned rule;

    HF_TRY(book_word(r, r->root, "failed_requests", rules, &rule));
    b->failed_4xx_billed = rule >= 1;
    b->failed_5xx_billed = rule == 2;
    return read_except(b, r, yaml_get(r->root, "failed_requests"));
}

static enum rc read_requests(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *map;

    HF_TRY(book_map(r, r->root, "requests", &map));
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        HF_TRY(read_class_requests(b, r, map, c));
    return read_failed(b, r);
}

/* What a class's retrieval costs: a figure, or one for each speed at which an archive is restored. There are no
 * restores here: what is read counts as restored at the standard speed. The other prices are checked all the same. */
static enum rc read_class_retrieval(const struct book_reader *r, struct yaml_node *map, enum storage_class class,
                                    struct price_rate *ret)
{
    static const char *const other_speeds[] = {"expedited", "bulk"};
    struct yaml_node *n = yaml_get(map, class_name(class));

    if (!n || !yaml_get(n, "standard"))
        return n ? read_rate(r, map, class_name(class), &form_retrieval, ret) : RC_OK;
    for (size_t i = 0; i < sizeof(other_speeds) / sizeof(other_speeds[0]); i++) {
        if (yaml_get(n, other_speeds[i]))
            HF_TRY(read_rate(r, n, other_speeds[i], &form_retrieval, &(struct price_rate){0}));
    }
    return read_rate(r, n, "standard", &form_retrieval, ret);
}

static enum rc read_retrieval(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *map;

    if (!yaml_get(r->root, "retrieval"))
        return RC_OK;
    HF_TRY(book_map(r, r->root, "retrieval", &map));
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        HF_TRY(read_class_retrieval(r, map, c, &b->rate[price_cell(ITEM_RETRIEVAL, c)]));
    return RC_OK;
}

static enum rc read_class_minimum(struct price_book *b, const struct book_reader *r, struct yaml_node *map,
                                  enum storage_class class)
{
    struct yaml_node *n;
    uint64_t days = 0;

    HF_TRY(book_map(r, map, class_name(class), &n));
    if (yaml_get(n, "size"))
        HF_TRY(book_integer(r, n, "size", "bytes", 1, BOOK_MIN_SIZE_MAX, &b->min_size[class]));
    if (yaml_get(n, "days"))
        HF_TRY(book_integer(r, n, "days", "days", 1, MIN_DAYS_MAX, &days));
    b->min_days[class] = (unsigned)days;
    if (b->min_size[class] == 0 && days == 0)
        return book_refuse(r, n, "`minimum` of a class has `size`, `days` or both");
    return RC_OK;
}

static enum rc read_minimum(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *map, *standard;

    if (!yaml_get(r->root, "minimum"))
        return RC_OK;
    HF_TRY(book_map(r, r->root, "minimum", &map));
    standard = yaml_get(map, class_name(CLASS_STANDARD));
    if (standard)
        return book_refuse(r, standard, "STANDARD has no minimum");
    for (unsigned c = CLASS_STANDARD + 1; c < CLASS_COUNT; c++) {
        if (yaml_get(map, class_name(c)))
            HF_TRY(read_class_minimum(b, r, map, c));
    }
    return RC_OK;
}

static enum rc read_egress(struct price_book *b, const struct book_reader *r)
{
    static const char *const direction[] = {"internet", "cdn", "cross-region", "internal"};
    struct yaml_node *map;

    HF_TRY(book_map(r, r->root, "egress", &map));
    for (unsigned i = ITEM_EGRESS_INTERNET; i < ITEM_COUNT; i++) {
        unsigned cell = price_cell(i, CLASS_STANDARD);
        HF_TRY(read_rate(r, map, direction[i - ITEM_EGRESS_INTERNET], &form_egress, &b->rate[cell]));
    }
    return RC_OK;
}

/* ---- invoices ---- */

static enum rc read_step(const struct book_reader *r, struct yaml_node *map, const char *key, unsigned *places,
                         enum rounding *mode)
{
    static const char *const modes[] = {[ROUND_HALF_UP] = "half-up", [ROUND_DOWN] = "down", [ROUND_UP] = "up", NULL};
    struct yaml_node *n;
    uint64_t x;
    unsigned m;

    HF_TRY(book_map(r, map, key, &n));
    HF_TRY(book_number(r, n, "places", 0, ROUND_PLACES_MAX, &x));
    HF_TRY(book_choice(r, n, "mode", modes, &m));
    *places = (unsigned)x;
    *mode = (enum rounding)m;
    return book_origin(r, n);
}

/* Without it an invoice is as exact as the ledger. */
static enum rc read_rounding(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *map;

    b->line_places = b->total_places = ROUND_PLACES_MAX;
    if (!yaml_get(r->root, "rounding"))
        return RC_OK;
    HF_TRY(book_map(r, r->root, "rounding", &map));
    HF_TRY(read_step(r, map, "line", &b->line_places, &b->line_rounding));
    return read_step(r, map, "total", &b->total_places, &b->total_rounding);
}

/* ---- the whole ---- */

/* An object that goes early pays the storage it would have cost. What has no price is free, but has its unit. */
static void complete_rates(struct price_book *b)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        if (b->min_days[c] > 0)
            b->rate[price_cell(ITEM_EARLY_DELETE, c)] = b->rate[price_cell(ITEM_STORAGE, c)];
        b->rate[price_cell(ITEM_EARLY_DELETE, c)].unit = form_storage.unit;
        b->rate[price_cell(ITEM_RETRIEVAL, c)].unit = form_retrieval.unit;
        for (unsigned k = 0; k < REQUEST_KINDS; k++)
            b->rate[price_request_cell(c, k)].unit = form_requests.unit;
    }
}

static enum rc read_book(struct price_book *b, struct book_reader *r)
{
    HF_TRY(read_currency(b, r));
    HF_TRY(read_time_zone(b, r));
    HF_TRY(read_valid_from(b, r));
    HF_TRY(read_units(b, r));
    HF_TRY(read_storage(b, r));
    HF_TRY(read_requests(b, r));
    HF_TRY(read_retrieval(b, r));
    HF_TRY(read_minimum(b, r));
    HF_TRY(read_egress(b, r));
    HF_TRY(read_rounding(b, r));
    complete_rates(b);
    return yaml_unused(r->file, r->root, r->e);
}

enum rc price_book_parse(const char *file, struct view yaml, struct price_book **ret, struct err *e)
{
    struct book_reader r;
    struct price_book *b = calloc(1, sizeof(*b));

    if (!b)
        return err_set(e, RC_NOMEM, "%s: out of memory", file);
    enum rc rc = book_open(&r, file, yaml, &b->id, e);
    if (rc == RC_OK)
        rc = read_book(b, &r);
    book_close(&r);
    if (rc != RC_OK) {
        price_book_free(b);
        return rc;
    }
    *ret = b;
    return RC_OK;
}

void price_book_free(struct price_book *p)
{
    if (!p)
        return;
    book_id_free(&p->id);
    free(p);
}
