/* What a quantity costs: by samples, tiers, hours, months; exactly, rounded once. */
#include "book_help.h"

#include "base/clock.h"

#define GIB ((unsigned __int128)1 << 30)
#define TINY                                                                                                           \
    "name: tiny\ncurrency: CNY\ntime_zone: \"+08:00\"\n"                                                               \
    "units: {bytes_per_gb: {value: 1000000000, unit: bytes, source: s, as_of: 2026-01},"                               \
    " days_per_month: {value: calendar, unit: days, source: s, as_of: 2026-01},"                                       \
    " samples_per_day: {value: 24, unit: samples, source: s, as_of: 2026-01}}\n"                                       \
    "storage: {STANDARD: {value: 0.744, unit: GB-month, source: s, as_of: 2026-01},"                                   \
    " STANDARD_IA: {value: 1, unit: GB-month, source: s, as_of: 2026-01},"                                             \
    " ARCHIVE: {value: 1, unit: GB-month, source: s, as_of: 2026-01},"                                                 \
    " DEEP_ARCHIVE: {value: 1, unit: GB-month, source: s, as_of: 2026-01}}\n"                                          \
    "requests: {STANDARD: {tiers: [{from: 0, value: 0}, {from: 2, value: 0.000000001}, {from: 4, value: 9}],"          \
    " unit: 10000 requests, source: s, as_of: 2026-01},"                                                               \
    " STANDARD_IA: {value: 1, unit: request, source: s, as_of: 2026-01},"                                              \
    " ARCHIVE: {value: 1, unit: 1000 requests, source: s, as_of: 2026-01},"                                            \
    " DEEP_ARCHIVE: {write: {value: 3, unit: request, source: s, as_of: 2026-01},"                                     \
    " read: {value: 2, unit: request, source: s, as_of: 2026-01},"                                                     \
    " delete: {value: 0, unit: request, source: s, as_of: 2026-01}}}\n"                                                \
    "failed_requests: {value: billed, unit: rule, source: s, as_of: 2026-01}\n"                                        \
    "egress: {internet: {tiers: [{from: 0, value: 0}, {from: 1, value: 0.5}, {from: 3, value: 0.3}], unit: GB,"        \
    " hours: {from: \"22:00\", to: \"06:00\", value: 0.25}, source: s, as_of: 2026-01},"                               \
    " cdn: {value: 0.15, unit: GB, source: s, as_of: 2026-01},"                                                        \
    " cross-region: {value: 1000000, unit: GB, source: s, as_of: 2026-01},"                                            \
    " internal: {value: 0, unit: GB, source: s, as_of: 2026-01}}\n"

static unsigned cell_of(const char *name)
{
    unsigned cell = 0;
    assert_true(price_cell_parse(view_cstr(name), &cell));
    return cell;
}

static int64_t amount(const struct price_book *b, const char *cell, int64_t hour, unsigned __int128 before,
                      unsigned __int128 quantity)
{
    int64_t nano = -1;
    assert_int_equal(price_amount(b, cell_of(cell), hour, before, quantity, &nano), RC_OK);
    return nano;
}

/* Hours since 1970 of a time in UTC+8, the zone of the small book. */
static int64_t hour_at(int year, int month, int day, int hour)
{
    struct civil c = {.year = year, .month = month, .day = day, .hour = hour};
    return civil_to_s(&c) / 3600 - 8;
}

