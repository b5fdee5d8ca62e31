/* Tags: from the x-amz-tagging header, checked as S3 checks them, and as the catalog keeps them. */
#include "gateway/parse_priv.h"

#define HEADER_RULE                                                                                                    \
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "      \
    "duplicates."

/* Limits are in characters, not bytes. */
static size_t characters(struct view v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++)
        n += ((unsigned char)v.p[i] & 0xC0) != 0x80;
    return n;
}

/* Of ASCII S3 takes letters, digits, white space and + - = . _ : / @; of the rest any character. */
static bool allowed(struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (c < 0x80 && !alnum && (c == 0 || strchr(" \t\r\n+-=._:/@", c) == NULL))
            return false;
    }
    return utf8_valid(v);
}

static enum rc refuse(const char *code, const char *message, const char **ret_code, const char **ret_message)
{
    *ret_code = code;
    *ret_message = message;
    return RC_INVALID;
}

static bool has_key(const struct tag_list *t, struct view key)
{
    for (size_t i = 0; i < t->n; i++)
        if (view_eq(t->tag[i].key, key))
            return true;
    return false;
}

enum rc gw_tags_add(struct tag_list *t, size_t limit, struct view key, struct view value, const char **ret_code,
                    const char **ret_message)
{
    HF_ASSERT(limit <= BUCKET_TAGS_MAX);
    if (t->n >= limit)
        return limit == TAGS_MAX
                   ? refuse("BadRequest", "Object tags cannot be greater than 10", ret_code, ret_message)
                   : refuse("BadRequest", "Bucket tag count cannot be greater than 50", ret_code, ret_message);
    if (key.n == 0 || !allowed(key) || characters(key) > TAG_KEY_MAX)
        return refuse("InvalidTag", "The TagKey you have provided is invalid", ret_code, ret_message);
    if (!allowed(value) || characters(value) > TAG_VALUE_MAX)
        return refuse("InvalidTag", "The TagValue you have provided is invalid", ret_code, ret_message);
    if (view_starts(key, VIEW("aws:")))
        return refuse("InvalidTag", "System tags cannot be added/updated by requester", ret_code, ret_message);
    if (has_key(t, key))
        return refuse("InvalidTag", "Cannot provide multiple Tags with the same key", ret_code, ret_message);
    t->tag[t->n++] = (struct tag){key, value};
    return RC_OK;
}

enum rc gw_tags_parse(struct view text, size_t limit, struct arena *a, struct tag_list *ret, const char **ret_code,
                      const char **ret_message)
{
    ret->n = 0;
    struct params q;
    enum rc rc = gw_params_parse(text, a, &q);
    if (rc == RC_INVALID || rc == RC_LIMIT)
        return refuse("InvalidArgument", HEADER_RULE, ret_code, ret_message);
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < q.n; i++) {
        if (has_key(ret, q.list[i].name))
            return refuse("InvalidArgument", HEADER_RULE, ret_code, ret_message);
        HF_TRY(gw_tags_add(ret, limit, q.list[i].name, q.list[i].value, ret_code, ret_message));
    }
    return RC_OK;
}

/* Room for every tag at its largest, each byte as %XX. */
#define TAGS_TEXT_MAX (BUCKET_TAGS_MAX * (TAG_KEY_MAX + TAG_VALUE_MAX + 1u) * 4u * 3u)

enum rc gw_tags_text(const struct tag_list *t, struct arena *a, struct view *ret)
{
    struct buf out = BUF(TAGS_TEXT_MAX);
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < t->n; i++) {
        if (i > 0)
            rc = buf_puts(&out, "&");
        if (rc == RC_OK)
            rc = uri_encode(t->tag[i].key, false, &out);
        if (rc == RC_OK)
            rc = buf_puts(&out, "=");
        if (rc == RC_OK)
            rc = uri_encode(t->tag[i].value, false, &out);
    }
    if (rc == RC_OK) {
        *ret = arena_dup(a, out.n > 0 ? buf_view(&out) : VIEW(""));
        rc = ret->p != NULL ? RC_OK : RC_NOMEM;
    }
    buf_free(&out);
    return rc;
}
