/* Holdfast: a price book, a timetable or exchange rates that are accepted are usable, and what is not accepted says
 * where it is wrong. The first byte chooses which of them the rest is read as. */
#include "account/price.h"
#include "base/clock.h"

#define DAY_NS (86400 * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* More costs more, and the parts of a quantity are the whole of it. */
static void assert_rates(const struct price_book *b, unsigned cell, int64_t hour)
{
    unsigned __int128 unit = price_divisor(b, cell, hour), before[] = {0, unit / 2, unit * 7, unit * 1000000};

    HF_ASSERT(unit > 0);
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        struct price_part part[PRICE_TIERS_MAX];
        unsigned __int128 quantity = 0;
        unsigned n;
        int64_t less, more, sum = 0;
        HF_ASSERT(price_amount(b, cell, hour, before[i], 0, &less) == RC_OK && less == 0);
        HF_ASSERT(price_amount(b, cell, hour, before[i], unit, &less) == RC_OK);
        HF_ASSERT(price_parts(b, cell, hour, before[i], unit + 1, part, &n) == RC_OK && n > 0);
        HF_ASSERT(price_amount(b, cell, hour, before[i], unit + 1, &more) == RC_OK && more >= less && less >= 0);
        for (unsigned k = 0; k < n; k++) {
            HF_ASSERT(part[k].quantity > 0 && part[k].nano >= 0 && price_of(b, cell, part[k].rate).num >= 0);
            quantity += part[k].quantity;
            sum += part[k].nano;
        }
        HF_ASSERT(quantity == unit + 1 && sum == more);
    }
}

/* The same text is the same version, and every cell can be rated at any hour. */
static void assert_book(const struct price_book *b, struct view yaml)
{
    HF_ASSERT(view_eq(view_of(b->id.text, b->id.text_n), yaml) && b->id.id <= INT64_MAX);
    HF_ASSERT(strlen(b->currency) == BOOK_CURRENCY_LEN && b->utc_offset_s % 3600 == 0);
    HF_ASSERT(SAMPLES_PER_DAY % b->samples_per_day == 0 && b->valid_from_ns % (3600 * NS_PER_S) == 0);
    HF_ASSERT(b->line_places <= 9 && b->total_places <= 9 && b->min_size[CLASS_STANDARD] == 0);
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        HF_ASSERT(b->rate[cell].unit);
        for (int64_t hour = -1; hour < 24; hour += 6)
            assert_rates(b, cell, hour);
    }
    for (unsigned status = 100; status < 600; status++)
        HF_ASSERT(price_status_billed(b, status) || status >= 400);
}

/* Stages only ever get worse. */
static void assert_timetable(const struct timetable *t)
{
    enum stage last = STAGE_ACTIVE;
    HF_ASSERT(timetable_rule(t, -1) == STAGE_ALL);
    for (int64_t day = -1; day < 7400; day++) {
        enum stage s = timetable_stage(t, day * DAY_NS);
        HF_ASSERT(s >= last && timetable_rule(t, day * DAY_NS) >= t->rule[s]);
        last = s;
    }
    HF_ASSERT(last == STAGE_PURGEABLE);
}

/* There and back is the same but for the rounding, when there is a rate. */
static void assert_conversions(const struct rates *r)
{
    int64_t there = 0, back = 0;
    char text[96] = "";

    enum rc rc = rates_convert(r, "USD", "CNY", INT64_MAX, MONEY_NANO, &there, text, sizeof(text));
    HF_ASSERT(rc == RC_OK || rc == RC_NOT_FOUND);
    HF_ASSERT(rc != RC_OK || (there >= 0 && text[0] && strlen(text) < sizeof(text)));
    rc = rates_convert(r, "CNY", "USD", 0, -1, &back, text, sizeof(text));
    HF_ASSERT(rc == RC_NOT_FOUND || back <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct price_book *b = NULL;
    struct timetable *t = NULL;
    struct rates *r = NULL;
    struct err e = {.text = ""};
    enum rc rc;

    if (size == 0)
        return 0;
    struct view yaml = view_of(data + 1, size - 1);
    if (data[0] % BOOK_KINDS == BOOK_PRICES)
        rc = price_book_parse("f", yaml, &b, &e);
    else if (data[0] % BOOK_KINDS == BOOK_TIMETABLE)
        rc = timetable_parse("f", yaml, &t, &e);
    else
        rc = rates_parse("f", yaml, &r, &e);
    if (rc != RC_OK)
        HF_ASSERT(!b && !t && !r && strncmp(e.text, "f:", 2) == 0);
    if (b)
        assert_book(b, yaml);
    if (t)
        assert_timetable(t);
    if (r)
        assert_conversions(r);
    price_book_free(b);
    timetable_free(t);
    rates_free(r);
    return 0;
}
