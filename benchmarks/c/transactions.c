/* transactions ask COUNT LINGER  begin COUNT client transactions, 64 at once, and match a response to each: a state, a
 *                          key in a table, timers in a heap; with LINGER each waits in Timer K (RFC 3261 §17.1.2).
 *                          Prints the CPU time of one in microseconds. Messages are made beforehand, as they are for
 *                          the benchmark that this is the peer of.
 */
#define _GNU_SOURCE
#include "transaction.h"

enum { AT_ONCE = 64 };

static char requests[AT_ONCE][MESSAGE], responses[AT_ONCE][MESSAGE];
static size_t request_size[AT_ONCE], response_size[AT_ONCE];

/* The branch of the topmost Via and the method of CSeq, which make the key (RFC 3261 §17.1.3). */
static void key_of(const char *message, size_t size, char *branch, char *method) {
    size_t length;
    const char *via = field(message, message + size, "Via", &length);
    sscanf(memmem(via, length, "branch=", 7) + 7, "%63[^;\r\n]", branch);
    sscanf(field(message, message + size, "CSeq", &length) + 5, "%*d %15s", method);
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
            if (!begun(one, requests[i], request_size[i], now, linger)) return 1;
        }
        for (int i = 0; i < AT_ONCE; i++) {
            char branch[64], method[16];
            key_of(responses[i], response_size[i], branch, method);
            struct transaction *one = *find(branch, method);
            if (!one) return 1;
            completed(one, now, linger);
            done++;
        }
        now += 60000;
        time_passed(now);
    }
    printf("%.4f\n", (cpu_seconds() - begin) / done * 1e6);
    return 0;
}
