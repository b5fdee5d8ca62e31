/* Holdfast: the YAML of price books and timetables: names, maps and figures, each checked, errors with their place. */
#include "account/account_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SOURCE_MAX 512
#define TITLE_MAX 200
#define LIST_MAX 160      /* words that are allowed, in a message */
#define DAY_YEAR_MAX 2200 /* nanoseconds since 1970 end in 2262 */

bool book_name_valid(struct view name)
{
    if (name.n == 0 || name.n > BOOK_NAME_MAX || name.p[0] == '-')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

bool currency_valid(struct view v)
{
    if (v.n != BOOK_CURRENCY_LEN)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < 'A' || v.p[i] > 'Z')
            return false;
    }
    return true;
}

enum rc book_refuse(const struct book_reader *r, const struct yaml_node *at, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(r->e, RC_INVALID, "%s:%u:%u: %s", r->file, at->line, at->column, text);
}

static int shown(struct view v)
{
    return (int)(v.n < BOOK_SHOWN_MAX ? v.n : BOOK_SHOWN_MAX);
}

static enum rc book_identify(struct book_id *id, struct view yaml, struct view name, struct err *e)
{
    id->text = malloc(yaml.n + 1);
    if (!id->text)
        return err_set(e, RC_NOMEM, "out of memory for a book of %zu bytes", yaml.n);
    memcpy(id->text, yaml.p, yaml.n);
    id->text[yaml.n] = 0;
    id->text_n = yaml.n;
    digest_once(DIGEST_SHA256, yaml.p, yaml.n, id->sha256);
    id->id = be64_get(id->sha256) >> 1;
    HF_ASSERT(view_copy(name, id->name, sizeof(id->name)));
    return RC_OK;
}

enum rc book_open(struct book_reader *r, const char *file, struct view yaml, struct book_id *ret, struct err *e)
{
    struct yaml_node *name, *title;

    *r = (struct book_reader){.file = file, .e = e, .arena = ARENA(BOOK_ARENA_MAX)};
    if (yaml.n == 0)
        return err_set(e, RC_INVALID, "%s:1:1: the file is empty", file);
    if (yaml.n > BOOK_TEXT_MAX)
        return err_set(e, RC_INVALID, "%s:1:1: the file is larger than %u bytes", file, BOOK_TEXT_MAX);
    HF_TRY(yaml_parse(&r->arena, file, yaml, &r->root, e));
    if (r->root->kind != YAML_MAP)
        return book_refuse(r, r->root, "expected `key: value` lines, with `name` first");
    HF_TRY(book_text(r, r->root, "name", BOOK_NAME_MAX, &name));
    if (!book_name_valid(name->text))
        return book_refuse(r, name, "a name is made of a-z, 0-9 and -, and does not begin with -");
    if (yaml_get(r->root, "title"))
        HF_TRY(book_text(r, r->root, "title", TITLE_MAX, &title));
    return book_identify(ret, yaml, name->text, e);
}

void book_close(struct book_reader *r)
{
    arena_free(&r->arena);
}

void book_id_free(struct book_id *id)
{
    free(id->text);
}

enum rc book_map(const struct book_reader *r, struct yaml_node *in, const char *key, struct yaml_node **ret)
{
    struct yaml_node *n = yaml_get(in, key);

    if (!n)
        return book_refuse(r, in, "`%s` is missing", key);
    if (n->kind != YAML_MAP)
        return book_refuse(r, n, "`%s` must be a map", key);
    *ret = n;
    return RC_OK;
}

enum rc book_text(const struct book_reader *r, struct yaml_node *in, const char *key, size_t max,
                  struct yaml_node **ret)
{
    struct yaml_node *n = yaml_get(in, key);

    if (!n)
        return book_refuse(r, in, "`%s` is missing", key);
    if (n->kind != YAML_SCALAR || n->text.n == 0)
        return book_refuse(r, n, "`%s` must be text", key);
    if (n->text.n > max)
        return book_refuse(r, n, "`%s` is longer than %zu bytes", key, max);
    if (!utf8_valid(n->text))
        return book_refuse(r, n, "`%s` is not UTF-8", key);
    *ret = n;
    return RC_OK;
}

static bool two_digits(struct view v, size_t at, unsigned min, unsigned max)
{
    uint64_t x;
    return view_u64(view_sub(v, at, 2), &x) && x >= min && x <= max;
}

/* 2021-12 or 2021-12-31 */
static bool is_date(struct view v)
{
    uint64_t year;
    if ((v.n != 7 && v.n != 10) || v.p[4] != '-' || !view_u64(view_sub(v, 0, 4), &year) || year < 2000)
        return false;
    if (!two_digits(v, 5, 1, 12))
        return false;
    return v.n == 7 || (v.p[7] == '-' && two_digits(v, 8, 1, 31));
}

static enum rc check_confidence(const struct book_reader *r, struct yaml_node *figure)
{
    static const char *const known[] = {"official", "field-report", "checked", "unsourced"};
    struct yaml_node *n;

    if (!yaml_get(figure, "confidence"))
        return RC_OK;
    HF_TRY(book_text(r, figure, "confidence", BOOK_SHOWN_MAX, &n));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (view_eqs(n->text, known[i]))
            return RC_OK;
    }
    return book_refuse(r, n, "confidence must be official, field-report, checked or unsourced");
}

