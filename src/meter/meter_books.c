/* Holdfast: which price book, timetable and rates are in force: built in, in the data folder, recorded in the journal.
 * The journal's word rules, so that a replay prices as the live run did, whatever files there are by then. */
#include "meter/meter_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "account/embedded.h"

static const struct book_id *id_of(const struct book *b)
{
    if (b->kind == BOOK_PRICES)
        return &b->prices->id;
    return b->kind == BOOK_TIMETABLE ? &b->timetable->id : rates_id(b->rates);
}

static int64_t valid_from(const struct book *b)
{
    return b->kind == BOOK_PRICES ? b->prices->valid_from_ns : 0;
}

/* ---- texts ---- */

static struct book *book_by_id(const struct meter *m, enum book_kind kind, uint64_t id)
{
    struct book *b = m->books;
    while (b && !(b->kind == kind && id_of(b)->id == id))
        b = b->next;
    return b;
}

static void book_free(struct book *b)
{
    price_book_free(b->prices);
    timetable_free(b->timetable);
    rates_free(b->rates);
    free(b);
}

static enum rc parse(struct book *b, const char *file, struct view text, struct err *e)
{
    if (b->kind == BOOK_PRICES)
        return price_book_parse(file, text, &b->prices, e);
    if (b->kind == BOOK_TIMETABLE)
        return timetable_parse(file, text, &b->timetable, e);
    return rates_parse(file, text, &b->rates, e);
}

/* The parsed text, once per text. */
static enum rc book_get(struct meter *m, enum book_kind kind, const char *file, struct view text, struct book **ret,
                        struct err *e)
{
    struct book *b = calloc(1, sizeof(*b));

    if (!b)
        return err_set(e, RC_NOMEM, "%s: out of memory", file);
    b->kind = kind;
    enum rc rc = parse(b, file, text, e);
    if (rc != RC_OK) {
        free(b);
        return rc;
    }
    struct book *known = book_by_id(m, kind, id_of(b)->id);
    if (known) {
        book_free(b);
        *ret = known;
        return RC_OK;
    }
    b->next = m->books;
    m->books = b;
    *ret = b;
    return RC_OK;
}

void meter_books_free(struct meter *m)
{
    for (unsigned i = 0; i < m->n_slots; i++)
        free(m->slot[i].version);
    while (m->books) {
        struct book *b = m->books;
        m->books = b->next;
        book_free(b);
    }
}

const struct price_book *meter_prices_by_id(const struct meter *m, uint64_t id)
{
    const struct book *b = book_by_id(m, BOOK_PRICES, id);
    return b ? b->prices : NULL;
}

/* ---- names and their versions ---- */

static struct book_slot *slot_find(const struct meter *m, enum book_kind kind, struct view name)
{
    for (unsigned i = 0; i < m->n_slots; i++) {
        const struct book_slot *s = &m->slot[i];
        if (s->kind == kind && view_eqs(name, s->name))
            return (struct book_slot *)s;
    }
    return NULL;
}

static enum rc slot_get(struct meter *m, enum book_kind kind, struct view name, struct book_slot **ret, struct err *e)
{
    struct book_slot *s = slot_find(m, kind, name);

    if (!s) {
        if (m->n_slots == BOOK_SLOTS_MAX)
            return err_set(e, RC_LIMIT, "there are more than %d names of price books, timetables and rates",
                           BOOK_SLOTS_MAX);
        s = &m->slot[m->n_slots];
        *s = (struct book_slot){.kind = kind};
        if (!view_copy(name, s->name, sizeof(s->name)))
            return err_set(e, RC_INVALID, "a book's name is longer than %d bytes", BOOK_NAME_MAX);
        m->n_slots++;
    }
    *ret = s;
    return RC_OK;
}

static struct book_version *version_of(const struct book_slot *s, const struct book *b)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->version[i].book == b)
            return &s->version[i];
    }
    return NULL;
}

/* Balances are in the currency of the book they began with, so all texts of a name have one. */
static enum rc same_currency(const struct book_slot *s, const struct book *b, struct err *e)
{
    const struct book *first = s && s->n > 0 ? s->version[0].book : b;

