/* Holdfast: price books: from YAML to rates. */
#include "account/account_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define PRICE_SCALE_MAX 9                /* digits behind the point, as money has */
#define PRICE_NUM_MAX 1000000000000000LL /* one million of a currency at PRICE_SCALE_MAX */
#define UTC_OFFSET_HOURS_MAX 14

struct cell_name {
    const char *name;
    const char *key; /* in the file, under the item's map */
};
static const struct cell_name cells[PRICE_CELLS] = {
    {"storage.STANDARD", "STANDARD"},        {"storage.STANDARD_IA", "STANDARD_IA"},
    {"storage.ARCHIVE", "ARCHIVE"},          {"storage.DEEP_ARCHIVE", "DEEP_ARCHIVE"},
    {"requests.STANDARD", "STANDARD"},       {"requests.STANDARD_IA", "STANDARD_IA"},
    {"requests.ARCHIVE", "ARCHIVE"},         {"requests.DEEP_ARCHIVE", "DEEP_ARCHIVE"},
    {"egress.internet", "internet"},         {"egress.cdn", "cdn"},
    {"egress.cross-region", "cross-region"}, {"egress.internal", "internal"},
};

const char *price_cell_name(unsigned cell)
{
    HF_ASSERT(cell < PRICE_CELLS);
    return cells[cell].name;
}

bool price_cell_parse(struct view name, unsigned *ret_cell)
{
    for (unsigned i = 0; i < PRICE_CELLS; i++) {
        if (view_eqs(name, cells[i].name)) {
            *ret_cell = i;
            return true;
        }
    }
    return false;
}

enum rc price_rate(const struct price_book *b, unsigned cell, unsigned __int128 quantity, int64_t *ret_nano)
{
    HF_ASSERT(cell < PRICE_CELLS);
    return money_rate(quantity, b->rate[cell].price, b->rate[cell].divisor, ret_nano);
}

static enum rc read_currency(struct price_book *b, const struct book_reader *r)
{
    struct yaml_node *n;

    HF_TRY(book_text(r, r->root, "currency", BOOK_SHOWN_MAX, &n));
    bool good = n->text.n == BOOK_CURRENCY_LEN;
    for (size_t i = 0; good && i < n->text.n; i++)
        good = n->text.p[i] >= 'A' && n->text.p[i] <= 'Z';
    if (!good)
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

static void strip_zeros(struct decimal *d)
{
    for (; d->scale > 0 && d->num % 10 == 0; d->scale--)
        d->num /= 10;
}

static enum rc read_price(const struct book_reader *r, struct yaml_node *in, const char *key, const char *unit,
                          struct decimal *ret)
{
    struct yaml_node *value;
    struct decimal d;

    HF_TRY(book_figure(r, in, key, unit, &value));
    if (decimal_parse(value->text, &d) != RC_OK || d.num < 0 || d.num > PRICE_NUM_MAX || d.scale > PRICE_SCALE_MAX)
        return book_refuse(r, value,
                           "the price of `%s` must be a plain number from 0 on with at most %d digits behind the "
                           "point, such as 0.118",
                           key, PRICE_SCALE_MAX);
    strip_zeros(&d);
    *ret = d;
    return RC_OK;
}

struct units {
    uint64_t bytes_per_gb, days_per_month;
};

static enum rc read_units(const struct book_reader *r, struct units *ret)
{
    struct yaml_node *map;
    uint64_t samples;

    HF_TRY(book_map(r, r->root, "units", &map));
    HF_TRY(book_integer(r, map, "bytes_per_gb", "bytes", 1000000000, 1073741824, &ret->bytes_per_gb));
    HF_TRY(book_integer(r, map, "days_per_month", "days", 28, 31, &ret->days_per_month));
    /* Our own ticks take the samples, so the book can only confirm their number. */
    return book_integer(r, map, "samples_per_day", "samples", SAMPLES_PER_DAY, SAMPLES_PER_DAY, &samples);
}

static enum rc read_storage(struct price_book *b, const struct book_reader *r, const struct units *u)
{
    struct yaml_node *map;

    HF_TRY(book_map(r, r->root, "storage", &map));
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        struct price_rate *rate = &b->rate[price_cell(ITEM_STORAGE, c)];
        HF_TRY(read_price(r, map, cells[price_cell(ITEM_STORAGE, c)].key, "GB-month", &rate->price));
        rate->divisor = (unsigned __int128)u->bytes_per_gb * u->days_per_month * SAMPLES_PER_DAY;
        rate->unit = "GB-month";
    }
    return RC_OK;
}

static enum rc read_requests(struct price_book *b, const struct book_reader *r)
{
    static const char *const rules[] = {"free", "billed", NULL};
    struct yaml_node *map;
    unsigned billed;

    HF_TRY(book_map(r, r->root, "requests", &map));
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        struct price_rate *rate = &b->rate[price_cell(ITEM_REQUESTS, c)];
        HF_TRY(read_price(r, map, cells[price_cell(ITEM_REQUESTS, c)].key, "10000 requests", &rate->price));
        if (rate->price.num > 0)
            rate->price.scale += 4; /* of one request: exact */
        strip_zeros(&rate->price);
        rate->divisor = 1;
        rate->unit = "request";
    }
    HF_TRY(book_word(r, r->root, "failed_requests", rules, &billed));
    b->failed_requests_billed = billed == 1;
    return RC_OK;
}

static enum rc read_egress(struct price_book *b, const struct book_reader *r, const struct units *u)
{
    struct yaml_node *map;

    HF_TRY(book_map(r, r->root, "egress", &map));
    for (unsigned i = ITEM_EGRESS_INTERNET; i < ITEM_COUNT; i++) {
        unsigned cell = price_cell(i, CLASS_STANDARD);
        HF_TRY(read_price(r, map, cells[cell].key, "GB", &b->rate[cell].price));
        b->rate[cell].divisor = u->bytes_per_gb;
        b->rate[cell].unit = "GB";
    }
    return RC_OK;
}

static enum rc read_book(struct price_book *b, struct book_reader *r)
{
    struct units u;

    HF_TRY(read_currency(b, r));
    HF_TRY(read_time_zone(b, r));
    HF_TRY(read_units(r, &u));
    HF_TRY(read_storage(b, r, &u));
    HF_TRY(read_requests(b, r));
    HF_TRY(read_egress(b, r, &u));
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
