/* Any bytes as commands of a client. What is accepted of MAIL and RCPT must
   be one line, and must read the same when written again. */
#include <stdlib.h>

#include "smtp/smtp_command.h"
#include "smtp/smtp_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(bool is_mail, struct span argument,
		 struct smtp_envelope *envelope)
{
	const char *refusal = NULL;
	int status =
		is_mail ? smtp_mail_parse(argument, envelope, &refusal)
			: smtp_rcpt_parse(argument, true, envelope, &refusal);

	if ((status < 0) != (refusal != NULL)) {
		abort();
	}
	return status;
}

static void check_envelope(bool is_mail, struct span argument)
{
	struct strbuf line = STRBUF_INIT(SMTP_AUTH_COMMAND_MAX);
	struct smtp_envelope envelope, again;

	if (parse(is_mail, argument, &envelope) < 0) {
		return;
	}
	smtp_envelope_write(&envelope, is_mail ? "MAIL FROM" : "RCPT TO", 0,
			    &line);
	if (span_find(strbuf_span(&line), '\r') >= 0 ||
	    span_find(strbuf_span(&line), '\n') >= 0 ||
	    span_find(strbuf_span(&line), '\0') >= 0) {
		abort();
	}
	if (parse(is_mail, span_from(strbuf_span(&line), 5), &again) < 0 ||
	    !span_eq(envelope.path, again.path) ||
	    envelope.size != again.size) {
		abort();
	}
	for (size_t i = 0; i < SMTP_PARAM_COUNT; i++) {
		if (!span_eq(envelope.parameters[i], again.parameters[i])) {
			abort();
		}
	}
	strbuf_finish(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct smtp_command command;
	struct span line;
	size_t used;

	while (smtp_command_line(in, &line, &used) == SMTP_LINE_READY) {
		if (used != line.len + 2 || used > in.len) {
			abort();
		}
		smtp_command_parse(line, &command);
		if (smtp_command_refusal(&command, ~0u) == NULL &&
		    command.row->verb == SMTP_UNKNOWN) {
			abort();
		}
		check_envelope(true, command.argument);
		check_envelope(false, command.argument);
		in = span_from(in, used);
	}
	return 0;
}
