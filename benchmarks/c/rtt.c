/* rtt watch PORT COUNT     take the kernel's stamps of OPTIONS that leave for PORT of loopback and of their answers, as
 *                          the network device sees them; once COUNT were answered, print branch and microseconds each
 * rtt ask PORT COUNT       ask COUNT times, one after the other, and print branch and microseconds as measured here
 */
#define _GNU_SOURCE
#include "sip.h"
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>

static char packet[4096], control[256];

struct asked {
    char branch[64];
    double at, answered;
};
static struct asked table[SLOTS];

static double stamp_of(struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            return stamp.tv_sec * 1e6 + stamp.tv_nsec / 1e3;
        }
    fail("no kernel stamp");
    return 0;
}

static struct asked *place(const char *branch) {
    unsigned hash = 2166136261u;
    for (const char *c = branch; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    struct asked *at = &table[hash % SLOTS];
    while (at->branch[0] && strcmp(at->branch, branch)) at = at + 1 < table + SLOTS ? at + 1 : table;
    return at;
}

static void watch(int port, int count) {
    /* ETH_P_IP alone would not show what leaves. */
    int sock = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), one = 1, size = 16 << 20, done = 0;
    struct sockaddr_ll device = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex("lo")};
    if (sock < 0 || bind(sock, (void *)&device, sizeof device)) fail("packet socket");
    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    printf("ready\n");
    fflush(stdout);
    while (done < count) {
        struct sockaddr_ll from;
        struct iovec into = {packet, sizeof packet - 1};
        struct msghdr header = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &into, .msg_iovlen = 1,
                                .msg_control = control, .msg_controllen = sizeof control};
        ssize_t length = recvmsg(sock, &header, 0);
        if (length < 28 || packet[0] != 0x45 || packet[9] != 17) continue;
        unsigned char *ip = (void *)packet;
        int source = ip[20] << 8 | ip[21], destination = ip[22] << 8 | ip[23];
        packet[length] = 0;
        const char *branch = strstr(packet + 28, "branch=");
        char name[64] = "";
        if (!branch || sscanf(branch + 7, "%63[^;\r\n]", name) != 1) continue;
        /* Loopback shows each packet as it leaves and as it arrives. */
        if (destination == port && from.sll_pkttype == PACKET_OUTGOING) {
            struct asked *found = place(name);
            strcpy(found->branch, name);
            found->at = stamp_of(&header);
        } else if (source == port && from.sll_pkttype != PACKET_OUTGOING) {
            struct asked *found = place(name);
            if (found->at && !found->answered) found->answered = stamp_of(&header), done++;
        }
    }
    for (struct asked *one_of = table; one_of < table + SLOTS; one_of++)
        if (one_of->answered) printf("%s %.3f\n", one_of->branch, one_of->answered - one_of->at);
}

static void ask(int port, int count) {
    int sock = connected(SOCK_DGRAM, port), one = 1;
    setsockopt(sock, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    for (int number = 0; number < count; number++) {
        size_t size = options(number, "UDP", port, packet);
        struct timespec sent;
        clock_gettime(CLOCK_REALTIME, &sent);
        send(sock, packet, size, 0);
        struct iovec into = {packet, sizeof packet - 1};
        struct msghdr header = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        if (recvmsg(sock, &header, 0) <= 0) fail("recvmsg");
        printf("z9hG4bK%08x %.3f\n", number, stamp_of(&header) - sent.tv_sec * 1e6 - sent.tv_nsec / 1e3);
    }
}

int main(int count, char **words) {
    if (count != 4) return 2;
    if (!strcmp(words[1], "watch")) watch(atoi(words[2]), atoi(words[3]));
    else if (!strcmp(words[1], "ask")) ask(atoi(words[2]), atoi(words[3]));
    else return 2;
    return 0;
}
