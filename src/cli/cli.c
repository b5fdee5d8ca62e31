/* Finding the verb and running it, here or in the daemon. */
#include "cli/cli.h"

#include "cli/cli_priv.h"

#include "base/log.h"

#include <string.h>

#define VERSION_TEXT "0.1.0"
#define VERB_MAX 64

/* ---- usage ---- */

static void usage_of(FILE *f, const char *before, const struct cli_verb *v)
{
    fprintf(f, "%sholdfast %s%s%s\n", before, v->words, v->usage[0] ? " " : "", v->usage);
}

static int wrong_usage(const struct cli_verb *v)
{
    usage_of(stderr, "usage: ", v);
    return EXIT_USAGE;
}

/* Of all verbs, or of those that begin with this word; false when there are none. */
static bool usage_list(FILE *f, const char *first)
{
    bool any = false;

    for (size_t i = 0; i < cli_n_verbs; i++) {
        struct view words = view_cstr(cli_verbs[i].words);

        if (first && !view_eqs(view_sub(words, 0, view_find(words, ' ', 0)), first))
            continue;
        usage_of(f, "  ", &cli_verbs[i]);
        any = true;
    }
    return any;
}

static void usage(FILE *f)
{
    fputs("holdfast: objects that survive a crash, a dead disk and an empty account\n\n", f);
    usage_list(f, NULL);
    fputs("\n--data D names the data folder (default ./data), --json prints one JSON value. Exit 0 done, 1 failed, 2 "
          "usage.\n"
          "Amounts are decimal numbers with at most 9 places. A DATE is YYYY-MM-DD, its first instant in the price "
          "book's time\nzone, or RFC 3339; a SPAN is such as 90s, 25h or 3d. KiB MiB GiB TiB are powers of 1024, KB "
          "MB GB TB of 1000.\n"
          "HOLDFAST_ACCESS_KEY and HOLDFAST_SECRET_KEY set the first key.\n",
          f);
}

/* ---- finding the verb ---- */

/* How many of the words given are the verb's own; 0 = it is another. */
static unsigned words_of(const struct cli_verb *v, const struct cli_args *a)
{
    struct view words = view_cstr(v->words);
    size_t blank = view_find(words, ' ', 0);

    if (a->n_words < 1 || !view_eqs(view_sub(words, 0, blank), a->word[0]))
        return 0;
    if (blank == SIZE_MAX)
        return 1;
    return a->n_words > 1 && view_eqs(view_sub(words, blank + 1, words.n), a->word[1]) ? 2 : 0;
}

static const struct cli_verb *find_verb(const struct cli_args *a, unsigned *ret_words)
{
    for (size_t i = 0; i < cli_n_verbs; i++) {
        *ret_words = words_of(&cli_verbs[i], a);
        if (*ret_words > 0)
            return &cli_verbs[i];
    }
    return NULL;
}

static int no_such_verb(const struct cli_args *a)
{
    fprintf(stderr, "holdfast: no such verb: %s%s%s\n\n", a->word[0], a->n_words > 1 ? " " : "",
            a->n_words > 1 ? a->word[1] : "");
    if (!usage_list(stderr, a->word[0]))
        usage(stderr);
    return EXIT_USAGE;
}

/* ---- running it ---- */

static int fail(enum rc rc, const struct err *e, int code)
{
    fprintf(stderr, "holdfast: %s\n", e->text[0] ? e->text : rc_name(rc));
    return code;
}

static enum rc add_text(json_t *request, struct view name, const char *value, bool path)
{
    char absolute[OS_PATH_MAX], key[VERB_MAX];

    if (path && !os_absolute(value, absolute))
        return RC_LIMIT;
    json_t *text = json_string(path ? absolute : value);
    if (!text || !view_copy(name, key, sizeof key))
        return RC_INVALID;
    return json_object_set_new(request, key, text) == 0 ? RC_OK : RC_NOMEM;
}

/* The words after the verb's own, under the names of its arguments. RC_INVALID: too few or too many. */
static enum rc add_arguments(const struct cli_verb *v, const struct cli_args *args, unsigned first, json_t *request,
                             struct err *e)
{
    struct view names = view_cstr(v->arguments);
    unsigned i = first;

    for (size_t at = 0; at < names.n;) {
        size_t end = view_find(names, ' ', at);
        struct view name = view_sub(names, at, end == SIZE_MAX ? names.n : end - at);
        bool optional = name.n > 0 && name.p[name.n - 1] == '?';

        at = end == SIZE_MAX ? names.n : end + 1;
        if (i == args->n_words && optional)
            continue;
        if (i == args->n_words)
            return RC_INVALID;
        enum rc rc = add_text(request, view_sub(name, 0, name.n - optional), args->word[i++], v->paths);
        if (rc != RC_OK)
            return err_set(e, RC_INVALID, "%s: is not UTF-8, or too long", args->word[i - 1]);
    }
    return i == args->n_words ? RC_OK : RC_INVALID;
}

