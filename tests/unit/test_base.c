/* Holdfast: promises of base: bytes, errors, money, time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/money.h"
#include "base/view.h"

/* views */

static void view_compares_bytes_with_the_shorter_prefix_first(void **state)
{
    (void)state;
    assert_true(view_cmp(VIEW("a"), VIEW("ab")) < 0);
    assert_true(view_cmp(VIEW("b"), VIEW("ab")) > 0);
    assert_true(view_cmp(VIEW("\xff"), VIEW("a")) > 0);
    assert_int_equal(view_cmp(VIEW(""), (struct view){NULL, 0}), 0);
    assert_true(view_eq(VIEW("x\0y"), VIEW("x\0y")));
    assert_false(view_eqs(VIEW("x"), "xy"));
}

static void view_finds_trims_and_cuts(void **state)
{
    (void)state;
    assert_int_equal(view_find(VIEW("a/b/c"), '/', 0), 1);
    assert_int_equal(view_find(VIEW("a/b/c"), '/', 2), 3);
    assert_true(view_find(VIEW("a/b/c"), '/', 4) == SIZE_MAX);
    assert_true(view_find(VIEW(""), '/', 0) == SIZE_MAX);
    assert_true(view_eqs(view_trim(VIEW(" \t x y\t")), "x y"));
    assert_int_equal(view_trim(VIEW("  ")).n, 0);
    assert_true(view_eqs(view_sub(VIEW("hello"), 1, 3), "ell"));
    assert_int_equal(view_sub(VIEW("hello"), 9, 3).n, 0);
    assert_true(view_starts(VIEW("prefix/x"), VIEW("prefix/")));
    assert_false(view_starts(VIEW("pre"), VIEW("prefix")));
    assert_true(view_ieqs(VIEW("CoNtEnT-Length"), "content-length"));
    assert_false(view_ieqs(VIEW("content-lengt"), "content-length"));
    assert_false(view_ieqs(VIEW("["), "{")); /* 0x20 apart, but no letters */
}

static void view_copy_never_overruns(void **state)
{
    (void)state;
    char four[4] = "zzz";
    assert_true(view_copy(VIEW("abc"), four, sizeof four));
    assert_string_equal(four, "abc");
    assert_false(view_copy(VIEW("abcd"), four, sizeof four));
    assert_string_equal(four, "");
}

static void view_u64_takes_digits_only_and_no_overflow(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_true(view_u64(VIEW("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
    static const char *const bad[] = {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "0x1", "1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(view_u64(view_cstr(bad[i]), &v));
    assert_true(v == UINT64_MAX);
}

/* buffers and arenas */

static void buf_stops_at_its_maximum_unchanged(void **state)
{
    (void)state;
    struct buf b = BUF(10);
    assert_int_equal(buf_puts(&b, "12345"), RC_OK);
    assert_int_equal(buf_puts(&b, "678901"), RC_LIMIT);
    assert_int_equal(buf_printf(&b, "%s", "678901"), RC_LIMIT);
    assert_true(view_eqs(buf_view(&b), "12345"));
    assert_int_equal(buf_printf(&b, "%05d", 42), RC_OK); /* exactly full: no room for a terminating 0, none needed */
    assert_true(view_eqs(buf_view(&b), "1234500042"));
    assert_int_equal(buf_put(&b, "", 0), RC_OK);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), RC_LIMIT);
    buf_free(&b);
    assert_int_equal(b.cap, 0);
}

static void buf_grows_over_many_appends(void **state)
{
    (void)state;
    struct buf b = BUF(1u << 20);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buf_printf(&b, "%d,", i), RC_OK);
    assert_int_equal(b.n, 48890);
    assert_true(view_starts(buf_view(&b), VIEW("0,1,2,")));
    assert_memory_equal(b.p + b.n - 5, "9999,", 5);
    buf_free(&b);
}

static void arena_aligns_limits_and_copies(void **state)
{
    (void)state;
    struct arena a = ARENA(100000);
    for (size_t n = 0; n < 100; n++) {
        char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0x5a, n);
    }
    assert_non_null(arena_alloc(&a, 50000));
    size_t used = a.used;
    assert_null(arena_alloc(&a, 100000));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_int_equal(a.used, used);
    struct view v = arena_dup(&a, VIEW("key\0x"));
    assert_int_equal(v.n, 5);
    assert_memory_equal(v.p, "key\0x\0", 6);
    assert_string_equal(arena_cstr(&a, VIEW("abc")), "abc");
    assert_string_equal(arena_printf(&a, "%s-%d", "x", 3), "x-3");
    const char *zero = arena_zalloc(&a, 3);
    assert_memory_equal(zero, "\0\0\0", 3);
    arena_free(&a);
    assert_int_equal(a.used, 0);
}

