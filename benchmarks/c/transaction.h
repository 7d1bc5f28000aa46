/* Client transactions beside the messages: a state, a key in a table, timers in a heap (RFC 3261 §17.1.2). */
#pragma once
#include "sip.h"

enum { BUCKETS = 1 << 10, T1 = 500, T4 = 5000, TIMER_F = 64 * T1 };
enum state { TRYING, COMPLETED };

struct transaction {
    struct transaction *next;
    enum state state;
    double repeat_at, end_at;
    char branch[64], method[16];
    const char *data;
    size_t size;
};
struct alarm {
    double at;
    struct transaction *of;
};

static struct transaction *table[BUCKETS];
static struct alarm heap[1 << 16];
static int alarms;

static void set_alarm(double at, struct transaction *of) {
    int i = alarms++;
    for (; i && heap[(i - 1) / 2].at > at; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = (struct alarm){at, of};
}

static struct alarm next_alarm(void) {
    struct alarm first = heap[0], last = heap[--alarms];
    int i = 0;
    for (int child; (child = 2 * i + 1) < alarms; i = child) {
        if (child + 1 < alarms && heap[child + 1].at < heap[child].at) child++;
        if (heap[child].at >= last.at) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return first;
}

static unsigned bucket_of(const char *branch) {
    unsigned hash = 2166136261u;
    for (; *branch; branch++) hash = (hash ^ (unsigned char)*branch) * 16777619u;
    return hash % BUCKETS;
}

static struct transaction **find(const char *branch, const char *method) {
    struct transaction **at = &table[bucket_of(branch)];
    while (*at && (strcmp((*at)->branch, branch) || strcmp((*at)->method, method))) at = &(*at)->next;
    return at;
}

/* Put `one`, whose key is filled in, into the table, and let its timers run; 0 where its key is taken. */
static int begun(struct transaction *one, const char *data, size_t size, double now, int unreliable) {
    one->data = data, one->size = size;
    one->repeat_at = now + T1, one->end_at = now + TIMER_F;
    struct transaction **at = find(one->branch, one->method);
    if (*at) return 0;
    *at = one;
    set_alarm(unreliable ? one->repeat_at : one->end_at, one);
    return 1;
}

/* The transaction got its answer; Timer K is what it waits for now, if for anything. */
static void completed(struct transaction *one, double now, int unreliable) {
    one->state = COMPLETED, one->end_at = now + (unreliable ? T4 : 0);
}

/* Let everything fire that is due. */
static void time_passed(double now) {
    while (alarms && heap[0].at <= now) {
        struct alarm due = next_alarm();
        if (due.of->state == COMPLETED && due.of->end_at > due.at) set_alarm(due.of->end_at, due.of);
        else {
            *find(due.of->branch, due.of->method) = due.of->next;
            free(due.of);
        }
    }
}
