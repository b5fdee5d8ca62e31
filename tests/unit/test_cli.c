/* The command line before any daemon: options, verbs, sizes, and what a file of prices is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/api.h"
#include "cli/cli_priv.h"

static struct cli_args parsed(char **argv, enum rc expected)
{
    struct cli_args a = {0};
    struct err e = {""};
    int argc = 0;

    while (argv[argc])
        argc++;
    assert_int_equal(cli_parse(argc, argv, &a, &e), expected);
    assert_int_equal(expected == RC_OK, e.text[0] == 0);
    return a;
}

#define ARGS(...)                                                                                                      \
    (char *[])                                                                                                         \
    {                                                                                                                  \
        "holdfast", __VA_ARGS__, NULL                                                                                  \
    }

static void words_and_options_may_be_mixed(void **state)
{
    (void)state;
    struct cli_args a =
        parsed(ARGS("account", "--ref", "r 1", "topup", "--json", "acme", "--currency=CNY", "5"), RC_OK);

    assert_int_equal(a.n_words, 4);
    assert_string_equal(a.word[3], "5");
    assert_string_equal(cli_text(&a, "ref"), "r 1");
    assert_string_equal(cli_text(&a, "currency"), "CNY");
    assert_true(cli_flag(&a, "json"));
    assert_false(cli_flag(&a, "monthly"));
    assert_null(cli_text(&a, "month"));
}

static void negative_amounts_are_words_and_values(void **state)
{
    (void)state;
    struct cli_args a = parsed(ARGS("account", "set-balance", "acme", "-5", "--burn", "-1", "--", "--x"), RC_OK);

    assert_int_equal(a.n_words, 5);
    assert_string_equal(a.word[3], "-5");
    assert_string_equal(a.word[4], "--x");
    assert_string_equal(cli_text(&a, "burn"), "-1");
}

static void what_is_no_option_or_lacks_its_value_is_refused(void **state)
{
    (void)state;
    parsed(ARGS("status", "--nonsense"), RC_INVALID);
    parsed(ARGS("status", "--ref"), RC_INVALID);
    parsed(ARGS("status", "--json=yes"), RC_INVALID);
    parsed(ARGS("1", "2", "3", "4", "5", "6", "7", "8", "9"), RC_INVALID);
}

static void a_verb_takes_its_own_options_each_once(void **state)
{
    (void)state;
    struct err e;
    struct cli_args a = parsed(ARGS("x", "--ref", "a", "--json", "--data", "d", "--data", "e"), RC_OK);

    assert_int_equal(cli_check_options(&a, "currency ref", &e), RC_OK);
    assert_string_equal(cli_text(&a, "data"), "e");
    assert_int_equal(cli_check_options(&a, "currency reference", &e), RC_INVALID);
    assert_string_equal(e.text, "this verb takes no --ref");
    a = parsed(ARGS("x", "--ref", "a", "--ref", "b"), RC_OK);
    assert_int_equal(cli_check_options(&a, "ref", &e), RC_INVALID);
    a = parsed(ARGS("x", "--disk", "a", "--disk", "b"), RC_OK);
    assert_int_equal(cli_check_options(&a, "disk", &e), RC_OK);
}

static bool is_option(struct view name)
{
    char text[64];
    struct err e;
    struct cli_args a;

    text[0] = text[1] = '-';
    assert_true(view_copy(name, text + 2, sizeof text - 2));
    char *with_value[] = {"holdfast", text, "v", NULL}, *flag[] = {"holdfast", text, NULL};
    return cli_parse(3, with_value, &a, &e) == RC_OK || cli_parse(2, flag, &a, &e) == RC_OK;
}

static void every_verb_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < cli_n_verbs; i++) {
        const struct cli_verb *v = &cli_verbs[i];
        struct view options = view_cstr(v->options);

        assert_int_equal((v->show || v->print) + (v->run != NULL) + (v->local != NULL), 1);
        for (size_t at = 0; at < options.n;) {
            size_t end = view_find(options, ' ', at);
            end = end == SIZE_MAX ? options.n : end;
            assert_true(is_option(view_sub(options, at, end - at)));
            at = end + 1;
        }
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(v->words, cli_verbs[k].words);
    }
}

static void sizes_are_powers_of_1024_or_1000_and_never_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},
                {"123", 123},
                {"1KiB", 1024},
                {"10 MiB", 10u << 20},
                {"10GiB", 10ull << 30},
                {"1TiB", 1ull << 40},
                {"1KB", 1000},
                {"2MB", 2000000},
                {"3GB", 3000000000},
                {"1TB", 1000000000000},
                {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",     "-1",  "1.5GiB", "GiB", "1gib",       "1PiB",
                                      "1e9",  "NaN", "1 2",    "1B",  "8388608TiB", "9223372036854775808",
                                      "10^40"};
    uint64_t n = 7;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(api_size_parse(view_cstr(good[i].text), &n));
        assert_int_equal(n, good[i].bytes);
    }
    n = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(api_size_parse(view_cstr(bad[i]), &n));
    assert_int_equal(n, 7);
}

static void a_file_that_is_no_book_is_refused_with_its_place(void **state)
{
    (void)state;
    struct book_facts f;
    struct err e;

    assert_int_equal(api_book_check("f.yaml", VIEW("name: x\n"), &f, &e), RC_INVALID);
    assert_ptr_equal(strstr(e.text, "f.yaml:1:1: "), e.text);
    assert_int_equal(api_book_check("f.yaml", VIEW("name: x\nstorage: 5\n"), &f, &e), RC_INVALID);
    assert_ptr_equal(strstr(e.text, "f.yaml:"), e.text);
    assert_int_equal(api_book_check("f.yaml", VIEW("name: [\n"), &f, &e), RC_INVALID);
    assert_ptr_equal(strstr(e.text, "f.yaml:"), e.text);
    assert_int_equal(api_book_check("f.yaml", VIEW(""), &f, &e), RC_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_options_may_be_mixed),
        cmocka_unit_test(negative_amounts_are_words_and_values),
        cmocka_unit_test(what_is_no_option_or_lacks_its_value_is_refused),
        cmocka_unit_test(a_verb_takes_its_own_options_each_once),
        cmocka_unit_test(every_verb_is_whole),
        cmocka_unit_test(sizes_are_powers_of_1024_or_1000_and_never_wrap),
        cmocka_unit_test(a_file_that_is_no_book_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
