/* Holdfast: turning bytes into values and back. Pure functions of their input: no I/O, no globals that change, safe
 * from any thread. Parsers take a whole view with a caller's limit, never recurse on input, and say line and column in
 * err where the input is text. */
#ifndef HF_CODEC_CODEC_H
#define HF_CODEC_CODEC_H

#include <endian.h>

#include "base/view.h"

/* ---- hex, base64 (RFC 4648) ---- */
void hex_encode(const void *p, size_t n, char *dst);                    /* lower case, 2n bytes and a 0 */
enum rc hex_decode(struct view v, void *dst, size_t dst_n) HF_MUST_USE; /* exactly 2 * dst_n digits, either case */
size_t base64_size(size_t n);                                           /* with padding, without the 0 */
void base64_encode(const void *p, size_t n, char *dst);                 /* base64_size(n) bytes and a 0 */
/* Strict: padded, no blanks, unused bits 0; RC_INVALID otherwise, RC_LIMIT when dst_max is too small. */
enum rc base64_decode(struct view v, void *dst, size_t dst_max, size_t *ret_n) HF_MUST_USE;

/* ---- URIs (RFC 3986) ---- */
/* Both append to out and leave it alone on failure.
 * %XX decoding; with plus also '+' to space. RC_INVALID on a broken escape. */
enum rc uri_decode(struct view v, bool plus, struct buf *out) HF_MUST_USE;
/* As SigV4 wants it: unreserved A-Z a-z 0-9 - . _ ~ stay, the rest %XX in upper case; '/' stays when keep_slash. */
enum rc uri_encode(struct view v, bool keep_slash, struct buf *out) HF_MUST_USE;
/* Strict UTF-8 without surrogates and over-long forms. */
bool utf8_valid(struct view v);

/* ---- checksums ---- */
/* One step each; start with 0, chain by passing the last result. Polynomials and reflections: CRC-32 (ISO-HDLC,
 * zlib's), CRC-32C (Castagnoli), CRC-64/XZ (ECMA-182 reflected, what COS, OSS and OBS return), CRC-64/NVME (S3's
 * default). */
uint32_t crc32_update(uint32_t crc, const void *p, size_t n);
uint32_t crc32c_update(uint32_t crc, const void *p, size_t n);
uint64_t crc64ecma_update(uint64_t crc, const void *p, size_t n);
uint64_t crc64nvme_update(uint64_t crc, const void *p, size_t n);
/* CRC of a||b from crc(a), crc(b) and b's length, for whole-object checksums of multipart uploads. */
uint32_t crc32_combine(uint32_t a, uint32_t b, uint64_t len_b);
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b);
uint64_t crc64nvme_combine(uint64_t a, uint64_t b, uint64_t len_b);
uint64_t crc64ecma_combine(uint64_t a, uint64_t b, uint64_t len_b);

/* XXH3-128 of p under a seed, big-endian canonical bytes. */
#define XXH_SIZE 16
void xxh128(const void *p, size_t n, uint64_t seed, uint8_t out[XXH_SIZE]);
uint64_t xxh64(const void *p, size_t n, uint64_t seed); /* XXH3 64-bit */

/* ---- digests (OpenSSL 3; algorithms fetched once per process, a context per thread) ----
 * An OpenSSL without these algorithms, and no memory for a thread's first context, stop the process. */
enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256 };
#define DIGEST_MAX 32
size_t digest_size(enum digest_kind k);
void digest_once(enum digest_kind k, const void *p, size_t n, uint8_t *out);
/* Two views in a row, as Merkle leaves need (prefix byte, then data). */
void digest_once2(enum digest_kind k, const void *a, size_t an, const void *b, size_t bn, uint8_t *out);
struct digest; /* streaming; NULL only when out of memory */
struct digest *digest_new(enum digest_kind k);
void digest_update(struct digest *d, const void *p, size_t n);
void digest_final(struct digest *d, uint8_t *out); /* and starts again */
void digest_free(struct digest *d);
void hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[32]);
void hmac_sha1(const void *key, size_t key_n, const void *p, size_t n, uint8_t out[20]); /* signature version 2 only */
/* Constant time. */
bool bytes_equal_ct(const void *a, const void *b, size_t n);

/* ---- tagged fields: the format of record payloads ----
 * A field is varint tag (> 0), varint length, bytes. Numbers are varints (LEB128), signed ones zig-zag. Unknown tags
 * are skipped by readers, so that records can grow. A tag may repeat. Varints have one spelling: leading zero groups
 * are RC_CORRUPT. On failure of a put, b is as it was; a tag of 0 is a bug of the caller. */