    if (b->kind != BOOK_PRICES || strcmp(first->prices->currency, b->prices->currency) == 0)
        return RC_OK;
    return err_set(e, RC_INVALID,
                   "price book %s: its currency is %s and cannot become %s; give the new one another name", s->name,
                   first->prices->currency, b->prices->currency);
}

static enum rc version_add(struct book_slot *s, struct book *b, enum book_origin origin, struct book_version **ret,
                           struct err *e)
{
    struct book_version *v = version_of(s, b);

    HF_TRY(same_currency(s, b, e));
    if (v && v->origin == BOOK_BUILT_IN && origin == BOOK_FILE)
        v->origin = BOOK_FILE;
    if (!v) {
        if (s->n == BOOK_VERSIONS_MAX)
            return err_set(e, RC_LIMIT, "%s: there are more than %d versions of it", s->name, BOOK_VERSIONS_MAX);
        if (s->n == s->size) {
            size_t size = s->size > 0 ? 2 * s->size : 4;
            struct book_version *grown = realloc(s->version, size * sizeof(*grown));
            if (!grown)
                return err_set(e, RC_NOMEM, "meter: out of memory");
            s->version = grown;
            s->size = size;
        }
        v = &s->version[s->n++];
        *v = (struct book_version){.book = b, .origin = origin};
    }
    *ret = v;
    return RC_OK;
}

/* ---- which version is in force in the hour that begins at this instant ---- */

static struct book *recorded_at(const struct book_slot *s, int64_t hour_ns)
{
    const struct book_version *best = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const struct book_version *v = &s->version[i];
        if (v->seq == 0 || valid_from(v->book) > hour_ns)
            continue;
        if (!best || valid_from(v->book) > valid_from(best->book) ||
            (valid_from(v->book) == valid_from(best->book) && v->seq > best->seq))
            best = v;
    }
    return best ? best->book : NULL;
}

/* Without a record: the local text that is valid, a file before what is built in; before any is, the first to be. */
static struct book *local_at(const struct book_slot *s, int64_t hour_ns)
{
    const struct book_version *best = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const struct book_version *v = &s->version[i];
        if (v->origin == BOOK_JOURNAL)
            continue;
        bool now = valid_from(v->book) <= hour_ns, best_now = best && valid_from(best->book) <= hour_ns;
        bool later = best && valid_from(v->book) > valid_from(best->book);
        bool same = best && valid_from(v->book) == valid_from(best->book);
        if (!best || (now && (!best_now || later || (same && v->origin > best->origin))) ||
            (!now && !best_now && !later && (!same || v->origin > best->origin)))
            best = v;
    }
    return best ? best->book : NULL;
}

static int64_t open_hour_ns(const struct meter *m)
{
    int64_t hour = m->open_hour == NO_HOUR ? hour_of(m->last_ns) : m->open_hour;
    return hour * HOUR_S * NS_PER_S;
}

const struct price_book *meter_prices(const struct meter *m, struct view name)
{
    const struct book_slot *s = slot_find(m, BOOK_PRICES, name);
    return s && s->current ? s->current->prices : NULL;
}

const struct timetable *meter_timetable(const struct meter *m, struct view name)
{
    const struct book_slot *s = slot_find(m, BOOK_TIMETABLE, name);
    return s && s->current ? s->current->timetable : NULL;
}

const struct rates *meter_rates(const struct meter *m)
{
    const struct book_slot *first = NULL;

    for (unsigned i = 0; i < m->n_slots; i++) {
        const struct book_slot *s = &m->slot[i];
        if (s->kind == BOOK_RATES && s->current && (!first || strcmp(s->name, first->name) < 0))
            first = s;
    }
    return first ? first->current->rates : NULL;
}

/* ---- local texts ---- */

static const char *const folders[BOOK_KINDS] = {"prices", "timetables", "rates"};

static enum rc take_local(struct meter *m, enum book_kind kind, enum book_origin origin, const char *file,
                          struct view text, struct err *e)
{
    struct book_slot *slot;
    struct book_version *v;
    struct book *b;

