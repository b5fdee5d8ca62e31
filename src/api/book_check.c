/* Price books, timetables and exchange rates, checked before they are loaded or without a daemon. */
#include "api/api.h"

#include "codec/codec.h"

#define ARENA_MAX (8u << 20)

/* The keys that only one of the three has. */
static enum rc find_kind(const char *file, struct view text, enum book_kind *ret, struct err *e)
{
    static const char *const keys[BOOK_KINDS] = {"storage", "stop_after", "rates"};
    struct arena a = ARENA(ARENA_MAX);
    struct yaml_node *root = NULL;
    bool found = false;

    if (text.n == 0)
        return err_set(e, RC_INVALID, "%s:1:1: the file is empty", file);
    enum rc rc = yaml_parse(&a, file, text, &root, e);
    for (int k = 0; rc == RC_OK && !found && k < BOOK_KINDS; k++) {
        found = yaml_get(root, keys[k]) != NULL;
        if (found)
            *ret = (enum book_kind)k;
    }
    arena_free(&a);
    if (rc == RC_OK && !found)
        return err_set(e, RC_INVALID,
                       "%s:1:1: neither a price book (`storage`), nor a timetable (`stop_after`), nor exchange rates "
                       "(`rates`)",
                       file);
    return rc;
}

static enum rc check_prices(const char *file, struct view text, struct book_facts *f, struct err *e)
{
    struct price_book *b = NULL;

    HF_TRY(price_book_parse(file, text, &b, e));
    bool fits = view_copy(view_cstr(b->id.name), f->name, sizeof f->name) &&
                view_copy(view_cstr(b->currency), f->currency, sizeof f->currency);
    HF_ASSERT(fits);
    if (b->valid_from_ns)
        time_rfc3339(b->valid_from_ns, false, f->valid_from);
    f->kind = "prices";
    price_book_free(b);
    return RC_OK;
}

static enum rc check_timetable(const char *file, struct view text, struct book_facts *f, struct err *e)
{
    struct timetable *t = NULL;

    HF_TRY(timetable_parse(file, text, &t, e));
    HF_ASSERT(view_copy(view_cstr(t->id.name), f->name, sizeof f->name));
    f->kind = "timetable";
    timetable_free(t);
    return RC_OK;
}

static enum rc check_rates(const char *file, struct view text, struct book_facts *f, struct err *e)
{
    struct rates *r = NULL;

    HF_TRY(rates_parse(file, text, &r, e));
    HF_ASSERT(view_copy(view_cstr(rates_id(r)->name), f->name, sizeof f->name));
    f->kind = "rates";
    rates_free(r);
    return RC_OK;
}

enum rc api_book_check(const char *file, struct view text, struct book_facts *ret, struct err *e)
{
    struct book_facts f = {.kind = ""};
    enum rc rc = RC_INVALID;

    HF_TRY(find_kind(file, text, &f.book, e));
    switch (f.book) {
    case BOOK_PRICES:
        rc = check_prices(file, text, &f, e);
        break;
    case BOOK_TIMETABLE:
        rc = check_timetable(file, text, &f, e);
        break;
    case BOOK_RATES:
        rc = check_rates(file, text, &f, e);
        break;
    case BOOK_KINDS:
        HF_BUG("not a kind of book");
    }
    if (rc == RC_OK)
        *ret = f;
    return rc;
}
