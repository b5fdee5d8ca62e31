/* Query parameters: split, decoded once, looked up by name. */
#include "gateway/parse_priv.h"

static enum rc decode(struct view raw, struct arena *a, struct view *ret)
{
    struct buf out = BUF(raw.n + 1);
    enum rc rc = uri_decode(raw, true, &out);
    if (rc == RC_OK && (!utf8_valid(buf_view(&out)) || (out.n > 0 && memchr(out.p, 0, out.n) != NULL)))
        rc = RC_INVALID;
    if (rc == RC_OK) {
        *ret = arena_dup(a, out.n > 0 ? buf_view(&out) : VIEW(""));
        rc = ret->p != NULL ? RC_OK : RC_NOMEM;
    }
    buf_free(&out);
    return rc;
}

static size_t count(struct view query)
{
    size_t n = 1;
    for (size_t i = 0; i < query.n; i++)
        n += query.p[i] == '&';
    return n;
}

static enum rc add(struct view item, struct arena *a, struct params *q)
{
    size_t eq = view_find(item, '=', 0);
    struct view name = view_sub(item, 0, eq);
    struct view value = eq == SIZE_MAX ? VIEW("") : view_sub(item, eq + 1, item.n);
    struct param *p = &q->list[q->n];
    HF_TRY(decode(name, a, &p->name));
    HF_TRY(decode(value, a, &p->value));
    q->n++;
    return RC_OK;
}

enum rc gw_params_parse(struct view query, struct arena *a, struct params *ret)
{
    struct params q = {NULL, 0};
    if (query.n == 0) {
        *ret = q;
        return RC_OK;
    }
    size_t n = count(query);
    if (n > PARAMS_MAX)
        return RC_LIMIT;
    q.list = arena_alloc(a, n * sizeof *q.list);
    if (q.list == NULL)
        return RC_NOMEM;
    size_t from = 0;
    while (from < query.n) {
        size_t amp = view_find(query, '&', from);
        size_t end = amp == SIZE_MAX ? query.n : amp;
        if (end > from)
            HF_TRY(add(view_sub(query, from, end - from), a, &q));
        from = end + 1;
    }
    *ret = q;
    return RC_OK;
}

struct view gw_param(const struct params *q, const char *name)
{
    for (size_t i = 0; i < q->n; i++)
        if (view_eqs(q->list[i].name, name))
            return q->list[i].value;
    return (struct view){NULL, 0};
}

struct view gw_param_nocase(const struct params *q, const char *name)
{
    for (size_t i = 0; i < q->n; i++)
        if (view_ieqs(q->list[i].name, name))
            return q->list[i].value;
    return (struct view){NULL, 0};
}

enum rc gw_param_u64(const struct params *q, const char *name, uint64_t min, uint64_t max, uint64_t *value)
{
    struct view v = gw_param(q, name);
    if (v.p == NULL || v.n == 0)
        return RC_OK;
    uint64_t n = 0;
    if (!view_u64(v, &n) || n < min || n > max)
        return RC_INVALID;
    *value = n;
    return RC_OK;
}
