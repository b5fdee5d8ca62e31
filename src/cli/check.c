/* The verbs that need no daemon: `config check`, `price check`; and reading the file of `price load`. */
#include "cli/cli_priv.h"

#include "account/price.h"
#include "api/api.h"

static int fail(const struct err *e)
{
    fprintf(stderr, "holdfast: %s\n", e->text);
    return EXIT_FAILED;
}

static int print_json(json_t *v)
{
    json_dumpf(v, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(v);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cli_config_check(const struct cli_args *args)
{
    const char *path = args->n_words > 2 ? args->word[2] : cli_text(args, "config");
    struct arena a = ARENA(1u << 20);
    struct config c;
    struct err e = {""};
    int code = EXIT_DONE;

    if (args->n_words > 3) {
        fprintf(stderr, "usage: holdfast config check [FILE]\n");
        return EXIT_USAGE;
    }
    enum rc rc = config_load(path, &a, &c, &e);
    if (rc == RC_OK)
        rc = config_apply(&c, args, &e);
    if (rc != RC_OK)
        code = fail(&e);
    else if (cli_flag(args, "json"))
        code = print_json(config_json(&c));
    else
        printf("%s: %s\n", path ? path : "built-in defaults", say("ok", "正确"));
    arena_free(&a);
    return code;
}

static enum rc read_book(const char *path, struct buf *text, struct err *e)
{
    enum rc rc = os_read_file(os_real(), path, text, e);

    return rc == RC_LIMIT ? err_set(e, rc, "%s: is larger than %u bytes; is it a price book?", path, BOOK_TEXT_MAX)
                          : rc;
}

static int show_book(const struct cli_args *args, const char *path, const struct book_facts *b)
{
    if (cli_flag(args, "json"))
        return print_json(json_pack("{s:b,s:s,s:s,s:s?,s:s?}", "valid", 1, "kind", b->kind, "name", b->name, "currency",
                                    b->currency[0] ? b->currency : NULL, "valid_from",
                                    b->valid_from[0] ? b->valid_from : NULL));
    printf("%s: %s (%s, %s%s%s%s%s)\n", path, say("ok", "正确"), b->kind, b->name, b->currency[0] ? ", " : "",
           b->currency, b->valid_from[0] ? say(", valid from ", "，生效于 ") : "", b->valid_from);
    return EXIT_DONE;
}

int cli_price_check(const struct cli_args *args)
{
    struct buf text = BUF(BOOK_TEXT_MAX);
    struct book_facts facts;
    struct err e = {""};

    if (args->n_words != 3) {
        fprintf(stderr, "usage: holdfast price check FILE\n");
        return EXIT_USAGE;
    }
    const char *path = args->word[2];
    enum rc rc = read_book(path, &text, &e);
    if (rc == RC_OK)
        rc = api_book_check(path, buf_view(&text), &facts, &e);
    buf_free(&text);
    if (rc == RC_OK)
        return show_book(args, path, &facts);
    if (cli_flag(args, "json"))
        print_json(json_pack("{s:b,s:s}", "valid", 0, "error", e.text));
    return fail(&e);
}

enum rc price_load_fill(const struct cli_args *args, json_t *request, struct err *e)
{
    struct buf text = BUF(BOOK_TEXT_MAX);
    const char *path = args->word[2];

    enum rc rc = read_book(path, &text, e);
    if (rc == RC_OK && json_object_set_new(request, "text", json_stringn(text.n ? text.p : "", text.n)) != 0)
        rc = err_set(e, RC_CORRUPT, "%s:1:1: is not UTF-8", path);
    buf_free(&text);
    return rc;
}
