/* Holdfast: which price book and timetable is in force: built in, overridden in the data folder, recorded in the
 * journal. The journal's word rules, so that a replay prices as the live run did, whatever files there are by then. */
#include "meter/meter_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "account/embedded.h"

static const struct book_id *id_of(const struct book *b)
{
    return b->is_timetable ? &b->timetable->id : &b->prices->id;
}

static bool same_text(const struct book *a, const struct book *b)
{
    return a && b && id_of(a)->id == id_of(b)->id;
}

/* Balances are in the currency of the book they began with. */
static bool same_currency(const struct book *a, const struct book *b)
{
    return !a || !b || a->is_timetable || strcmp(a->prices->currency, b->prices->currency) == 0;
}

/* ---- texts and slots ---- */

static struct book *book_by_id(const struct meter *m, bool is_timetable, uint64_t id)
{
    struct book *b = m->books;
    while (b && !(b->is_timetable == is_timetable && id_of(b)->id == id))
        b = b->next;
    return b;
}

/* The parsed text, once per text. */
static enum rc book_get(struct meter *m, bool is_timetable, const char *file, struct view text, struct book **ret,
                        struct err *e)
{
    struct book *b = calloc(1, sizeof(*b));

    if (!b)
        return err_set(e, RC_NOMEM, "%s: out of memory", file);
    b->is_timetable = is_timetable;
    enum rc rc =
        is_timetable ? timetable_parse(file, text, &b->timetable, e) : price_book_parse(file, text, &b->prices, e);
    if (rc != RC_OK) {
        free(b);
        return rc;
    }
    struct book *known = book_by_id(m, is_timetable, id_of(b)->id);
    if (known) {
        price_book_free(b->prices);
        timetable_free(b->timetable);
        free(b);
        *ret = known;
        return RC_OK;
    }
    b->next = m->books;
    m->books = b;
    *ret = b;
    return RC_OK;
}

static struct book_slot *slot_find(const struct meter *m, bool is_timetable, struct view name)
{
    for (unsigned i = 0; i < m->n_slots; i++) {
        const struct book_slot *s = &m->slot[i];
        if (s->is_timetable == is_timetable && view_eqs(name, s->name))
            return (struct book_slot *)s;
    }
    return NULL;
}

static enum rc slot_get(struct meter *m, bool is_timetable, struct view name, struct book_slot **ret, struct err *e)
{
    struct book_slot *s = slot_find(m, is_timetable, name);

    if (!s) {
        if (m->n_slots == BOOK_SLOTS_MAX)
            return err_set(e, RC_LIMIT, "there are more than %d price books and timetables", BOOK_SLOTS_MAX);
        s = &m->slot[m->n_slots++];
        *s = (struct book_slot){.is_timetable = is_timetable};
        if (!view_copy(name, s->name, sizeof(s->name))) {
            m->n_slots--;
            return err_set(e, RC_CORRUPT, "a book's name is longer than %d bytes", BOOK_NAME_MAX);
        }
    }
    *ret = s;
    return RC_OK;
}

static struct book *slot_in_force(const struct book_slot *s)
{
    if (!s)
        return NULL;
    return s->current ? s->current : s->local;
}

void meter_books_free(struct meter *m)
{
    while (m->books) {
        struct book *b = m->books;
        m->books = b->next;
        price_book_free(b->prices);
        timetable_free(b->timetable);
        free(b);
    }
}

const struct price_book *meter_prices(const struct meter *m, struct view name)
{
    const struct book *b = slot_in_force(slot_find(m, false, name));
    return b ? b->prices : NULL;
}

const struct timetable *meter_timetable(const struct meter *m, struct view name)
{
    const struct book *b = slot_in_force(slot_find(m, true, name));
    return b ? b->timetable : NULL;
}

/* ---- local texts ---- */

static enum rc take_local(struct meter *m, bool is_timetable, const char *file, struct view name, struct view text,
                          struct err *e)
{
    struct book_slot *slot;
    struct book *b;

    HF_TRY(book_get(m, is_timetable, file, text, &b, e));
    if (!view_eqs(name, id_of(b)->name))
        return err_set(e, RC_INVALID, "%s:1:1: its name is `%s`, so the file must be called %s.yaml", file,
                       id_of(b)->name, id_of(b)->name);
    HF_TRY(slot_get(m, is_timetable, name, &slot, e));
    slot->local = b;
    return RC_OK;
}