/* errors and log */

static void err_says_and_wraps_and_is_cut_not_overrun(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, RC_IO, "disk %d failed", 3), RC_IO);
    assert_int_equal(err_wrap(&e, RC_CORRUPT, "segment %s", "7"), RC_CORRUPT);
    assert_string_equal(e.text, "segment 7: disk 3 failed");
    assert_int_equal(err_set(&e, RC_IO, "%s again", e.text), RC_IO);
    assert_string_equal(e.text, "segment 7: disk 3 failed again");
    for (int i = 0; i < 200; i++)
        assert_int_equal(err_wrap(&e, RC_IO, "context"), RC_IO);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_int_equal(err_set(NULL, RC_FULL, "nobody listens"), RC_FULL);
    assert_int_equal(err_wrap(NULL, RC_FULL, "nobody listens"), RC_FULL);
}

static void every_result_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = RC_OK; i <= RC_CANCELLED; i++) {
        assert_non_null(rc_name((enum rc)i));
        for (int k = RC_OK; k < i; k++)
            assert_string_not_equal(rc_name((enum rc)i), rc_name((enum rc)k));
    }
    assert_string_equal(rc_name((enum rc)999), "unknown result");
}

static void log_keeps_an_event_on_one_line(void **state)
{
    (void)state;
    char text[4096] = "";
    FILE *kept = stderr, *mem = fmemopen(text, sizeof text, "w");
    assert_non_null(mem);
    stderr = mem;
    log_init(true, LOG_LEVEL_INFO);
    log_line(LOG_LEVEL_DEBUG, "base", "not shown");
    log_warn("base", "a \"quote\"\nand\ta line");
    log_init(false, LOG_LEVEL_WARN);
    log_info("base", "not shown");
    log_error("base", "plain\r\nforged line");
    stderr = kept;
    fclose(mem);
    const char *json = strstr(text, ",\"level\":\"warn\",\"room\":\"base\",\"message\":"
                                    "\"a \\\"quote\\\"\\u000aand\\u0009a line\"}\n");
    assert_non_null(json);
    assert_non_null(strstr(text, " error base plain\\u000d\\u000aforged line\n"));
    assert_null(strstr(text, "not shown"));
}

/* money */

static int64_t money(const char *s)
{
    int64_t v = 0;
    assert_int_equal(money_parse(view_cstr(s), &v), RC_OK);
    return v;
}

static void money_is_read_and_written_exactly(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"12.34", "12.34"},
        {"-0.5", "-0.50"},
        {"100", "100.00"},
        {"0.000000001", "0.000000001"},
        {"-1", "-1.00"},
        {"0", "0.00"},
        {"-0", "0.00"},
        {"0.120000000", "0.12"},
        {"9223372036.854775807", "9223372036.854775807"},
        {"-9223372036.854775808", "-9223372036.854775808"},
    };
    char text[MONEY_TEXT_MAX];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_string_equal(money_text(money(pairs[i][0]), text), pairs[i][1]);
}

static void money_refuses_what_is_not_an_amount(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   "-",  ".5",  "5.",           "1e5", "NaN",  "inf",  " 1",
                                      "1 ", "+1", "1,0", "1.0000000000", "--1", "0x10", "1.2.3"};
    int64_t v = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(money_parse(view_cstr(bad[i]), &v), RC_INVALID);
    assert_int_equal(money_parse(VIEW("9223372036.854775808"), &v), RC_LIMIT);
    assert_int_equal(money_parse(VIEW("10000000000000000000000000000000000000000"), &v), RC_LIMIT);
    assert_int_equal(money_add(INT64_MAX, 1, &v), RC_LIMIT);
    assert_int_equal(money_add(INT64_MIN, -1, &v), RC_LIMIT);
    assert_int_equal(v, 42);
    assert_int_equal(money_add(2, -5, &v), RC_OK);
    assert_int_equal(v, -3);
}

static void decimal_keeps_every_digit(void **state)
{
    (void)state;
    static const char *const same[] = {
        "0.118", "-0.10", "5", "0.000000000000000001", "9.223372036854775807", "-9223372036854775808"};
    char text[MONEY_TEXT_MAX];
    struct decimal d;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_int_equal(decimal_parse(view_cstr(same[i]), &d), RC_OK);
        assert_string_equal(decimal_text(d, text), same[i]);
    }
    assert_int_equal(decimal_parse(VIEW("0.0000000000000000001"), &d), RC_INVALID);
    assert_int_equal(decimal_parse(VIEW("99999999999999999999"), &d), RC_LIMIT);
}

