/* Price books and timetables: what is built in is right, and what is wrong is refused with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "account/embedded.h"
#include "account/price.h"

static struct view embedded(const char *name)
{
    for (size_t i = 0; i < embedded_count; i++) {
        if (strcmp(embedded_files[i].name, name) == 0)
            return view_of(embedded_files[i].text, embedded_files[i].size);
    }
    fail_msg("%s is not built in", name);
    return VIEW("");
}

/* The text with the first `from` replaced by `to`; freed by the caller. */
static char *changed(struct view text, const char *from, const char *to)
{
    const char *at = strstr(text.p, from); /* built-in texts end in a 0 */
    assert_non_null(at);
    size_t before = (size_t)(at - text.p), n = text.n - strlen(from) + strlen(to);
    char *out = malloc(n + 1);
    assert_non_null(out);
    memcpy(out, text.p, before);
    memcpy(out + before, to, strlen(to));
    memcpy(out + before + strlen(to), at + strlen(from), text.n - before - strlen(from));
    out[n] = 0;
    return out;
}

static void assert_price(const struct price_book *b, const char *cell_name, const char *price, const char *unit)
{
    char text[MONEY_TEXT_MAX];
    unsigned cell;
    assert_true(price_cell_parse(view_cstr(cell_name), &cell));
    assert_string_equal(price_cell_name(cell), cell_name);
    assert_string_equal(decimal_text(b->rate[cell].price, text), price);
    assert_string_equal(b->rate[cell].unit, unit);
}

static void built_in_book_has_the_published_prices(void **state)
{
    (void)state;
    struct price_book *b;
    struct err e = {.text = ""};
    if (price_book_parse("prices/tencent-cos.yaml", embedded("prices/tencent-cos.yaml"), &b, &e) != RC_OK)
        fail_msg("%s", e.text);
    assert_string_equal(b->id.name, "tencent-cos");
    assert_string_equal(b->currency, "CNY");
    assert_string_equal(b->time_zone, "+08:00");
    assert_int_equal(b->utc_offset_s, 8 * 3600);
    assert_true(b->failed_requests_billed);
    assert_price(b, "storage.STANDARD", "0.118", "GB-month");
    assert_price(b, "storage.STANDARD_IA", "0.08", "GB-month");
    assert_price(b, "storage.ARCHIVE", "0.033", "GB-month");
    assert_price(b, "storage.DEEP_ARCHIVE", "0.01", "GB-month");
    assert_price(b, "requests.STANDARD", "0.000001", "request");
    assert_price(b, "requests.STANDARD_IA", "0.000005", "request");
    assert_price(b, "requests.DEEP_ARCHIVE", "0.00005", "request");
    assert_price(b, "egress.internet", "0.5", "GB");
    assert_price(b, "egress.cdn", "0.15", "GB");
    assert_price(b, "egress.cross-region", "0.5", "GB");
    assert_price(b, "egress.internal", "0", "GB");
    price_book_free(b);
}

/* 1 GiB kept for 30 days of 288 samples costs the monthly price; one sample of one GiB costs 0.118 / 8640, half-up. */
static void storage_is_rated_by_samples_of_a_thirty_day_month(void **state)
{
    (void)state;
    struct price_book *b;
    int64_t nano;
    const unsigned __int128 gib = (unsigned __int128)1 << 30;
    assert_int_equal(price_book_parse("f", embedded("prices/tencent-cos.yaml"), &b, NULL), RC_OK);
    unsigned cell = price_cell(ITEM_STORAGE, CLASS_STANDARD);
    assert_int_equal(price_rate(b, cell, gib * 30 * 288, &nano), RC_OK);
    assert_int_equal(nano, 118000000);
    assert_int_equal(price_rate(b, cell, gib, &nano), RC_OK);
    assert_int_equal(nano, 13657); /* 118000000 / 8640 = 13657.407… */
    /* The least that rounds up to one nano: x * 118000000 / (8640 * 2^30) >= 1/2. */
    unsigned __int128 half = (8640 * gib + 2 * 118000000 - 1) / (2 * 118000000);
    assert_int_equal(price_rate(b, cell, half, &nano), RC_OK);
    assert_int_equal(nano, 1);
    assert_int_equal(price_rate(b, cell, half - 1, &nano), RC_OK);
    assert_int_equal(nano, 0);
    assert_int_equal(price_rate(b, price_cell(ITEM_REQUESTS, CLASS_STANDARD), 10000, &nano), RC_OK);
    assert_int_equal(nano, 10000000);
    assert_int_equal(price_rate(b, price_cell(ITEM_EGRESS_INTERNET, CLASS_STANDARD), gib, &nano), RC_OK);
    assert_int_equal(nano, 500000000);
    price_book_free(b);
}

