/* Holdfast: borrowed bytes: comparing, searching, copying out. */
#include "base/view.h"

int view_cmp(struct view a, struct view b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c != 0)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

/* Not tolower(): header names must not depend on a locale. */
static unsigned char ascii_lower(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

bool view_ieqs(struct view a, const char *s)
{
    struct view b = view_cstr(s);
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    }
    return true;
}

bool view_starts(struct view a, struct view prefix)
{
    return a.n >= prefix.n && view_eq(view_of(a.p, prefix.n), prefix);
}

size_t view_find(struct view a, char c, size_t from)
{
    if (from >= a.n)
        return SIZE_MAX;
    const char *hit = memchr(a.p + from, (unsigned char)c, a.n - from);
    return hit ? (size_t)(hit - a.p) : SIZE_MAX;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct view view_trim(struct view a)
{
    while (a.n > 0 && is_blank(a.p[0])) {
        a.p++;
        a.n--;
    }
    while (a.n > 0 && is_blank(a.p[a.n - 1]))
        a.n--;
    return a;
}

bool view_copy(struct view a, char *dst, size_t dst_size)
{
    HF_ASSERT(dst_size > 0);
    if (a.n >= dst_size) {
        dst[0] = 0;
        return false;
    }
    if (a.n > 0)
        memcpy(dst, a.p, a.n);
    dst[a.n] = 0;
    return true;
}

bool view_u64(struct view a, uint64_t *ret)
{
    uint64_t v = 0;
    if (a.n == 0)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (a.p[i] < '0' || a.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(a.p[i] - '0'), &v))
            return false;
    }
    *ret = v;
    return true;
}
