// SPDX-License-Identifier: Apache-2.0
// Handlers and keepers over the real pipeline, in a random world of two bridges, against the twin
// that translates everything again and compares: after a change and the keeper's catching up, no
// megaflow in any tier may say anything but what the tables say now. First step by step, then with
// all threads and two senders.
//
// A failure shows a dependency that a translation forgot to note, or a change that nobody heard of.
#include "slowpath/upcall/private.h"
#include "tests/unit/pipeline/xlate_world.h"
#include "tests/unit/upcall/mock_datapath.h"

struct fixture {
    struct world w;
    struct mock_datapath *d;
    struct backer *b;
    unsigned flows, hardware, slow, probed; // seen by checks
};

static void start(struct fixture *f, unsigned seed, bool manual)
{
    random_seed(seed);
    *f = (struct fixture){.d = mock_datapath_new(1)};
    world_init(&f->w);
    f->w.now = clock_now();
    f->d->wait = !manual;
    struct backer_options o = {.n_handlers = 2, .n_keepers = 2, .instance = 1, .manual = manual};
    struct tier *hw[] = {&f->d->hw[0]->tier};
    assert_int_equal(backer_create(f->w.all, &f->d->datapath, hw, 1, &o, &f->b, NULL), 0);
    for (unsigned i = 0; i < 20; i++)
        world_random_rule(&f->w, random_below(3) ? 0 : 1);
}

static void stop(struct fixture *f)
{
    backer_close(f->b, false);
    rcu_flush();
    world_done(&f->w);
    mock_datapath_free(f->d);
}

static struct mock_flow *tier_flow(struct mock_tier *t, const struct ufid *u)
{
    struct mock_flow *m;
    HASH_FIND(hh, t->flows, u, sizeof(*u), m);
    return m;
}

static void check_tier(struct mock_tier *t, const struct flow_desc *desc)
{
    struct mock_flow *m = tier_flow(t, &desc->ufid);
    assert_non_null(m);
    assert_true(act_list_equal(&m->desc.actions, &desc->actions));
}

static void check_flow(void *aux, const struct backer_flow *b)
{
    struct fixture *f = aux;
    const struct flow_desc *desc = b->desc;
    struct xlate_in in = {.now = clock_now()};
    struct xlate_out out;
    struct megaflow *m = store_find(f->b->store, &desc->ufid);
    assert_non_null(m);
    megaflow_sample(m, &in.flow.key);
    assert_true(flow_key_equal_masked(&in.flow.key, &desc->key, &desc->mask));
    rcu_enter();
    assert_true(
        pipelines_find_port(f->w.all, desc->key.in_port, &in.pipeline, &in.flow.pipe.in_port));
    xlate(&in, &out);
    rcu_leave();
    if (xlate_out_is_slow(&out)) {
        assert_int_equal(desc->actions.n, 1);
        assert_int_equal(desc->actions.v[0].type, ACT_USERSPACE);
        f->slow++;
    } else {
        assert_true(act_list_equal(&out.actions, &desc->actions));
    }
    xlate_out_done(&out);
    check_tier(f->d->soft, desc);
    f->flows++;
    if (b->where.state == PLACE_HARDWARE) {
        f->hardware++;
        check_tier(f->d->hw[0], desc);
    }
}

// Packets that come now and hit a megaflow leave as the naive twin says.
static void probe(struct fixture *f)
{
    static struct sent want, got;
    for (unsigned i = 0; i < 8; i++) {
        struct flow p;
        struct mock_flow *m, *next;
        world_packet(&f->w, &p);
        HASH_ITER (hh, f->d->soft->flows, m, next) {
            if (!flow_key_equal_masked(&p.key, &m->desc.key, &m->desc.mask))
                continue;
            struct megaflow *flow = store_find(f->b->store, &m->desc.ufid);
            const struct translation *t = translation_of(flow->place.version);
            if (t->slow || t->error) // not for the tier to say, or given up as too complex
                continue;
            naive_xlate(&f->w, &p, &want);
            run_acts(&m->desc.actions, &p, &got);
            assert_sent_equal(&got, &want);
            f->probed++;
        }
    }
}

