/* Any bytes as responses of a client: the first byte chooses the mechanism,
   lines are responses, in base64 when the second byte says so. What is taken
   must be writable and readable again. */
#include <stdlib.h>

#include "lib/hash.h"
#include "proxy/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct credential *credential)
{
	struct strbuf out = STRBUF_INIT(SASL_LINE_MAX + 1);
	struct sasl_client client;
	struct sasl_server server;
	struct credential again;

	if (sasl_client_init(&client, credential, 1u << credential->mechanism,
			     "host", 993, NULL) < 0) {
		/* LOGIN has no authzid to begin with. */
		abort();
	}
	credential_init(&again);
	sasl_server_init(&server, client.mechanism);
	for (int step = 0, status = 0; status == 0; step++) {
		strbuf_clear(&out);
		if (step > 1 ||
		    sasl_client_response(&client, SPAN(""), &out) != 1) {
			abort();
		}
		status = sasl_server_response(&server, strbuf_span(&out),
					      &again, NULL);
		if (status < 0) {
			abort();
		}
	}
	if (!span_eq(strbuf_span(&credential->user),
		     strbuf_span(&again.user)) ||
	    !span_eq(strbuf_span(&credential->secret),
		     strbuf_span(&again.secret))) {
		abort();
	}
	credential_wipe(&again);
	strbuf_wipe(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct strbuf base64 = STRBUF_INIT(SASL_LINE_MAX * 2);
	struct sasl_server server;
	struct credential credential;
	struct span line;
	bool raw;

	if (size < 2) {
		return 0;
	}
	credential_init(&credential);
	sasl_server_init(&server, data[0] % SASL_MECHANISM_COUNT);
	raw = data[1] % 2 == 0;
	rest = span_from(rest, 2);
	while (span_next_line(&rest, &line)) {
		struct error err;
		int status;

		strbuf_clear(&base64);
		if (raw) {
			base64_encode(span_first(line, SASL_LINE_MAX), &base64);
			line = strbuf_span(&base64);
		}
		status = sasl_server_response(&server, line, &credential, &err);
		if (status < 0) {
			break;
		}
		if (status == 1) {
			write_again(&credential);
			break;
		}
	}
	credential_wipe(&credential);
	strbuf_finish(&base64);
	return 0;
}
