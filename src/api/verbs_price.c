/* Verbs of price books. */
#include "api/api_priv.h"

static enum rc price_list(struct control_call *c, json_t **ret)
{
    return meter_books_json(c->engine->meter, control_now(c), ret, &c->err);
}

/* The text, checked, as a record; then all books as they are now. */
static enum rc price_load(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_PRICES};
    struct book_facts facts;
    char file[OS_PATH_MAX];

    HF_TRY(control_text(c, "text", &r.text));
    if (!view_copy(control_arg_or(c, "file", "book"), file, sizeof file))
        return err_set(&c->err, RC_LIMIT, "the file's name is too long");
    HF_TRY(api_book_check(file, r.text, &facts, &c->err));
    r.book = facts.book;
    r.name = view_cstr(facts.name);
    HF_TRY(engine_account_record(c->engine, view_of("", 0), &r, NULL, &c->err));
    HF_TRY(control_settle(c));
    return price_list(c, ret);
}

static enum rc price_what_if(struct control_call *c, json_t **ret)
{
    struct what_if w = {.month = control_arg(c, "month"),
                        .to = control_arg(c, "to"),
                        .has_class = control_has(c, "to-class"),
                        .currency = control_arg(c, "currency")};

    HF_TRY(control_text(c, "account", &w.account));
    if (w.has_class && !class_parse(control_arg(c, "to-class"), &w.class))
        return err_set(&c->err, RC_INVALID,
                       "to-class %.*s: there are STANDARD, STANDARD_IA, ARCHIVE and DEEP_ARCHIVE, and the names that "
                       "S3 gives to their like",
                       (int)control_arg(c, "to-class").n, control_arg(c, "to-class").p);
    HF_TRY(control_settle(c));
    return meter_what_if_json(c->engine->meter, &w, control_now(c), ret, &c->err);
}

const struct control_verb price_verbs[] = {
    {"price.list", false, price_list},
    {"price.load", true, price_load},
    {"price.what-if", false, price_what_if},
    {NULL, false, NULL},
};
