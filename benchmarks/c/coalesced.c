/* coalesced respond WINDOW       take two connections: for each byte on the second, WINDOW responses on the first, in one
 *                                write and with the branches 0 to WINDOW - 1
 * coalesced ask PORT COUNT WINDOW  begin WINDOW client transactions, have them answered, and print the CPU time of one
 *                                response in microseconds, from the first byte of all of them to the end of the last
 *                                transaction: read, cut off by Content-Length, copied out of the buffer, every header
 *                                field found and named, what finds the transaction taken by its grammar, and matched.
 *                                COUNT responses in all.
 */
#define _GNU_SOURCE
#include "transaction.h"
#include <ctype.h>

enum { BUFFER = 1 << 18, FIELDS = 256, NAMES = 256 };
static char in[BUFFER], out[BUFFER];

enum name { OTHER, VIA, FROM, TO, CALL_ID, CSEQ, CONTENT_LENGTH };
static const struct known {
    const char *text;
    enum name name;
} known[] = {
    {"Via", VIA}, {"v", VIA}, {"From", FROM}, {"f", FROM}, {"To", TO}, {"t", TO}, {"Call-ID", CALL_ID}, {"i", CALL_ID},
    {"CSeq", CSEQ}, {"Content-Length", CONTENT_LENGTH}, {"l", CONTENT_LENGTH}};
static const struct known *names[NAMES];
static char in_token[256];

struct field {
    enum name name;
    const char *value;
    size_t size;
};
struct message {
    int status, count;
    struct field fields[FIELDS];
    const char *body;
    size_t body_size;
};
struct envelope {
    char branch[64], method[16];
    const char *sent_by, *from_tag, *to_tag, *call_id;
    size_t sent_by_size, from_tag_size, to_tag_size, call_id_size;
    long number;
};

static unsigned hash_of(const char *name, size_t size) {
    unsigned hash = size;
    for (size_t i = 0; i < size; i++) hash = hash * 31 + (name[i] | 0x20);
    return hash % NAMES;
}

static void prepare_tables(void) {
    for (const char *at = "-.!%*_+`'~"; *at; at++) in_token[(unsigned char)*at] = 1;
    for (int i = 0; i < 26; i++) in_token['a' + i] = in_token['A' + i] = 1;
    for (int i = '0'; i <= '9'; i++) in_token[i] = 1;
    for (const struct known *one = known; one < known + sizeof known / sizeof *known; one++) {
        unsigned at = hash_of(one->text, strlen(one->text));
        while (names[at]) at = (at + 1) % NAMES;
        names[at] = one;
    }
}

static size_t token(const char *at, const char *end) {
    const char *begin = at;
    while (at < end && in_token[(unsigned char)*at]) at++;
    return at - begin;
}

static enum name named(const char *name, size_t size) {
    for (unsigned at = hash_of(name, size); names[at]; at = (at + 1) % NAMES)
        if (!strncasecmp(names[at]->text, name, size) && !names[at]->text[size]) return names[at]->name;
    return OTHER;
}

static const struct field *first(const struct message *message, enum name name) {
    for (int i = 0; i < message->count; i++)
        if (message->fields[i].name == name) return &message->fields[i];
    return NULL;
}

/* The size of the message at the front of `data`, 0 while it is not whole (RFC 3261 §18.3). */
static size_t framed(const char *data, size_t size) {
    const char *head = memmem(data, size, "\r\n\r\n", 4);
    size_t length, whole = head ? head + 4 - data : 0;
    const char *found = head ? field(data, head + 4, "Content-Length", &length) : NULL;
    if (found) whole += strtoul(found + 15, NULL, 10);
    return whole > size ? 0 : whole;
}

/* A response that is whole (RFC 3261 §7), in memory of its own; leaves the program when it is none. Lines are not folded
 * here, and end in CRLF. */
static struct message *parsed(const char *received, size_t size) {
    struct message *message = malloc(sizeof *message + size);
    const char *data = memcpy(message + 1, received, size), *end = memmem(data, size, "\r\n\r\n", 4) + 2;
    if (memcmp(data, "SIP/2.0 ", 8) || memchr(data, 0, end - data)) fail("not a response");
    message->status = strtol(data + 8, NULL, 10);
    message->count = 0;
    if (message->status < 100 || message->status > 699 || data[11] != ' ') fail("status");
    for (const char *line = memchr(data, '\n', end - data) + 1; line < end;) {
        const char *next = memchr(line, '\n', end - line), *value = line + token(line, next), *last = next - 1;
        if (*last != '\r' || *value != ':' || value == line || message->count == FIELDS) fail("header field");
        struct field *field = &message->fields[message->count++];
        field->name = named(line, value - line);
        for (value++; value < last && (*value == ' ' || *value == '\t');) value++;
        while (last > value && (last[-1] == ' ' || last[-1] == '\t')) last--;
        field->value = value, field->size = last - value;
        line = next + 1;
    }
    message->body = end + 2, message->body_size = data + size - message->body;
    return message;
}

