/* Keys of the catalog's rows: big-endian numbers, and object keys escaped so that byte order stays the keys' order and
 * a number can follow: 00 -> 00 FF, end -> 00 01. */
#include "catalog/cat_priv.h"

#define KEY_ESCAPE '\x00'
#define KEY_ESCAPED '\xff'
#define KEY_END '\x01'

void cat_key_add_u64(struct cat_key *k, uint64_t v)
{
    HF_ASSERT(k->n + 8 <= sizeof(k->p));
    be64_put((uint8_t *)k->p + k->n, v);
    k->n += 8;
}

void cat_key_add_u32(struct cat_key *k, uint32_t v)
{
    uint8_t wide[8];
    be64_put(wide, v);
    HF_ASSERT(k->n + 4 <= sizeof(k->p));
    memcpy(k->p + k->n, wide + 4, 4);
    k->n += 4;
}

void cat_key_u64(struct cat_key *k, uint64_t v)
{
    k->n = 0;
    cat_key_add_u64(k, v);
}

void cat_key_prefix(struct cat_key *k, uint64_t bucket, struct view prefix)
{
    HF_ASSERT(prefix.n <= KEY_MAX);
    cat_key_u64(k, bucket);
    for (size_t i = 0; i < prefix.n; i++) {
        k->p[k->n++] = prefix.p[i];
        if (prefix.p[i] == KEY_ESCAPE)
            k->p[k->n++] = KEY_ESCAPED;
    }
}

void cat_key_object(struct cat_key *k, uint64_t bucket, struct view key)
{
    cat_key_prefix(k, bucket, key);
    k->p[k->n++] = KEY_ESCAPE;
    k->p[k->n++] = KEY_END;
}

void cat_key_version(struct cat_key *k, uint64_t bucket, struct view key, uint64_t seq)
{
    cat_key_object(k, bucket, key);
    cat_key_add_u64(k, ~seq);
}

void cat_key_upload(struct cat_key *k, uint64_t bucket, struct view key, uint64_t upload)
{
    cat_key_object(k, bucket, key);
    cat_key_add_u64(k, upload);
}

void cat_key_part(struct cat_key *k, uint64_t upload, uint32_t number)
{
    cat_key_u64(k, upload);
    cat_key_add_u32(k, number);
}

void cat_key_past(struct cat_key *k)
{
    while (k->n > 0 && k->p[k->n - 1] == '\xff')
        k->n--;
    /* Bucket ids are sequences, far from all ones. */
    HF_ASSERT(k->n > 0);
    k->p[k->n - 1] = (char)((uint8_t)k->p[k->n - 1] + 1);
}

enum rc cat_key_decode(struct view row_key, char *dst, size_t *ret_n, struct view *ret_rest)
{
    size_t n = 0;
    for (size_t i = 8; i + 1 < row_key.n; i++) {
        char c = row_key.p[i];
        if (c == KEY_ESCAPE) {
            i++;
            if (row_key.p[i] == KEY_END) {
                *ret_n = n;
                *ret_rest = view_sub(row_key, i + 1, row_key.n);
                return RC_OK;
            }
            if (row_key.p[i] != KEY_ESCAPED)
                return RC_CORRUPT;
        }
        if (n >= KEY_MAX)
            return RC_CORRUPT;
        dst[n++] = c;
    }
    return RC_CORRUPT;
}