static struct view without_yaml(struct view name)
{
    struct view end = VIEW(".yaml");
    if (name.n <= end.n || !view_eq(view_sub(name, name.n - end.n, end.n), end))
        return VIEW("");
    return view_sub(name, 0, name.n - end.n);
}

static enum rc take_embedded(struct meter *m, struct err *e)
{
    for (size_t i = 0; i < embedded_count; i++) {
        const struct embedded_file *f = &embedded_files[i];
        struct view name = view_cstr(f->name);
        bool is_timetable = view_starts(name, VIEW("timetables/"));
        size_t slash = view_find(name, '/', 0);
        HF_ASSERT(is_timetable || view_starts(name, VIEW("prices/")));
        HF_TRY(take_local(m, is_timetable, f->name, without_yaml(view_sub(name, slash + 1, name.n)),
                          view_of(f->text, f->size), e));
    }
    return RC_OK;
}

struct folder {
    struct meter *m;
    bool is_timetable;
    char path[OS_PATH_MAX];
    struct err *e;
};

static enum rc take_override(void *ctx, const char *name, bool is_dir)
{
    struct folder *f = ctx;
    char file[OS_PATH_MAX];
    struct view base = without_yaml(view_cstr(name));
    struct buf text = BUF(BOOK_TEXT_MAX + 1);

    if (is_dir || base.n == 0)
        return RC_OK;
    if (!os_path(file, f->path, name))
        return err_set(f->e, RC_LIMIT, "%s: the path is too long", f->path);
    enum rc rc = os_read_file(f->m->os, file, &text, f->e);
    if (rc == RC_OK)
        rc = take_local(f->m, f->is_timetable, file, base, buf_view(&text), f->e);
    buf_free(&text);
    return rc;
}

static enum rc take_folder(struct meter *m, const char *name, bool is_timetable, struct err *e)
{
    struct folder f = {.m = m, .is_timetable = is_timetable, .e = e};

    if (!os_path(f.path, m->data_dir, name))
        return err_set(e, RC_LIMIT, "%s: the path is too long", m->data_dir);
    enum rc rc = os_list(m->os, f.path, take_override, &f, e);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc meter_books_local(struct meter *m, struct err *e)
{
    HF_TRY(take_embedded(m, e));
    if (!m->data_dir[0])
        return RC_OK;
    HF_TRY(take_folder(m, "prices", false, e));
    return take_folder(m, "timetables", true, e);
}

/* ---- what the journal said ---- */

static enum rc keep_text(struct meter *m, struct book *b, struct err *e)
{
    const struct book_id *id = id_of(b);

    HF_TRY(meter_txn(m, e));
    b->kept = true;
    return sql_exec(m->sql, e,
                    "INSERT OR IGNORE INTO book_text (id, is_timetable, name, sha256, text) VALUES (?, ?, ?, ?, ?)",
                    "iitbv", (int64_t)id->id, (int64_t)b->is_timetable, id->name,
                    view_of(id->sha256, sizeof(id->sha256)), view_of(id->text, id->text_n));
}

enum rc meter_books_keep(struct meter *m, struct err *e)
{
    for (unsigned i = 0; i < m->n_slots; i++) {
        struct book *b = slot_in_force(&m->slot[i]);
        if (b && !b->kept)
            HF_TRY(keep_text(m, b, e));
    }
    return RC_OK;
}

static enum rc keep_slot(struct meter *m, const struct book_slot *s, struct err *e)
{
    HF_TRY(meter_txn(m, e));
    if (s->pending)
        return sql_exec(
            m->sql, e, "INSERT OR REPLACE INTO book_slot (is_timetable, name, current, pending) VALUES (?, ?, ?, ?)",
            "itii", (int64_t)s->is_timetable, s->name, (int64_t)id_of(s->current)->id, (int64_t)id_of(s->pending)->id);
    return sql_exec(m->sql, e,
                    "INSERT OR REPLACE INTO book_slot (is_timetable, name, current, pending) VALUES (?, ?, ?, NULL)",
                    "iti", (int64_t)s->is_timetable, s->name, (int64_t)id_of(s->current)->id);
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
    a->prices = prices;
    a->timetable = timetable;
    if (registry_add_account(m->registry, a->id, view_cstr(a->name), view_cstr(prices->currency), timetable) != RC_OK)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    return RC_OK;
}

static enum rc refresh_accounts(struct meter *m, struct err *e)
{
    for (size_t i = 0; i < m->n_accounts; i++)
        HF_TRY(meter_account_books(m, m->account[i], e));
    return RC_OK;
}

enum rc meter_books_apply(struct meter *m, const struct account_rec *r, struct err *e)
{
    char file[BOOK_NAME_MAX + 16];
    struct book_slot *slot;
    struct book *b;

