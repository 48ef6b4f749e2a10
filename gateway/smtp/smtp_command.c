/* smtp_command: lines and the table of commands. Pure. */
#include "smtp/smtp_command.h"

enum smtp_line smtp_line_next(struct span in, size_t max, struct span *line_r,
			      size_t *used_r)
{
	ptrdiff_t lf;
	ptrdiff_t cr;
	size_t len;

	in = span_first(in, max + 1);
	lf = span_find(in, '\n');
	cr = span_find(in, '\r');
	if (cr >= 0 && (size_t)cr + 1 < in.len && in.ptr[cr + 1] != '\n') {
		return SMTP_LINE_BARE;
	}
	if (lf >= 0 && (cr < 0 || lf < cr)) {
		return SMTP_LINE_BARE;
	}
	len = lf < 0 ? in.len : (size_t)lf + 1;
	if (len > max) {
		return SMTP_LINE_TOO_LONG;
	}
	if (lf < 0) {
		return SMTP_LINE_MORE;
	}
	*line_r = span_first(in, (size_t)cr);
	*used_r = len;
	return SMTP_LINE_READY;
}

enum smtp_line smtp_command_line(struct span in, struct span *line_r,
				 size_t *used_r)
{
	return smtp_line_next(in,
			      span_istarts(in, SPAN("AUTH "))
				      ? SMTP_AUTH_COMMAND_MAX
				      : SMTP_COMMAND_MAX,
			      line_r, used_r);
}

/* The commands; the last row is for what is none. A row that needs MAIL
   needs a login first, and says both so that the first lack is named. */
static const struct smtp_command_row rows[] = {
	{ "EHLO", SMTP_EHLO, SMTP_WITH_ARGUMENT },
	{ "HELO", SMTP_HELO, SMTP_WITH_ARGUMENT },
	{ "STARTTLS", SMTP_STARTTLS,
	  SMTP_NEEDS_HELLO | SMTP_NOT_AFTER_LOGIN | SMTP_WITHOUT_ARGUMENT },
	{ "AUTH", SMTP_AUTH,
	  SMTP_NEEDS_EHLO | SMTP_NOT_AFTER_LOGIN | SMTP_WITH_ARGUMENT },
	{ "MAIL", SMTP_MAIL,
	  SMTP_NEEDS_HELLO | SMTP_NEEDS_LOGIN | SMTP_NOT_IN_MAIL |
		  SMTP_WITH_ARGUMENT },
	{ "RCPT", SMTP_RCPT,
	  SMTP_NEEDS_LOGIN | SMTP_NEEDS_MAIL | SMTP_WITH_ARGUMENT |
		  SMTP_PIPELINES },
	{ "DATA", SMTP_DATA,
	  SMTP_NEEDS_LOGIN | SMTP_NEEDS_MAIL | SMTP_WITHOUT_ARGUMENT },
	{ "RSET", SMTP_RSET, SMTP_WITHOUT_ARGUMENT },
	{ "NOOP", SMTP_NOOP, 0 },
	{ "VRFY", SMTP_VRFY, SMTP_NEEDS_LOGIN | SMTP_WITH_ARGUMENT },
	{ "HELP", SMTP_HELP, 0 },
	{ "QUIT", SMTP_QUIT, SMTP_WITHOUT_ARGUMENT },
	{ "BDAT", SMTP_UNSUPPORTED, 0 },
	{ "BURL", SMTP_UNSUPPORTED, 0 },
	{ "ETRN", SMTP_UNSUPPORTED, 0 },
	{ "EXPN", SMTP_UNSUPPORTED, 0 },
	{ "SAML", SMTP_UNSUPPORTED, 0 },
	{ "SEND", SMTP_UNSUPPORTED, 0 },
	{ "SOML", SMTP_UNSUPPORTED, 0 },
	{ "TURN", SMTP_UNSUPPORTED, 0 },
	{ "XCLIENT", SMTP_UNSUPPORTED, 0 },
	{ "XFORWARD", SMTP_UNSUPPORTED, 0 },
	{ "CONNECT", SMTP_FOREIGN, 0 },
	{ "GET", SMTP_FOREIGN, 0 },
	{ "POST", SMTP_FOREIGN, 0 },
	{ NULL, SMTP_UNKNOWN, 0 },
};

void smtp_command_parse(struct span line, struct smtp_command *command_r)
{
	ptrdiff_t space = span_find(line, ' ');
	struct span name = line;
	size_t i = 0;

	command_r->argument = span_of(line.ptr, 0);
	if (space >= 0) {
		name = span_first(line, (size_t)space);
		command_r->argument =
			span_trim(span_from(line, (size_t)space + 1));
	}
	while (rows[i].name != NULL &&
	       !span_ieq(name, span_str(rows[i].name))) {
		i++;
	}
	command_r->row = &rows[i];
}

static const char *argument_refusal(const struct smtp_command *command)
{
	if ((command->row->flags & SMTP_WITH_ARGUMENT) != 0 &&
	    command->argument.len == 0) {
		return "501 5.5.4 An argument is missing";
	}
	if ((command->row->flags & SMTP_WITHOUT_ARGUMENT) != 0 &&
	    command->argument.len > 0) {
		return "501 5.5.4 This command has no argument";
	}
	return NULL;
}

const char *smtp_command_refusal(const struct smtp_command *command,
				 unsigned int have)
{
	unsigned int flags = command->row->flags;
	unsigned int lacks = flags & ~have;

	switch (command->row->verb) {
	case SMTP_UNSUPPORTED:
		return "502 5.5.1 Command not implemented";
	case SMTP_UNKNOWN:
		return "500 5.5.2 Command not known";
	default:
		break;
	}
	if ((lacks & (SMTP_NEEDS_HELLO | SMTP_NEEDS_EHLO)) != 0) {
		return "503 5.5.1 Say EHLO first";
	}
	if ((lacks & SMTP_NEEDS_LOGIN) != 0) {
		return "530 5.7.0 Authentication required";
	}
	if ((flags & SMTP_NOT_AFTER_LOGIN) != 0 &&
	    (have & SMTP_NEEDS_LOGIN) != 0) {
		return "503 5.5.1 Already authenticated";
	}
	if ((lacks & SMTP_NEEDS_MAIL) != 0) {
		return "503 5.5.1 Need MAIL first";
	}
	if ((flags & SMTP_NOT_IN_MAIL) != 0 && (have & SMTP_NEEDS_MAIL) != 0) {
		return "503 5.5.1 A transaction is open already";
	}
	return argument_refusal(command);
}
