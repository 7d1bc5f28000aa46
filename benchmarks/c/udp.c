/* udp respond                answer OPTIONS on a free port of loopback, which is printed first
 * udp ask PORT COUNT WINDOW  ask COUNT times, WINDOW at once, and print the CPU time of one in microseconds
 */
#define _GNU_SOURCE
#include "sip.h"

static char in[BATCH][MESSAGE], out[BATCH][MESSAGE];
static struct sockaddr_in peers[BATCH];
static struct mmsghdr received[BATCH], sent[BATCH];
static struct iovec read_into[BATCH], write_from[BATCH];

static int receive(int sock, int flags) {
    for (int i = 0; i < BATCH; i++) {
        read_into[i] = (struct iovec){in[i], MESSAGE - 1};
        received[i].msg_hdr = (struct msghdr){
            .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &read_into[i], .msg_iovlen = 1};
    }
    return recvmmsg(sock, received, BATCH, flags, NULL);
}

static void respond(void) {
    int sock = bound(SOCK_DGRAM);
    for (;;) {
        int count = receive(sock, MSG_WAITFORONE), ready = 0;
        for (int i = 0; i < count; i++) {
            size_t size = answer(in[i], received[i].msg_len, out[ready]);
            if (!size) continue;
            write_from[ready] = (struct iovec){out[ready], size};
            sent[ready].msg_hdr = (struct msghdr){
                .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &write_from[ready], .msg_iovlen = 1};
            ready++;
        }
        for (int done = 0, n; done < ready; done += n)
            if ((n = sendmmsg(sock, sent + done, ready - done, 0)) <= 0) break;
    }
}

static void ask(int port, int count, int window) {
    int sock = connected(SOCK_DGRAM, port), next = 0, done = 0;
    double begin = cpu_seconds();
    while (done < count) {
        int ready = 0;
        for (; ready < BATCH && next < count && next - done < window; next++, ready++) {
            write_from[ready] = (struct iovec){out[ready], options(next % SLOTS, "UDP", port, out[ready])};
            sent[ready].msg_hdr = (struct msghdr){.msg_iov = &write_from[ready], .msg_iovlen = 1};
            awaited[next % SLOTS] = 1;
        }
        if (ready && sendmmsg(sock, sent, ready, 0) < 0) fail("sendmmsg");
        int count_in = receive(sock, next - done < window && next < count ? MSG_DONTWAIT : MSG_WAITFORONE);
        for (int i = 0; i < count_in; i++) {
            long number = matched(in[i], received[i].msg_len);
            if (number < 0 || !awaited[number]) continue;
            awaited[number] = 0;
            done++;
        }
    }
    printf("%.4f\n", (cpu_seconds() - begin) / count * 1e6);
}

int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "respond")) respond();
    if (count != 5 || strcmp(words[1], "ask")) return 2;
    ask(atoi(words[2]), atoi(words[3]), atoi(words[4]));
    return 0;
}