static void every_cell_has_its_name_item_and_class(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CELL_COUNT; i++)
        assert_int_equal(cell_of(price_cell_name(i)), i);
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        static const enum price_item items[] = {ITEM_STORAGE, ITEM_RETRIEVAL, ITEM_EARLY_DELETE};
        for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
            assert_int_equal(price_cell_item(price_cell(items[i], c)), items[i]);
            assert_int_equal(price_cell_class(price_cell(items[i], c)), c);
        }
        for (unsigned k = 0; k < REQUEST_KINDS; k++) {
            assert_int_equal(price_cell_item(price_request_cell(c, k)), ITEM_REQUESTS);
            assert_int_equal(price_cell_class(price_request_cell(c, k)), c);
        }
    }
    for (unsigned i = ITEM_EGRESS_INTERNET; i < ITEM_COUNT; i++)
        assert_int_equal(price_cell_item(price_cell(i, CLASS_STANDARD)), i);
    assert_string_equal(price_cell_name(price_request_cell(CLASS_ARCHIVE, REQUEST_DELETE)), "requests.ARCHIVE.delete");
    assert_string_equal(price_cell_name(price_cell(ITEM_EARLY_DELETE, CLASS_STANDARD_IA)), "early-delete.STANDARD_IA");
    assert_string_equal(price_cell_name(CELL_LATE_FEE), "late-fee");
    assert_string_equal(price_cell_name(CELL_CHARGE), "charge");
    unsigned cell;
    assert_false(price_cell_parse(VIEW("storage"), &cell));
}

/* 1 GiB kept for 30 days of 288 samples costs the monthly price; one sample of one GiB costs 0.118 / 8640, half-up. */
static void storage_is_rated_by_samples_of_a_thirty_day_month(void **state)
{
    (void)state;
    struct price_book *b = embedded_book("prices/tencent-cos.yaml");
    assert_int_equal(amount(b, "storage.STANDARD", 0, 0, GIB * 30 * 288), 118000000);
    assert_int_equal(amount(b, "storage.STANDARD", 0, 0, GIB), 13657); /* 118000000 / 8640 = 13657.407… */
    /* The least that rounds up to one nano: x * 118000000 / (8640 * 2^30) >= 1/2. */
    unsigned __int128 half = (8640 * GIB + 2 * 118000000 - 1) / (2 * 118000000);
    assert_int_equal(amount(b, "storage.STANDARD", 0, 0, half), 1);
    assert_int_equal(amount(b, "storage.STANDARD", 0, 0, half - 1), 0);
    assert_int_equal(amount(b, "requests.STANDARD", 0, 0, 10000), 10000000);
    assert_int_equal(amount(b, "egress.internet", 0, 0, GIB), 500000000);
    assert_int_equal(amount(b, "early-delete.ARCHIVE", 0, 0, GIB * 30 * 288), 33000000);
    assert_int_equal(amount(b, "early-delete.STANDARD", 0, 0, GIB * 30 * 288), 0);
    price_book_free(b);
}

static void a_calendar_month_has_its_own_days(void **state)
{
    (void)state;
    static const struct {
        int year, month, days;
    } months[] = {{2026, 1, 31}, {2026, 2, 28}, {2024, 2, 29}, {2100, 2, 28}, {2026, 4, 30}, {2026, 12, 31}};
    struct price_book *b = book_of(VIEW(TINY));
    unsigned cell = cell_of("storage.STANDARD");
    for (size_t i = 0; i < sizeof(months) / sizeof(months[0]); i++) {
        unsigned __int128 month = (unsigned __int128)1000000000 * (unsigned)months[i].days * 24;
        int64_t first = hour_at(months[i].year, months[i].month, 1, 0), last = first + months[i].days * 24 - 1;
        assert_true(price_divisor(b, cell, first) == month && price_divisor(b, cell, last) == month);
        assert_int_equal(amount(b, "storage.STANDARD", last, 0, month), 744000000);
    }
    /* The month is that of the book's zone: 17:00 UTC of 31 January is February there. */
    assert_true(price_divisor(b, cell, hour_at(2026, 2, 1, 1)) == (unsigned __int128)1000000000 * 28 * 24);
    assert_true(price_divisor(b, cell_of("requests.STANDARD"), 0) == 1);
    assert_true(price_divisor(b, cell_of("egress.cdn"), 0) == 1000000000);
    price_book_free(b);
}