static enum rc add_options(const struct cli_verb *v, const struct cli_args *args, json_t *request, struct err *e)
{
    for (unsigned i = 0; i < args->n_options; i++) {
        const struct cli_option *o = &args->option[i];
        char name[VERB_MAX];

        if (!cli_word_in(o->name, v->options))
            continue;
        if (o->value && add_text(request, o->name, o->value, false) != RC_OK)
            return err_set(e, RC_INVALID, "--%.*s: the value is not UTF-8", (int)o->name.n, o->name.p);
        if (!o->value && (!view_copy(o->name, name, sizeof name) || json_object_set_new(request, name, json_true())))
            return err_set(e, RC_NOMEM, "out of memory");
    }
    return RC_OK;
}

static enum rc make_request(const struct cli_verb *v, const struct cli_args *args, unsigned words, json_t *request,
                            struct err *e)
{
    char verb[VERB_MAX];

    HF_TRY(add_arguments(v, args, words, request, e));
    HF_TRY(add_options(v, args, request, e));
    HF_ASSERT(view_copy(view_cstr(v->words), verb, sizeof verb));
    char *blank = strchr(verb, ' ');
    if (blank)
        *blank = '.';
    if (json_object_set_new(request, "verb", json_string(verb)) != 0)
        return err_set(e, RC_NOMEM, "out of memory");
    return v->fill ? v->fill(args, request, e) : RC_OK;
}

static int print_answer(const struct cli_verb *v, const struct cli_args *args, const json_t *result)
{
    int code = EXIT_DONE;

    if (cli_flag(args, "json")) {
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
        fputc('\n', stdout);
    } else if (v->print) {
        code = v->print(args, result);
    } else {
        v->show(stdout, result);
    }
    return fflush(stdout) == 0 ? code : EXIT_FAILED;
}

static int call_daemon(const struct cli_verb *v, const struct cli_args *args, const struct config *c, json_t *request)
{
    json_t *result = NULL;
    struct err e = {""};

    enum rc rc = client_call(c->data_dir, request, &result, &e);
    if (rc != RC_OK)
        return fail(rc, &e, EXIT_FAILED);
    int code = print_answer(v, args, result);
    json_decref(result);
    return code;
}

static int run_remote(const struct cli_verb *v, const struct cli_args *args, unsigned words, const struct config *c)
{
    json_t *request = json_object();
    struct err e = {""};
    int code;

    enum rc rc = request ? make_request(v, args, words, request, &e) : RC_NOMEM;
    if (rc == RC_OK)
        code = call_daemon(v, args, c, request);
    else if (rc == RC_INVALID && !e.text[0])
        code = wrong_usage(v);
    else
        code = fail(rc, &e, rc == RC_INVALID ? EXIT_USAGE : EXIT_FAILED);
    json_decref(request);
    return code;
}

static int run_here(const struct cli_verb *v, const struct cli_args *args, struct config *c, struct arena *a)
{
    struct err e = {""};

    if (args->n_words != 1) {
        fprintf(stderr, "holdfast: %s takes no further words: %s\n", args->word[0], args->word[1]);
        return EXIT_USAGE;
    }
    enum rc rc = config_disks(c, a, &e);
    if (rc != RC_OK)
        return fail(rc, &e, EXIT_FAILED);
    log_init(c->log_json, LOG_LEVEL_INFO);
    return v->run(args, c);
}

static int run_verb(const struct cli_verb *v, const struct cli_args *args, unsigned words, struct arena *a)
{
    struct config c;
    struct err e = {""};

    enum rc rc = cli_check_options(args, v->options, &e);
    if (rc != RC_OK) {
        fail(rc, &e, EXIT_USAGE);
        return wrong_usage(v);
    }
    if (v->local)
        return v->local(args);
    rc = config_load(cli_text(args, "config"), a, &c, &e);
    if (rc != RC_OK)
        return fail(rc, &e, EXIT_FAILED);
    rc = config_apply(&c, args, &e);
    if (rc != RC_OK)
        return fail(rc, &e, EXIT_USAGE);
    return v->run ? run_here(v, args, &c, a) : run_remote(v, args, words, &c);
}

int cli_main(int argc, char **argv)
{
    struct arena a = ARENA(1u << 20);
    struct cli_args args;
    struct err e = {""};
    unsigned words = 0;

    if (cli_parse(argc, argv, &args, &e) != RC_OK)
        return fail(RC_INVALID, &e, EXIT_USAGE);
    if (cli_flag(&args, "version")) {
        puts("holdfast " VERSION_TEXT);
        return EXIT_DONE;
    }
    bool help = cli_flag(&args, "help");
    if (help && args.n_words > 0 && usage_list(stdout, args.word[0]))
        return EXIT_DONE;
    if (help || args.n_words == 0) {
        usage(help ? stdout : stderr);
        return help ? EXIT_DONE : EXIT_USAGE;
    }
    const struct cli_verb *v = find_verb(&args, &words);
    int code = v ? run_verb(v, &args, words, &a) : no_such_verb(&args);
    arena_free(&a);
    return code;
}
