// SPDX-License-Identifier: Apache-2.0
// Handlers, keepers, inserter and reader at work together, under traffic and changes. Run with TSan
// as well.
//
//   sender threads -> nic0 (mock) -> soft (mock) -> queues -> 2 handlers -> mock pipeline <-
//   changes by the test
//
// Expected physics: once all is quiet, every packet sent was credited to some rule exactly once;
// totals that people see never go back; after the last change every megaflow does what its rule
// says, whatever raced with it.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/random.h"
#include "slowpath/upcall/private.h"
#include "tests/unit/upcall/mock_datapath.h"
#include "tests/unit/upcall/mock_pipeline.h"

#define RULES 40
#define SENDERS 2
#define WAIT_MS 20000

struct sender {
    struct mock_datapath *d;
    struct thread *thread;
    unsigned seed;
    uint64_t sent;
};

static atomic_bool stop_sending;

static void *send_some(void *arg)
{
    struct sender *s = arg;
    random_seed(s->seed);
    for (unsigned i = 0; !atomic_load(&stop_sending); i++) {
        struct flow_key k = mock_key(random_below(RULES));
        assert_true(mock_send(s->d, &k));
        s->sent++;
        if (i % 64 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 100 * NSEC_PER_USEC}, NULL);
    }
    return NULL;
}

static struct backer *start(struct mock_datapath *d, unsigned n_handlers, unsigned n_keepers)
{
    struct backer *b;
    struct backer_options o = {
        .n_handlers = n_handlers, .n_keepers = n_keepers, .instance = 1, .queue_max = 8192};
    struct tier *hw[] = {&d->hw[0]->tier};
    assert_int_equal(backer_create(mock_pipelines(), &d->datapath, hw, 1, &o, &b, NULL), 0);
    backer_set_max_revalidator(b, 10);
    return b;
}

struct sums {
    uint64_t packets, n, wrong;
};

static void sum_up(void *aux, const struct backer_flow *f)
{
    struct sums *s = aux;
    s->packets += f->sums.packets;
    s->n++;
}

static void change_something(struct backer *b)
{
    unsigned id = random_below(RULES);
    switch (random_below(12)) {
    case 0:
        backer_flow_place(b, NULL, random_below(2) ? PLACE_PROMOTE : PLACE_DEMOTE);
        break;
    case 1:
        backer_flow_del(b, NULL);
        break;
    case 2:
        backer_set_hw_offload(b, random_below(2));
        break;
    case 3:
        mock_look_at_udp(random_below(3));
        break;
    case 4:
        backer_revalidate(b);
        break;
    case 5:
        backer_set_flow_limit(b, 10 + random_below(2 * RULES));
        break;
    case 6: {
        struct sums s = {0};
        struct backer_dump *d = backer_dump_new(b);
        while (backer_dump_step(d, 7, sum_up, &s))
            ;
        backer_dump_free(d);
        break;
    }
    default:
        mock_rule_set(id, 2 + random_below(5), random_below(5) ? 0 : SLOW_CONTROLLER);
    }
}

// Tables are read, and then a while passes: time for a change to be announced too early.
static void dawdle(void)
{
    if (!random_below(4))
        nanosleep(&(struct timespec){.tv_nsec = random_below(300) * NSEC_PER_USEC}, NULL);
}

static uint64_t upcalls_waiting(struct mock_datapath *d)
{
    uint64_t n = 0;
    pthread_mutex_lock(&d->lock);
    for (unsigned i = 0; i < d->n_queues; i++)
        n += d->queues[i].n;
    pthread_mutex_unlock(&d->lock);
    return n;
}

// Each handler has finished what it took: its count of upcalls is that of the datapath.
static void wait_handled(struct backer *b, struct mock_datapath *d)
{
    struct backer_stats s;
    uint64_t upcalls;
    do {
        backer_stats(b, &s);
        pthread_mutex_lock(&d->lock);
        upcalls = d->upcalls;
        pthread_mutex_unlock(&d->lock);
    } while (upcalls_waiting(d) || s.handled < upcalls);
}

static void check_flow(void *aux, const struct backer_flow *f)
{
    struct sums *s = aux;
    s->n++;
    bool right = f->desc->actions.n == 1 && f->desc->actions.v[0].type == ACT_OUTPUT &&
                 f->desc->actions.v[0].port == 9;
    s->wrong += !right;
}