static void requests_have_prices_by_kind_where_the_book_says_so(void **state)
{
    (void)state;
    struct price_book *b = book_of(VIEW(TINY));
    for (unsigned k = REQUEST_WRITE; k < REQUEST_KINDS; k++) {
        assert_int_equal(price_cell_of_request(b, CLASS_STANDARD, k), price_request_cell(CLASS_STANDARD, REQUEST_ALL));
        assert_int_equal(price_cell_of_request(b, CLASS_DEEP_ARCHIVE, k), price_request_cell(CLASS_DEEP_ARCHIVE, k));
    }
    assert_int_equal(amount(b, "requests.DEEP_ARCHIVE.write", 0, 0, 2), 6 * MONEY_NANO);
    assert_int_equal(amount(b, "requests.DEEP_ARCHIVE.delete", 0, 0, 2), 0);
    assert_int_equal(amount(b, "requests.STANDARD_IA", 0, 0, 2), 2 * MONEY_NANO);
    assert_int_equal(amount(b, "requests.ARCHIVE", 0, 0, 2), 2000000);
    price_book_free(b);
}

static void tiers_cut_a_quantity_where_the_month_passes_them(void **state)
{
    (void)state;
    const unsigned __int128 gb = 1000000000;
    const int64_t noon = hour_at(2026, 1, 5, 12);
    struct price_book *b = book_of(VIEW(TINY));
    unsigned cell = cell_of("egress.internet"), n = 9;
    struct price_part part[PRICE_TIERS_MAX];
    assert_int_equal(price_parts(b, cell, noon, 0, 4 * gb, part, &n), RC_OK);
    assert_int_equal(n, 3);
    assert_true(part[0].quantity == gb && part[0].nano == 0 && part[0].rate == 0);
    assert_true(part[1].quantity == 2 * gb && part[1].nano == MONEY_NANO && part[1].rate == 1);
    assert_true(part[2].quantity == gb && part[2].nano == 300000000 && part[2].rate == 2);
    assert_int_equal(price_of(b, cell, part[2].rate).num, 3);
    /* To the byte: the last free one, the first that costs. */
    assert_int_equal(price_parts(b, cell, noon, gb - 1, 1, part, &n), RC_OK);
    assert_true(n == 1 && part[0].rate == 0);
    assert_int_equal(price_parts(b, cell, noon, gb, 1, part, &n), RC_OK);
    assert_true(n == 1 && part[0].rate == 1);
    assert_int_equal(price_parts(b, cell, noon, gb, 0, part, &n), RC_OK);
    assert_int_equal(n, 0);
    /* Tiers of requests count in the figure's unit: 20000 are free. */
    assert_int_equal(amount(b, "requests.STANDARD", noon, 0, 20000), 0);
    assert_int_equal(amount(b, "requests.STANDARD", noon, 20000, 20000), 2);
    assert_int_equal(amount(b, "requests.STANDARD", noon, 40000, 10000), 9 * MONEY_NANO);
    price_book_free(b);
}

static void what_is_free_has_a_part_without_a_price(void **state)
{
    (void)state;
    struct price_book *b = book_of(VIEW(TINY));
    struct price_part part[PRICE_TIERS_MAX];
    unsigned n, cell = cell_of("retrieval.ARCHIVE");
    assert_int_equal(b->rate[cell].n_schedules, 0);
    assert_string_equal(b->rate[cell].unit, "GB");
    assert_int_equal(price_parts(b, cell, 0, 7, 5, part, &n), RC_OK);
    assert_true(n == 1 && part[0].quantity == 5 && part[0].nano == 0);
    assert_int_equal(price_of(b, cell, part[0].rate).num, 0);
    price_book_free(b);
}

