/* Holdfast: XML that always parses, whatever bytes a key or a header holds. */
#include "codec/codec.h"

#include "codec/codec_priv.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Bytes that stand for themselves: ASCII without control characters (tab and line feed are fine) and markup. */
static const uint8_t plain[256] = {
    ['\t'] = 1,         ['\n'] = 1, [' ' ... '!'] = 1, ['#' ... '%'] = 1,
    ['\'' ... ';'] = 1, ['='] = 1,  ['?' ... '~'] = 1, [0x7f] = 1,
};

enum rc xml_head(struct buf *b)
{
    return buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

/* "<" or "</", then name, then ">". */
static enum rc put_tag(struct buf *b, const char *before, struct view name)
{
    HF_TRY(buf_puts(b, before));
    HF_TRY(buf_putv(b, name));
    return buf_puts(b, ">");
}

enum rc xml_open(struct buf *b, const char *name)
{
    return put_tag(b, "<", view_cstr(name));
}

enum rc xml_close(struct buf *b, const char *name)
{
    struct view v = view_cstr(name);

    return put_tag(b, "</", view_sub(v, 0, view_find(v, ' ', 0)));
}

/* What to write for the character at the head of v, which is not plain; *ret_len is how many bytes it takes there. A
 * carriage return is a reference because a reader would turn it into a line feed. */
static struct view spelled(struct view v, size_t *ret_len)
{
    uint32_t cp;

    *ret_len = 1;
    switch (v.p[0]) {
    case '&':
        return VIEW("&amp;");
    case '<':
        return VIEW("&lt;");
    case '>':
        return VIEW("&gt;");
    case '"':
        return VIEW("&quot;");
    case '\r':
        return VIEW("&#13;");
    default:
        break;
    }
    size_t len = utf8_next(v.p, v.n, &cp);
    if (len < 2 || cp == 0xfffe || cp == 0xffff) {
        *ret_len = len == 0 ? 1 : len;
        return VIEW(REPLACEMENT);
    }
    *ret_len = len;
    return view_sub(v, 0, len);
}

enum rc xml_text(struct buf *b, struct view v)
{
    size_t i = 0;

    while (i < v.n) {
        size_t from = i, len;

        while (i < v.n && plain[(uint8_t)v.p[i]])
            i++;
        if (i > from)
            HF_TRY(buf_put(b, v.p + from, i - from));
        if (i == v.n)
            break;
        HF_TRY(buf_putv(b, spelled(view_sub(v, i, v.n), &len)));
        i += len;
    }
    return RC_OK;
}

enum rc xml_leaf(struct buf *b, const char *name, struct view v)
{
    HF_TRY(xml_open(b, name));
    HF_TRY(xml_text(b, v));
    return xml_close(b, name);
}

enum rc xml_leaf_u64(struct buf *b, const char *name, uint64_t v)
{
    HF_TRY(xml_open(b, name));
    HF_TRY(buf_printf(b, "%llu", (unsigned long long)v));
    return xml_close(b, name);
}
