/* Holdfast: the keystore's file format: encode, decode, find. */
#include "account/keystore_priv.h"

#include <stdlib.h>

#define FORMAT 1
#define HEADER_SIZE 32
#define IMAGE_MIN (HEADER_SIZE + XXH_SIZE)
#define CHECKSUM_SEED 0x484b31u

enum field { F_ENTRY = 1 };
enum entry_field { E_ACCESS_KEY = 1, E_SECRET = 2 };

void wipe_buf(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_free(b);
}

void key_image_free(struct key_image *m)
{
    if (m->entry)
        explicit_bzero(m->entry, m->n * sizeof(*m->entry));
    free(m->entry);
    *m = (struct key_image){0};
}

bool key_image_find(const struct key_image *m, const char *access_key, size_t *ret_at)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(m->entry[mid].access_key, access_key);
        if (c == 0) {
            *ret_at = mid;
            return true;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_at = low;
    return false;
}

enum rc key_image_copy(const struct key_image *from, size_t room_for, struct key_image *ret)
{
    struct key_image m = {.epoch = from->epoch, .generation = from->generation, .n = from->n};

    if (room_for > KEYSTORE_KEYS_MAX)
        return RC_LIMIT;
    m.entry = calloc(room_for > 0 ? room_for : 1, sizeof(*m.entry));
    if (!m.entry)
        return RC_NOMEM;
    if (from->n > 0)
        memcpy(m.entry, from->entry, from->n * sizeof(*m.entry));
    *ret = m;
    return RC_OK;
}

int key_image_age(const struct key_image *a, const struct key_image *b)
{
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    if (a->generation != b->generation)
        return a->generation < b->generation ? -1 : 1;
    return 0;
}

/* ---- encoding ---- */

static enum rc encode_entry(const struct key_entry *k, struct buf *out)
{
    struct buf one = BUF(sizeof(*k) + 16);
    enum rc rc = tlv_put(&one, E_ACCESS_KEY, view_cstr(k->access_key));

    if (rc == RC_OK)
        rc = tlv_put(&one, E_SECRET, view_cstr(k->secret));
    if (rc == RC_OK)
        rc = tlv_put(out, F_ENTRY, buf_view(&one));
    wipe_buf(&one);
    return rc;
}

enum rc key_image_encode(const struct key_image *m, struct buf *out)
{
    uint8_t header[HEADER_SIZE] = "HFK1", sum[XXH_SIZE];
    size_t start = out->n;

    /* Made large enough at once, so that no secret stays behind in memory that realloc gave back. */
    HF_TRY(buf_reserve(out, 2 * (IMAGE_MIN + m->n * (sizeof(struct key_entry) + 16))));
    HF_TRY(buf_put(out, header, sizeof(header)));
    for (size_t i = 0; i < m->n; i++)
        HF_TRY(encode_entry(&m->entry[i], out));
    uint8_t *p = (uint8_t *)out->p + start;
    le32_put(p + 4, FORMAT);
    le64_put(p + 8, m->epoch);
    le64_put(p + 16, m->generation);
    le64_put(p + 24, out->n - start - HEADER_SIZE);
    xxh128(p, out->n - start, CHECKSUM_SEED, sum);
    HF_TRY(buf_put(out, sum, sizeof(sum)));
    size_t half = out->n - start;
    HF_TRY(buf_reserve(out, half));
    return buf_put(out, out->p + start, half);
}

/* ---- decoding ---- */

static enum rc decode_entry(struct view payload, struct key_entry *ret)
{
    struct tlv t = {payload};
    uint32_t tag;
    struct view value;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK) {
        bool fits = true;
        if (tag == E_ACCESS_KEY)
            fits = view_copy(value, ret->access_key, sizeof(ret->access_key));
        else if (tag == E_SECRET)
            fits = view_copy(value, ret->secret, sizeof(ret->secret));
        if (!fits)
            return RC_CORRUPT;
    }
    return rc == RC_END && ret->access_key[0] && ret->secret[0] ? RC_OK : RC_CORRUPT;
}

static enum rc decode_entries(struct view payload, struct key_image *m)
{
    struct tlv t = {payload};
    uint32_t tag;
    struct view value;
    size_t n = 0;
    enum rc rc;

    while ((rc = tlv_next(&t, &tag, &value)) == RC_OK)
        n += tag == F_ENTRY;
    if (rc != RC_END || n > KEYSTORE_KEYS_MAX)
        return RC_CORRUPT;
    m->entry = calloc(n > 0 ? n : 1, sizeof(*m->entry));
    if (!m->entry)
        return RC_NOMEM;
    t.rest = payload;
    while (tlv_next(&t, &tag, &value) == RC_OK) {
        if (tag != F_ENTRY)
            continue;
        HF_TRY(decode_entry(value, &m->entry[m->n++]));
        if (m->n > 1 && strcmp(m->entry[m->n - 2].access_key, m->entry[m->n - 1].access_key) >= 0)
            return RC_CORRUPT;
    }
    return RC_OK;
}

/* The image at the head of v. *ret_size: bytes it takes. */
static enum rc decode_half(struct view v, struct key_image *ret, size_t *ret_size)
{
    const uint8_t *p = (const uint8_t *)v.p;
    uint8_t sum[XXH_SIZE];

    if (v.n < IMAGE_MIN || memcmp(p, "HFK1", 4) != 0 || le32_get(p + 4) != FORMAT)
        return RC_CORRUPT;
    uint64_t payload = le64_get(p + 24);
    if (payload > v.n - IMAGE_MIN)
        return RC_CORRUPT;
    size_t summed = HEADER_SIZE + (size_t)payload;
    xxh128(p, summed, CHECKSUM_SEED, sum);
    if (memcmp(sum, p + summed, XXH_SIZE) != 0)
        return RC_CORRUPT;
    struct key_image m = {.epoch = le64_get(p + 8), .generation = le64_get(p + 16)};
    enum rc rc = decode_entries(view_sub(v, HEADER_SIZE, (size_t)payload), &m);
    if (rc != RC_OK) {
        key_image_free(&m);
        return rc;
    }
    *ret = m;
    *ret_size = summed + XXH_SIZE;
    return RC_OK;
}

enum rc key_image_decode(struct view file, struct key_image *ret, bool *ret_whole)
{
    size_t size = 0;
    enum rc rc = decode_half(file, ret, &size);

    if (rc == RC_OK) {
        *ret_whole = file.n == 2 * size && memcmp(file.p, file.p + size, size) == 0;
        return RC_OK;
    }
    if (rc == RC_NOMEM)
        return rc;
    *ret_whole = false;
    return decode_half(view_sub(file, file.n / 2, file.n), ret, &size);
}