static void hours_have_their_own_price_across_midnight(void **state)
{
    (void)state;
    const unsigned __int128 gb = 1000000000;
    struct price_book *b = book_of(VIEW(TINY));
    for (int h = 0; h < 24; h++) {
        bool night = h >= 22 || h < 6;
        int64_t hour = hour_at(2026, 3, 7, h);
        struct price_part part[PRICE_TIERS_MAX];
        unsigned n;
        assert_int_equal(amount(b, "egress.internet", hour, 3 * gb, gb), night ? 250000000 : 300000000);
        assert_int_equal(price_parts(b, cell_of("egress.internet"), hour, 3 * gb, gb, part, &n), RC_OK);
        assert_true(n == 1 && part[0].rate == (night ? PRICE_TIERS_MAX : 2u));
    }
    assert_int_equal(amount(b, "egress.internet", hour_at(1969, 12, 31, 23), 3 * gb, gb), 250000000);
    price_book_free(b);
    b = embedded_book("prices/aliyun-oss.yaml");
    assert_int_equal(amount(b, "egress.internet", hour_at(2026, 3, 7, 7), 0, GIB), 250000000);
    assert_int_equal(amount(b, "egress.internet", hour_at(2026, 3, 7, 8), 0, GIB), 500000000);
    assert_int_equal(amount(b, "egress.internet", hour_at(2026, 3, 7, 0), 0, GIB), 250000000);
    assert_int_equal(amount(b, "egress.internet", hour_at(2026, 3, 7, 23), 0, GIB), 500000000);
    price_book_free(b);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* The same by adding up numerators over one denominator, with no tiers but comparisons. */
static int64_t slow_egress(unsigned __int128 before, unsigned __int128 quantity)
{
    static const struct {
        uint64_t from, to, tenths;
    } tier[] = {{0, 1000000000, 0}, {1000000000, 3000000000, 5}, {3000000000, UINT64_MAX, 3}};
    unsigned __int128 tenth_bytes = 0;
    for (size_t i = 0; i < 3; i++) {
        unsigned __int128 from = before > tier[i].from ? before : tier[i].from;
        unsigned __int128 to = before + quantity < tier[i].to ? before + quantity : tier[i].to;
        if (to > from)
            tenth_bytes += (to - from) * tier[i].tenths;
    }
    return (int64_t)((tenth_bytes * 2 + 10) / 20); /* 10^9 nano per 10^9 bytes */
}

static void parts_add_up_to_the_amount_that_is_rounded_once(void **state)
{
    (void)state;
    struct price_book *b = book_of(VIEW(TINY));
    const int64_t noon = hour_at(2026, 1, 5, 12);
    unsigned cell = cell_of("egress.internet");
    uint64_t seed = 88172645463325252u;
    for (unsigned i = 0; i < 100000; i++) {
        unsigned __int128 before = next_random(&seed) % 4000000000u, quantity = next_random(&seed) % 5000000000u;
        struct price_part part[PRICE_TIERS_MAX];
        unsigned n;
        int64_t sum = 0, nano;
        unsigned __int128 parts = 0;
        assert_int_equal(price_parts(b, cell, noon, before, quantity, part, &n), RC_OK);
        for (unsigned k = 0; k < n; k++) {
            sum += part[k].nano;
            parts += part[k].quantity;
        }
        assert_int_equal(price_amount(b, cell, noon, before, quantity, &nano), RC_OK);
        assert_int_equal(sum, nano);
        assert_true(parts == quantity);
        assert_int_equal(nano, slow_egress(before, quantity));
    }
    price_book_free(b);
}

static void an_amount_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct price_book *b = book_of(VIEW(TINY));
    struct price_part part[PRICE_TIERS_MAX] = {{.nano = 7}};
    unsigned cell = cell_of("egress.cross-region"), n = 7;
    const unsigned __int128 gb = 1000000000, most = ~(unsigned __int128)0;
    int64_t nano = 7;
    /* INT64_MAX nano at a million per GB: 9223.372036854775807 GB. */
    unsigned __int128 last = (unsigned __int128)INT64_MAX / 1000000;
    assert_int_equal(price_amount(b, cell, 0, 0, last, &nano), RC_OK);
    assert_int_equal(nano, INT64_MAX / 1000000 * 1000000);
    nano = 7;
    static const unsigned shift[] = {44, 64, 90, 127};
    for (size_t i = 0; i < sizeof(shift) / sizeof(shift[0]); i++) {
        unsigned __int128 quantity = (unsigned __int128)1 << shift[i];
        assert_int_equal(price_amount(b, cell, 0, 0, quantity, &nano), RC_LIMIT);
        assert_int_equal(price_parts(b, cell, 0, 0, quantity, part, &n), RC_LIMIT);
    }
    assert_int_equal(price_amount(b, cell_of("egress.internal"), 0, most, 1, &nano), RC_LIMIT);
    assert_true(nano == 7 && n == 7 && part[0].nano == 7);
    assert_int_equal(price_amount(b, cell_of("egress.internal"), 0, 0, most, &nano), RC_OK);
    assert_int_equal(nano, 0);
    assert_int_equal(price_amount(b, cell, 0, most - gb, gb, &nano), RC_OK);
    price_book_free(b);
}

