/* Holdfast: who may be believed at a start (rule D5 of diskset.h): the members that hold everything acknowledged. */
#include "journal/journal_priv.h"

/* The newest table among what the witness and the members say. */
struct newest {
    struct disk_table table;
    bool of_witness;
};

static void newest_find(const struct journal *j, const struct scan *s, struct newest *ret)
{
    table_of_set(j->set, &ret->table);
    ret->of_witness = j->set->witness_found && j->set->epoch > 0;
    if (!ret->of_witness)
        ret->table.epoch = 0;
    for (unsigned i = 0; i < j->n_members; i++)
        if (s->claim[i].any && s->claim[i].table.epoch > ret->table.epoch) {
            ret->table = s->claim[i].table;
            ret->of_witness = false;
        }
}

/* The journal was never begun: nothing but perhaps the first epoch's record stands anywhere, and the witness, which
 * is written right after it, does not know it. */
static bool never_begun(const struct journal *j, const struct scan *s)
{
    if (!j->set->witness_found || j->set->epoch > 0)
        return false;
    for (unsigned i = 0; i < j->n_members; i++)
        if (s->claim[i].any && s->claim[i].last_seq > 1)
            return false;
    return true;
}

/* Without a witness nobody knows of a newer epoch but the disks: all of them must be there. */
static enum rc refuse_absent(const struct journal *j, const struct scan *s, const struct disk_table *t, struct err *e)
{
    for (unsigned i = 0; i < t->n; i++) {
        bool here = i < j->set->n && disk_usable(&j->set->disk[i]) &&
                    memcmp(j->set->disk[i].uuid, t->disk[i].uuid, 16) == 0 &&
                    (i >= j->n_members || (s->present >> i & 1));
        if (here)
            continue;
        return err_set(e, RC_UNAVAILABLE,
                       "the witness in %s is lost or older than the disks, and disk %u of this store%s%s is not there: "
                       "it may hold newer writes. Attach all disks, or confirm that what is here is the newest",
                       j->set->data_dir, i + 1, i < j->set->n ? " at " : "", i < j->set->n ? j->set->disk[i].path : "");
    }
    return RC_OK;
}

static unsigned trusted_by(const struct journal *j, const struct scan *s, const struct disk_table *t)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < j->n_members && i < t->n; i++)
        if ((s->present >> i & 1) && s->claim[i].any && t->disk[i].whole &&
            memcmp(t->disk[i].uuid, j->set->disk[i].uuid, 16) == 0)
            mask |= 1u << i;
    return mask;
}

static unsigned trusted_by_operator(const struct journal *j, const struct scan *s)
{
    uint64_t newest = 0;
    unsigned mask = 0;

    for (unsigned i = 0; i < j->n_members; i++)
        if (s->claim[i].any && s->claim[i].table.epoch > newest)
            newest = s->claim[i].table.epoch;
    for (unsigned i = 0; i < j->n_members; i++)
        if (s->claim[i].any && s->claim[i].table.epoch == newest)
            mask |= 1u << i;
    return mask;
}

/* Names a disk that would be believed and is not there. */
static enum rc refuse_untrusted(const struct journal *j, const struct scan *s, const struct disk_table *t,
                                struct err *e)
{
    const char *newer = "(none)", *here = "(none)";
    unsigned long long here_epoch = 0;

    for (unsigned i = 0; i < j->n_members && i < t->n; i++) {
        if (t->disk[i].whole)
            newer = j->set->disk[i].path;
        if (s->claim[i].any) {
            here = j->set->disk[i].path;
            here_epoch = (unsigned long long)s->claim[i].table.epoch;
        }
    }
    return err_set(e, RC_UNAVAILABLE,
                   "disk %s has the newest epoch (%llu) and is not there; %s has only epoch %llu, and writing to it "
                   "would make a second history. Attach %s, or confirm that its writes are to be given up",
                   newer, (unsigned long long)t->epoch, here, here_epoch, newer);
}

/* Does the set that can go on differ from the one that is written down? */
static bool members_changed(const struct journal *j, const struct newest *n, unsigned trusted)
{
    if (n->table.n != j->set->n || !n->of_witness)
        return true;
    for (unsigned i = 0; i < j->set->n; i++) {
        bool whole = i < j->n_members && (trusted >> i & 1);

        if (n->table.disk[i].whole != whole)
            return true;
    }
    return false;
}

enum rc authority_decide(struct journal *j, const struct scan *s, struct authority *ret, struct err *e)
{
    struct diskset *set = j->set;
    struct newest n;

    memset(ret, 0, sizeof(*ret));
    if (never_begun(j, s)) {
        ret->create = true;
        return RC_OK;
    }
    newest_find(j, s, &n);
    if (n.table.epoch == 0)
        return err_set(e, RC_CORRUPT, "no journal is left on any disk of this store, and its witness is lost");
    if (!n.of_witness && !set->confirm_epoch)
        HF_TRY(refuse_absent(j, s, &n.table, e));
    ret->trusted = trusted_by(j, s, &n.table);
    if (!ret->trusted && set->confirm_epoch)
        ret->trusted = trusted_by_operator(j, s);
    if (!ret->trusted)
        return refuse_untrusted(j, s, &n.table, e);
    ret->epoch = n.table.epoch;
    ret->changed = members_changed(j, &n, ret->trusted);
    for (unsigned i = 0; i < j->n_members; i++) {
        bool trusted = ret->trusted >> i & 1;

        set->disk[i].journal_whole = trusted;
        if (!trusted && disk_usable(&set->disk[i]))
            set->disk[i].state = DISK_REBUILDING;
    }
    return RC_OK;
}