    HF_TRY(book_get(m, kind, file, text, &b, e));
    HF_TRY(slot_get(m, kind, view_cstr(id_of(b)->name), &slot, e));
    enum rc rc = version_add(slot, b, origin, &v, e);
    return rc == RC_OK ? rc : err_wrap(e, rc, "%s", file);
}

static enum rc take_embedded(struct meter *m, struct err *e)
{
    for (size_t i = 0; i < embedded_count; i++) {
        const struct embedded_file *f = &embedded_files[i];
        struct view folder = view_sub(view_cstr(f->name), 0, view_find(view_cstr(f->name), '/', 0));
        unsigned kind = 0;
        while (kind < BOOK_KINDS && !view_eqs(folder, folders[kind]))
            kind++;
        HF_ASSERT(kind < BOOK_KINDS);
        HF_TRY(take_local(m, (enum book_kind)kind, BOOK_BUILT_IN, f->name, view_of(f->text, f->size), e));
    }
    return RC_OK;
}

struct folder {
    struct meter *m;
    enum book_kind kind;
    char path[OS_PATH_MAX];
    struct err *e;
};

static bool is_yaml(struct view name)
{
    struct view end = VIEW(".yaml");
    return name.n > end.n && view_eq(view_sub(name, name.n - end.n, end.n), end);
}

static enum rc take_file(void *ctx, const char *name, bool is_dir)
{
    struct folder *f = ctx;
    char file[OS_PATH_MAX];
    struct buf text = BUF(BOOK_TEXT_MAX + 1);

    if (is_dir || !is_yaml(view_cstr(name)))
        return RC_OK;
    if (!os_path(file, f->path, name))
        return err_set(f->e, RC_LIMIT, "%s: the path is too long", f->path);
    enum rc rc = os_read_file(f->m->os, file, &text, f->e);
    if (rc == RC_OK)
        rc = take_local(f->m, f->kind, BOOK_FILE, file, buf_view(&text), f->e);
    buf_free(&text);
    return rc;
}

static enum rc take_folder(struct meter *m, enum book_kind kind, struct err *e)
{
    struct folder f = {.m = m, .kind = kind, .e = e};

    if (!os_path(f.path, m->data_dir, folders[kind]))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->data_dir);
    enum rc rc = os_list(m->os, f.path, take_file, &f, e);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc meter_books_local(struct meter *m, struct err *e)
{
    HF_TRY(take_embedded(m, e));
    for (unsigned kind = 0; m->data_dir[0] && kind < BOOK_KINDS; kind++)
        HF_TRY(take_folder(m, (enum book_kind)kind, e));
    return RC_OK;
}

/* ---- what is kept ---- */

static enum rc keep_text(struct meter *m, struct book *b, struct err *e)
{
    const struct book_id *id = id_of(b);

    HF_TRY(meter_txn(m, e));
    b->kept = true;
    return sql_exec(m->sql, e, "INSERT OR IGNORE INTO book_text (id, kind, name, sha256, text) VALUES (?, ?, ?, ?, ?)",
                    "iitbv", (int64_t)id->id, (int64_t)b->kind, id->name, view_of(id->sha256, sizeof(id->sha256)),
                    view_of(id->text, id->text_n));
}

enum rc meter_books_keep(struct meter *m, struct err *e)
{
    for (unsigned i = 0; i < m->n_slots; i++) {
        struct book *b = m->slot[i].current;
        if (b && !b->kept)
            HF_TRY(keep_text(m, b, e));
    }
    return RC_OK;
}

/* ---- taking over ---- */

static enum rc adopt_slot(struct meter *m, struct book_slot *s, bool *changed, struct err *e)
{
    struct book *recorded = recorded_at(s, open_hour_ns(m));
    struct book *b = recorded ? recorded : local_at(s, open_hour_ns(m));