/* The parameter `name` among those of a value, each by its grammar (RFC 3261 §25.1); its size, -1 where it is missing. */
static long parameter(const char *at, const char *end, const char *name, const char **value) {
    long found = -1;
    while (at < end && *at == ';') {
        size_t size = token(++at, end), length = 0;
        const char *is = at;
        if (!size) return -1;
        at += size;
        if (at < end && *at == '=' && !(length = token(++at, end))) return -1;
        if (!strncasecmp(is, name, size) && !name[size]) *value = at, found = length;
        at += length;
    }
    return at == end ? found : -1;
}

static int tag_of(const struct field *field, const char **tag, size_t *size) {
    const char *end = field->value + field->size, *at = memchr(field->value, '>', field->size);
    long length = at ? parameter(at + 1, end, "tag", tag) : -1;
    *size = length < 0 ? 0 : length;
    return at != NULL;
}

/* What finds the transaction and the dialog of a message (RFC 3261 §17.1.3, §12); 0 where something lacks. */
static int opened(const struct message *message, struct envelope *envelope) {
    const struct field *via = first(message, VIA), *from = first(message, FROM), *to = first(message, TO),
                       *call_id = first(message, CALL_ID), *cseq = first(message, CSEQ);
    if (!via || !from || !to || !call_id || !cseq || !call_id->size) return 0;
    const char *end = via->value + via->size, *space = memchr(via->value, ' ', via->size), *branch;
    if (!space || memcmp(via->value, "SIP/2.0/", 8)) return 0;
    envelope->sent_by = ++space;
    while (space < end && *space != ';') space++;
    envelope->sent_by_size = space - envelope->sent_by;
    long size = parameter(space, end, "branch", &branch);
    if (size < 7 || size >= (long)sizeof envelope->branch || strncasecmp(branch, "z9hG4bK", 7)) return 0;
    for (long i = 0; i < size; i++) envelope->branch[i] = tolower(branch[i]);
    envelope->branch[size] = 0;
    if (!tag_of(from, &envelope->from_tag, &envelope->from_tag_size)) return 0;
    if (!tag_of(to, &envelope->to_tag, &envelope->to_tag_size)) return 0;
    envelope->call_id = call_id->value, envelope->call_id_size = call_id->size;
    char *method;
    envelope->number = strtol(cseq->value, &method, 10);
    size = cseq->value + cseq->size - ++method;
    if (size <= 0 || size >= (long)sizeof envelope->method || (size_t)size != token(method, method + size)) return 0;
    memcpy(envelope->method, method, size);
    envelope->method[size] = 0;
    return 1;
}

static void respond(int window) {
    char request[MESSAGE], byte;
    size_t ready = 0;
    int listening = bound(SOCK_STREAM);
    for (int number = 0; number < window; number++) {
        size_t size = options(number, "TCP", 5060, request);
        ready += answer(request, size, out + ready);
        if (ready > BUFFER - MESSAGE) exit(2);
    }
    for (int sock; (sock = accept(listening, NULL, NULL)) >= 0; close(sock)) {
        int asking = accept(listening, NULL, NULL);
        while (read(asking, &byte, 1) == 1) put(sock, out, ready);
        close(asking);
    }
}

static double used(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void begin(int number, double now) {
    struct transaction *one = calloc(1, sizeof *one);
    sprintf(one->branch, "z9hg4bk%08x", number);
    strcpy(one->method, "OPTIONS");
    if (!begun(one, "", 0, now, 0)) fail("branch");
}

static void ask(int port, int count, int window) {
    int sock = connected(SOCK_STREAM, port), asking = connected(SOCK_STREAM, port);
    double taken = 0, now = 0;
    for (int done = 0; done < count; now += 2 * TIMER_F) {
        for (int number = 0; number < window; number++) begin(number, now);
        put(asking, "", 1);
        double from = used();
        size_t held = 0;
        for (int left = window; left;) {
            ssize_t n = read(sock, in + held, BUFFER - held);
            if (n <= 0) fail("read");
            held += n;
            struct envelope envelope;
            size_t at = 0;
            for (size_t size; (size = framed(in + at, held - at)); at += size) {
                struct message *message = parsed(in + at, size);
                if (!opened(message, &envelope)) fail("envelope");
                struct transaction *one = *find(envelope.branch, envelope.method);
                if (!one || one->state != TRYING || envelope.sent_by_size != 15 ||
                    strncasecmp(envelope.sent_by, "127.0.0.1:40000", 15))
                    fail("stray");
                if (message->status >= 200) completed(one, now, 0), left--, done++;
                free(message);
            }
            memmove(in, in + at, held -= at);
        }
        time_passed(now + TIMER_F);
        taken += used() - from;
    }
    printf("%.4f\n", taken / count * 1e6);
}

int main(int count, char **words) {
    prepare_tables();
    if (count == 3 && !strcmp(words[1], "respond")) respond(atoi(words[2]));
    if (count != 5 || strcmp(words[1], "ask")) return 2;
    ask(atoi(words[2]), atoi(words[3]), atoi(words[4]));
    return 0;
}