    snprintf(file, sizeof(file), "journal:%.*s", (int)r->name.n, r->name.p);
    enum rc rc = book_get(m, r->is_timetable, file, r->text, &b, e);
    if (rc == RC_OK && !view_eqs(r->name, id_of(b)->name))
        rc = err_set(e, RC_INVALID, "%s: the text is of `%s`", file, id_of(b)->name);
    if (rc != RC_OK)
        return rc == RC_NOMEM ? rc : err_wrap(e, RC_CORRUPT, "a recorded book is not valid");
    HF_TRY(slot_get(m, r->is_timetable, r->name, &slot, e));
    if (!same_currency(slot->current, b))
        return err_set(e, RC_CORRUPT, "%s: a recorded price book cannot change its currency", file);
    HF_TRY(keep_text(m, b, e));
    if (slot->current) {
        slot->pending = same_text(slot->current, b) ? NULL : b;
        return keep_slot(m, slot, e);
    }
    slot->current = b;
    HF_TRY(keep_slot(m, slot, e));
    return refresh_accounts(m, e);
}

enum rc meter_books_adopt(struct meter *m, struct err *e)
{
    bool changed = false;

    for (unsigned i = 0; i < m->n_slots; i++) {
        struct book_slot *s = &m->slot[i];
        if (!s->pending)
            continue;
        s->current = s->pending;
        s->pending = NULL;
        changed = true;
        HF_TRY(keep_slot(m, s, e));
    }
    return changed ? refresh_accounts(m, e) : RC_OK;
}

/* ---- loading ---- */

static enum rc load_texts(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    struct book *b;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, "SELECT is_timetable, text FROM book_text", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = book_get(m, sql_i64(q, 0) != 0, "control database", sql_text(q, 1), &b, e);
        if (rc != RC_OK) {
            sql_done(q);
            return rc == RC_NOMEM ? rc : err_wrap(e, RC_CORRUPT, "a kept book is not valid; run `holdfast rebuild`");
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc load_slot(struct meter *m, struct sql_stmt *q, struct err *e)
{
    struct book_slot *s;
    bool is_timetable = sql_i64(q, 0) != 0, pending = !sql_is_null(q, 3);

    HF_TRY(slot_get(m, is_timetable, sql_text(q, 1), &s, e));
    s->current = book_by_id(m, is_timetable, (uint64_t)sql_i64(q, 2));
    s->pending = pending ? book_by_id(m, is_timetable, (uint64_t)sql_i64(q, 3)) : NULL;
    if (!same_currency(s->current, s->local))
        return err_set(e, RC_INVALID,
                       "price book %s: its currency was %s and cannot become %s; give the new one another "
                       "name",
                       s->name, s->current->prices->currency, s->local->prices->currency);
    if (!s->current || (pending && !s->pending))
        return err_set(e, RC_CORRUPT, "control database: the text of book %s is missing; run `holdfast rebuild`",
                       s->name);
    return RC_OK;
}

enum rc meter_books_load(struct meter *m, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    for (unsigned i = 0; i < m->n_slots; i++)
        m->slot[i].current = m->slot[i].pending = NULL;
    for (struct book *b = m->books; b; b = b->next)
        b->kept = false;
    HF_TRY(load_texts(m, e));
    HF_TRY(sql_query(m->sql, e, &q, "SELECT is_timetable, name, current, pending FROM book_slot", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = load_slot(m, q, e);
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* ---- handing local texts out for recording ---- */

enum rc meter_take_prices(struct meter *m, struct buf *payload)
{
    enum rc rc = RC_END;

    meter_lock(m);
    for (unsigned i = 0; rc == RC_END && i < m->n_slots; i++) {
        struct book_slot *s = &m->slot[i];
        const struct book *said = s->pending ? s->pending : s->current;
        if (!s->local || same_text(s->local, said) || s->offered == id_of(s->local)->id)
            continue;
        const struct book_id *id = id_of(s->local);
        const struct account_rec r = {.type = REC_PRICES,
                                      .name = view_cstr(s->name),
                                      .is_timetable = s->is_timetable,
                                      .text = view_of(id->text, id->text_n)};
        rc = account_rec_encode(&r, payload);
        if (rc == RC_OK)
            s->offered = id->id;
    }
    meter_unlock(m);
    return rc;
}