static void test_everything_at_once(void **state)
{
    mock_pipeline_reset();
    struct mock_datapath *d = mock_datapath_new(1);
    d->wait = true;
    d->hw[0]->modify_restarts = true;
    for (unsigned i = 0; i < RULES; i++)
        mock_rule_set(i, 2, 0)->learns = i % 8 == 3;
    struct backer *b = start(d, 2, 2);
    struct sender s[SENDERS];
    atomic_store(&stop_sending, false);
    for (unsigned i = 0; i < SENDERS; i++) {
        s[i] = (struct sender){.d = d, .seed = i + 1};
        assert_int_equal(thread_start(&s[i].thread, "sender", send_some, &s[i], NULL), 0);
    }
    random_seed(99);
    uint64_t last = 0;
    for (unsigned i = 0; i < 300; i++) {
        change_something(b);
        uint64_t credited = mock_credited();
        assert_true(credited >= last);
        last = credited;
        nanosleep(&(struct timespec){.tv_nsec = 500 * NSEC_PER_USEC}, NULL);
    }
    mock_look_at_udp(true);
    mock_xlate_hook(dawdle);
    for (unsigned i = 0; i < 20; i++) { // each time all are new and change at once
        mock_rules_set(0, RULES, 2 + i % 3);
        backer_flow_del(b, NULL);
        nanosleep(&(struct timespec){.tv_nsec = 2 * NSEC_PER_MSEC}, NULL);
        mock_rules_set(0, RULES, 9);
        nanosleep(&(struct timespec){.tv_nsec = 2 * NSEC_PER_MSEC}, NULL);
    }
    mock_rules_set(0, RULES, 9);
    atomic_store(&stop_sending, true);
    uint64_t sent = 0;
    for (unsigned i = 0; i < SENDERS; i++) {
        thread_join(s[i].thread);
        sent += s[i].sent;
    }
    wait_handled(b, d);
    assert_int_equal(backer_wait(b, WAIT_MS), 0);
    assert_int_equal(backer_refresh(b, 0, WAIT_MS), 0);
    assert_int_equal(backer_wait(b, WAIT_MS), 0); // finals of what was removed by the change
    assert_int_equal(mock_credited(), sent);
    struct sums sums = {0};
    struct backer_dump *dump = backer_dump_new(b);
    while (backer_dump_step(dump, 100, check_flow, &sums))
        ;
    backer_dump_free(dump);
    assert_int_equal(sums.wrong, 0);
    backer_close(b, true);
    assert_true(d->kept && d->hw[0]->kept);
    rcu_flush();
    mock_pipeline_end();
    mock_datapath_free(d);
}

#ifdef RCU_TSAN
#define MANY 1000
#else
#define MANY 10000
#endif

static uint64_t changed_in(struct mock_tier *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t n = t->applied[TIER_MODIFY];
    pthread_mutex_unlock(&t->lock);
    return n;
}

// How long a change takes to reach 10,000 megaflows: told, not judged, because machines differ.
static void test_many(void **state)
{
    mock_pipeline_reset();
    struct mock_datapath *d = mock_datapath_new(1);
    d->wait = d->all_miss = true;
    mock_rules_set(0, MANY, 3);
    struct backer *b = start(d, 1, 1);
    backer_set_max_revalidator(b, 500);
    int64_t t0 = clock_real();
    for (unsigned i = 0; i < MANY; i++) {
        struct flow_key k = mock_key(i);
        assert_true(mock_send(d, &k));
    }
    wait_handled(b, d);
    int64_t t1 = clock_real();
    assert_int_equal(backer_wait(b, WAIT_MS), 0);
    struct backer_stats s;
    backer_stats(b, &s);
    assert_int_equal(s.flows, MANY);
    int64_t t2 = clock_real();
    mock_rules_set(0, MANY, 9);
    while (changed_in(d->soft) < MANY)
        nanosleep(&(struct timespec){.tv_nsec = 100 * NSEC_PER_USEC}, NULL);
    int64_t t3 = clock_real();
    while (changed_in(d->hw[0]) < MANY)
        nanosleep(&(struct timespec){.tv_nsec = 100 * NSEC_PER_USEC}, NULL);
    int64_t t4 = clock_real();
    print_message("%u megaflows: set up in %lld us each; all changed in software within %lld ms, "
                  "in hardware within %lld ms\n",
                  MANY, (long long)((t1 - t0) / MANY / NSEC_PER_USEC),
                  (long long)((t3 - t2) / NSEC_PER_MSEC), (long long)((t4 - t2) / NSEC_PER_MSEC));
    backer_close(b, false);
    rcu_flush();
    assert_int_equal(mock_pipeline_end(), MANY);
    mock_datapath_free(d);
}

static void done_here(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

static void post_here(void *aux, void (*fn)(void *arg), void *arg)
{
    fn(arg);
}

static void test_refresh(void **state)
{
    mock_pipeline_reset();
    struct mock_datapath *d = mock_datapath_new(1);
    d->wait = true;
    struct backer *b;
    struct backer_options o = {.n_handlers = 1, .n_keepers = 2, .instance = 1, .post = post_here};
    struct tier *hw[] = {&d->hw[0]->tier};
    assert_int_equal(backer_create(mock_pipelines(), &d->datapath, hw, 1, &o, &b, NULL), 0);
    struct flow_key k = mock_key(0);
    assert_true(mock_send(d, &k));
    wait_handled(b, d);
    assert_int_equal(backer_wait(b, WAIT_MS), 0);
    for (unsigned i = 1; i < 30; i++) {
        assert_true(mock_send(d, &k));
        atomic_bool done = false;
        pipeline_refresh(NULL, done_here, &done);
        while (!atomic_load(&done))
            ;
        assert_int_equal(mock_credited(), i + 1);
    }
    // A reader that hangs holds nobody up for long.
    pthread_mutex_lock(&d->hw[0]->lock);
    d->hw[0]->hang_stats = true;
    pthread_mutex_unlock(&d->hw[0]->lock);
    mock_send(d, &k);
    atomic_bool done = false;
    pipeline_refresh(NULL, done_here, &done);
    while (!atomic_load(&done))
        ;
    mock_tier_release(d->hw[0]);
    backer_close(b, false);
    rcu_flush();
    mock_pipeline_end();
    mock_datapath_free(d);
}

static int join_rcu(void **state)
{
    rcu_thread_join();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_at_once),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_refresh),
    };
    return cmocka_run_group_tests(tests, join_rcu, NULL);
}