static void an_invoice_rounds_each_way(void **state)
{
    (void)state;
    static const struct {
        int64_t nano;
        unsigned places;
        int64_t half_up, down, up;
    } cases[] = {
        {1234567890, 2, 1230000000, 1230000000, 1240000000},
        {1235000000, 2, 1240000000, 1230000000, 1240000000},
        {1234999999, 2, 1230000000, 1230000000, 1240000000},
        {1230000000, 2, 1230000000, 1230000000, 1230000000},
        {-1235000000, 2, -1240000000, -1230000000, -1240000000},
        {-1, 2, 0, 0, -10000000},
        {499999999, 0, 0, 0, 1000000000},
        {500000000, 0, 1000000000, 0, 1000000000},
        {15, 8, 20, 10, 20},
        {15, 9, 15, 15, 15},
        {0, 0, 0, 0, 0},
        {INT64_MAX, 9, INT64_MAX, INT64_MAX, INT64_MAX},
        /* Where the rounded amount would not fit, it stays below. */
        {INT64_MAX, 0, 9223372036000000000, 9223372036000000000, 9223372036000000000},
        {INT64_MIN, 0, -9223372036000000000, -9223372036000000000, -9223372036000000000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(price_round(cases[i].nano, cases[i].places, ROUND_HALF_UP), cases[i].half_up);
        assert_int_equal(price_round(cases[i].nano, cases[i].places, ROUND_DOWN), cases[i].down);
        assert_int_equal(price_round(cases[i].nano, cases[i].places, ROUND_UP), cases[i].up);
    }
}

static void a_book_without_rounding_keeps_every_digit(void **state)
{
    (void)state;
    struct price_book *b = book_of(VIEW(TINY));
    assert_int_equal(price_round(123456789, b->line_places, b->line_rounding), 123456789);
    assert_int_equal(price_round(123456789, b->total_places, b->total_rounding), 123456789);
    price_book_free(b);
    b = embedded_book("prices/aliyun-oss.yaml");
    assert_int_equal(price_round(123456789, b->line_places, b->line_rounding), 123457000);
    assert_int_equal(price_round(129999999, b->total_places, b->total_rounding), 120000000);
    price_book_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_has_its_name_item_and_class),
        cmocka_unit_test(storage_is_rated_by_samples_of_a_thirty_day_month),
        cmocka_unit_test(a_calendar_month_has_its_own_days),
        cmocka_unit_test(requests_have_prices_by_kind_where_the_book_says_so),
        cmocka_unit_test(tiers_cut_a_quantity_where_the_month_passes_them),
        cmocka_unit_test(what_is_free_has_a_part_without_a_price),
        cmocka_unit_test(hours_have_their_own_price_across_midnight),
        cmocka_unit_test(parts_add_up_to_the_amount_that_is_rounded_once),
        cmocka_unit_test(an_amount_that_does_not_fit_is_refused),
        cmocka_unit_test(an_invoice_rounds_each_way),
        cmocka_unit_test(a_book_without_rounding_keeps_every_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