enum rc tlv_put(struct buf *b, uint32_t tag, struct view v) HF_MUST_USE;
enum rc tlv_put_u64(struct buf *b, uint32_t tag, uint64_t v) HF_MUST_USE;
enum rc tlv_put_i64(struct buf *b, uint32_t tag, int64_t v) HF_MUST_USE;
struct tlv {
    struct view rest;
};
/* Next field; RC_END at the end, RC_CORRUPT when it does not parse. value borrows from the payload. */
enum rc tlv_next(struct tlv *t, uint32_t *ret_tag, struct view *ret_value) HF_MUST_USE;
enum rc tlv_u64(struct view value, uint64_t *ret) HF_MUST_USE;
enum rc tlv_i64(struct view value, int64_t *ret) HF_MUST_USE;
/* Fixed-width big- and little-endian, for keys and headers. */
static inline void be64_put(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}
static inline uint64_t be64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}
static inline void le16_put(uint8_t *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof(v));
}
static inline uint16_t le16_get(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return le16toh(v);
}
static inline void le32_put(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}
static inline uint32_t le32_get(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}
static inline void le64_put(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}
static inline uint64_t le64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* ---- XML ---- */
/* Reading: a flat walk over a small document (expat). Refused with RC_INVALID: DOCTYPE and with it entities, depth past
 * 32, undeclared namespace prefixes, encodings other than UTF-8; with RC_LIMIT: a document past XML_DOC_MAX, and more
 * than 1 MiB of text in the elements that are open at one time. Either callback may be NULL. Names come without
 * namespace prefix and live as long as the callback; attributes are not shown; the root has depth 1. An element's own
 * text comes in one piece, entities resolved, with its on_close. A callback's return other than RC_OK stops the walk
 * and is returned, err untouched. */
#define XML_DOC_MAX (8 << 20)
struct xml_reader {
    enum rc (*on_open)(void *ctx, const char *name, int depth);
    enum rc (*on_close)(void *ctx, const char *name, int depth, struct view text);
    void *ctx;
};
enum rc xml_read(struct view doc, const struct xml_reader *r, struct err *e) HF_MUST_USE;
/* Writing. Text is escaped; characters that XML 1.0 cannot hold and bytes that are no UTF-8 become U+FFFD, so the
 * document always parses. A name may hold attributes ("A xmlns=\"…\""), which the closing tag leaves out. When b is at
 * its maximum, part of a tag may have been written. */
enum rc xml_head(struct buf *b) HF_MUST_USE;                   /* <?xml version="1.0" encoding="UTF-8"?>\n */
enum rc xml_open(struct buf *b, const char *name) HF_MUST_USE; /* <name> */
enum rc xml_close(struct buf *b, const char *name) HF_MUST_USE;
enum rc xml_text(struct buf *b, struct view v) HF_MUST_USE;
enum rc xml_leaf(struct buf *b, const char *name, struct view v) HF_MUST_USE; /* <name>v</name> */
enum rc xml_leaf_u64(struct buf *b, const char *name, uint64_t v) HF_MUST_USE;

/* ---- YAML (libyaml, one document, strict) ----
 * A tree in an arena. Scalars stay text. RC_INVALID: syntax, tags, anchors, aliases, duplicate or non-scalar keys, zero
 * bytes, a second document. RC_LIMIT: more than 1 MiB, nested more than 16 deep, more than 1024 keys in a map, an arena
 * that is full. A document without content is a map without keys. */
enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };
struct yaml_node {
    enum yaml_kind kind;
    unsigned line, column; /* 1-based */
    struct view text;      /* of a scalar */
    bool quoted;           /* or a block scalar: certainly text, not null or a number */
    struct view key;       /* when it is the value in a map */
    unsigned key_line, key_column;
    struct yaml_node *child; /* first of a list or map */
    struct yaml_node *next;
    bool used; /* set by yaml_get: yaml_unused finds what nobody asked for */
};
/* file is only for messages: "FILE:line:column: …". */
enum rc yaml_parse(struct arena *a, const char *file, struct view doc, struct yaml_node **ret,
                   struct err *e) HF_MUST_USE;
/* Child of a map by key, marked used; NULL when absent or when n is no map. */
struct yaml_node *yaml_get(struct yaml_node *n, const char *key);
/* RC_INVALID with the place of the first key below n that was never asked for, in maps inside lists too. */
enum rc yaml_unused(const char *file, const struct yaml_node *n, struct err *e) HF_MUST_USE;

#endif
