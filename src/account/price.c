/* Holdfast: price books: cells, what a quantity costs, how an invoice rounds. */
#include "account/account_priv.h"

#define HOURS_PER_DAY 24
/* Prices are multiplied as whole numbers of 10^-13 of the currency: nano with PRICE_FINE_DIGITS more digits, as many as
 * the finest price has (of one request, given per 10 000). */
#define NANO_DIGITS 9
#define PRICE_FINE_DIGITS 4
#define PRICE_FINE 10000u

struct cell_name {
    const char *name;
    enum price_item item; /* of cells that books price */
    enum storage_class class;
};
static const struct cell_name cells[CELL_COUNT] = {
    {"storage.STANDARD", ITEM_STORAGE, CLASS_STANDARD},
    {"storage.STANDARD_IA", ITEM_STORAGE, CLASS_STANDARD_IA},
    {"storage.ARCHIVE", ITEM_STORAGE, CLASS_ARCHIVE},
    {"storage.DEEP_ARCHIVE", ITEM_STORAGE, CLASS_DEEP_ARCHIVE},
    {"requests.STANDARD", ITEM_REQUESTS, CLASS_STANDARD},
    {"requests.STANDARD.write", ITEM_REQUESTS, CLASS_STANDARD},
    {"requests.STANDARD.read", ITEM_REQUESTS, CLASS_STANDARD},
    {"requests.STANDARD.delete", ITEM_REQUESTS, CLASS_STANDARD},
    {"requests.STANDARD_IA", ITEM_REQUESTS, CLASS_STANDARD_IA},
    {"requests.STANDARD_IA.write", ITEM_REQUESTS, CLASS_STANDARD_IA},
    {"requests.STANDARD_IA.read", ITEM_REQUESTS, CLASS_STANDARD_IA},
    {"requests.STANDARD_IA.delete", ITEM_REQUESTS, CLASS_STANDARD_IA},
    {"requests.ARCHIVE", ITEM_REQUESTS, CLASS_ARCHIVE},
    {"requests.ARCHIVE.write", ITEM_REQUESTS, CLASS_ARCHIVE},
    {"requests.ARCHIVE.read", ITEM_REQUESTS, CLASS_ARCHIVE},
    {"requests.ARCHIVE.delete", ITEM_REQUESTS, CLASS_ARCHIVE},
    {"requests.DEEP_ARCHIVE", ITEM_REQUESTS, CLASS_DEEP_ARCHIVE},
    {"requests.DEEP_ARCHIVE.write", ITEM_REQUESTS, CLASS_DEEP_ARCHIVE},
    {"requests.DEEP_ARCHIVE.read", ITEM_REQUESTS, CLASS_DEEP_ARCHIVE},
    {"requests.DEEP_ARCHIVE.delete", ITEM_REQUESTS, CLASS_DEEP_ARCHIVE},
    {"retrieval.STANDARD", ITEM_RETRIEVAL, CLASS_STANDARD},
    {"retrieval.STANDARD_IA", ITEM_RETRIEVAL, CLASS_STANDARD_IA},
    {"retrieval.ARCHIVE", ITEM_RETRIEVAL, CLASS_ARCHIVE},
    {"retrieval.DEEP_ARCHIVE", ITEM_RETRIEVAL, CLASS_DEEP_ARCHIVE},
    {"early-delete.STANDARD", ITEM_EARLY_DELETE, CLASS_STANDARD},
    {"early-delete.STANDARD_IA", ITEM_EARLY_DELETE, CLASS_STANDARD_IA},
    {"early-delete.ARCHIVE", ITEM_EARLY_DELETE, CLASS_ARCHIVE},
    {"early-delete.DEEP_ARCHIVE", ITEM_EARLY_DELETE, CLASS_DEEP_ARCHIVE},
    {"egress.internet", ITEM_EGRESS_INTERNET, CLASS_STANDARD},
    {"egress.cdn", ITEM_EGRESS_CDN, CLASS_STANDARD},
    {"egress.cross-region", ITEM_EGRESS_CROSS_REGION, CLASS_STANDARD},
    {"egress.internal", ITEM_EGRESS_INTERNAL, CLASS_STANDARD},
    [CELL_LATE_FEE] = {"late-fee", ITEM_COUNT, CLASS_COUNT},
    [CELL_PACK] = {"pack", ITEM_COUNT, CLASS_COUNT},
    [CELL_CHARGE] = {"charge", ITEM_COUNT, CLASS_COUNT},
};