    if (b == s->current && s->recorded == (recorded != NULL))
        return RC_OK;
    *changed = *changed || b != s->current;
    s->current = b;
    s->recorded = recorded != NULL;
    if (!s->recorded)
        return RC_OK;
    HF_TRY(meter_txn(m, e));
    return sql_exec(m->sql, e, "INSERT OR REPLACE INTO book_slot (kind, name, current) VALUES (?, ?, ?)", "iti",
                    (int64_t)s->kind, s->name, (int64_t)id_of(b)->id);
}

static bool same_minimum(const struct price_book *a, const struct price_book *b)
{
    return memcmp(a->min_size, b->min_size, sizeof(a->min_size)) == 0;
}

/* What was sampled so far was sampled by the old book's rules; what comes is by the new one's. */
static enum rc change_prices(struct meter *m, struct meter_account *a, const struct price_book *to, struct err *e)
{
    const struct price_book *from = a->prices;

    a->prices = to;
    if (!from || from == to)
        return RC_OK;
    meter_account_sum(a);
    if (!same_minimum(from, to)) {
        HF_TRY(meter_small_write(m, e));
        HF_TRY(meter_small_load(m, a, e));
        meter_account_sum(a);
    }
    HF_TRY(meter_run_load(m, a, e));
    meter_packs_convert(m, a);
    return RC_OK;
}

enum rc meter_account_books(struct meter *m, struct meter_account *a, struct err *e)
{
    const struct price_book *prices = meter_prices(m, view_cstr(a->prices_name));
    const struct timetable *timetable = meter_timetable(m, view_cstr(a->timetable_name));

    if (!prices || !timetable)
        return err_set(e, RC_NOT_FOUND,
                       "account %s needs the %s %s, which is neither built in nor in the data folder nor recorded; put "
                       "its file back",
                       a->name, prices ? "timetable" : "price book", prices ? a->timetable_name : a->prices_name);
    HF_TRY(change_prices(m, a, prices, e));
    a->timetable = timetable;
    if (registry_add_account(m->registry, a->id, view_cstr(a->name), view_cstr(prices->currency), timetable,
                             prices->utc_offset_s) != RC_OK)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    return RC_OK;
}

/* The names that REC_ACCOUNT_SET gave. */
static bool take_next(struct meter_account *a)
{
    bool any = a->next_prices[0] || a->next_timetable[0];

    if (a->next_prices[0])
        memcpy(a->prices_name, a->next_prices, sizeof(a->prices_name));
    if (a->next_timetable[0])
        memcpy(a->timetable_name, a->next_timetable, sizeof(a->timetable_name));
    a->next_prices[0] = a->next_timetable[0] = 0;
    a->dirty = a->dirty || any;
    return any;
}

static enum rc refresh(struct meter *m, struct meter_account *a, bool books, struct err *e)
{
    if (books)
        HF_TRY(meter_account_books(m, a, e));
    if (m->open_hour == NO_HOUR || a->month == meter_month_of(m->open_hour, a->prices->utc_offset_s))
        return RC_OK;
    HF_TRY(meter_run_load(m, a, e));
    meter_packs_convert(m, a);
    return RC_OK;
}

enum rc meter_books_adopt(struct meter *m, struct err *e)
{
    bool changed = false;

    for (unsigned i = 0; i < m->n_slots; i++)
        HF_TRY(adopt_slot(m, &m->slot[i], &changed, e));
    for (size_t i = 0; i < m->n_accounts; i++) {
        bool next = take_next(m->account[i]);
        HF_TRY(refresh(m, m->account[i], changed || next, e));
    }
    return RC_OK;
}

/* ---- what the journal says ---- */

static enum rc check_text(struct meter *m, const struct account_rec *r, struct book **ret, struct err *e)
{
    char file[BOOK_NAME_MAX + 16];

    snprintf(file, sizeof(file), "%s:%.*s", folders[r->book],
             (int)(r->name.n < BOOK_NAME_MAX ? r->name.n : BOOK_NAME_MAX), r->name.p ? r->name.p : "");
    HF_TRY(book_get(m, r->book, file, r->text, ret, e));
    if (r->name.n > 0 && !view_eqs(r->name, id_of(*ret)->name))
        return err_set(e, RC_INVALID, "%s: the text is of `%s`", file, id_of(*ret)->name);
    return same_currency(slot_find(m, r->book, view_cstr(id_of(*ret)->name)), *ret, e);
}

