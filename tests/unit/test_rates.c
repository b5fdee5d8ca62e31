/* Exchange rates: the newest of the day, either way round, rounded half-up; what is wrong is refused with its place. */
#include "book_help.h"

#include "base/clock.h"

#define RATES                                                                                                          \
    "name: rates\nrates:\n"                                                                                            \
    "  - {from: USD, to: CNY, value: 7, as_of: 2026-01-01, source: bank}\n"                                            \
    "  - {from: USD, to: CNY, value: 7.123456789, as_of: 2026-03-01, source: \"the bank\"}\n"                          \
    "  - {from: CNY, to: USD, value: 0.125, as_of: 2026-02-01, source: bank}\n"                                        \
    "  - {from: EUR, to: USD, value: 2, as_of: 2026-03-01, source: bank}\n"                                            \
    "  - {from: USD, to: EUR, value: 0.25, as_of: 2026-03-01, source: bank}\n"

#define JANUARY_1 (1767225600 * NS_PER_S)
#define DAY (24 * 3600 * NS_PER_S)
#define LATE (JANUARY_1 + 365 * DAY)

static struct rates *rates_of(struct view text)
{
    struct rates *r = NULL;
    struct err e = {.text = ""};
    if (rates_parse("r.yaml", text, &r, &e) != RC_OK)
        fail_msg("%s", e.text);
    return r;
}

static int64_t convert(const struct rates *r, const char *from, const char *to, int64_t at_ns, int64_t nano)
{
    char text[128];
    int64_t got = -1;
    assert_int_equal(rates_convert(r, from, to, at_ns, nano, &got, text, sizeof(text)), RC_OK);
    return got;
}

static void the_newest_rate_of_the_day_converts_either_way_round(void **state)
{
    (void)state;
    struct rates *r = rates_of(VIEW(RATES));
    int64_t got = 5;
    char text[128] = "none";
    assert_string_equal(rates_id(r)->name, "rates");
    assert_int_equal(rates_convert(r, "USD", "CNY", JANUARY_1 - 1, MONEY_NANO, &got, text, sizeof(text)), RC_NOT_FOUND);
    assert_int_equal(rates_convert(r, "USD", "GBP", LATE, MONEY_NANO, &got, text, sizeof(text)), RC_NOT_FOUND);
    assert_int_equal(rates_convert(r, "EUR", "CNY", LATE, MONEY_NANO, &got, text, sizeof(text)), RC_NOT_FOUND);
    assert_true(got == 5 && strcmp(text, "none") == 0);
    assert_int_equal(convert(r, "USD", "CNY", JANUARY_1, MONEY_NANO), 7 * MONEY_NANO);
    assert_int_equal(convert(r, "CNY", "USD", JANUARY_1, 7 * MONEY_NANO), MONEY_NANO);
    assert_int_equal(convert(r, "USD", "CNY", JANUARY_1 + 31 * DAY, MONEY_NANO), 8 * MONEY_NANO);
    assert_int_equal(convert(r, "USD", "CNY", LATE, MONEY_NANO), 7123456789);
    assert_int_equal(convert(r, "CNY", "CNY", 0, 77), 77);
    /* Of one day, the direct one. */
    assert_int_equal(convert(r, "USD", "EUR", LATE, 100), 25);
    assert_int_equal(convert(r, "EUR", "USD", LATE, 100), 200);
    rates_free(r);
}

static void amounts_are_rounded_half_up_away_from_zero(void **state)
{
    (void)state;
    struct rates *r = rates_of(VIEW(RATES));
    assert_int_equal(convert(r, "CNY", "USD", JANUARY_1, 3), 0); /* 3/7 */
    assert_int_equal(convert(r, "CNY", "USD", JANUARY_1, 4), 1); /* 4/7 */
    assert_int_equal(convert(r, "CNY", "USD", JANUARY_1, -4), -1);
    assert_int_equal(convert(r, "CNY", "USD", JANUARY_1 + 31 * DAY, 4), 1); /* 4 x 0.125 = 0.5 */
    assert_int_equal(convert(r, "CNY", "USD", JANUARY_1 + 31 * DAY, 3), 0);
    assert_int_equal(convert(r, "USD", "CNY", LATE, -1000000000), -7123456789);
    rates_free(r);
}