enum rc book_origin(const struct book_reader *r, struct yaml_node *figure)
{
    struct yaml_node *n;

    HF_TRY(book_text(r, figure, "source", SOURCE_MAX, &n));
    HF_TRY(book_text(r, figure, "as_of", BOOK_SHOWN_MAX, &n));
    if (!is_date(n->text))
        return book_refuse(r, n, "as_of must be YYYY-MM or YYYY-MM-DD, not `%.*s`", shown(n->text), n->text.p);
    return check_confidence(r, figure);
}

/* Index of text among words; -1 with all of them in list when it is none. */
static int index_of(struct view text, const char *const *words, char *list, size_t size)
{
    list[0] = 0;
    for (int i = 0; words[i]; i++) {
        if (view_eqs(text, words[i]))
            return i;
        size_t used = strlen(list);
        snprintf(list + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return -1;
}

enum rc book_measure(const struct book_reader *r, struct yaml_node *figure, const char *key, const char *const *units,
                     unsigned *ret_unit)
{
    char list[LIST_MAX];
    struct yaml_node *n;

    HF_TRY(book_text(r, figure, "unit", BOOK_SHOWN_MAX, &n));
    int unit = index_of(n->text, units, list, sizeof(list));
    if (unit < 0)
        return book_refuse(r, n, "the unit of `%s` must be `%s`, not `%.*s`", key, list, shown(n->text), n->text.p);
    *ret_unit = (unsigned)unit;
    return book_origin(r, figure);
}

enum rc book_figure(const struct book_reader *r, struct yaml_node *in, const char *key, const char *unit,
                    struct yaml_node **ret_value)
{
    const char *const units[] = {unit, NULL};
    struct yaml_node *figure, *value;
    unsigned which;

    HF_TRY(book_map(r, in, key, &figure));
    HF_TRY(book_text(r, figure, "value", BOOK_WORDS_MAX, &value));
    HF_TRY(book_measure(r, figure, key, units, &which));
    *ret_value = value;
    return RC_OK;
}

static enum rc parse_number(const struct book_reader *r, const struct yaml_node *value, const char *key, uint64_t min,
                            uint64_t max, uint64_t *ret)
{
    uint64_t x;

    if (!view_u64(value->text, &x) || x < min || x > max)
        return book_refuse(r, value, "`%s` must be a whole number from %llu to %llu, not `%.*s`", key,
                           (unsigned long long)min, (unsigned long long)max, shown(value->text), value->text.p);
    *ret = x;
    return RC_OK;
}

enum rc book_integer(const struct book_reader *r, struct yaml_node *in, const char *key, const char *unit, uint64_t min,
                     uint64_t max, uint64_t *ret)
{
    struct yaml_node *value;

    HF_TRY(book_figure(r, in, key, unit, &value));
    return parse_number(r, value, key, min, max, ret);
}

enum rc book_number(const struct book_reader *r, struct yaml_node *in, const char *key, uint64_t min, uint64_t max,
                    uint64_t *ret)
{
    struct yaml_node *value;

    HF_TRY(book_text(r, in, key, BOOK_WORDS_MAX, &value));
    return parse_number(r, value, key, min, max, ret);
}

static enum rc parse_choice(const struct book_reader *r, const struct yaml_node *value, const char *key,
                            const char *const *words, unsigned *ret)
{
    char list[LIST_MAX];
    int i = index_of(value->text, words, list, sizeof(list));

    if (i < 0)
        return book_refuse(r, value, "`%s` must be one of: %s", key, list);
    *ret = (unsigned)i;
    return RC_OK;
}

enum rc book_choice(const struct book_reader *r, struct yaml_node *in, const char *key, const char *const *words,
                    unsigned *ret)
{
    struct yaml_node *value;

    HF_TRY(book_text(r, in, key, BOOK_WORDS_MAX, &value));
    return parse_choice(r, value, key, words, ret);
}

enum rc book_word(const struct book_reader *r, struct yaml_node *in, const char *key, const char *const *words,
                  unsigned *ret)
{
    struct yaml_node *value;

    HF_TRY(book_figure(r, in, key, "rule", &value));
    return parse_choice(r, value, key, words, ret);
}

enum rc book_day(const struct book_reader *r, struct yaml_node *in, const char *key, int64_t *ret_s)
{
    struct yaml_node *n;
    struct civil c = {0}, back = {0};
    uint64_t year = 0, month = 0, day = 0;

    HF_TRY(book_text(r, in, key, BOOK_SHOWN_MAX, &n));
    bool good = n->text.n == 10 && is_date(n->text) && view_u64(view_sub(n->text, 0, 4), &year) &&
                view_u64(view_sub(n->text, 5, 2), &month) && view_u64(view_sub(n->text, 8, 2), &day);
    c.year = (int)year;
    c.month = (int)month;
    c.day = (int)day;
    if (good) /* 31 April comes back as 1 May */
        civil_from_s(civil_to_s(&c), &back);
    if (!good || back.month != c.month || year > DAY_YEAR_MAX)
        return book_refuse(r, n, "`%s` must be a day YYYY-MM-DD of the calendar, not `%.*s`", key, shown(n->text),
                           n->text.p);
    *ret_s = civil_to_s(&c);
    return RC_OK;
}