enum rc meter_books_check(struct meter *m, struct account_rec *r, bool *ret_repeat, struct err *e)
{
    struct book *b;

    if ((unsigned)r->book >= BOOK_KINDS)
        return err_set(e, RC_INVALID, "a book is of prices, a timetable or rates");
    HF_TRY(check_text(m, r, &b, e));
    r->name = view_cstr(id_of(b)->name);
    const struct book_slot *s = slot_find(m, r->book, r->name);
    const struct book_version *v = s ? version_of(s, b) : NULL;
    uint64_t newest = 0;
    for (size_t i = 0; s && i < s->n; i++)
        newest = s->version[i].seq > newest ? s->version[i].seq : newest;
    *ret_repeat = v && v->seq > 0 && v->seq == newest;
    return RC_OK;
}

enum rc meter_books_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r, struct err *e)
{
    struct err why = {.text = ""};
    struct book_version *v;
    struct book_slot *s;
    struct book *b;
    bool changed = false;

    enum rc rc = check_text(m, r, &b, &why);
    if (rc == RC_OK)
        rc = slot_get(m, r->book, r->name, &s, &why);
    if (rc == RC_OK)
        rc = version_add(s, b, BOOK_JOURNAL, &v, &why);
    if (rc == RC_NOMEM)
        return err_set(e, rc, "%s", why.text);
    if (rc != RC_OK)
        return meter_refuse(m, rec, why.text, e);
    v->seq = rec->seq;
    HF_TRY(keep_text(m, b, e));
    HF_TRY(sql_exec(m->sql, e, "INSERT OR REPLACE INTO book_version (kind, name, id, seq) VALUES (?, ?, ?, ?)", "itii",
                    (int64_t)s->kind, s->name, (int64_t)id_of(b)->id, (int64_t)v->seq));
    if (s->recorded && m->open_hour != NO_HOUR)
        return RC_OK; /* from the next hour on */
    HF_TRY(adopt_slot(m, s, &changed, e));
    for (size_t i = 0; changed && i < m->n_accounts; i++)
        HF_TRY(refresh(m, m->account[i], true, e));
    return RC_OK;
}

/* ---- loading ---- */

static enum rc load_texts(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    struct book *b;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT kind, text FROM book_text", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        int64_t kind = sql_i64(q, 0);
        rc = kind < 0 || kind >= BOOK_KINDS
                 ? RC_CORRUPT
                 : book_get(m, (enum book_kind)kind, "control database", sql_text(q, 1), &b, e);
        if (rc != RC_OK) {
            sql_done(q);
            return rc == RC_NOMEM ? rc : err_wrap(e, RC_CORRUPT, "a kept book is not valid; run `holdfast rebuild`");
        }
        b->kept = true;
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc missing(const char *name, struct err *e)
{
    return err_set(e, RC_CORRUPT, "control database: the text of book %s is missing; run `holdfast rebuild`", name);
}

static enum rc load_version(struct meter *m, struct sql_stmt *q, struct err *e)
{
    enum book_kind kind = (enum book_kind)sql_i64(q, 0);
    struct book *b = book_by_id(m, kind, (uint64_t)sql_i64(q, 2));
    struct book_version *v;
    struct book_slot *s;

    HF_TRY(slot_get(m, kind, sql_text(q, 1), &s, e));
    if (!b)
        return missing(s->name, e);
    HF_TRY(version_add(s, b, BOOK_JOURNAL, &v, e));
    v->seq = (uint64_t)sql_i64(q, 3);
    return RC_OK;
}

static enum rc load_versions(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT kind, name, id, seq FROM book_version", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = load_version(m, q, e);
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc load_current(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT kind, name, current FROM book_slot", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        enum book_kind kind = (enum book_kind)sql_i64(q, 0);
        struct book_slot *s = slot_find(m, kind, sql_text(q, 1));
        struct book *b = book_by_id(m, kind, (uint64_t)sql_i64(q, 2));
        if (!s || !b) {
            sql_done(q);
            return missing(s ? s->name : "without a name", e);
        }
        s->current = b;
        s->recorded = true;
    }
    return rc == RC_END ? RC_OK : rc;
}

/* What only the journal said is read from the database again; local texts stay. */
static void forget_recorded(struct book_slot *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n; i++) {
        s->version[i].seq = 0;
        if (s->version[i].origin != BOOK_JOURNAL)
            s->version[kept++] = s->version[i];
    }
    s->n = kept;
    s->current = NULL;
    s->recorded = false;
}

