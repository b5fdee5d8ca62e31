/* Holdfast: the members of the journal and the threads that write to them side by side. */
#include "journal/journal_priv.h"

void member_init(struct journal *j, unsigned slot)
{
    struct member *m = &j->member[slot];

    m->j = j;
    m->slot = slot;
    m->disk = &j->set->disk[slot];
    sem_init(&m->worker.go, 0, 0);
    sem_init(&m->worker.done, 0, 0);
    member_rehome(m);
}

void member_rehome(struct member *m)
{
    char dir[OS_PATH_MAX];
    /* A disk's path has at most a quarter of OS_PATH_MAX. */
    bool fits = os_path(dir, m->disk->path, "journal") && strlen(dir) < sizeof(m->dir);

    HF_ASSERT(fits);
    pthread_mutex_lock(&m->j->files.lock);
    memcpy(m->dir, dir, strlen(dir) + 1);
    memcpy(m->uuid, m->disk->uuid, sizeof(m->uuid));
    m->generation++;
    pthread_mutex_unlock(&m->j->files.lock);
    files_drop(m->j, m->slot, 0);
}

void member_fault(struct member *m, const struct err *why)
{
    struct journal *j = m->j;

    pthread_mutex_lock(&j->lock);
    j->fault = *why;
    pthread_mutex_unlock(&j->lock);
    m->failed = true;
}

unsigned members_live(const struct journal *j)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < j->n_members; i++)
        if (j->member[i].in_epoch && !j->member[i].failed)
            mask |= 1u << i;
    return mask;
}

unsigned members_whole(const struct journal *j)
{
    unsigned mask = members_live(j);

    for (unsigned i = 0; i < j->n_members; i++)
        if (!j->member[i].disk->journal_whole)
            mask &= ~(1u << i);
    return mask;
}

/* One member's part, in whatever thread. */
static void part_run(struct member *m, member_fn *fn, void *ctx)
{
    struct worker *w = &m->worker;

    w->err.text[0] = '\0';
    w->rc = fn(m->j, m, ctx, &w->err);
    if (w->rc != RC_OK)
        member_fault(m, &w->err);
}

unsigned members_run(struct journal *j, unsigned mask, member_fn *fn, void *ctx)
{
    unsigned ok = 0, posted = 0, mine = 0;

    while (mine < j->n_members && !(mask >> mine & 1))
        mine++;
    for (unsigned i = mine + 1; i < j->n_members; i++) {
        struct worker *w = &j->member[i].worker;

        if (!(mask >> i & 1) || !w->on)
            continue;
        w->fn = fn;
        w->ctx = ctx;
        sem_post(&w->go);
        posted |= 1u << i;
    }
    for (unsigned i = 0; i < j->n_members; i++)
        if ((mask >> i & 1) && !(posted >> i & 1))
            part_run(&j->member[i], fn, ctx);
    for (unsigned i = 0; i < j->n_members; i++) {
        if (!(mask >> i & 1))
            continue;
        if (posted >> i & 1)
            while (sem_wait(&j->member[i].worker.done) != 0) /* EINTR */
                continue;
        if (j->member[i].worker.rc == RC_OK)
            ok |= 1u << i;
    }
    return ok;
}

static void *worker_main(void *ctx)
{
    struct member *m = ctx;
    struct worker *w = &m->worker;

    for (;;) {
        while (sem_wait(&w->go) != 0)
            continue;
        if (w->stop)
            return NULL;
        part_run(m, w->fn, w->ctx);
        sem_post(&w->done);
    }
}

enum rc workers_start(struct journal *j, struct err *e)
{
    /* The caller of members_run does the first one itself. */
    for (unsigned i = 1; i < j->n_members && !j->single_thread; i++) {
        if (os_thread(&j->member[i].worker.thread, "journal-sync", worker_main, &j->member[i]) != RC_OK)
            return err_set(e, RC_UNAVAILABLE, "no thread for the journal on %s", j->member[i].disk->path);
        j->member[i].worker.on = true;
    }
    return RC_OK;
}

void workers_stop(struct journal *j)
{
    for (unsigned i = 0; i < j->n_members; i++) {
        struct worker *w = &j->member[i].worker;

        if (!w->on)
            continue;
        w->stop = true;
        sem_post(&w->go);
        pthread_join(w->thread, NULL);
        w->on = false;
    }
}
