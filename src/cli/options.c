/* Options: which there are, and putting them where the verbs look. */
#include "cli/cli_priv.h"

#include <stddef.h>

enum kind { TEXT, FLAG, DISKS };

struct option_def {
    const char *name;
    enum kind kind;
    size_t offset;
};

#define TEXT_OPTION(n, field)                                                                                          \
    {                                                                                                                  \
        n, TEXT, offsetof(struct cli_args, field)                                                                      \
    }
#define FLAG_OPTION(n, field)                                                                                          \
    {                                                                                                                  \
        n, FLAG, offsetof(struct cli_args, field)                                                                      \
    }

static const struct option_def options[] = {
    TEXT_OPTION("data", data),
    TEXT_OPTION("s3", s3),
    TEXT_OPTION("api", api),
    TEXT_OPTION("config", config),
    TEXT_OPTION("domain", domain),
    TEXT_OPTION("copies", copies),
    TEXT_OPTION("account", account),
    TEXT_OPTION("currency", currency),
    TEXT_OPTION("prices", prices),
    TEXT_OPTION("timetable", timetable),
    TEXT_OPTION("ref", ref),
    TEXT_OPTION("month", month),
    FLAG_OPTION("json", json),
    FLAG_OPTION("virtual-clock", virtual_clock),
    FLAG_OPTION("confirm-epoch", confirm_epoch),
    FLAG_OPTION("help", help),
    FLAG_OPTION("version", version),
    {"disk", DISKS, 0},
};

static const struct option_def *find(struct view name)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (view_eqs(name, options[i].name))
            return &options[i];
    return NULL;
}

static enum rc store_value(const struct option_def *d, const char *value, struct cli_args *a, struct err *e)
{
    if (d->kind == TEXT) {
        *(const char **)((char *)a + d->offset) = value;
        return RC_OK;
    }
    if (a->n_disks == CLI_DISKS_MAX)
        return err_set(e, RC_LIMIT, "at most %d disks", CLI_DISKS_MAX);
    a->disk[a->n_disks++] = value;
    return RC_OK;
}

/* One option at argv[*i]; moves *i past its value. */
static enum rc take_option(int argc, char **argv, int *i, struct cli_args *a, struct err *e)
{
    struct view v = view_cstr(argv[*i] + 2);
    size_t eq = view_find(v, '=', 0);
    const struct option_def *d = find(view_sub(v, 0, eq));

    if (!d)
        return err_set(e, RC_INVALID, "--%.*s: there is no such option; `holdfast --help` shows them",
                       (int)view_sub(v, 0, eq).n, v.p);
    if (d->kind == FLAG) {
        if (eq != SIZE_MAX)
            return err_set(e, RC_INVALID, "--%s takes no value", d->name);
        *(bool *)((char *)a + d->offset) = true;
        return RC_OK;
    }
    if (eq != SIZE_MAX)
        return store_value(d, v.p + eq + 1, a, e);
    if (*i + 1 >= argc)
        return err_set(e, RC_INVALID, "--%s wants a value", d->name);
    return store_value(d, argv[++*i], a, e);
}

enum rc cli_parse(int argc, char **argv, struct cli_args *ret, struct err *e)
{
    struct cli_args a = {0};
    bool words_only = false;

    for (int i = 1; i < argc; i++) {
        struct view v = view_cstr(argv[i]);

        if (!words_only && view_eqs(v, "--")) {
            words_only = true;
        } else if (!words_only && view_eqs(v, "-h")) {
            a.help = true;
        } else if (!words_only && view_starts(v, VIEW("--"))) {
            HF_TRY(take_option(argc, argv, &i, &a, e));
        } else if (a.n_words == CLI_WORDS_MAX) {
            return err_set(e, RC_INVALID, "%s: too many words", argv[i]);
        } else {
            a.word[a.n_words++] = argv[i];
        }
    }
    *ret = a;
    return RC_OK;
}
