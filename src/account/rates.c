/* Holdfast: dated exchange rates: from YAML to conversions. */
#include "account/account_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define RATES_MAX 4096
#define RATE_SCALE_MAX 9
#define RATE_MAX 1000000000LL
#define SHOWN_BYTES 72 /* at most, of what was used without its source */

/* One unit of `from` is `value` units of `to`, from its day on until a newer one. */
struct rate {
    char from[BOOK_CURRENCY_LEN + 1], to[BOOK_CURRENCY_LEN + 1];
    struct decimal value;
    int64_t day_s; /* midnight in UTC */
    struct view source;
};
struct rates {
    struct book_id id;
    struct arena arena; /* keeps the sources */
    struct rate *rate;
    size_t n;
};

static enum rc read_currency(const struct book_reader *r, struct yaml_node *in, const char *key,
                             char ret[BOOK_CURRENCY_LEN + 1])
{
    struct yaml_node *n;

    HF_TRY(book_text(r, in, key, BOOK_SHOWN_MAX, &n));
    if (!currency_valid(n->text))
        return book_refuse(r, n, "`%s` must be three capital letters, such as CNY", key);
    HF_ASSERT(view_copy(n->text, ret, BOOK_CURRENCY_LEN + 1));
    return RC_OK;
}

static bool value_in_range(struct decimal d)
{
    int64_t max = RATE_MAX;

    if (d.num <= 0 || d.scale > RATE_SCALE_MAX)
        return false;
    for (unsigned i = 0; i < d.scale; i++)
        max *= 10;
    return d.num <= max;
}

static enum rc read_value(const struct book_reader *r, struct yaml_node *in, struct decimal *ret)
{
    struct yaml_node *value;

    HF_TRY(book_text(r, in, "value", BOOK_SHOWN_MAX, &value));
    if (decimal_parse(value->text, ret) != RC_OK || !value_in_range(*ret))
        return book_refuse(r, value,
                           "a rate must be a plain number above 0, at most %lld, with at most %d digits behind the "
                           "point, such as 7.1",
                           RATE_MAX, RATE_SCALE_MAX);
    return RC_OK;
}

/* The day is as_of: a rate was so on that day, and holds until one that is newer. */
static enum rc read_rate(struct rates *rates, const struct book_reader *r, struct yaml_node *n)
{
    struct rate *rate = &rates->rate[rates->n];
    struct yaml_node *source;

    if (n->kind != YAML_MAP)
        return book_refuse(r, n, "a rate is a map {from, to, value, as_of, source}");
    HF_TRY(read_currency(r, n, "from", rate->from));
    HF_TRY(read_currency(r, n, "to", rate->to));
    if (strcmp(rate->from, rate->to) == 0)
        return book_refuse(r, n, "`from` and `to` are the same currency");
    HF_TRY(read_value(r, n, &rate->value));
    HF_TRY(book_origin(r, n));
    HF_TRY(book_day(r, n, "as_of", &rate->day_s));
    for (size_t i = 0; i < rates->n; i++) {
        const struct rate *other = &rates->rate[i];
        if (other->day_s == rate->day_s && strcmp(other->from, rate->from) == 0 && strcmp(other->to, rate->to) == 0)
            return book_refuse(r, n, "there is a rate from %s to %s of this day already", rate->from, rate->to);
    }
    HF_TRY(book_text(r, n, "source", BOOK_TEXT_MAX, &source));
    rate->source = arena_dup(&rates->arena, source->text);
    if (!rate->source.p)
        return err_set(r->e, RC_NOMEM, "%s: out of memory", r->file);
    rates->n++;
    return RC_OK;
}

static enum rc read_rates(struct rates *rates, struct book_reader *r)
{
    struct yaml_node *list = yaml_get(r->root, "rates");
    size_t n = 0;

