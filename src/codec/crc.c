/* Holdfast: the CRCs of the S3 world. ISA-L picks the widest instructions at run time. */
#include "codec/codec.h"

#include <isa-l/crc.h>
#include <isa-l/crc64.h>

#include "codec/codec_priv.h"

/* ISA-L's CRC-32C takes its length as an int. */
#define CRC32C_STEP_MAX ((size_t)1 << 30)

uint32_t crc32_update(uint32_t crc, const void *p, size_t n)
{
    /* Inverts before and after by itself. */
    return n == 0 ? crc : crc32_gzip_refl(crc, p, n);
}

uint32_t crc32c_update(uint32_t crc, const void *p, size_t n)
{
    unsigned char *s = (unsigned char *)(uintptr_t)p; /* ISA-L only lacks the const */
    uint32_t reg = ~crc;

    while (n > 0) {
        size_t step = n < CRC32C_STEP_MAX ? n : CRC32C_STEP_MAX;

        reg = crc32_iscsi(s, (int)step, reg);
        s += step;
        n -= step;
    }
    return ~reg;
}

uint64_t crc64ecma_update(uint64_t crc, const void *p, size_t n)
{
    return n == 0 ? crc : crc64_ecma_refl(crc, p, n);
}

uint64_t crc64nvme_update(uint64_t crc, const void *p, size_t n)
{
    if (n == 0)
        return crc;
    if (crc64nvme_clmul_usable())
        return ~crc64nvme_raw_clmul(~crc, p, n);
    return ~crc64nvme_raw_table(~crc, p, n);
}

uint32_t crc32_combine(uint32_t a, uint32_t b, uint64_t len_b)
{
    return (uint32_t)crc_poly_combine(&crc_poly_32, a, b, len_b);
}

uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b)
{
    return (uint32_t)crc_poly_combine(&crc_poly_32c, a, b, len_b);
}

uint64_t crc64nvme_combine(uint64_t a, uint64_t b, uint64_t len_b)
{
    return crc_poly_combine(&crc_poly_64nvme, a, b, len_b);
}

uint64_t crc64ecma_combine(uint64_t a, uint64_t b, uint64_t len_b)
{
    return crc_poly_combine(&crc_poly_64ecma, a, b, len_b);
}
