/* smtp_command: command lines of the client (RFC 5321 4.1.1): cutting one off
   the stream, and the table of what commands there are and what each needs.
   Knows no session: what a command does is in smtp_session. */
#ifndef POSTERN_SMTP_COMMAND_H
#define POSTERN_SMTP_COMMAND_H

#include "lib/span.h"
#include "proxy/sasl.h"

/* RFC 5321 4.5.3.1.4 has 512, and the extensions we take add up to about
   1,200 (SIZE, BODY, SMTPUTF8, RFC 3461 4.2, 5; RFC 4954 section 3). */
#define SMTP_COMMAND_MAX 2048
/* "AUTH OAUTHBEARER " and an initial response (RFC 4954 section 4). */
#define SMTP_AUTH_COMMAND_MAX (SASL_LINE_MAX + 32)

enum smtp_line {
	/* The line is not whole yet. */
	SMTP_LINE_MORE,
	SMTP_LINE_READY,
	SMTP_LINE_TOO_LONG,
	/* CR without LF or LF without CR: readers would disagree about where
	   this line ends. */
	SMTP_LINE_BARE,
};

/* Cut a line of at most max bytes, its CRLF among them, off the head of in.
   *line_r is without CRLF and borrows from in; *used_r counts the CRLF. Call
   again with the same bytes and what follows them after SMTP_LINE_MORE. */
enum smtp_line smtp_line_next(struct span in, size_t max, struct span *line_r,
			      size_t *used_r);

/* As above, with the limit of the command that in begins with. */
enum smtp_line smtp_command_line(struct span in, struct span *line_r,
				 size_t *used_r);

enum smtp_verb {
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_VRFY,
	SMTP_HELP,
	SMTP_QUIT,
	/* Commands of extensions we never offer: 502. */
	SMTP_UNSUPPORTED,
	/* Requests of other protocols: a browser was made to talk to us. */
	SMTP_FOREIGN,
	SMTP_UNKNOWN,
	SMTP_VERB_COUNT
};

/* What a command needs, as bits; the session says which it has. */
#define SMTP_NEEDS_HELLO 1u
#define SMTP_NEEDS_EHLO	 2u
#define SMTP_NEEDS_LOGIN 4u
#define SMTP_NEEDS_MAIL	 8u
/* What must not be, as bits. */
#define SMTP_NOT_AFTER_LOGIN 16u
#define SMTP_NOT_IN_MAIL     32u
/* What its argument must be. */
#define SMTP_WITH_ARGUMENT    64u
#define SMTP_WITHOUT_ARGUMENT 128u
/* May go to the provider while replies to earlier ones are still out
   (RFC 2920); all others wait until they came. */
#define SMTP_PIPELINES 256u

struct smtp_command_row {
	const char *name;
	enum smtp_verb verb;
	unsigned int flags;
};

struct smtp_command {
	const struct smtp_command_row *row;
	/* After the name, without spaces at both ends; borrows. */
	struct span argument;
};

/* Find the command in a line. Never fails: row may be that of
   SMTP_UNKNOWN. */
void smtp_command_parse(struct span line, struct smtp_command *command_r);

/* Why the command may not be given now; have is a set of SMTP_NEEDS_ bits.
   Return a whole reply line, or NULL when it may. */
const char *smtp_command_refusal(const struct smtp_command *command,
				 unsigned int have);

#endif
