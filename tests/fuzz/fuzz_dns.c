/* SPDX-License-Identifier: MIT
 *
 * fuzz_dns - what gantry-dns does to a message from a container and to one from a resolver. The first byte is the length of a query that the rest
 * is compared with as its reply.
 */
#include "tests/fuzz/fuzz.h"
#include "net/dns_msg.h"
#include <stdlib.h>
#include <string.h>



static void answer(const uint8_t *m, const struct dns_query *q, int rcode, size_t room)
{
	uint8_t *buf = malloc(room);
	struct dns_answer a;
	struct addr v4 = addr_v4(0xac120002), v6 = { 6, { 0xfd } };
	size_t n;

	dns_answer_begin(&a, buf, room, m, q, rcode);
	for (int i = 0; i < 64; i++)
		dns_answer_addr(&a, i % 2 ? &v4 : &v6);
	dns_answer_ptr(&a, "proj-web-1.proj_default");
	dns_answer_ptr(&a, q->name);
	n = dns_answer_end(&a);
	if (n > room || n < 12)
		abort();
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_query q;
	struct addr a;
	size_t cut;
	int r;

	if (!size)
		return 0;
	cut = data[0];
	data++;
	size--;
	r = dns_query_read(data, size, &q);
	if (r >= 0) {
		if (q.question > size || memchr(q.name, '\0', DNS_NAME) == NULL)
			abort();
		answer(data, &q, r, q.udp_max);
		(void)dns_ptr_addr(q.name, &a);
	}
	if (cut < size)
		(void)dns_reply_matches(data + cut, size - cut, data, cut);
	return 0;
}