static int64_t rate(unsigned __int128 quantity, const char *price, unsigned __int128 divisor)
{
    struct decimal d;
    int64_t v = 0;
    assert_int_equal(decimal_parse(view_cstr(price), &d), RC_OK);
    assert_int_equal(money_rate(quantity, d, divisor, &v), RC_OK);
    return v;
}

static void rating_rounds_half_away_from_zero_once(void **state)
{
    (void)state;
    assert_int_equal(rate(1, "0.000000001", 2), 1);
    assert_int_equal(rate(1, "-0.000000001", 2), -1);
    assert_int_equal(rate(499999, "0.000000001", 1000000), 0);
    assert_int_equal(rate(3, "0.000000001", 2), 2);
    assert_int_equal(rate(1, "0.0000000005", 1), 1); /* scale past nano */
    assert_int_equal(rate(1, "0.0000000004", 1), 0);
    assert_int_equal(rate(10000, "0.01", 10000), 10000000);
    assert_int_equal(rate(0, "5", 3), 0);
    /* 1 GiB for 720 h at 0.118 per GB-month of 30 days */
    assert_int_equal(rate((unsigned __int128)1073741824 * 720, "0.118", (unsigned __int128)1000000000 * 720),
                     126701535);
}

static void rating_is_exact_where_the_product_needs_more_than_128_bits(void **state)
{
    (void)state;
    unsigned __int128 huge = (unsigned __int128)1 << 120;
    /* (2^120 * 7 + half) / 2^120 */
    assert_int_equal(rate(huge, "7", huge), 7 * MONEY_NANO);
    assert_int_equal(rate(huge / 2, "0.000000001", huge), 1);
    assert_int_equal(rate(huge / 2 - 1, "0.000000001", huge), 0);
    assert_int_equal(rate(huge * 3 / 2, "1.000000001", huge), 1500000002); /* 1500000001.5 */
    assert_int_equal(rate(huge - 1, "9", huge), 9 * MONEY_NANO);
    struct decimal price = {INT64_MAX, 0};
    int64_t v = 42;
    assert_int_equal(money_rate(huge, price, 1, &v), RC_LIMIT);
    assert_int_equal(money_rate(huge, (struct decimal){1, 18}, huge * 64, &v), RC_LIMIT);
    assert_int_equal(money_rate(10, (struct decimal){1, 0}, 1, &v), RC_OK);
    assert_int_equal(money_rate(9223372037u, (struct decimal){1, 0}, 1, &v), RC_LIMIT);
    assert_int_equal(v, 10 * MONEY_NANO);
}

/* time */

static void calendar_agrees_with_itself_over_four_centuries(void **state)
{
    (void)state;
    struct civil c, before = {0};
    int64_t first = -11676096000LL; /* 1600-01-01 */
    civil_from_s(first, &before);
    assert_int_equal(before.year, 1600);
    assert_int_equal(before.weekday, 6);
    for (int64_t day = 1; day < 146097 * 2; day++) {
        civil_from_s(first + day * 86400, &c);
        assert_int_equal(civil_to_s(&c), first + day * 86400);
        assert_int_equal(c.weekday, (before.weekday + 1) % 7);
        bool next_day = c.day == before.day + 1 && c.month == before.month;
        assert_true(next_day || (c.day == 1 && before.day >= 28));
        before = c;
    }
    assert_int_equal(c.year, 2399);
    assert_int_equal(c.month, 12);
    assert_int_equal(c.day, 31);
    civil_from_s(-1, &c);
    assert_int_equal(c.year, 1969);
    assert_int_equal(c.second, 59);
}

static void times_are_written_as_the_protocols_want(void **state)
{
    (void)state;
    char t[TIME_TEXT_MAX];
    int64_t ns = 1795219200LL * NS_PER_S + 7000000;
    assert_string_equal(time_rfc3339(ns, false, t), "2026-11-21T00:00:00Z");
    assert_string_equal(time_rfc3339(ns, true, t), "2026-11-21T00:00:00.007Z");
    assert_string_equal(time_http(ns, t), "Sat, 21 Nov 2026 00:00:00 GMT");
    assert_string_equal(time_basic(ns, t), "20261121T000000Z");
    assert_string_equal(time_rfc3339(-1, true, t), "1969-12-31T23:59:59.999Z");
    assert_string_equal(time_rfc3339(INT64_MAX, true, t), "2262-04-11T23:47:16.854Z");
}

