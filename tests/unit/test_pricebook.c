/* Price books: what is built in is right, and what is wrong is refused with its place. */
#include "book_help.h"

#include "base/clock.h"

static void assert_price(const struct price_book *b, const char *cell_name, const char *price, const char *unit)
{
    char text[MONEY_TEXT_MAX];
    unsigned cell;
    assert_true(price_cell_parse(view_cstr(cell_name), &cell));
    assert_string_equal(price_cell_name(cell), cell_name);
    assert_string_equal(decimal_text(price_of(b, cell, 0), text), price);
    assert_string_equal(b->rate[cell].unit, unit);
}

static void built_in_book_has_the_published_prices(void **state)
{
    (void)state;
    struct price_book *b = embedded_book("prices/tencent-cos.yaml");
    assert_string_equal(b->id.name, "tencent-cos");
    assert_string_equal(b->currency, "CNY");
    assert_string_equal(b->time_zone, "+08:00");
    assert_int_equal(b->utc_offset_s, 8 * 3600);
    assert_int_equal(b->valid_from_ns, 0);
    assert_int_equal(b->samples_per_day, 288);
    assert_price(b, "storage.STANDARD", "0.118", "GB-month");
    assert_price(b, "storage.STANDARD_IA", "0.08", "GB-month");
    assert_price(b, "storage.ARCHIVE", "0.033", "GB-month");
    assert_price(b, "storage.DEEP_ARCHIVE", "0.01", "GB-month");
    assert_price(b, "requests.STANDARD", "0.000001", "request");
    assert_price(b, "requests.STANDARD_IA", "0.000005", "request");
    assert_price(b, "requests.DEEP_ARCHIVE", "0.00005", "request");
    assert_price(b, "retrieval.STANDARD", "0", "GB");
    assert_price(b, "retrieval.STANDARD_IA", "0.02", "GB");
    assert_price(b, "retrieval.ARCHIVE", "0.06", "GB");
    assert_price(b, "early-delete.STANDARD", "0", "GB-month");
    assert_price(b, "early-delete.ARCHIVE", "0.033", "GB-month");
    assert_price(b, "egress.internet", "0.5", "GB");
    assert_price(b, "egress.cdn", "0.15", "GB");
    assert_price(b, "egress.cross-region", "0.5", "GB");
    assert_price(b, "egress.internal", "0", "GB");
    assert_int_equal(b->min_size[CLASS_STANDARD], 0);
    assert_int_equal(b->min_size[CLASS_ARCHIVE], 65536);
    assert_int_equal(b->min_days[CLASS_STANDARD], 0);
    assert_int_equal(b->min_days[CLASS_STANDARD_IA], 30);
    assert_int_equal(b->min_days[CLASS_ARCHIVE], 90);
    assert_int_equal(b->min_days[CLASS_DEEP_ARCHIVE], 180);
    price_book_free(b);
}

static void the_books_of_the_other_clouds_have_theirs(void **state)
{
    (void)state;
    struct price_book *oss = embedded_book("prices/aliyun-oss.yaml"), *obs = embedded_book("prices/huawei-obs.yaml"),
                      *s3 = embedded_book("prices/aws-s3.yaml");
    assert_price(oss, "storage.STANDARD", "0.12", "GB-month");
    assert_price(oss, "retrieval.STANDARD_IA", "0.0325", "GB");
    assert_int_equal(oss->min_days[CLASS_ARCHIVE], 60);
    assert_int_equal(oss->rate[price_cell(ITEM_EGRESS_INTERNET, 0)].n_schedules, 2);
    assert_price(obs, "storage.STANDARD_IA", "0.08", "GB-month");
    assert_price(obs, "requests.STANDARD_IA", "0.000005", "request");
    assert_string_equal(s3->currency, "USD");
    assert_int_equal(s3->utc_offset_s, 0);
    assert_int_equal(s3->days_per_month, 0);
    assert_price(s3, "storage.STANDARD", "0.023", "GB-month");
    assert_price(s3, "requests.STANDARD.write", "0.000005", "request");
    assert_price(s3, "requests.STANDARD.read", "0.0000004", "request");
    assert_price(s3, "requests.STANDARD.delete", "0", "request");
    assert_price(s3, "requests.STANDARD", "0", "request");
    assert_int_equal(s3->rate[price_cell(ITEM_STORAGE, CLASS_STANDARD)].schedule[0].tier[1].from, 51200);
    assert_int_equal(s3->min_size[CLASS_STANDARD_IA], 131072);
    assert_int_equal(s3->min_size[CLASS_ARCHIVE], 0);
    price_book_free(oss);
    price_book_free(obs);
    price_book_free(s3);
}