enum rc meter_books_load(struct meter *m, struct err *e)
{
    for (unsigned i = 0; i < m->n_slots; i++)
        forget_recorded(&m->slot[i]);
    for (struct book *b = m->books; b; b = b->next)
        b->kept = false;
    HF_TRY(load_texts(m, e));
    HF_TRY(load_versions(m, e));
    HF_TRY(load_current(m, e));
    for (unsigned i = 0; i < m->n_slots; i++) {
        if (!m->slot[i].current)
            m->slot[i].current = local_at(&m->slot[i], open_hour_ns(m));
    }
    return RC_OK;
}

/* ---- handing local texts out for recording ---- */

enum rc meter_take_prices(struct meter *m, struct buf *payload)
{
    enum rc rc = RC_END;

    meter_lock(m);
    for (unsigned i = 0; rc == RC_END && i < m->n_slots; i++) {
        struct book_slot *s = &m->slot[i];
        for (size_t j = 0; rc == RC_END && j < s->n; j++) {
            struct book_version *v = &s->version[j];
            if (v->seq > 0 || v->offered)
                continue;
            const struct book_id *id = id_of(v->book);
            const struct account_rec r = {
                .type = REC_PRICES, .name = view_cstr(s->name), .book = s->kind, .text = view_of(id->text, id->text_n)};
            rc = account_rec_encode(&r, payload);
            v->offered = rc == RC_OK;
        }
    }
    meter_unlock(m);
    return rc;
}

/* ---- showing ---- */

static const char *state_of(const struct meter *m, const struct book_slot *s, const struct book *b, int64_t now_ns)
{
    if (b == s->current)
        return "in force";
    if (valid_from(b) > now_ns || recorded_at(s, open_hour_ns(m) + HOUR_S * NS_PER_S) == b)
        return "ahead";
    return "past";
}

static json_t *version_json(const struct meter *m, const struct book_slot *s, const struct book_version *v,
                            int64_t now_ns)
{
    static const char *const kinds[BOOK_KINDS] = {"prices", "timetable", "rates"};
    static const char *const origins[] = {"built-in", "file", "journal"};
    char id[17], from[TIME_TEXT_MAX];
    const struct book *b = v->book;

    snprintf(id, sizeof(id), "%016" PRIx64, id_of(b)->id);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s}", "name", s->name, "kind", kinds[s->kind], "id", id,
                     "valid_from",
                     valid_from(b) > 0 ? json_string(time_rfc3339(valid_from(b), false, from)) : json_null(),
                     "currency", b->prices ? json_string(b->prices->currency) : json_null(), "state",
                     state_of(m, s, b, now_ns), "origin", origins[v->origin]);
}

enum rc meter_books_json(struct meter *m, int64_t now_ns, json_t **ret, struct err *e)
{
    json_t *list = json_array();
    bool good = list != NULL;

    meter_lock(m);
    for (unsigned i = 0; good && i < m->n_slots; i++) {
        for (size_t j = 0; good && j < m->slot[i].n; j++)
            good = json_array_append_new(list, version_json(m, &m->slot[i], &m->slot[i].version[j], now_ns)) == 0;
    }
    meter_unlock(m);
    if (!good) {
        json_decref(list);
        return err_set(e, RC_NOMEM, "meter: out of memory");
    }
    *ret = list;
    return RC_OK;
}
