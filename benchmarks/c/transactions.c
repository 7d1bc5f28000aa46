/* transactions ask COUNT LINGER  begin COUNT client transactions, 64 at once, and match a response to each: a state, a
 *                          key in a table, timers in a heap; with LINGER each waits in Timer K (RFC 3261 §17.1.2).
 *                          Prints the CPU time of one in microseconds. Messages are made beforehand, as they are for
 *                          the benchmark that this is the peer of.
 */
#define _GNU_SOURCE
#include "sip.h"

enum { AT_ONCE = 64, BUCKETS = 1 << 10, T1 = 500, T4 = 5000, TIMER_F = 64 * T1 };
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
static char requests[AT_ONCE][MESSAGE], responses[AT_ONCE][MESSAGE];
static size_t request_size[AT_ONCE], response_size[AT_ONCE];

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

/* The branch of the topmost Via and the method of CSeq, which make the key (RFC 3261 §17.1.3). */
static void key_of(const char *message, size_t size, char *branch, char *method) {
    size_t length;
    const char *via = field(message, message + size, "Via", &length);
    sscanf(memmem(via, length, "branch=", 7) + 7, "%63[^;\r\n]", branch);
    sscanf(field(message, message + size, "CSeq", &length) + 5, "%*d %15s", method);
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

static void end(struct transaction *one) {
    *find(one->branch, one->method) = one->next;
    free(one);
}

int main(int count, char **words) {
    if (count != 4 || strcmp(words[1], "ask")) return 2;
    int total = atoi(words[2]), linger = atoi(words[3]), done = 0;
    for (int i = 0; i < AT_ONCE; i++) {
        request_size[i] = options(i, linger ? "UDP" : "TCP", 5060, requests[i]);
        response_size[i] = answer(requests[i], request_size[i], responses[i]);
    }
    double begin = cpu_seconds(), now = 0;
    while (done < total) {
        for (int i = 0; i < AT_ONCE; i++) {
            struct transaction *one = calloc(1, sizeof *one);
            key_of(requests[i], request_size[i], one->branch, one->method);
            one->data = requests[i], one->size = request_size[i];
            one->repeat_at = now + T1, one->end_at = now + TIMER_F;
            struct transaction **at = find(one->branch, one->method);
            if (*at) return 1;
            *at = one;
            set_alarm(linger ? one->repeat_at : one->end_at, one);
        }
        for (int i = 0; i < AT_ONCE; i++) {
            char branch[64], method[16];
            key_of(responses[i], response_size[i], branch, method);
            struct transaction *one = *find(branch, method);
            if (!one) return 1;
            one->state = COMPLETED, one->end_at = now + (linger ? T4 : 0);
            done++;
        }
        now += 60000;
        while (alarms && heap[0].at <= now) {
            struct alarm due = next_alarm();
            if (due.of->state == COMPLETED && due.of->end_at > due.at) set_alarm(due.of->end_at, due.of);
            else end(due.of);
        }
    }
    printf("%.4f\n", (cpu_seconds() - begin) / done * 1e6);
    return 0;
}
