/* Finding the verb and running it, here or in the daemon. */
#include "cli/cli.h"

#include "cli/cli_priv.h"

#include "base/log.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_TEXT "0.1.0"

typedef void show_fn(FILE *f, const json_t *v);

/* A verb that the daemon answers: its words, then its arguments in order, each sent under its name. */
struct remote_verb {
    const char *first, *second; /* second NULL: a verb of one word */
    const char *verb;
    const char *argument[3];
    unsigned required;
    show_fn *show;
    const char *usage;
    bool paths; /* its arguments are paths: the daemon's working directory is another */
};

static const struct remote_verb remote[] = {
    {"status", NULL, "status", {NULL}, 0, show_status, "status"},
    {"account",
     "create",
     "account.create",
     {"account"},
     1,
     show_account,
     "account create NAME [--currency CNY] [--prices tencent-cos] [--timetable tencent-cos]"},
    {"account", "list", "account.list", {NULL}, 0, show_accounts, "account list"},
    {"account", "show", "account.show", {"account"}, 1, show_account, "account show NAME"},
    {"account",
     "topup",
     "account.topup",
     {"account", "amount"},
     2,
     show_account,
     "account topup NAME AMOUNT [--ref R]"},
    {"account",
     "statement",
     "account.statement",
     {"account"},
     1,
     show_statement,
     "account statement NAME [--month YYYY-MM]"},
    {"key", "create", "key.create", {NULL}, 0, show_key, "key create [--account NAME]"},
    {"key", "list", "key.list", {NULL}, 0, show_keys, "key list [--account NAME]"},
    {"key", "revoke", "key.revoke", {"access_key"}, 1, show_done, "key revoke ACCESS_KEY"},
    {"disk", "list", "disk.list", {NULL}, 0, show_disks, "disk list"},
    {"disk", "replace", "disk.replace", {"old", "new"}, 2, show_disks, "disk replace OLD NEW", true},
    {"scrub", NULL, "scrub", {NULL}, 0, show_scrub, "scrub"},
    {"clock", "show", "clock.show", {NULL}, 0, show_clock, "clock show"},
    {"clock",
     "advance",
     "clock.advance",
     {"by"},
     1,
     show_clock,
     "clock advance SPAN      (with serve --virtual-clock)"},
};
#define N_REMOTE (sizeof remote / sizeof remote[0])

static void usage(FILE *f)
{
    fputs("holdfast: objects that survive a crash, a dead disk and an empty account\n\n"
          "  holdfast serve [--data D] [--disk P]... [--s3 HOST:PORT] [--api HOST:PORT] [--config FILE] [--copies N]\n"
          "                 [--domain NAME] [--virtual-clock] [--confirm-epoch]\n",
          f);
    for (size_t i = 0; i < N_REMOTE; i++)
        fprintf(f, "  holdfast %s\n", remote[i].usage);
    fputs("  holdfast rebuild                  (the daemon stopped)\n"
          "  holdfast config check [FILE]\n\n"
          "--data D names the data folder (default ./data), --json prints one JSON value. Exit 0 done, 1 failed, 2 "
          "usage.\n"
          "HOLDFAST_ACCESS_KEY and HOLDFAST_SECRET_KEY set the first key.\n",
          f);
}

static int fail(const struct cli_args *args, enum rc rc, const struct err *e)
{
    (void)args;
    fprintf(stderr, "holdfast: %s\n", e->text[0] ? e->text : rc_name(rc));
    return EXIT_FAILED;
}

static bool word_is(const struct cli_args *a, unsigned i, const char *s)
{
    return i < a->n_words && strcmp(a->word[i], s) == 0;
}

static void add(json_t *request, const char *name, const char *value)
{
    if (value)
        json_object_set_new(request, name, json_string(value));
}

static void add_argument(json_t *request, const struct remote_verb *v, unsigned i, const char *value)
{
    char path[OS_PATH_MAX];

    if (v->paths && os_absolute(value, path))
        value = path;
    add(request, v->argument[i], value);
}

static int run_remote(const struct remote_verb *v, const struct cli_args *args, const struct config *c)
{
    unsigned first = v->second ? 2 : 1, given = args->n_words - first;
    json_t *request = json_object(), *result = NULL;
    struct err e = {""};

    if (given != v->required) {
        fprintf(stderr, "usage: holdfast %s\n", v->usage);
        json_decref(request);
        return EXIT_USAGE;
    }
    add(request, "account", args->account);
    add(request, "currency", args->currency);
    add(request, "prices", args->prices);
    add(request, "timetable", args->timetable);
    add(request, "ref", args->ref);
    add(request, "month", args->month);
    for (unsigned i = 0; i < given; i++)
        add_argument(request, v, i, args->word[first + i]);
    add(request, "verb", v->verb);
    enum rc rc = client_call(c->data_dir, request, &result, &e);
    json_decref(request);
    if (rc != RC_OK)
        return fail(args, rc, &e);
    if (args->json) {
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        fputc('\n', stdout);
    } else {
        v->show(stdout, result);
    }
    json_decref(result);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static const struct remote_verb *find_remote(const struct cli_args *a)
{
    for (size_t i = 0; i < N_REMOTE; i++)
        if (word_is(a, 0, remote[i].first) && (!remote[i].second || word_is(a, 1, remote[i].second)))
            return &remote[i];
    return NULL;
}

static int run_verb(const struct cli_args *args, struct arena *a)
{
    const struct remote_verb *v = find_remote(args);
    struct config c;
    struct err e = {""};
    bool serve = word_is(args, 0, "serve"), rebuild = word_is(args, 0, "rebuild");

    if (word_is(args, 0, "config") && word_is(args, 1, "check"))
        return cli_config_check(args);
    if (!v && !serve && !rebuild) {
        fprintf(stderr, "holdfast: no such verb: %s%s%s\n\n", args->word[0], args->n_words > 1 ? " " : "",
                args->n_words > 1 ? args->word[1] : "");
        usage(stderr);
        return EXIT_USAGE;
    }
    enum rc rc = config_load(args->config, a, &c, &e);
    if (rc != RC_OK)
        return fail(args, rc, &e);
    rc = config_apply(&c, args, &e);
    if (rc != RC_OK) {
        fprintf(stderr, "holdfast: %s\n", e.text);
        return EXIT_USAGE;
    }
    if (v)
        return run_remote(v, args, &c);
    if (args->n_words != 1) {
        fprintf(stderr, "holdfast: %s takes no further words: %s\n", args->word[0], args->word[1]);
        return EXIT_USAGE;
    }
    if (serve || rebuild) {
        rc = config_disks(&c, a, &e);
        if (rc != RC_OK)
            return fail(args, rc, &e);
    }
    log_init(c.log_json, LOG_LEVEL_INFO);
    return serve ? cli_serve(args, &c) : cli_rebuild(args, &c);
}

int cli_main(int argc, char **argv)
{
    struct arena a = ARENA(1u << 20);
    struct cli_args args;
    struct err e = {""};

    if (cli_parse(argc, argv, &args, &e) != RC_OK) {
        fprintf(stderr, "holdfast: %s\n", e.text);
        return EXIT_USAGE;
    }
    if (args.version) {
        puts("holdfast " VERSION_TEXT);
        return EXIT_DONE;
    }
    if (args.help || args.n_words == 0) {
        usage(args.help ? stdout : stderr);
        return args.help ? EXIT_DONE : EXIT_USAGE;
    }
    int code = run_verb(&args, &a);
    arena_free(&a);
    return code;
}