static void check_all(struct fixture *f)
{
    struct backer_dump *dump = backer_dump_new(f->b);
    while (backer_dump_step(dump, 1000, check_flow, f))
        ;
    backer_dump_free(dump);
    probe(f);
}

static bool is_awake(struct fixture *f)
{
    return f->b->keepers[0].woken || f->b->keepers[1].woken;
}

// Counters that are credited teach the MAC tables, which makes megaflows stale again: until nothing
// is left.
static void run_threads(struct fixture *f)
{
    do {
        for (unsigned i = 0; i < 2; i++) {
            while (handler_step(&f->b->handlers[i]) > 0)
                ;
        }
        for (unsigned i = 0; i < 2; i++)
            keeper_catch_up(&f->b->keepers[i]);
        while (offload_step(f->b->offload))
            ;
    } while (is_awake(f));
}

static void send_some(struct fixture *f, unsigned n)
{
    while (n--) {
        struct flow p;
        world_packet(&f->w, &p);
        mock_send(f->d, &p.key);
    }
}

static void test_twin(void **state)
{
    unsigned flows = 0, hardware = 0, slow = 0, probed = 0;
    struct backer_stats s;
    uint64_t stale = 0;
    for (unsigned round = 0; round < 30; round++) {
        struct fixture f;
        start(&f, 7000 + round, true);
        for (unsigned i = 0; i < 30; i++) {
            send_some(&f, 4);
            if (random_below(2)) // between a packet's arrival and its handling, too
                world_random_change(&f.w);
            run_threads(&f);
            check_all(&f);
            world_random_change(&f.w);
            if (!random_below(4))
                f.w.now = clock_now();
            run_threads(&f);
            check_all(&f);
            if (!random_below(8)) {
                keeper_round(&f.b->keepers[random_below(2)]);
                pipelines_run(f.w.all, clock_now());
            }
        }
        backer_stats(f.b, &s);
        stale += s.stale;
        flows += f.flows;
        hardware += f.hardware;
        slow += f.slow;
        probed += f.probed;
        stop(&f);
    }
    // The test saw what it is about.
    print_message("%u megaflows checked, %u in hardware, %u slow; %u packets; %llu corrected\n",
                  flows, hardware, slow, probed, (unsigned long long)stale);
    assert_true(flows > 2000 && hardware > 500 && slow > 50 && probed > 100 && stale > 500);
}

struct sender {
    struct fixture *f;
    struct thread *thread;
    unsigned seed;
    atomic_bool *stop;
};

static void *sender(void *arg)
{
    struct sender *s = arg;
    random_seed(s->seed);
    for (unsigned i = 0; !atomic_load(s->stop); i++) {
        send_some(s->f, 1);
        if (i % 16 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 200 * NSEC_PER_USEC}, NULL);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture f;
    struct sender s[2];
    atomic_bool stopped = false;
    start(&f, 4711, false);
    backer_set_max_revalidator(f.b, 20);
    for (unsigned i = 0; i < 2; i++) {
        s[i] = (struct sender){&f, NULL, i + 1, &stopped};
        assert_int_equal(thread_start(&s[i].thread, "sender", sender, &s[i], NULL), 0);
    }
    for (unsigned i = 0; i < 400; i++) {
        world_random_change(&f.w);
        if (i % 16 == 0)
            pipelines_run(f.w.all, clock_now());
        nanosleep(&(struct timespec){.tv_nsec = 500 * NSEC_PER_USEC}, NULL);
    }
    atomic_store(&stopped, true);
    for (unsigned i = 0; i < 2; i++)
        thread_join(s[i].thread);
    struct backer_stats stats;
    uint64_t upcalls;
    do {
        backer_stats(f.b, &stats);
        pthread_mutex_lock(&f.d->lock);
        upcalls = f.d->upcalls;
        pthread_mutex_unlock(&f.d->lock);
    } while (stats.handled < upcalls);
    for (unsigned i = 0; i < 3;
         i++) // what credits taught the MAC tables is announced and worked off as well
        assert_int_equal(backer_wait(f.b, 20000), 0);
    check_all(&f);
    assert_true(f.flows > 0 && stats.stale > 0);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