static void an_amount_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct price_book *b;
    int64_t nano = 7;
    assert_int_equal(price_book_parse("f", embedded("prices/tencent-cos.yaml"), &b, NULL), RC_OK);
    assert_int_equal(price_rate(b, price_cell(ITEM_REQUESTS, CLASS_DEEP_ARCHIVE), (unsigned __int128)1 << 64, &nano),
                     RC_LIMIT);
    assert_int_equal(nano, 7);
    price_book_free(b);
}

struct bad {
    const char *from, *to, *says;
};

static const struct bad bad_books[] = {
    {"value: 0.118,", "value: -0.118,", "f.yaml:16:25: "},
    {"value: 0.118,", "value: NaN,", "plain number"},
    {"value: 0.118,", "value: 1e5,", "plain number"},
    {"value: 0.118,", "value: 10000000000000000000000000000000000000000,", "plain number"},
    {"value: 0.118,", "value: 0.1180000001,", "9 digits"},
    {"value: 0.118,", "value: \"\",", "must be text"},
    {"value: 0.118, unit: GB-month", "value: 0.118, unit: TB-month", "`GB-month`"},
    {"value: 0.118,", "", "`value` is missing"},
    {", as_of: 2021-12}\n  STANDARD_IA", "}\n  STANDARD_IA", "`as_of` is missing"},
    {"as_of: 2021-12", "as_of: 2021-13", "as_of must be"},
    {"as_of: 2021-12", "as_of: last year", "as_of must be"},
    {"source: \"Tencent Cloud COS price list (Beijing, Shanghai, Guangzhou)\"", "source: \"\"", "`source`"},
    {"value: 0.118,", "value: 0.118, vlaue: 1,", "unknown key: vlaue"},
    {"value: 0.118,", "value: 0.118, confidence: sure,", "confidence must be"},
    {"value: 0.118,", "value: 0.118, value: 0.119,", "twice"},
    {"storage:", "storrage:", "`storage` is missing"},
    {"  ARCHIVE:", "  ARCHIV:", "`ARCHIVE` is missing"},
    {"currency: CNY", "currency: yuan", "three capital letters"},
    {"time_zone: \"+08:00\"", "time_zone: \"+08:30\"", "whole number of hours"},
    {"value: 288", "value: 24", "288"},
    {"value: 30,", "value: 0,", "28 to 31"},
    {"value: 1073741824", "value: 1024", "bytes_per_gb"},
    {"value: billed", "value: some", "free, billed"},
    {"name: tencent-cos", "name: Tencent", "a-z"},
    {"name: tencent-cos\n", "", "`name` is missing"},
    {"requests:\n", "requests: [1]\nrequest:\n", "`requests` must be a map"},
};

static void a_wrong_book_is_refused_with_its_place(void **state)
{
    (void)state;
    struct view text = embedded("prices/tencent-cos.yaml");
    for (size_t i = 0; i < sizeof(bad_books) / sizeof(bad_books[0]); i++) {
        struct price_book *b = NULL;
        struct err e = {.text = ""};
        char *yaml = changed(text, bad_books[i].from, bad_books[i].to);
        assert_int_equal(price_book_parse("f.yaml", view_cstr(yaml), &b, &e), RC_INVALID);
        assert_null(b);
        if (strncmp(e.text, "f.yaml:", 7) != 0 || !strstr(e.text, bad_books[i].says))
            fail_msg("case %zu (%s): %s", i, bad_books[i].says, e.text);
        free(yaml);
    }
}

static void a_book_that_is_no_map_or_empty_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "42\n", "- a\n- b\n", "name: [x]\n", "name: &a x\n", "a: b: c\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct price_book *b;
        struct timetable *t;
        struct err e;
        assert_int_equal(price_book_parse("f", view_cstr(texts[i]), &b, &e), RC_INVALID);
        assert_int_equal(timetable_parse("f", view_cstr(texts[i]), &t, &e), RC_INVALID);
    }
}