static void times_are_read_in_every_form(void **state)
{
    (void)state;
    int64_t ns = 0;
    assert_int_equal(time_parse_rfc3339(VIEW("2026-11-21T08:00:00.5+08:00"), &ns), RC_OK);
    assert_int_equal(ns, 1795219200LL * NS_PER_S + 500000000);
    assert_int_equal(time_parse_rfc3339(VIEW("2024-02-29 23:59:59.1234567891z"), &ns), RC_OK);
    assert_int_equal(ns, 1709251199123456789LL);
    assert_int_equal(time_parse_basic(VIEW("20261121T000000Z"), &ns), RC_OK);
    assert_int_equal(ns, 1795219200LL * NS_PER_S);
    static const char *const http[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(time_parse_http(view_cstr(http[i]), &ns), RC_OK);
        assert_int_equal(ns, 784111777LL * NS_PER_S);
    }
    assert_int_equal(time_parse_http(VIEW("Wednesday, 21-Oct-15 07:28:00 GMT"), &ns), RC_OK);
    assert_int_equal(ns, 1445412480LL * NS_PER_S);
}

static void wrong_times_are_refused(void **state)
{
    (void)state;
    int64_t ns = 42;
    static const char *const rfc3339[] = {"",
                                          "2026-11-21",
                                          "2026-11-21T00:00:00",
                                          "2026-02-29T00:00:00Z",
                                          "2026-13-01T00:00:00Z",
                                          "2026-11-21T24:00:00Z",
                                          "2026-11-21T00:00:00.Z",
                                          "2026-11-21T00:00:00Zx",
                                          "2026-11-21T00:00:00+8:00",
                                          "2026-00-10T00:00:00Z"};
    for (size_t i = 0; i < sizeof rfc3339 / sizeof rfc3339[0]; i++)
        assert_int_equal(time_parse_rfc3339(view_cstr(rfc3339[i]), &ns), RC_INVALID);
    assert_int_equal(time_parse_rfc3339(VIEW("9999-01-01T00:00:00Z"), &ns), RC_LIMIT);
    assert_int_equal(time_parse_http(VIEW("Sun"), &ns), RC_INVALID);
    assert_int_equal(time_parse_http(VIEW("Sun, 06 Nov 1994 08:49:37"), &ns), RC_INVALID);
    assert_int_equal(time_parse_http(VIEW("Xxx, 06 Nov 1994 08:49:37 GMT"), &ns), RC_INVALID);
    assert_int_equal(time_parse_basic(VIEW("20261121T000000"), &ns), RC_INVALID);
    assert_int_equal(ns, 42);
}

static void spans_are_sums_of_falling_units(void **state)
{
    (void)state;
    int64_t ns = 0;
    assert_int_equal(duration_parse(VIEW("1h30m"), &ns), RC_OK);
    assert_int_equal(ns, 5400 * NS_PER_S);
    assert_int_equal(duration_parse(VIEW("3d"), &ns), RC_OK);
    assert_int_equal(ns, 3 * 86400 * NS_PER_S);
    assert_int_equal(duration_parse(VIEW("90s"), &ns), RC_OK);
    assert_int_equal(ns, 90 * NS_PER_S);
    static const char *const bad[] = {"", "5", "h", "0s", "-1h", "1h1h", "5m1h", "1.5h", "1H", "1h ", "3x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(duration_parse(view_cstr(bad[i]), &ns), RC_INVALID);
    assert_int_equal(duration_parse(VIEW("99999999999999999999s"), &ns), RC_LIMIT);
    assert_int_equal(duration_parse(VIEW("999999999d"), &ns), RC_LIMIT);
    assert_int_equal(ns, 90 * NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_compares_bytes_with_the_shorter_prefix_first),
        cmocka_unit_test(view_finds_trims_and_cuts),
        cmocka_unit_test(view_copy_never_overruns),
        cmocka_unit_test(view_u64_takes_digits_only_and_no_overflow),
        cmocka_unit_test(buf_stops_at_its_maximum_unchanged),
        cmocka_unit_test(buf_grows_over_many_appends),
        cmocka_unit_test(arena_aligns_limits_and_copies),
        cmocka_unit_test(err_says_and_wraps_and_is_cut_not_overrun),
        cmocka_unit_test(every_result_has_a_name_of_its_own),
        cmocka_unit_test(log_keeps_an_event_on_one_line),
        cmocka_unit_test(money_is_read_and_written_exactly),
        cmocka_unit_test(money_refuses_what_is_not_an_amount),
        cmocka_unit_test(decimal_keeps_every_digit),
        cmocka_unit_test(rating_rounds_half_away_from_zero_once),
        cmocka_unit_test(rating_is_exact_where_the_product_needs_more_than_128_bits),
        cmocka_unit_test(calendar_agrees_with_itself_over_four_centuries),
        cmocka_unit_test(times_are_written_as_the_protocols_want),
        cmocka_unit_test(times_are_read_in_every_form),
        cmocka_unit_test(wrong_times_are_refused),
        cmocka_unit_test(spans_are_sums_of_falling_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
