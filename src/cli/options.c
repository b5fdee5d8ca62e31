/* Options: which there are, and reading them off the command line. Which of them a verb takes is in verbs.c. */
#include "cli/cli_priv.h"

/* What every verb takes. */
#define COMMON "data config json help version"

static const char *const flags[] = {"json",    "help",   "version", "virtual-clock", "confirm-epoch",
                                    "monthly", "cancel", "approve", "reject",        "bom"};
static const char *const texts[] = {
    "data",           "config",  "s3",       "api",    "domain",    "copies",
    "disk",           "account", "currency", "prices", "timetable", "upstream",
    "max-age",        "credit",  "late-fee", "ref",    "burn",      "month",
    "quarter",        "format",  "until",    "from",   "scope",     "cost",
    "note",           "proof",   "on",       "to",     "to-class",  "by",
    "role",           "amount",  "bucket",   "bytes",  "objects",   "requests-per-day",
    "egress-per-day",
};

static bool listed(struct view name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (view_eqs(name, list[i]))
            return true;
    return false;
}

bool cli_word_in(struct view word, const char *list)
{
    struct view v = view_cstr(list);

    for (size_t at = 0; at < v.n;) {
        size_t end = view_find(v, ' ', at);

        if (end == SIZE_MAX)
            end = v.n;
        if (view_eq(word, view_sub(v, at, end - at)))
            return true;
        at = end + 1;
    }
    return false;
}

/* The option `v`, without its dashes, at argv[*i]; moves *i past its value. */
static enum rc take_option(struct view v, int argc, char **argv, int *i, struct cli_args *a, struct err *e)
{
    size_t eq = view_find(v, '=', 0);
    struct cli_option o = {.name = view_sub(v, 0, eq)};
    bool flag = listed(o.name, flags, sizeof flags / sizeof flags[0]);

    if (!flag && !listed(o.name, texts, sizeof texts / sizeof texts[0]))
        return err_set(e, RC_INVALID, "--%.*s: there is no such option; `holdfast --help` shows them", (int)o.name.n,
                       o.name.p);
    if (a->n_options == CLI_OPTIONS_MAX)
        return err_set(e, RC_INVALID, "--%.*s: too many options", (int)o.name.n, o.name.p);
    if (flag && eq != SIZE_MAX)
        return err_set(e, RC_INVALID, "--%.*s takes no value", (int)o.name.n, o.name.p);
    if (!flag && eq == SIZE_MAX && *i + 1 >= argc)
        return err_set(e, RC_INVALID, "--%.*s wants a value", (int)o.name.n, o.name.p);
    if (!flag)
        o.value = eq != SIZE_MAX ? v.p + eq + 1 : argv[++*i];
    a->option[a->n_options++] = o;
    return RC_OK;
}

enum rc cli_parse(int argc, char **argv, struct cli_args *ret, struct err *e)
{
    struct cli_args a = {0};
    bool words_only = false;

    for (int i = 1; i < argc; i++) {
        struct view v = view_eqs(view_cstr(argv[i]), "-h") ? VIEW("--help") : view_cstr(argv[i]);

        if (!words_only && view_eqs(v, "--")) {
            words_only = true;
        } else if (!words_only && view_starts(v, VIEW("--"))) {
            HF_TRY(take_option(view_sub(v, 2, v.n), argc, argv, &i, &a, e));
        } else if (a.n_words == CLI_WORDS_MAX) {
            return err_set(e, RC_INVALID, "%s: too many words", argv[i]);
        } else {
            a.word[a.n_words++] = argv[i];
        }
    }
    *ret = a;
    return RC_OK;
}

static const struct cli_option *find(const struct cli_args *a, const char *name)
{
    for (unsigned i = a->n_options; i > 0; i--)
        if (view_eqs(a->option[i - 1].name, name))
            return &a->option[i - 1];
    return NULL;
}

const char *cli_text(const struct cli_args *a, const char *name)
{
    const struct cli_option *o = find(a, name);

    return o ? o->value : NULL;
}

bool cli_flag(const struct cli_args *a, const char *name)
{
    return find(a, name) != NULL;
}

enum rc cli_check_options(const struct cli_args *a, const char *allowed, struct err *e)
{
    for (unsigned i = 0; i < a->n_options; i++) {
        struct view name = a->option[i].name;

        if (cli_word_in(name, COMMON) || view_eqs(name, "disk"))
            continue;
        for (unsigned k = 0; k < i; k++)
            if (view_eq(name, a->option[k].name))
                return err_set(e, RC_INVALID, "--%.*s is given twice", (int)name.n, name.p);
    }
    for (unsigned i = 0; i < a->n_options; i++) {
        struct view name = a->option[i].name;

        if (!cli_word_in(name, COMMON) && !cli_word_in(name, allowed))
            return err_set(e, RC_INVALID, "this verb takes no --%.*s", (int)name.n, name.p);
    }
    return RC_OK;
}