static void an_amount_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct rates *r = rates_of(VIEW(RATES));
    char text[128] = "none";
    int64_t got = 5;
    assert_int_equal(rates_convert(r, "USD", "CNY", JANUARY_1, INT64_MAX, &got, text, sizeof(text)), RC_LIMIT);
    assert_int_equal(rates_convert(r, "USD", "CNY", JANUARY_1, INT64_MIN, &got, text, sizeof(text)), RC_LIMIT);
    assert_true(got == 5 && strcmp(text, "none") == 0);
    assert_int_equal(convert(r, "CNY", "USD", JANUARY_1, INT64_MAX), 1317624576693539401); /* / 7 */
    rates_free(r);
}

static void what_was_used_is_said(void **state)
{
    (void)state;
    struct rates *r = rates_of(VIEW(RATES));
    char text[128];
    int64_t got;
    assert_int_equal(rates_convert(r, "CNY", "USD", LATE, 1, &got, text, sizeof(text)), RC_OK);
    assert_string_equal(text, "1 USD = 7.123456789 CNY (2026-03-01, the bank)");
    rates_free(r);
    /* A long source is cut between characters. */
    r = rates_of(VIEW("name: r\nrates: [{from: USD, to: CNY, value: 7, as_of: 2026-01-01, source: "
                      "\"银行银行银行银行银行银行银行银行银行银行银行银行银行\"}]"));
    for (size_t size = 60; size < 140; size++) {
        char small[140];
        assert_int_equal(rates_convert(r, "USD", "CNY", LATE, 1, &got, small, size), RC_OK);
        assert_int_equal(small[strlen(small) - 1], ')');
        assert_int_equal((strlen(small) - strlen("1 USD = 7 CNY (2026-01-01, )")) % 3, 0);
    }
    rates_free(r);
}

static void the_built_in_examples_convert_and_say_that_they_are_examples(void **state)
{
    (void)state;
    struct rates *r = rates_of(embedded("rates/rates.yaml"));
    char text[128];
    int64_t got;
    assert_int_equal(rates_convert(r, "USD", "CNY", LATE, MONEY_NANO, &got, text, sizeof(text)), RC_OK);
    assert_int_equal(got, 7100000000);
    assert_non_null(strstr(text, "example"));
    rates_free(r);
}

static const struct bad bad_rates[] = {
    {"value: 7,", "value: 0,", "r.yaml:3:33: a rate must be a plain number above 0"},
    {"value: 7,", "value: -7,", "above 0"},
    {"value: 7,", "value: NaN,", "above 0"},
    {"value: 7,", "value: 1000000001,", "above 0"},
    {"value: 7,", "value: 10000000000000000000000000000000000000000,", "above 0"},
    {"value: 7,", "value: 0.0000000001,", "9 digits"},
    {"value: 7,", "", "`value` is missing"},
    {"from: USD", "from: usd", "r.yaml:3:12: `from` must be three capital letters"},
    {"to: CNY", "to: USD", "the same currency"},
    {"as_of: 2026-01-01", "as_of: 2026-01", "must be a day YYYY-MM-DD"},
    {"as_of: 2026-01-01", "as_of: 2026-04-31", "must be a day YYYY-MM-DD"},
    {"as_of: 2026-03-01", "as_of: 2026-01-01", "r.yaml:4:5: there is a rate from USD to CNY of this day already"},
    {", source: bank", "", "`source` is missing"},
    {"source: bank", "source: bank, note: x", "unknown key: note"},
    {"rates:\n  -", "rates: []\nmore:\n  -", "must be a list"},
    {"rates:\n  -", "rate:\n  -", "`rates` is missing"},
    {"rates:\n  -", "rates:\n  - 7\n  -", "a rate is a map"},
    {"name: rates", "name: Rates", "a-z"},
};

static void wrong_rates_are_refused_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_rates) / sizeof(bad_rates[0]); i++) {
        struct rates *r = NULL;
        struct err e = {.text = ""};
        char *yaml = changed(VIEW(RATES), bad_rates[i].from, bad_rates[i].to);
        assert_int_equal(rates_parse("r.yaml", view_cstr(yaml), &r, &e), RC_INVALID);
        assert_null(r);
        if (strncmp(e.text, "r.yaml:", 7) != 0 || !strstr(e.text, bad_rates[i].says))
            fail_msg("case %zu (%s): %s", i, bad_rates[i].says, e.text);
        free(yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_rate_of_the_day_converts_either_way_round),
        cmocka_unit_test(amounts_are_rounded_half_up_away_from_zero),
        cmocka_unit_test(an_amount_that_does_not_fit_is_refused),
        cmocka_unit_test(what_was_used_is_said),
        cmocka_unit_test(the_built_in_examples_convert_and_say_that_they_are_examples),
        cmocka_unit_test(wrong_rates_are_refused_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