    if (!list)
        return book_refuse(r, r->root, "`rates` is missing");
    if (list->kind != YAML_LIST || !list->child)
        return book_refuse(r, list, "`rates` must be a list of {from, to, value, as_of, source}");
    for (const struct yaml_node *at = list->child; at; at = at->next)
        n++;
    if (n > RATES_MAX)
        return book_refuse(r, list, "there are more than %d rates", RATES_MAX);
    rates->rate = calloc(n, sizeof(*rates->rate));
    if (!rates->rate)
        return err_set(r->e, RC_NOMEM, "%s: out of memory", r->file);
    for (struct yaml_node *at = list->child; at; at = at->next)
        HF_TRY(read_rate(rates, r, at));
    return yaml_unused(r->file, r->root, r->e);
}

enum rc rates_parse(const char *file, struct view yaml, struct rates **ret, struct err *e)
{
    struct book_reader r;
    struct rates *rates = calloc(1, sizeof(*rates));

    if (!rates)
        return err_set(e, RC_NOMEM, "%s: out of memory", file);
    rates->arena = ARENA(BOOK_ARENA_MAX);
    enum rc rc = book_open(&r, file, yaml, &rates->id, e);
    if (rc == RC_OK)
        rc = read_rates(rates, &r);
    book_close(&r);
    if (rc != RC_OK) {
        rates_free(rates);
        return rc;
    }
    *ret = rates;
    return RC_OK;
}

void rates_free(struct rates *r)
{
    if (!r)
        return;
    book_id_free(&r->id);
    arena_free(&r->arena);
    free(r->rate);
    free(r);
}

const struct book_id *rates_id(const struct rates *r)
{
    return &r->id;
}

static bool joins(const struct rate *r, const char *from, const char *to)
{
    return strcmp(r->from, from) == 0 && strcmp(r->to, to) == 0;
}

/* The newest; of one day, the direct one before the inverse. */
static const struct rate *find(const struct rates *r, const char *from, const char *to, int64_t at_ns)
{
    const struct rate *best = NULL;

    for (size_t i = 0; i < r->n; i++) {
        const struct rate *rate = &r->rate[i];
        bool direct = joins(rate, from, to);
        if ((!direct && !joins(rate, to, from)) || rate->day_s * NS_PER_S > at_ns)
            continue;
        if (!best || rate->day_s > best->day_s || (rate->day_s == best->day_s && direct))
            best = rate;
    }
    return best;
}

/* The magnitude of money_rate's result is rounded: half away from zero. */
static enum rc convert(const struct rate *rate, bool direct, uint64_t nano, int64_t *ret_nano)
{
    unsigned __int128 quantity = nano;

    if (direct)
        return money_rate(quantity, rate->value, MONEY_NANO, ret_nano);
    for (unsigned i = 0; i < rate->value.scale; i++)
        quantity *= 10;
    return money_rate(quantity, (struct decimal){1, 0}, (unsigned __int128)rate->value.num * MONEY_NANO, ret_nano);
}

/* The source as far as it fits, cut between characters. */
static void rate_text(const struct rate *rate, char *ret, size_t size)
{
    char value[MONEY_TEXT_MAX], day[TIME_TEXT_MAX];
    size_t room = size > SHOWN_BYTES ? size - SHOWN_BYTES : 0, n = rate->source.n;

    if (n > room) {
        for (n = room; n > 0 && ((unsigned char)rate->source.p[n] & 0xc0) == 0x80;)
            n--;
    }
    time_rfc3339(rate->day_s * NS_PER_S, false, day);
    snprintf(ret, size, "1 %s = %s %s (%.10s, %.*s)", rate->from, decimal_text(rate->value, value), rate->to, day,
             (int)n, rate->source.p);
}

enum rc rates_convert(const struct rates *r, const char *from, const char *to, int64_t at_ns, int64_t nano,
                      int64_t *ret_nano, char *ret_rate_text, size_t size)
{
    int64_t converted;

    if (strcmp(from, to) == 0) {
        snprintf(ret_rate_text, size, "1 %s = 1 %s", from, to);
        *ret_nano = nano;
        return RC_OK;
    }
    const struct rate *rate = find(r, from, to, at_ns);
    if (!rate)
        return RC_NOT_FOUND;
    HF_TRY(convert(rate, joins(rate, from, to), nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano, &converted));
    rate_text(rate, ret_rate_text, size);
    *ret_nano = nano < 0 ? -converted : converted;
    return RC_OK;
}
