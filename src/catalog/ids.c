/* What clients see of numbers: entity tags, version ids, upload ids; and headers kept with an object. */
#include <stdio.h>

#include "catalog/cat_priv.h"

const char *cat_etag_text(const uint8_t md5[16], uint32_t parts, char *buf)
{
    hex_encode(md5, 16, buf);
    if (parts)
        snprintf(buf + 32, ETAG_TEXT_MAX - 32, "-%u", parts);
    return buf;
}

/* A bijection of 64 bits whose neighbours look unrelated: odd multipliers and xor-shifts can each be undone. It hides
 * nothing; it keeps clients from reading order or number into ids. */
#define MIX_A 0x9e3779b97f4a7c15ull
#define MIX_A_INVERSE 0xf1de83e19937733dull
#define MIX_B 0xd6e8feb86659fd93ull
#define MIX_B_INVERSE 0xcfee444d8b59a89bull
#define VERSION_SALT 0x56455253494f4e31ull
#define UPLOAD_SALT 0x55504c4f41443131ull
#define ID_TEXT 32

static uint64_t mix(uint64_t v)
{
    v *= MIX_A;
    v ^= v >> 32;
    v *= MIX_B;
    v ^= v >> 32;
    return v;
}

static uint64_t unmix(uint64_t v)
{
    v ^= v >> 32;
    v *= MIX_B_INVERSE;
    v ^= v >> 32;
    v *= MIX_A_INVERSE;
    return v;
}

static const char *id_text(uint64_t seq, uint64_t salt, char *buf)
{
    uint8_t bytes[16];
    uint64_t v = mix(seq ^ salt);
    be64_put(bytes, v);
    be64_put(bytes + 8, mix(v ^ ~salt)); /* a check: a mistyped id is no other id */
    hex_encode(bytes, sizeof(bytes), buf);
    return buf;
}

static bool id_parse(struct view v, uint64_t salt, uint64_t *ret_seq)
{
    uint8_t bytes[16];
    if (v.n != ID_TEXT || hex_decode(v, bytes, sizeof(bytes)) != RC_OK)
        return false;
    uint64_t mixed = be64_get(bytes), seq = unmix(mixed) ^ salt;
    char again[VERSION_TEXT_MAX];
    /* Compared as text, so an id has one spelling. */
    if (!view_eqs(v, id_text(seq, salt, again)) || seq == 0)
        return false;
    *ret_seq = seq;
    return true;
}

const char *cat_version_text(uint64_t seq, bool null_version, char *buf)
{
    if (null_version) {
        memcpy(buf, "null", sizeof("null"));
        return buf;
    }
    return id_text(seq, VERSION_SALT, buf);
}

bool cat_version_parse(struct view v, uint64_t *ret_seq, bool *ret_null)
{
    if (view_eqs(v, "null")) {
        *ret_seq = 0;
        *ret_null = true;
        return true;
    }
    if (!id_parse(v, VERSION_SALT, ret_seq))
        return false;
    *ret_null = false;
    return true;
}

const char *cat_upload_text(uint64_t seq, char *buf)
{
    return id_text(seq, UPLOAD_SALT, buf);
}

bool cat_upload_parse(struct view v, uint64_t *ret_seq)
{
    return id_parse(v, UPLOAD_SALT, ret_seq);
}

enum header_tag { H_NAME = 1, H_VALUE = 2 };

enum rc cat_headers_encode(const struct cat_header *h, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        HF_TRY(tlv_put(out, H_NAME, h[i].name));
        HF_TRY(tlv_put(out, H_VALUE, h[i].value));
    }
    return RC_OK;
}

enum rc cat_headers_decode(struct view v, struct arena *a, struct cat_header **ret, size_t *ret_n)
{
    struct tlv t = {v};
    uint32_t tag;
    struct view field;
    size_t n = 0, max = 0;
    enum rc rc;
    while ((rc = tlv_next(&t, &tag, &field)) == RC_OK)
        max += tag == H_NAME;
    if (rc != RC_END)
        return RC_CORRUPT;
    struct cat_header *h = arena_alloc(a, max * sizeof(*h));
    if (!h)
        return RC_NOMEM;
    t = (struct tlv){v};
    while ((rc = tlv_next(&t, &tag, &field)) == RC_OK) {
        if (tag == H_NAME)
            h[n++] = (struct cat_header){.name = field, .value = VIEW("")};
        else if (tag == H_VALUE && n == 0)
            return RC_CORRUPT;
        else if (tag == H_VALUE)
            h[n - 1].value = field;
    }
    *ret = h;
    *ret_n = n;
    return RC_OK;
}