const char *price_cell_name(unsigned cell)
{
    HF_ASSERT(cell < CELL_COUNT);
    return cells[cell].name;
}

enum price_item price_cell_item(unsigned cell)
{
    HF_ASSERT(cell < PRICE_CELLS);
    return cells[cell].item;
}

enum storage_class price_cell_class(unsigned cell)
{
    HF_ASSERT(cell < PRICE_CELLS);
    return cells[cell].class;
}

bool price_cell_parse(struct view name, unsigned *ret_cell)
{
    for (unsigned i = 0; i < CELL_COUNT; i++) {
        if (view_eqs(name, cells[i].name)) {
            *ret_cell = i;
            return true;
        }
    }
    return false;
}

bool price_status_billed(const struct price_book *b, unsigned status)
{
    if (status < 400)
        return true;
    if (status >= 500)
        return b->failed_5xx_billed;
    for (unsigned i = 0; i < b->n_except; i++) {
        if (b->except_status[i] == status)
            return false;
    }
    return b->failed_4xx_billed;
}

unsigned price_cell_of_request(const struct price_book *b, enum storage_class class, enum request_kind kind)
{
    HF_ASSERT((unsigned)class < CLASS_COUNT && (unsigned)kind < REQUEST_KINDS);
    return price_request_cell(class, b->kinds_apart[class] ? kind : REQUEST_ALL);
}

/* ---- what makes a unit ---- */

static unsigned days_of_month(const struct price_book *b, int64_t hour)
{
    struct civil c;

    if (b->days_per_month > 0)
        return b->days_per_month;
    civil_from_s(hour * 3600 + b->utc_offset_s, &c);
    struct civil first = {.year = c.year, .month = c.month, .day = 1};
    struct civil next = {.year = c.year + c.month / 12, .month = c.month % 12 + 1, .day = 1};
    return (unsigned)((civil_to_s(&next) - civil_to_s(&first)) / (HOURS_PER_DAY * 3600));
}

/* At most 2^30 x 31 x 288, which is below 2^44. */
static uint64_t divisor_of(const struct price_book *b, unsigned cell, int64_t hour)
{
    switch (price_cell_item(cell)) {
    case ITEM_REQUESTS:
        return 1;
    case ITEM_STORAGE:
    case ITEM_EARLY_DELETE:
        return b->bytes_per_gb * days_of_month(b, hour) * b->samples_per_day;
    default:
        return b->bytes_per_gb;
    }
}

unsigned __int128 price_divisor(const struct price_book *b, unsigned cell, int64_t hour)
{
    return divisor_of(b, cell, hour);
}

/* ---- what a quantity costs ---- */

static unsigned hour_of_day(const struct price_book *b, int64_t hour)
{
    int64_t h = (hour + b->utc_offset_s / 3600) % HOURS_PER_DAY;
    return (unsigned)(h < 0 ? h + HOURS_PER_DAY : h);
}

/* Hours may wrap midnight: 22 to 6. */
static bool schedule_holds(const struct price_schedule *s, unsigned hour)
{
    if (s->from_hour < s->to_hour)
        return hour >= s->from_hour && hour < s->to_hour;
    return hour >= s->from_hour || hour < s->to_hour;
}

static unsigned schedule_at(const struct price_book *b, const struct price_rate *rate, int64_t hour)
{
    for (unsigned i = 1; i < rate->n_schedules; i++) {
        if (schedule_holds(&rate->schedule[i], hour_of_day(b, hour)))
            return i;
    }
    return 0;
}

/* A price in whole 10^-13: at most a million with NANO_DIGITS + PRICE_FINE_DIGITS digits behind it, below 2^64. */
static uint64_t fine_price(struct decimal price)
{
    uint64_t p = (uint64_t)price.num;
    for (unsigned i = price.scale; i < NANO_DIGITS + PRICE_FINE_DIGITS; i++)
        p *= 10;
    return p;
}

/* sum / divisor, half-up. A sum that does not fit in 128 bits is refused by whoever makes it, and rightly: divisor x
 * PRICE_FINE is below 2^58, so its amount would pass 2^70 nano, and money ends at 2^63. */
static enum rc sum_to_nano(unsigned __int128 sum, uint64_t divisor, int64_t *ret_nano)
{
    unsigned __int128 q = sum / divisor;
    uint64_t r = (uint64_t)(sum % divisor);

    q += r >= divisor - r;
    if (q > INT64_MAX)
        return RC_LIMIT;
    *ret_nano = (int64_t)q;
    return RC_OK;
}

