/* Networks: whose traffic counts as internal. */
#include <arpa/inet.h>

#include "gateway/parse_priv.h"

#define ADDRESS_TEXT_MAX 64u

static bool parse_address(struct view text, uint8_t addr[16], bool *ret_v6)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char s[ADDRESS_TEXT_MAX];
    if (!view_copy(view_sub(text, 0, view_find(text, '%', 0)), s, sizeof s))
        return false;
    memset(addr, 0, 16);
    *ret_v6 = false;
    if (inet_pton(AF_INET, s, addr) == 1)
        return true;
    if (inet_pton(AF_INET6, s, addr) != 1)
        return false;
    *ret_v6 = memcmp(addr, mapped, sizeof mapped) != 0;
    if (!*ret_v6) {
        memmove(addr, addr + 12, 4);
        memset(addr + 4, 0, 12);
    }
    return true;
}

/* "10.1.2.3/8" is the network 10.0.0.0/8. */
static void clear_host(struct cidr *c)
{
    unsigned size = c->v6 ? 16 : 4;
    for (unsigned i = 0; i < size; i++) {
        unsigned of_net = c->bits > 8 * i ? c->bits - 8 * i : 0;
        if (of_net < 8)
            c->addr[i] &= (uint8_t)(0xff << (8 - of_net));
    }
}

enum rc gw_cidr_parse(const char *text, struct cidr *ret)
{
    struct view v = view_trim(view_cstr(text));
    size_t slash = view_find(v, '/', 0);
    struct cidr c = {0};
    if (!parse_address(view_sub(v, 0, slash), c.addr, &c.v6))
        return RC_INVALID;
    uint64_t bits = c.v6 ? 128 : 32;
    if (slash != SIZE_MAX) {
        uint64_t given = 0;
        if (!view_u64(view_sub(v, slash + 1, v.n), &given) || given > bits)
            return RC_INVALID;
        bits = given;
    }
    c.bits = (unsigned)bits;
    clear_host(&c);
    *ret = c;
    return RC_OK;
}

bool gw_cidr_has(const struct cidr *c, const char *address)
{
    uint8_t addr[16];
    bool v6;
    if (!parse_address(view_cstr(address), addr, &v6) || v6 != c->v6)
        return false;
    size_t whole = c->bits / 8;
    if (memcmp(addr, c->addr, whole) != 0)
        return false;
    unsigned rest = c->bits % 8;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return (addr[whole] & mask) == (c->addr[whole] & mask);
}