static void one_changed_byte_is_another_version(void **state)
{
    (void)state;
    struct view text = embedded("prices/tencent-cos.yaml");
    char *other = changed(text, "value: 0.118,", "value: 0.119,");
    struct price_book *a, *b;
    assert_int_equal(price_book_parse("f", text, &a, NULL), RC_OK);
    assert_int_equal(price_book_parse("f", view_cstr(other), &b, NULL), RC_OK);
    assert_int_not_equal(a->id.id, b->id.id);
    assert_true(a->id.id <= INT64_MAX);
    assert_true(view_eq(view_of(a->id.text, a->id.text_n), text));
    price_book_free(a);
    price_book_free(b);
    free(other);
}

#define HOUR (3600 * NS_PER_S)

static void timetable_walks_through_its_stages(void **state)
{
    (void)state;
    struct timetable *t;
    struct err e = {.text = ""};
    if (timetable_parse("f", embedded("timetables/tencent-cos.yaml"), &t, &e) != RC_OK)
        fail_msg("%s", e.text);
    assert_int_equal(timetable_stage(t, -1), STAGE_ACTIVE);
    assert_int_equal(timetable_stage(t, 0), STAGE_WARN);
    assert_int_equal(timetable_stage(t, 24 * HOUR - 1), STAGE_WARN);
    assert_int_equal(timetable_stage(t, 24 * HOUR), STAGE_STOP);
    assert_int_equal(timetable_stage(t, 15 * 24 * HOUR - 1), STAGE_STOP);
    assert_int_equal(timetable_stage(t, 15 * 24 * HOUR), STAGE_RETENTION);
    assert_int_equal(timetable_stage(t, 120 * 24 * HOUR - 1), STAGE_RETENTION);
    assert_int_equal(timetable_stage(t, 120 * 24 * HOUR), STAGE_PURGEABLE);
    assert_int_equal(timetable_stage(t, INT64_MAX), STAGE_PURGEABLE);
    assert_int_equal(t->rule[STAGE_ACTIVE], STAGE_ALL);
    assert_int_equal(t->rule[STAGE_WARN], STAGE_ALL);
    assert_int_equal(t->rule[STAGE_STOP], STAGE_NOTHING);
    assert_int_equal(t->rule[STAGE_PURGEABLE], STAGE_NOTHING);
    assert_string_equal(t->words, "Due to your account is arrears, it is unavailable until you recharge.");
    timetable_free(t);
}

static const struct bad bad_tables[] = {
    {"value: 24", "value: -24", "whole number"},
    {"value: 24", "value: 1000", "after destroy_earliest"},
    {"value: 15", "value: 121", "after destroy_latest"},
    {"unit: days-after-zero", "unit: days-after-stop", "days-after-zero"},
    {"  warn:      {value: all", "  warn:      {value: most", "all, read-only, nothing"},
    {"  retention:", "  retained:", "`retention` is missing"},
    {"as_of: 2026-11", "as_of: 2026-11-40", "as_of"},
    {"recharge.\"", "recharge.\\n\"", "one line"},
    {"title:", "titel:", "unknown key"},
};

static void a_wrong_timetable_is_refused_with_its_place(void **state)
{
    (void)state;
    struct view text = embedded("timetables/tencent-cos.yaml");
    for (size_t i = 0; i < sizeof(bad_tables) / sizeof(bad_tables[0]); i++) {
        struct timetable *t = NULL;
        struct err e = {.text = ""};
        char *yaml = changed(text, bad_tables[i].from, bad_tables[i].to);
        assert_int_equal(timetable_parse("t.yaml", view_cstr(yaml), &t, &e), RC_INVALID);
        assert_null(t);
        if (strncmp(e.text, "t.yaml:", 7) != 0 || !strstr(e.text, bad_tables[i].says))
            fail_msg("case %zu (%s): %s", i, bad_tables[i].says, e.text);
        free(yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_book_has_the_published_prices),
        cmocka_unit_test(storage_is_rated_by_samples_of_a_thirty_day_month),
        cmocka_unit_test(an_amount_that_does_not_fit_is_refused),
        cmocka_unit_test(a_wrong_book_is_refused_with_its_place),
        cmocka_unit_test(a_book_that_is_no_map_or_empty_is_refused),
        cmocka_unit_test(one_changed_byte_is_another_version),
        cmocka_unit_test(timetable_walks_through_its_stages),
        cmocka_unit_test(a_wrong_timetable_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