static void whatever_is_built_in_is_read_under_its_own_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < embedded_count; i++) {
        const struct embedded_file *f = &embedded_files[i];
        struct view text = view_of(f->text, f->size);
        struct price_book *b = NULL;
        struct timetable *t = NULL;
        struct rates *r = NULL;
        struct err e = {.text = ""};
        enum rc rc = strncmp(f->name, "prices/", 7) == 0   ? price_book_parse(f->name, text, &b, &e)
                     : strncmp(f->name, "timetables/", 11) ? rates_parse(f->name, text, &r, &e)
                                                           : timetable_parse(f->name, text, &t, &e);
        if (rc != RC_OK)
            fail_msg("%s", e.text);
        const char *name = b ? b->id.name : t ? t->id.name : rates_id(r)->name;
        assert_memory_equal(strchr(f->name, '/') + 1, name, strlen(name));
        assert_string_equal(strchr(f->name, '/') + 1 + strlen(name), ".yaml");
        price_book_free(b);
        timetable_free(t);
        rates_free(r);
    }
}

static void each_cloud_says_which_failures_cost(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool costs_404, costs_403, costs_503;
    } clouds[] = {{"prices/tencent-cos.yaml", true, true, true},
                  {"prices/aliyun-oss.yaml", false, false, false},
                  {"prices/huawei-obs.yaml", true, false, false},
                  {"prices/aws-s3.yaml", true, true, false}};
    for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++) {
        struct price_book *b = embedded_book(clouds[i].file);
        assert_true(price_status_billed(b, 200) && price_status_billed(b, 304));
        assert_int_equal(price_status_billed(b, 404), clouds[i].costs_404);
        assert_int_equal(price_status_billed(b, 403), clouds[i].costs_403);
        assert_int_equal(price_status_billed(b, 503), clouds[i].costs_503);
        price_book_free(b);
    }
}

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
    {"currency: CNY", "currency: CNY\nvalid_from: 2026-02-29", "f.yaml:6:13: `valid_from` must be a day"},
    {"currency: CNY", "currency: CNY\nvalid_from: 2026-02", "f.yaml:6:13: `valid_from` must be a day"},
    {"currency: CNY", "currency: CNY\nvalid_from: 9999-01-01", "`valid_from` must be a day"},
    {"value: 288", "value: 25", "must divide 288"},
    {"value: 288", "value: 0", "must divide 288"},
    {"value: 30,", "value: 0,", "28 to 31, or `calendar`"},
    {"value: 1073741824", "value: 1024", "`bytes_per_gb` must be 1073741824 or 1000000000"},
    {"value: billed", "value: some", "free, 4xx, billed"},
    {"value: billed", "value: free, except: [403]", "by which 4xx cost"},
    {"value: billed", "value: 4xx, except: 403", "must be a list"},
    {"value: billed", "value: 4xx, except: [500]", "from 400 to 499"},
    {"value: billed",
     "value: 4xx, except: [400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416]",
     "at most 16"},
    {"value: 0.118,", "tiers: [],", "must be a list such as"},
    {"value: 0.118,", "tiers: [1],", "f.yaml:16:26: a tier of `STANDARD` is a map"},
    {"value: 0.118,", "tiers: [{from: 1, value: 1}],", "begins at 0"},
    {"value: 0.118,", "tiers: [{from: 0, value: 1}, {from: 0, value: 2}],", "must ascend"},
    {"value: 0.118,", "tiers: [{from: 0, value: 1}, {from: 5, value: x}],", "plain number"},
    {"value: 0.118,", "tiers: [{from: 0, value: 1}, {from: -5, value: 1}],", "`from` must be a whole number"},
    {"value: 0.118,", "tiers: [{from: 0, value: 1, to: 4}],", "unknown key: to"},
    {"value: 0.118,", "value: 1, tiers: [{from: 0, value: 1}],", "both `value` and `tiers`"},
    {"value: 0.118,",
     "tiers: [{from: 0, value: 1}, {from: 1, value: 1}, {from: 2, value: 1}, {from: 3, value: 1}, {from: 4, value: 1}, "
     "{from: 5, value: 1}, {from: 6, value: 1}, {from: 7, value: 1}, {from: 8, value: 1}],",
     "more than 8 tiers"},
    {"value: 0.118,", "hours: {from: \"00:00\", to: \"08:00\", value: 1}, value: 0.118,", "unknown key: hours"},
    {"value: 0.5, unit: GB,", "value: 0.5, hours: {from: \"00:30\", to: \"08:00\", value: 1}, unit: GB,",
     "`from` must be a whole hour"},
    {"value: 0.5, unit: GB,", "value: 0.5, hours: {from: \"24:00\", to: \"08:00\", value: 1}, unit: GB,",
     "`from` must be a whole hour"},
    {"value: 0.5, unit: GB,", "value: 0.5, hours: {from: \"08:00\", to: \"25:00\", value: 1}, unit: GB,",
     "`to` must be a whole hour"},
    {"value: 0.5, unit: GB,", "value: 0.5, hours: {from: \"00:00\", to: \"24:00\", value: 1}, unit: GB,",
     "are the whole day"},
    {"value: 0.5, unit: GB,", "value: 0.5, hours: {from: \"00:00\", to: \"08:00\"}, unit: GB,", "`value` is missing"},
    {"unit: 10000 requests", "unit: 100 requests", "`10000 requests, 1000 requests, request`"},
    {"requests:\n  STANDARD:     {", "requests:\n  STANDARD: {write: {value: 1}, ", "`unit` is missing"},
    {"    size: {value: 65536", "    size: {value: 2000000", "from 1 to 1048576"},
    {"    days: {value: 30", "    days: {value: 0", "from 1 to 3650"},
    {"minimum:\n", "minimum:\n  STANDARD: {}\n", "STANDARD has no minimum"},
    {"minimum:\n  STANDARD_IA:\n    size", "minimum:\n  STANDARD_IA: {}\n  ARCHIV:\n    size",
     "`size`, `days` or both"},
    {"    bulk:", "    slow:", "unknown key: slow"},
    {"places: 8", "places: 10", "`places` must be a whole number from 0 to 9"},
    {"mode: half-up", "mode: even", "half-up, down, up"},
    {"mode: half-up, ", "", "`mode` is missing"},
    {"  total: {places", "  sum: {places", "`total` is missing"},
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
        struct err e;
        assert_int_equal(price_book_parse("f", view_cstr(texts[i]), &b, &e), RC_INVALID);
    }
}

static void a_valid_from_day_begins_at_midnight_of_the_books_time_zone(void **state)
{
    (void)state;
    char *yaml = changed(embedded("prices/tencent-cos.yaml"), "currency: CNY", "currency: CNY\nvalid_from: 2024-11-01");
    struct price_book *b = book_of(view_cstr(yaml));
    assert_int_equal(b->valid_from_ns, 1730390400LL * NS_PER_S); /* 2024-10-31T16:00:00Z */
    price_book_free(b);
    free(yaml);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_book_has_the_published_prices),
        cmocka_unit_test(the_books_of_the_other_clouds_have_theirs),
        cmocka_unit_test(whatever_is_built_in_is_read_under_its_own_name),
        cmocka_unit_test(each_cloud_says_which_failures_cost),
        cmocka_unit_test(a_wrong_book_is_refused_with_its_place),
        cmocka_unit_test(a_book_that_is_no_map_or_empty_is_refused),
        cmocka_unit_test(a_valid_from_day_begins_at_midnight_of_the_books_time_zone),
        cmocka_unit_test(one_changed_byte_is_another_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