/* One run of a quantity through the tiers of a month. */
struct pricing {
    const struct price_schedule *schedule;
    uint64_t divisor;
    unsigned __int128 at, left; /* where the month stands, what is still to be priced */
    unsigned __int128 sum;      /* of quantity x fine price */
    unsigned tier;
};

static unsigned __int128 tier_end(const struct pricing *p)
{
    if (p->tier + 1 >= p->schedule->n_tiers)
        return ~(unsigned __int128)0;
    return (unsigned __int128)p->schedule->tier[p->tier + 1].from * p->divisor;
}

static enum rc pricing_begin(struct pricing *p, unsigned __int128 before, unsigned __int128 quantity)
{
    unsigned __int128 end;

    if (__builtin_add_overflow(before, quantity, &end))
        return RC_LIMIT;
    p->at = before;
    p->left = quantity;
    while (tier_end(p) <= p->at && p->tier + 1 < p->schedule->n_tiers)
        p->tier++;
    return RC_OK;
}

/* Prices what lies in the present tier and goes on to the next. */
static enum rc pricing_step(struct pricing *p, unsigned __int128 *ret_quantity)
{
    unsigned __int128 room = tier_end(p) - p->at, part = p->left < room ? p->left : room, product;

    if (__builtin_mul_overflow(part, (unsigned __int128)fine_price(p->schedule->tier[p->tier].price), &product) ||
        __builtin_add_overflow(p->sum, product, &p->sum))
        return RC_LIMIT;
    p->at += part;
    p->left -= part;
    p->tier++;
    *ret_quantity = part;
    return RC_OK;
}

enum rc price_parts(const struct price_book *b, unsigned cell, int64_t hour, unsigned __int128 before,
                    unsigned __int128 quantity, struct price_part *ret, unsigned *ret_n)
{
    HF_ASSERT(cell < PRICE_CELLS);
    const struct price_rate *rate = &b->rate[cell];
    unsigned schedule = schedule_at(b, rate, hour), n = 0;
    struct pricing p = {.schedule = &rate->schedule[schedule], .divisor = divisor_of(b, cell, hour)};
    struct price_part part[PRICE_TIERS_MAX];
    int64_t nano, so_far = 0;

    HF_TRY(pricing_begin(&p, before, quantity));
    while (p.left > 0) {
        HF_ASSERT(n < PRICE_TIERS_MAX);
        part[n].rate = schedule * PRICE_TIERS_MAX + p.tier;
        HF_TRY(pricing_step(&p, &part[n].quantity));
        HF_TRY(sum_to_nano(p.sum, p.divisor * PRICE_FINE, &nano));
        part[n++].nano = nano - so_far;
        so_far = nano;
    }
    for (unsigned i = 0; i < n; i++)
        ret[i] = part[i];
    *ret_n = n;
    return RC_OK;
}

enum rc price_amount(const struct price_book *b, unsigned cell, int64_t hour, unsigned __int128 before,
                     unsigned __int128 quantity, int64_t *ret_nano)
{
    HF_ASSERT(cell < PRICE_CELLS);
    const struct price_rate *rate = &b->rate[cell];
    struct pricing p = {.schedule = &rate->schedule[schedule_at(b, rate, hour)], .divisor = divisor_of(b, cell, hour)};
    unsigned __int128 part;

    HF_TRY(pricing_begin(&p, before, quantity));
    while (p.left > 0)
        HF_TRY(pricing_step(&p, &part));
    return sum_to_nano(p.sum, p.divisor * PRICE_FINE, ret_nano);
}

struct decimal price_of(const struct price_book *b, unsigned cell, unsigned rate)
{
    HF_ASSERT(cell < PRICE_CELLS && rate < PRICE_RATES_MAX);
    return b->rate[cell].schedule[rate / PRICE_TIERS_MAX].tier[rate % PRICE_TIERS_MAX].price;
}

/* ---- invoices ---- */

int64_t price_round(int64_t nano, unsigned places, enum rounding mode)
{
    int64_t unit = 1, rounded;

    if (places >= NANO_DIGITS)
        return nano;
    for (unsigned i = places; i < NANO_DIGITS; i++)
        unit *= 10;
    int64_t rest = nano % unit; /* has the sign of nano */
    int64_t size = rest < 0 ? -rest : rest;
    bool away = size > 0 && (mode == ROUND_UP || (mode == ROUND_HALF_UP && size >= unit - size));
    int64_t down = nano - rest;
    if (!away || __builtin_add_overflow(down, nano < 0 ? -unit : unit, &rounded))
        return down;
    return rounded;
}
